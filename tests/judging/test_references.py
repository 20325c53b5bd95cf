"""Our own references, damaged: each is the error of the cells that it would judge, and says where."""

import json
import math
import re

import pytest

from progbench.judging import expected

RUN = {"digest": "d" * 8, "seeds": {str(seed): {"sst2": {"accuracy": 0.8 + seed / 100}} for seed in range(5)}}
OTHERS = "the cells of other recipes are judged"
CONCERNED = {"tiny-bert-constant-sst2", "tiny-bert-constant-avg"}


def write_run(root, run, recipe="tiny-bert-constant-sst2"):
    """A smoke reference of one recipe."""
    content = {"schema_version": 1, "runs": {recipe: run}}
    (root / "smoke" / "reference.json").write_text(json.dumps(content))


def problems(root):
    return {cell.id: cell.problem for cell in expected.read(root, "smoke", "table1").cells if cell.problem}


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (math.nan, "nan"),
        (math.inf, "inf"),
        (5, "5"),
        (-0.1, "-0.1"),
        (True, "True"),
        ("0.9", "'0.9'"),
        (None, "None"),
        ([], r"\[\]"),
    ],
)
def test_a_reference_score_that_can_be_none_is_the_error_of_the_cells_it_would_judge(copied, score, said):
    write_run(copied, RUN | {"seeds": RUN["seeds"] | {"1": {"sst2": {"accuracy": score}}}})
    found = problems(copied)

    assert set(found) == CONCERNED
    where = r"reference\.json: tiny-bert-constant-sst2: seed 1: accuracy of sst2"
    assert re.search(rf"{where} = {said}: allowed is a number from 0 to 1$", found["tiny-bert-constant-sst2"])


def test_nan_in_a_reference_is_shown_in_its_place(copied, reliability):
    write_run(copied, RUN | {"seeds": RUN["seeds"] | {"1": {"sst2": {"accuracy": math.nan}}}})
    reliability(
        "Recipes and expected values", "NaN, or a score of 5, in a reference",
        happens=problems(copied)["tiny-bert-constant-sst2"], kept=OTHERS,
    )  # fmt: skip


def test_a_correlation_of_a_reference_may_be_below_zero(copied):
    seeds = {str(seed): {"cola": {"matthews_correlation": -seed / 100}} for seed in range(5)}
    write_run(copied, RUN | {"seeds": seeds}, "tiny-bert-constant-cola")

    assert problems(copied) == {}


def test_a_sibling_that_cannot_be_right_is_the_error_of_the_cells_that_share_its_spread(copied):
    wrong = RUN | {"seeds": RUN["seeds"] | {"1": {"sst2": {"accuracy": 5}}}}
    runs = {"tiny-bert-constant-sst2": wrong, "tiny-bert-shrinking-sst2": RUN}
    (copied / "smoke" / "reference.json").write_text(json.dumps({"schema_version": 1, "runs": runs}))

    assert "tiny-bert-constant-sst2: seed 1: accuracy of sst2 = 5" in problems(copied)["tiny-bert-shrinking-sst2"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"environment": None}, "environment = None: allowed is a table"),
        ({"environment": {"0": None}}, "environment: 0 = None: allowed is a table"),
        ({"environment": {"0": {"cpu": []}}}, r"environment: 0: cpu = \[\]: allowed is a text or a number"),
        ({"fingerprints": []}, r"fingerprints = \[\]: allowed is a table"),
        ({"digest": None}, "digest = None: allowed is a text"),
        ({"seeds": []}, r"seeds = \[\]: allowed is a table"),
        ({"seeds": {"first": {}}}, "seed 'first': allowed is a whole number of at least 0"),
        ({"seeds": {"01": {}}}, "seed '01': allowed is a whole number of at least 0"),
        ({"seeds": {"0": None}}, "seed 0 = None: allowed is a table"),
        ({"seeds": {"0": {}}}, "seed 0: no accuracy of sst2"),
        ({"seeds": {"0": {"sst2": 0.9}}}, "seed 0: sst2 = 0.9: allowed is a table"),
    ],
)
def test_a_reference_of_another_shape_is_the_error_of_its_cells_and_says_where(copied, change, said):
    write_run(copied, RUN | change)
    found = problems(copied)

    assert set(found) == CONCERNED
    assert re.search(rf"reference\.json: tiny-bert-constant-sst2: {said}", found["tiny-bert-constant-sst2"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 200_000, "brackets within brackets, too deep to be read"),
        ("[]", r"= \[\]: allowed is a table"),
        ('{"schema_version": 1}', "runs = None: allowed is a table"),
        ('{"runs": {}}', "not a reference of schema_version 1"),
        ('{"runs": {}, "runs": {}}', "the key 'runs' stands twice in one object"),
        ("9" * 5000, "Exceeds the limit"),
    ],
)
def test_a_reference_file_that_is_none_is_the_error_of_every_score(copied, text, said):
    (copied / "smoke" / "reference.json").write_text(text)

    found = expected.read(copied, "smoke", "table1").cells

    assert all(re.search(rf"smoke/reference\.json.*{said}", cell.problem) for cell in found)


def test_a_reference_file_that_is_none_is_no_matter_of_counts(copied):
    (copied / "smoke" / "reference.json").write_text("[")

    assert not any(cell.problem for cell in expected.read(copied, "smoke", "figure4").cells)


def test_brackets_within_brackets_are_no_traceback(copied, reliability):
    (copied / "smoke" / "reference.json").write_text("[" * 200_000)
    reliability(
        "Recipes and expected values", "a reference of 200,000 brackets",
        happens=expected.read(copied, "smoke", "table1").cells[0].problem, kept="counts are judged",
    )  # fmt: skip
