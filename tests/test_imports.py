"""The house's rules: which wing may import which, no circles, and what loads no torch.

Wings and circles are import-linter's, by the contracts of pyproject.toml: imports inside functions and for types alone
count there, too. The rest is read from the source here.
"""

import ast
import functools
import statistics
import tomllib
from pathlib import Path

from importlinter import configuration
from importlinter.application.use_cases import lint_imports

import progbench

PACKAGE = Path(progbench.__file__).parent
PYPROJECT = PACKAGE.parent / "pyproject.toml"
CONTRACTS = {
    one["name"]: one
    for one in tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
}
ROWS = [row.split(" | ") for row in next(iter(CONTRACTS.values()))["layers"]]
WINGS = [wing for row in ROWS for wing in row]
HEAVY = set("torch transformers datasets evaluate numpy scipy statsmodels sklearn peft matplotlib".split())
# these are imported by who trains, has a model, or judges scores, where that begins
HEAVY_ON_PURPOSE = {
    "method.anatomy", "method.begun", "method.callback", "method.checks", "method.choice",
    "method.dissect", "method.loops", "method.order", "method.pieces",
    "method.plan", "method.saving", "method.stacks", "method.tuning", "method.watch", "method.wrappers",
    "tasks.metrics", "judging.beside", "judging.compare", "judging.decision", "judging.effect",
    "judging.pseudo",
}  # fmt: skip


def file_of(module):
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py")


def modules():
    """Every module by its path below the package: "cli", "report.html". A wing's own file says what it is for."""
    found = [path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(parts) for parts in found if parts[-1] != "__init__")


MODULES = modules()
OURS = {f"progbench.{module}": module for module in MODULES}


INNER = ast.stmt | ast.ExceptHandler | ast.match_case  # in which a statement may stand


@functools.cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def statements(node, *, lazily):
    """Every statement of a file; if not `lazily` without what functions do when called, and without types alone."""
    for inner in ast.iter_child_nodes(node):
        types_alone = isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test)
        called = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(inner, INNER) and (lazily or not (types_alone or called)):
            yield inner
            yield from statements(inner, lazily=lazily)


@functools.cache
def imported(path, *, lazily=True):
    """Everything a file imports: at any time, for types alone too; or, if not `lazily`, when it is loaded."""
    names = set()
    for node in statements(tree(path), lazily=lazily):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@functools.cache
def reached(module, *, lazily=True):
    """Every module of ours that comes along with one."""
    found, todo = set(), [module]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            names = imported(file_of(one), lazily=lazily)
            todo += [OURS[name] for name in names & OURS.keys()]
    return found


def outside(module):
    """The packages that are loaded when a module is."""
    loaded = {name for one in reached(module, lazily=False) for name in imported(file_of(one), lazily=False)}
    return {name.partition(".")[0] for name in loaded}


def test_the_contracts_of_import_linter_hold(monkeypatch):
    monkeypatch.chdir(PACKAGE.parent)
    configuration.configure()  # the command would also silence every logger that other tests listen to

    assert lint_imports(str(PYPROJECT), cache_dir=None, no_logo=True)  # it prints what breaks which


def test_modules_are_imported_by_their_own_names():
    """A whole wing, or a public name of the package, would hide from the other rules what it brings along."""
    whole = {"progbench"} | {f"progbench.{wing}" for wing in WINGS if (PACKAGE / wing).is_dir()}
    hidden = []
    for module in MODULES:
        for node in statements(tree(file_of(module)), lazily=True):
            if isinstance(node, ast.Import):
                hidden += [(module, alias.name) for alias in node.names if alias.name in whole]
            if isinstance(node, ast.ImportFrom) and node.module in whole:
                names = [f"{node.module}.{alias.name}".removeprefix("progbench.") for alias in node.names]
                hidden += [(module, name) for name in names if name not in MODULES]

    assert hidden == []


def test_judging_and_reports_load_no_torch():
    looking = [module for module in MODULES if module.startswith(("judging.", "report."))]

    assert {module: found for module in looking if (found := outside(module) & {"torch", "transformers"})} == {}


def test_schedules_depend_on_nothing_of_ours_but_how_errors_are_said():
    assert reached("method.schedule") == {"method.schedule", "errors"}


def test_what_collecting_counting_and_judging_need_loads_nothing_heavy():
    light = [module for module in MODULES if not module.startswith("training.") and module not in HEAVY_ON_PURPOSE]

    assert {module: found for module in light if (found := outside(module) & HEAVY)} == {}


def test_a_wings_own_file_says_what_it_is_for_and_imports_nothing():
    for wing in WINGS:
        if (PACKAGE / wing).is_dir():
            whole = tree(PACKAGE / wing / "__init__.py")

            assert [type(node) for node in whole.body] == [ast.Expr], wing
            assert " first" in ast.get_docstring(whole), wing  # which file to read first


def test_only_the_benchmarks_and_their_entry_point_know_pytest():
    knowing = [path for path in PACKAGE.rglob("*.py") if "pytest" in {name.split(".")[0] for name in imported(path)}]

    assert knowing == [PACKAGE / "plugin.py"]


def test_no_module_is_longer_than_300_lines():
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}

    assert {path: length for path, length in lengths.items() if not length <= 300} == {}


def test_half_of_the_modules_have_at_most_130_lines():
    lengths = [len(file_of(module).read_text(encoding="utf-8").splitlines()) for module in MODULES]

    assert statistics.median(lengths) <= 130


def test_the_loop_does_not_ask_which_schedule_or_tuning_it_runs():
    """A recipe's tuning is handed to the anatomy, and a schedule's name to nobody."""
    nodes = [*ast.walk(tree(file_of("training.fitting")))]
    asked = [node for node in nodes if isinstance(node, ast.Attribute) and node.attr in ("tuning", "schedule")]
    handed = [node.args[1] for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "Anatomy.of"]

    assert [ast.unparse(node) for node in asked] == ["recipe.tuning"]
    assert [ast.unparse(node) for node in handed] == ["recipe.tuning"]


def test_no_text_of_the_trainer_names_the_answers():
    folder = PACKAGE / "training"
    texts = {
        node.value
        for path in folder.glob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value
    }

    assert [text for text in texts if "expected/" in text or "judging" in text or text == "expected"] == []
