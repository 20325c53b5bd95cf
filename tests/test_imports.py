"""The one-way dependencies of the design, read from the source."""

import ast
from pathlib import Path

import pytest

import progbench

PACKAGE = Path(progbench.__file__).parent
NO_TORCH = [
    "schedule", "layout", "counting", "hub", "models", "tasks", "glue", "squad", "windows", "toy", "toy_squad",
    "recipe", "runs", "environment", "expected", "verdict", "judge", "power", "claims", "suite", "making", "likeness",
    "reference", "errors", "flops", "caveats", "fork", "ledger", "session", "against", "changes", "cli",
    "report", *(f"report.{path.stem}" for path in (PACKAGE / "report").glob("*.py") if path.stem != "__init__"),
]  # fmt: skip


def file_of(module):
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def modules():
    """Every module of ours, by its path below progbench: "train", "report", "report.html"."""
    found = [path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py")]
    names = [".".join(parts).removesuffix(".__init__") for parts in found if parts != ("__init__",)]
    return sorted(names)


def imported(path, everywhere):
    """Modules that a file imports, anywhere or only where it is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if everywhere else tree.body
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def reached(name):
    """Our modules that importing one of them imports, itself included, whenever that may happen."""
    found, todo = set(), [name]
    while todo:
        module = todo.pop()
        if module not in found:
            found.add(module)
            names = imported(file_of(module), everywhere=True)
            todo += [name for name in modules() if f"progbench.{name}" in names]
    return found


def test_the_trainer_cannot_see_the_answers():
    assert reached("train").isdisjoint({"expected", "verdict", "judge", "claims", "report", "suite", "reference"})


@pytest.mark.parametrize("module", ["expected", "verdict", "judge", "decision", "claims", "report", "against"])
def test_judging_cannot_see_the_trainer(module):
    assert reached(module).isdisjoint({"train", "workload", "packing", "suite", "callback", "metrics"})


def test_schedules_depend_on_nothing_of_ours():
    assert reached("schedule") == {"schedule"}


@pytest.mark.parametrize("module", NO_TORCH)
def test_what_collecting_and_judging_need_loads_without_torch(module):
    heavy = set("torch transformers datasets evaluate numpy scipy statsmodels sklearn peft matplotlib".split())
    names = {name.split(".")[0] for name in imported(file_of(module), everywhere=False)}

    assert names.isdisjoint(heavy)


@pytest.mark.parametrize(
    "path",
    [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "benchmarks").glob("*.py")],
    ids=lambda path: str(path.relative_to(PACKAGE.parent)),
)
def test_only_the_benchmarks_know_pytest(path):
    names = {name.split(".")[0] for name in imported(path, everywhere=True)}

    assert "pytest" not in names or path.parent.name == "benchmarks"


def test_the_loop_does_not_ask_which_schedule_or_tuning_it_runs():
    tree = ast.parse((PACKAGE / "train.py").read_text())
    (fit,) = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "fit")
    compared = [node for test in ast.walk(fit) if isinstance(test, ast.Compare) for node in ast.walk(test)]
    asked = {node.attr for node in compared if isinstance(node, ast.Attribute)}

    assert asked.isdisjoint({"schedule", "tuning", "name"})
