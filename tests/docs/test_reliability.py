"""docs/reliability.md holds no row that no test writes any more.

What a row says happened is what its test has just seen; where it is a sentence of ours, the test's own asserts hold it.
"""

import ast
import re

import pages

SECTION = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def constants(tree):
    """Texts in a file, and by name those that it gives a name."""
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    named = {
        node.targets[0].id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    return texts, named


def written():
    """Section and fault of every row that a test writes; a fault that is a parameter may be any text of its file."""
    found = set()
    for file in (pages.ROOT / "tests").rglob("test_*.py"):
        text = file.read_text(encoding="utf-8")
        if "reliability(" not in text:
            continue
        tree = ast.parse(text)
        texts, named = constants(tree)
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "reliability":
                section, fault = (
                    one.value if isinstance(one, ast.Constant) else named.get(getattr(one, "id", ""))
                    for one in call.args
                )
                found |= {(section, one) for one in ([fault] if fault else texts)}
    return found


def test_every_row_of_the_page_is_written_by_a_test():
    page = pages.read("docs/reliability.md")
    rows = {
        (title, fault.replace("\\|", "|"))
        for title, text in SECTION.findall(page)
        for fault in re.findall(r"^\| ((?!fault \||---).+?) \| .* \|$", text, re.MULTILINE)
    }

    assert len(rows) > 50
    assert rows - written() == set()
