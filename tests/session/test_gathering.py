"""What tests hand over becomes one report, with those that were not reached."""

import pytest

from progbench.session import gathering
from progbench.session.gathering import CLAIMS, Gathered
from progbench.session.suite import Suite

CELL = "tiny-bert-constant-rte"


@pytest.fixture
def suite(answers, tmp_path):
    return Suite("smoke", answers, tmp_path / "runs", train=False)


@pytest.fixture
def gathered(suite):
    found = Gathered(suite)
    found.select("one", "table1", CELL)
    return found


def hand_over(gathered, test, cell):
    for name, value in gathering.properties_of(gathered.suite, cell, gathered.suite.verdict(cell), None):
        gathered.add(test, name, value)


def test_what_is_handed_over_twice_counts_once(gathered):
    variant = {
        "cell": CELL, "table": "Table 1", "variant": "v", "unit": "points", "expected": None, "observed": None,
        "sd": None, "n": 0, "difference": None, "closest": False, "missing": "not run", "error": "",
    }  # fmt: skip
    for _ in range(2):
        gathered.add("one", "progbench-variants", [variant])
        gathered.add("one", "progbench-warning", "mixed versions")

    assert [one.variant for one in gathered.report().variants] == ["v"]
    assert gathered.report().warnings == ["mixed versions"]


@pytest.mark.parametrize("name", ["{}-1-2", "2-2-{}"])
def test_a_cell_whose_test_is_repeated_counts_once_and_its_verdict_stands(suite, gathered, name):
    """As pytest-repeat's --count names its tests."""
    cell = suite.cell(f"table1/{CELL}")
    gathered.select("again", "table1", name.format(CELL))
    gathered.fail("one", "it broke")

    assert [(one.outcome, one.sentence) for one in gathered.report().verdicts] == [("error", "it broke")]
    hand_over(gathered, "again", cell)
    assert gathered.report().verdicts == [suite.verdict(cell)]
    assert gathered.cells() == [cell]


def by_json(name, value):
    return gathering.from_property(*gathering.to_property(name, value))


@pytest.mark.parametrize("by", [lambda *given: given, by_json], ids=["here", "by json"])
def test_a_verdict_that_a_test_handed_over_is_in_the_report_also_by_json(suite, gathered, by):
    cell = suite.cell(f"table1/{CELL}")
    for name, value in gathering.properties_of(suite, cell, suite.verdict(cell), None):
        gathered.add("one", *by(name, value))

    assert gathered.report().verdicts == [suite.verdict(cell)]


def test_a_property_of_someone_elses_is_passed_over(gathered):
    gathered.add("one", "extra", {"no": "verdict"})

    assert [one.outcome for one in gathered.report().verdicts] == ["missing"]


@pytest.mark.parametrize(("failure", "said"), [
    ("", ("missing", "session stopped before this cell")), ("KeyError: 'x'", ("error", "KeyError: 'x'")),
])  # fmt: skip
def test_a_cell_that_was_not_reached_is_missing_and_one_whose_test_broke_an_error(gathered, failure, said):
    if failure:
        gathered.fail("one", failure)
    (found,) = gathered.report().verdicts

    assert (found.outcome, found.sentence) == said


def test_a_failed_test_with_a_verdict_keeps_it(gathered):
    cell = gathered.suite.cell(f"table1/{CELL}")
    hand_over(gathered, "one", cell)
    gathered.fail("one", "missing: not run yet")

    assert gathered.report().verdicts[0].outcome == "missing"


def test_a_table_that_cannot_be_read_is_one_error(copied, tmp_path):
    (copied / "smoke" / "table2.toml").write_text("table = ")
    gathered = Gathered(Suite("smoke", copied, tmp_path, train=False))
    gathered.select("two", "table2", "table2")
    gathered.fail("two", "line 1 is no TOML")
    (found,) = gathered.report().verdicts

    assert (found.cell, found.outcome, found.sentence) == ("table2", "error", "line 1 is no TOML")


def test_a_claim_that_was_not_reached_is_undecided_and_one_that_a_test_handed_over_is_in_the_report(gathered):
    claim = gathered.suite.claims()[0]
    gathered.select("three", CLAIMS, claim.id)

    assert [one.outcome for one in gathered.report().claims] == ["undecided"]
    for name, value in gathering.properties_of_claim(gathered.suite.claim(claim)):
        gathered.add("three", name, value)
    assert gathered.report().claims == [gathered.suite.claim(claim)]


def test_claims_that_cannot_be_read_are_one_error(copied, tmp_path):
    (copied / "smoke" / "claims.toml").write_text("[[claims")
    gathered = Gathered(Suite("smoke", copied, tmp_path, train=False))
    gathered.select("three", CLAIMS, "claims")

    assert [one.outcome for one in gathered.report().claims] == ["error"]


@pytest.mark.parametrize(("asked", "trained"), [
    pytest.param([f"table1/{CELL}"], CELL, id="nothing else of the table"),
    pytest.param([f"table1/{CELL}", "table2/tiny-bert-constant-squad1-em"], CELL, id="another table's waits for it"),
    pytest.param(["table5/tiny-bert-shrinking-rte"], "tiny-bert-shrinking-rte", id="another's that this one holds"),
])  # fmt: skip
def test_trained_is_what_was_asked_for_as_far_as_a_table_holds_it(suite, asked, trained):
    wanted = gathering.to_train(suite, [suite.cell(name) for name in asked], ["table1"], variants=False)

    assert [one.id for one in wanted] == [trained]


@pytest.mark.parametrize("name", ["table2", "claims"])
def test_a_file_that_cannot_be_read_and_of_which_no_test_is_selected_is_told(copied, tmp_path, name):
    (copied / "smoke" / f"{name}.toml").write_text("[[")
    found = Gathered(Suite("smoke", copied, tmp_path / "runs", train=False))
    (problem,) = found.unread()
    found.select("one", name, name)

    assert f"{name}.toml" in problem
    assert found.unread() == []
