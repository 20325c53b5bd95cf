"""Progtuning deviates only beside a fine-tuning that is sound."""

from dataclasses import replace

import pytest
from made_up import result, save_references, suite

from progbench.judging import judge
from progbench.judging.expected import Cell, Expectation
from progbench.judging.judge import judge_table
from progbench.judging.verdict import Observed
from progbench.runs import results

FAR, NEAR = (70.0, 70.1, 69.9, 70.2, 69.8), (66.4, 66.5, 66.6, 66.7, 66.3)


def cells():
    made = [
        Cell(f"m-{schedule}-rte", "paper", "table1", "Table 1", "M", "RTE", "scored", "points", "glue", "m", "full",
             schedule, "Table 1", "rte", "accuracy", expectation=Expectation("66.5", margin=1.0))
        for schedule in ("constant", "shrinking")
    ]  # fmt: skip
    return {cell.id: cell for cell in made}


def judged(fine_tuning, progtuning):
    table = cells()
    observed = {"m-constant-rte": fine_tuning, "m-shrinking-rte": progtuning}
    found = judge_table([*table.values()], {name: Observed(dict(enumerate(one))) for name, one in observed.items()})
    return judge.sound(found, table, lambda cell: found["m-constant-rte"])


def test_beside_a_sound_fine_tuning_it_deviates():
    found = judged(NEAR, FAR)

    assert [one.outcome for one in found.values()] == ["reproduced", "deviates"]


def test_beside_one_that_deviates_it_is_inconclusive_and_says_why():
    found = judged(FAR, FAR)

    assert [one.outcome for one in found.values()] == ["deviates", "inconclusive"]
    assert found["m-shrinking-rte"].direction is None
    assert "fine-tuning's cell m-constant-rte deviates, too" in found["m-shrinking-rte"].sentence


def test_beside_one_that_was_not_run_it_is_inconclusive():
    assert judged((), FAR)["m-shrinking-rte"].outcome == "inconclusive"


def test_fine_tuning_itself_deviates_whatever_is_beside_it():
    assert judged(FAR, NEAR)["m-constant-rte"].outcome == "deviates"


@pytest.mark.parametrize("tier", ["reference, exact", "reference, statistical", "count"])
def test_a_reference_that_does_not_repeat_is_another_question(tier):
    poor = judged(FAR, NEAR)["m-constant-rte"]
    found = {name: replace(one, tier=tier) for name, one in judged(NEAR, FAR).items()}

    assert judge.sound(found, cells(), lambda cell: poor) == found


def test_without_a_fine_tuning_in_any_table_nothing_is_held_back():
    found = judged(NEAR, FAR)

    assert judge.sound(found, cells(), lambda cell: None) == found


def test_table_5_finds_its_fine_tuning_in_table_1(answers, tmp_path):
    """Every run of the paper's RTE is far from its print: fine-tuning's row of Table 1, and Table 5's growing."""
    own = suite(answers, tmp_path, "paper", train=False)
    table = {cell.id: cell for name in ("table1", "table5") for cell in own.table(name).cells}
    for name in ("constant", "growing"):
        wanted = own.recipe(table[f"bert-base-{name}-rte"])
        for seed in range(5):
            results.save(tmp_path, result(wanted, seed, {"rte": {"accuracy": 0.5 + seed / 1000}}))

    assert own.verdicts("table1")["bert-base-constant-rte"].outcome == "deviates"
    assert own.verdicts("table5")["bert-base-growing-rte"].outcome == "inconclusive"


def test_smokes_own_references_are_judged_as_before(answers, tmp_path):
    save_references(answers, tmp_path, lambda recipe: recipe.id == "tiny-bert-shrinking-rte")
    own = suite(answers, tmp_path, train=False)

    assert own.verdicts("table1")["tiny-bert-shrinking-rte"].outcome == "consistent"
