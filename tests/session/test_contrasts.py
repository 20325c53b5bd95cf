"""Progtuning less fine-tuning: which cells are compared, by the print, by runs, and by arithmetic alone."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_up import recipes, result

from progbench.method import flops
from progbench.method.anatomy import Anatomy
from progbench.method.plan import rows
from progbench.method.schedule import constant, shrinking
from progbench.models import loading
from progbench.runs import results
from progbench.session.contrasts import contrasts
from progbench.session.suite import Suite

ROOT = Path(__file__).resolve().parents[2]


def every_cell(suite):
    return [cell for name in suite.tables() for cell in suite.table(name).cells]


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """The paper's contrasts, nothing run."""
    suite = Suite("paper", ROOT / "expected", tmp_path_factory.mktemp("runs"), train=False)
    return contrasts(suite, every_cell(suite))


def test_every_pair_of_the_papers_tables_is_there_once(printed):
    # Table 1: 3 models, 10 columns; Table 2: 4; Table 4: 3 tunings, 10 columns; Table 5: 2 ablations, 4 columns
    assert len(printed) == 30 + 4 + 30 + 8
    assert {one.schedule for one in printed} == {"shrinking"}
    assert {one.against for one in printed} == {"constant", "without_low_blocks", "growing"}


def beyond(printed, body, table="Table 1"):
    own = [one for one in printed if (one.table, one.body) == (table, body)]
    return {one.column: one.printed for one in own if one.on_print in ("higher", "lower")}


def test_what_the_print_says_beyond_its_margins(printed):
    assert beyond(printed, "bert-base") == {"MNLI_m": -0.7, "QQP": -0.6}
    assert beyond(printed, "bert-large") == {}
    assert beyond(printed, "roberta-base") == {
        "MNLI_m": 0.8, "MNLI_mm": 0.7, "QNLI": 0.6, "QQP": 0.7, "Avg": 0.7,
    }  # fmt: skip


def test_on_print_bert_base_is_lower_on_six_of_nine_tasks(printed):
    own = [one for one in printed if (one.table, one.body, one.whole) == ("Table 1", "bert-base", False)]

    assert (sum(one.printed < 0 for one in own), len(own)) == (6, 9)


def test_what_is_saved_needs_no_run(printed):
    saved = {one.body: (round(1 - one.updated, 3), round(1 - one.flops, 3)) for one in printed if one.whole}

    # 1 - 243,396,870 / 328,451,334; blocks that are frozen spare a third of their FLOPs: (0 + 1/3 + 2/3) / 3 / 3
    assert saved["bert-base"] == (0.259, 0.111)
    assert (saved["bert-large"][0], saved["roberta-base"][0]) == (0.301, 0.227)
    assert saved["bert-base-bitfit"][1] == 0.0  # nothing in the blocks' weights trains anyway, and E does


def test_two_metrics_in_one_column_give_no_printed_difference(printed):
    assert [one.printed for one in printed if (one.table, one.column) == ("Table 5", "MRPC")] == [None, None]


def test_runs_are_paired_by_seed(answers, tmp_path):
    wanted = recipes(answers, "mini")
    for schedule, scores in (("constant", {0: 0.5, 1: 0.6, 2: 0.7}), ("shrinking", {1: 0.62, 2: 0.75, 7: 0.1})):
        recipe = wanted[f"minilm-{schedule}-rte"]
        for seed, score in scores.items():
            results.save(tmp_path, result(recipe, seed, {"rte": {"accuracy": score}}))
    suite = Suite("mini", answers, tmp_path, seeds=None, train=False)
    found = next(one for one in contrasts(suite, suite.table("table1").cells) if one.column == "RTE")

    assert {seed: round(value, 6) for seed, value in found.seeds.items()} == {1: 2.0, 2: 5.0}
    assert found.mean == pytest.approx(3.5)
    assert (found.low, found.word) == (None, "")  # a difference takes three seeds


def test_the_interval_is_that_of_the_difference_table(answers, tmp_path):
    wanted = recipes(answers, "mini")
    for schedule, scores in (("constant", (0.5, 0.6, 0.7)), ("shrinking", (0.55, 0.66, 0.74))):
        for seed, score in enumerate(scores):
            made = result(wanted[f"minilm-{schedule}-rte"], seed, {"rte": {"accuracy": score}})
            first = replace(made.epochs[0], scores={"rte": {"accuracy": 0.5}})  # they share it, or are no pair
            results.save(tmp_path, replace(made, epochs=(first, *made.epochs[1:])))
    suite = Suite("mini", answers, tmp_path, seeds=None, train=False)
    differences, _ = suite.compared("table1")
    (verdict,) = [one for one in differences if one.task == "RTE"]
    found = next(one for one in contrasts(suite, suite.table("table1").cells, differences) if one.column == "RTE")

    assert (found.mean, found.low, found.high, found.word) == (
        verdict.difference, verdict.low, verdict.high, verdict.word,
    )  # fmt: skip


def test_models_with_random_weights_say_nothing_of_the_paper(answers, tmp_path):
    suite = Suite("smoke", answers, tmp_path, train=False)

    assert contrasts(suite, every_cell(suite)) == []


@pytest.mark.parametrize("epochs", [3, 5])
def test_the_share_of_flops_is_that_of_the_plan_that_callbacks_print(epochs):
    anatomy = Anatomy.of(loading.outline("bert-base", 2))
    ours, whole = (sum(row.flops for row in rows(anatomy, make(12, epochs))) for make in (shrinking, constant))

    assert flops.share_of_constant(shrinking(12, epochs)) == pytest.approx(ours / whole)
