"""docs/reliability.md holds no fault that no test causes any more."""

import ast
import re

import pages


def test_every_fault_on_the_page_is_caused_by_a_test():
    named = {
        node.value
        for file in (pages.ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    faults = re.findall(r"^\| ((?!fault \||---).+?) \| .* \|$", pages.read("docs/reliability.md"), re.MULTILINE)
    assert faults
    assert [fault for fault in faults if fault not in named] == []
