"""Which tests a session has, and what no session starts with."""

import os
import shutil

import pytest

HERE = os.path.dirname(__file__)
HEAVY = {"torch", "transformers", "numpy", "scipy", "statsmodels", "datasets", "sklearn", "peft", "matplotlib"}


@pytest.mark.parametrize("suite", ["smoke", "mini", "base", "paper"])
def test_collecting_loads_nothing_that_trains_judges_or_draws(collecting, suite):
    done = collecting("--suite", suite)

    assert done["code"] == 0
    assert done["tests"]
    assert HEAVY.intersection(done["modules"]) == set()


def test_table1_of_the_paper_is_sixty_tests_with_ids_that_say_what_they_are(collecting):
    tests = collecting("-m", "glue")["tests"]

    assert len(tests) == 60
    assert "benchmarks/test_table1_glue.py::test_table1[bert-base-shrinking-rte]" in tests


@pytest.mark.parametrize(
    ("mark", "count"),
    [("squad", 12), ("params", 4 + 54 + 6), ("peft", 60), ("ablation", 12), ("figures", 12 + 6), ("claims", 24)],
)
def test_each_mark_selects_its_table_of_the_paper(collecting, mark, count):
    assert len(collecting("-m", mark)["tests"]) == count


def test_a_mistyped_mark_is_an_error_and_no_empty_success(collecting):
    assert collecting("-m", "gleu")["code"] == 4


@pytest.mark.parametrize(("asked", "collected"), [([], 0), (["-m", "speed"], 34), (["-k", "cola"], 0)])
def test_speed_is_measured_only_when_asked_for(collecting, asked, collected):
    done = collecting(*asked)

    assert done["tests"]
    assert sum("test_speed.py::" in test for test in done["tests"]) == collected


def test_require_gpu_without_one_does_not_start(collecting):
    done = collecting("--require-gpu")

    assert (done["code"], done["tests"]) == (4, [])
    assert "--require-gpu: the CUDA driver shows this process no GPU" in done["error"]


@pytest.mark.parametrize("variable", ["GLUE_DIR", "SQUAD_DIR", "PROGBENCH_MODELS"])
def test_a_variable_that_points_nowhere_stops_the_session_before_it_collects(collecting, variable):
    done = collecting("--suite", "mini", **{variable: "/no/such/folder"})

    assert (done["code"], done["tests"]) == (4, [])
    assert f"{variable} is set to /no/such/folder, which is not a folder" in done["error"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--suite", "large"], "--suite large: no such suite; there are base, mini, paper, smoke"),
        (["--seeds", "0"], "--seeds 0: at least 1"),
        (["--device", "tpu"], "invalid choice: 'tpu'"),
        (["--runs", "pyproject.toml"], "--runs pyproject.toml: not a folder"),
        (["--update-reference"], "only own suites have one"),
    ],
)
def test_an_option_that_makes_no_sense_is_a_usage_error(collecting, arguments, problem):
    done = collecting(*arguments)

    assert done["code"] == 4
    assert problem in done["error"]


@pytest.fixture
def cut_off(bench, answers):
    """A session where one table of smoke's is cut off in the middle, as where a disk was full at a checkout."""
    shutil.copytree(answers, bench.folder / "expected")
    table = bench.folder / "expected" / "smoke" / "table2.toml"
    table.write_text(table.read_text()[:300])
    return lambda *arguments: bench(
        "-p", "other_answers", "--suite", "smoke", "--no-train", *arguments,
        PYTHONPATH=HERE, OTHER_ANSWERS=str(bench.folder),
    )  # fmt: skip


def test_a_cell_that_no_test_has_since_its_table_cannot_be_read_is_explained(cut_off, reliability):
    done = cut_off("-k", "tiny-bert-shrinking-squad1-em")
    (said,) = [line for line in done.stdout.splitlines() if "table2.toml" in line]

    assert done.returncode == 5
    assert said.startswith("not searched by -k, as it cannot be read: ")
    reliability(
        "Editing recipes and expected values",
        "a table that cannot be read, and `pytest -k` with a cell's name",
        happens=f"its cells have no names: {said}",
        kept="cells of other tables with such a name, which are judged",
    )


def test_a_table_that_cannot_be_read_is_told_once(cut_off):
    """Its own test, which is selected, says it already."""
    done = cut_off("-k", "table2 or tiny-bert-constant-rte")

    assert done.returncode == 1
    assert "not searched" not in done.stdout
