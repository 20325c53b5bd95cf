"""Our own references, damaged: each is the error of the cells that it would judge, and says where."""

import json
import math
import os
import re
import shutil

import pytest

from progbench.judging import expected, sentences
from progbench.recipes import reading

RUN = {"digest": "d" * 8, "seeds": {str(seed): {"sst2": {"accuracy": 0.8 + seed / 100}} for seed in range(5)}}
SECTION = "Editing recipes and expected values"
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
def test_a_reference_score_that_can_be_none_is_the_error_of_the_cells_it_would_judge(copied, score, said, reliability):
    write_run(copied, RUN | {"seeds": RUN["seeds"] | {"1": {"sst2": {"accuracy": score}}}})
    found = problems(copied)

    assert set(found) == CONCERNED
    where = r"reference\.json: tiny-bert-constant-sst2: seed 1: accuracy of sst2"
    assert re.search(rf"{where} = {said}: allowed is a number from 0 to 1$", found["tiny-bert-constant-sst2"])
    if said == "nan":
        happens = found["tiny-bert-constant-sst2"]
        reliability(SECTION, "NaN, or a score of 5, in a reference", happens=happens, kept=OTHERS)


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
        ({"seeds": {"1" * 5000: {}}}, "seed '1111.*allowed is a whole number of at least 0"),
        ({"seeds": {"1\n": {}}}, r"seed '1\\n': allowed is a whole number of at least 0"),
        ({"seeds": {"0": None}}, "seed 0 = None: allowed is a table"),
        ({"seeds": {"0": {}}}, "seed 0: no accuracy of sst2"),
        ({"seeds": {"0": {"sst2": 0.9}}}, "seed 0: sst2 = 0.9: allowed is a table"),
    ],
)
def test_a_reference_of_another_shape_is_the_error_of_its_cells_and_says_where(copied, change, said, reliability):
    write_run(copied, RUN | change)
    found = problems(copied)

    assert set(found) == CONCERNED
    assert re.search(rf"reference\.json: tiny-bert-constant-sst2: {said}", found["tiny-bert-constant-sst2"])
    if "environment = None" in said:
        reliability(
            SECTION, "null in the place of a reference's environment", happens=found["tiny-bert-constant-sst2"],
            kept="the cells of other recipes, which are judged",
        )  # fmt: skip


@pytest.mark.parametrize("file", ["reference.json", "tolerance.toml"])
def test_a_digit_changed_in_a_file_of_answers_is_the_error_of_its_cells(answers, tmp_path, file, reliability):
    for suite in ("smoke", "paper"):
        shutil.copytree(answers / suite, tmp_path / "expected" / suite)
    path = tmp_path / "expected" / "smoke" / file
    text = path.read_text()
    place = next(i for i, sign in enumerate(text) if sign == "5")
    path.write_text(f"{text[:place]}6{text[place + 1 :]}")
    found = {cell.problem for cell in expected.read(tmp_path / "expected", "smoke", "table1").cells}
    (problem,) = found

    assert problem == f"{path} was edited: its sha256 is not the one in SHA256SUMS, so this cell is not judged"
    if file == "reference.json":
        reliability(
            SECTION, "a digit changed in reference.json", happens=problem,
            kept="every result; `git checkout` brings the file back",
        )  # fmt: skip


@pytest.fixture
def whole(answers, tmp_path):
    """A copy of expected/ with all its checksums."""
    shutil.copytree(answers, tmp_path / "expected")
    return tmp_path / "expected"


def only_problem(root, suite, table="table1"):
    (problem,) = {cell.problem for cell in expected.read(root, suite, table).cells}
    return problem


@pytest.mark.parametrize("suite", reading.suites())
def test_no_suite_of_ours_is_judged_without_its_checksums(whole, suite, reliability):
    (whole / suite / "SHA256SUMS").unlink()
    said = f"{whole}/{suite}/SHA256SUMS is missing, so nobody knows whether"

    assert only_problem(whole, suite) == f"{said} table1.toml was edited"
    assert {claim.problem for claim in sentences.read(whole, suite)} == {f"{said} claims.toml was edited"}
    if suite == "smoke":
        reliability(
            SECTION, "SHA256SUMS of a suite of ours is gone", happens=only_problem(whole, suite),
            kept="every result; `git checkout` brings the file back",
        )  # fmt: skip


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("nowhere", path)])
def test_checksums_that_are_no_file_are_an_error_with_their_path(whole, make, reliability):
    path = whole / "smoke" / "SHA256SUMS"
    path.unlink()
    make(path)

    problem = expected.read(whole, "smoke", "table1").problem
    assert problem.startswith(f"{path}: cannot be read: ")
    if make is os.mkdir:
        reliability(SECTION, "a folder in the place of SHA256SUMS", happens=problem, kept="every result")


def test_a_suite_of_ones_own_needs_no_checksums(copied):
    assert {cell.problem for cell in expected.read(copied, "smoke", "table1").cells} == {""}


@pytest.mark.parametrize("table", ["table1", "table4"])
def test_columns_that_a_suite_shares_with_the_paper_are_guarded_there(answers, tmp_path, table):
    for suite in ("smoke", "paper"):
        shutil.copytree(answers / suite, tmp_path / "expected" / suite)
    path = tmp_path / "expected" / "paper" / "table1.toml"
    path.write_text(path.read_text().replace('metric = "f1"', 'metric = "accuracy"', 1))
    problems = {cell.problem for cell in expected.read(tmp_path / "expected", "smoke", table).cells}

    assert problems == {f"{path} was edited: its sha256 is not the one in SHA256SUMS, so this cell is not judged"}


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
def test_a_reference_file_that_is_none_is_the_error_of_every_score(copied, text, said, reliability):
    (copied / "smoke" / "reference.json").write_text(text)

    found = expected.read(copied, "smoke", "table1").cells

    assert all(re.search(rf"smoke/reference\.json.*{said}", cell.problem) for cell in found)
    if said.startswith("brackets"):
        reliability(SECTION, "a reference of 200,000 brackets", happens=found[0].problem, kept="counts are judged")


def test_a_reference_file_that_is_none_is_no_matter_of_counts(copied):
    (copied / "smoke" / "reference.json").write_text("[")

    assert not any(cell.problem for cell in expected.read(copied, "smoke", "figure4").cells)
