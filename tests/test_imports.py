"""The house's rules, read from the source: which wing may import which, no circles, and what loads no torch."""

import ast
import functools
import graphlib
import statistics
from pathlib import Path

import pytest

import progbench

PACKAGE = Path(progbench.__file__).parent

# From the top of the house to its ground. A module imports from its own wing and from lower rows; the wings of one row
# stand side by side and do not see each other.
HOUSE = """
    __main__
    cli
    commands
    session
    report
    judging training
    runs
    recipes
    method
    models
    tasks
    hub environment files kinds
    errors
"""
ROWS = [row.split() for row in HOUSE.strip().splitlines()]
DEPTH = {wing: depth for depth, row in enumerate(ROWS) for wing in row}
HEAVY = set("torch transformers datasets evaluate numpy scipy statsmodels sklearn peft matplotlib".split())
# these are imported by who trains, has a model, or judges scores, where that begins
HEAVY_ON_PURPOSE = {
    "method.anatomy", "method.callback", "method.checks", "method.dissect", "method.length", "method.loops",
    "method.origin", "method.pieces", "method.plan", "method.saving", "method.tuning", "method.watch",
    "method.wrappers", "tasks.metrics", "judging.decision",
    "judging.beside", "judging.compare", "judging.effect", "judging.hierarchy", "judging.print_alone", "judging.pseudo",
}  # fmt: skip


def wing_of(module):
    return module.partition(".")[0]


def file_of(module):
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py")


def modules():
    """Every module by its path below the package: "cli", "report.html". A wing's own file says what it is for."""
    found = [path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(parts) for parts in found if parts[-1] != "__init__")


MODULES = modules()


def statements(tree, *, lazily):
    """Every statement of a file; if not `lazily` without what functions do when called, and without types alone."""
    for node in ast.iter_child_nodes(tree):
        types_alone = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if lazily or not (types_alone or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            yield node
            yield from statements(node, lazily=lazily)


@functools.cache
def imported(path, *, lazily=True):
    """Everything a file imports: at any time, for types alone too; or, if not `lazily`, when it is loaded."""
    names = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8")), lazily=lazily):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@functools.cache
def ours(module, *, lazily=True):
    """The modules of ours that one of them imports."""
    names = imported(file_of(module), lazily=lazily)
    return {one for one in MODULES if f"progbench.{one}" in names}


def reached(module, *, lazily=True):
    """Every module of ours that comes along with one."""
    found, todo = set(), [module]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += ours(one, lazily=lazily)
    return found


def test_every_module_lies_in_a_wing_of_the_house():
    assert {wing_of(module) for module in MODULES} == set(DEPTH)


WHOLE = {"progbench"} | {f"progbench.{wing}" for wing in DEPTH if (PACKAGE / wing).is_dir()}


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_imported_by_their_own_names(module):
    """A whole wing, or a public name of the package, would hide from the other rules what it brings along."""
    tree = ast.parse(file_of(module).read_text(encoding="utf-8"))
    whole = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in WHOLE]
    hidden = [
        f"{node.module}.{alias.name}"
        for node in froms
        for alias in node.names
        if f"{node.module}.{alias.name}".removeprefix("progbench.") not in MODULES
    ]

    assert [name for name in whole if name in WHOLE] + hidden == []


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_imported_from_a_higher_wing_or_one_beside(module):
    own = wing_of(module)
    wrong = [one for one in sorted(ours(module)) if wing_of(one) != own and DEPTH[wing_of(one)] <= DEPTH[own]]

    assert wrong == []


def test_no_imports_go_in_a_circle():
    graph = graphlib.TopologicalSorter({module: ours(module) for module in MODULES})

    assert len(list(graph.static_order())) == len(MODULES)  # which raises CycleError, naming the circle


def test_the_trainer_cannot_see_the_answers():
    seen = {wing_of(one) for module in MODULES if wing_of(module) == "training" for one in reached(module)}

    assert seen.isdisjoint({"judging", "report", "session", "commands", "cli"})


def test_judging_and_reports_cannot_see_the_trainer():
    looking = [module for module in MODULES if wing_of(module) in ("judging", "report")]
    seen = {wing_of(one) for module in looking for one in reached(module)}

    assert seen.isdisjoint({"training", "session", "commands", "cli"})


def test_judging_and_reports_load_no_torch():
    looking = [module for module in MODULES if wing_of(module) in ("judging", "report")]
    loaded = {one for module in looking for one in reached(module, lazily=False)}
    names = {name.partition(".")[0] for one in loaded for name in imported(file_of(one), lazily=False)}

    assert names.isdisjoint({"torch", "transformers"})


def test_schedules_depend_on_nothing_of_ours_but_how_errors_are_said():
    assert reached("method.schedule") == {"method.schedule", "errors"}


LIGHT = [module for module in MODULES if wing_of(module) != "training" and module not in HEAVY_ON_PURPOSE]


@pytest.mark.parametrize("module", LIGHT)
def test_what_collecting_counting_and_judging_need_loads_nothing_heavy(module):
    names = {name for one in reached(module, lazily=False) for name in imported(file_of(one), lazily=False)}

    assert {name.partition(".")[0] for name in names}.isdisjoint(HEAVY)


@pytest.mark.parametrize("wing", [wing for wing in DEPTH if (PACKAGE / wing).is_dir()])
def test_a_wings_own_file_says_what_it_is_for_and_imports_nothing(wing):
    tree = ast.parse((PACKAGE / wing / "__init__.py").read_text(encoding="utf-8"))

    assert [type(node) for node in tree.body] == [ast.Expr]
    assert " first" in ast.get_docstring(tree)  # which file to read first


@pytest.mark.parametrize(
    "path",
    [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "benchmarks").glob("*.py")],
    ids=lambda path: str(path.relative_to(PACKAGE.parent)),
)
def test_only_the_benchmarks_know_pytest(path):
    names = {name.split(".")[0] for name in imported(path)}

    assert "pytest" not in names or path.parent.name == "benchmarks"


@pytest.mark.parametrize("path", [*PACKAGE.rglob("*.py")], ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_is_longer_than_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_half_of_the_modules_have_at_most_130_lines():
    lengths = [len(file_of(module).read_text(encoding="utf-8").splitlines()) for module in MODULES]

    assert statistics.median(lengths) <= 130


def test_the_loop_does_not_ask_which_schedule_or_tuning_it_runs():
    """A recipe's tuning is handed to the anatomy, and a schedule's name to nobody."""
    tree = ast.parse(file_of("training.fitting").read_text(encoding="utf-8"))
    asked = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("tuning", "schedule")]
    handed = [
        node.args[1] for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Anatomy.of"
    ]

    assert [ast.unparse(node) for node in asked] == ["recipe.tuning"]
    assert [ast.unparse(node) for node in handed] == ["recipe.tuning"]


def test_no_text_of_the_trainer_names_the_answers():
    folder = PACKAGE / "training"
    texts = {
        node.value
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value
    }

    assert [text for text in texts if "expected/" in text or "judging" in text or text == "expected"] == []
