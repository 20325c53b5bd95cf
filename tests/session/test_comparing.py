"""From result files to what is said of two schedules: pairs, predictions, and what takes no part."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from made_up import recipes, result, suite

from progbench.judging.compared import AVERAGE
from progbench.runs import predictions, results
from progbench.runs.results import EpochResult
from progbench.session import comparing, reporting

SETS = {"cola": ("matthews_correlation",), "mnli-m": ("accuracy",), "mnli-mm": ("accuracy",)}


def predicted(gold, chance, random):
    """Classes that are right with this chance."""
    return np.where(random.random(len(gold)) < chance, gold, 1 - gold).tolist()


GOLD = np.random.default_rng(0).integers(0, 2, 60)


@functools.cache
def epoch(task, seed, drawn):
    """Scores of an epoch that is drawn by this number, by set and metric, and the predictions that give them."""
    from sklearn.metrics import accuracy_score, matthews_corrcoef

    metric, of = ("matthews_correlation", matthews_corrcoef) if task == "cola" else ("accuracy", accuracy_score)
    found = predicted(GOLD, 0.8, np.random.default_rng([seed, drawn]))
    return {task: {metric: float(of(GOLD, found))}}, {task: {"gold": GOLD.tolist(), "predicted": found}}


class Runs:
    """Result files of tiny-bert's CoLA and RTE under two schedules, with or without predictions."""

    def __init__(self, answers, folder):
        self.folder = folder
        self.recipes = recipes(answers)

    def save(self, name, seed, *, kept=True, first=0, last=None, **values):
        """A run with a first epoch drawn by `first`, and later ones by `last`; predictions give its scores."""
        recipe = self.recipes[name]
        epochs = []
        for t, updated in enumerate(recipe.planned_by_epoch()):
            scores, made = epoch(recipe.task, seed, first if t == 0 or last is None else last)
            epochs.append(EpochResult(scores, updated, 0.5, 1.0, predictions=made if kept else {}))
        return results.save(self.folder, replace(result(recipe, seed, {}), epochs=tuple(epochs), **values))

    def pairs(self, *tasks, seeds=5, **values):
        for task in tasks:
            for seed in range(seeds):
                self.save(f"tiny-bert-constant-{task}", seed, last=1, **values)
                self.save(f"tiny-bert-shrinking-{task}", seed, last=2, **values)


@pytest.fixture
def runs(answers, tmp_path):
    return Runs(answers, tmp_path)


@pytest.fixture
def own(answers, tmp_path):
    return suite(answers, tmp_path, train=False, seeds=None)


def test_progtuning_less_fine_tuning_by_seed_and_example(runs, own):
    runs.pairs("rte", "cola")
    found, left_out = own.compared("table1")

    assert [(one.body, one.task, one.seeds, one.examples) for one in found] == [
        ("tiny-bert", "CoLA", (5, 5), 60),
        ("tiny-bert", "RTE", (5, 5), 60),
        ("tiny-bert", AVERAGE, (5, 5), 120),
    ]
    assert left_out == []


def test_the_difference_is_that_of_the_scores(runs, own):
    runs.pairs("rte")
    (found,), _ = own.compared("table1")
    scores = [
        [
            results.load(own.folder, runs.recipes[f"tiny-bert-{name}-rte"], seed).score("rte", "accuracy")
            for seed in range(5)
        ]
        for name in ("shrinking", "constant")
    ]

    assert found.difference == pytest.approx(np.mean(scores[0]) - np.mean(scores[1]))
    assert found.correlation == pytest.approx(np.corrcoef(*scores)[0, 1])


@pytest.mark.parametrize("without", ["every run", "one run"])
def test_without_predictions_scores_alone_are_judged(runs, own, without):
    runs.pairs("rte", kept=without == "one run")
    if without == "one run":
        runs.save("tiny-bert-constant-rte", 3, last=1, kept=False)
        predictions.path_beside(results.path_of(own.folder, runs.recipes["tiny-bert-constant-rte"], 3)).unlink()
    (found,), _ = own.compared("table1")

    assert (found.seeds, found.examples, found.other_low, found.other_word) == ((5, 5), 0, None, "")


def test_seeds_whose_first_epochs_differ_are_no_pairs(runs, own):
    runs.pairs("rte")
    runs.save("tiny-bert-constant-rte", 2, first=9, last=1)
    (found,), _ = own.compared("table1")

    assert found.seeds == (4, 4)
    assert "RTE, seed 2: not a pair: their" in found.notes[0]
    assert found.notes[1] == "4 seeds are not the 5 fixed beforehand: whoever stops when it suits errs more often"


def test_runs_on_unlike_data_are_no_pairs(runs, own):
    runs.pairs("rte")
    for seed in range(5):
        runs.save("tiny-bert-constant-rte", seed, last=1, fingerprints={"data": "sha256:a"})
        runs.save("tiny-bert-shrinking-rte", seed, last=2, fingerprints={"data": "sha256:b"})
    found, left_out = own.compared("table1")

    assert found == []
    assert "tiny-bert, RTE: not compared: no seed has a pair of runs" in left_out
    assert "tiny-bert, RTE, seed 0: not a pair: made on unlike data" in left_out


def test_two_pairs_are_said_to_be_too_few_where_other_tasks_have_more(runs, own):
    runs.pairs("cola")
    runs.pairs("rte", seeds=2)
    found, left_out = own.compared("table1")

    assert [one.task for one in found] == ["CoLA"]
    assert left_out == ["tiny-bert, RTE: not compared: 2 paired seeds, and a difference takes 3"]


def test_one_seed_a_cell_says_nothing_and_no_more_of_it(runs, own):
    runs.pairs("rte", "cola", seeds=1)

    assert own.compared("table1") == ([], [])


def test_a_run_with_an_error_is_not_left_out_of_a_difference_without_a_word(runs, own):
    runs.pairs("rte", "cola")
    results.save(
        own.folder, replace(result(runs.recipes["tiny-bert-shrinking-rte"], 4, {}), epochs=(), error="loss is nan")
    )
    found, left_out = own.compared("table1")

    assert [one.task for one in found] == ["CoLA"]
    assert left_out[0].startswith("tiny-bert, RTE: not compared: tiny-bert-shrinking-rte: seed 4: loss is nan")


def test_damaged_predictions_take_their_task_out_and_say_so(runs, own):
    runs.pairs("rte", "cola")
    predictions.path_beside(results.path_of(own.folder, runs.recipes["tiny-bert-shrinking-rte"], 1)).write_bytes(b"x")
    found, left_out = own.compared("table1")

    assert [one.task for one in found] == ["CoLA"]
    assert left_out[0].startswith("tiny-bert, RTE: not compared: ")
    assert "seed1.predictions.json.gz: the predictions of seed1.json cannot be read" in left_out[0]


def test_predictions_that_do_not_give_their_score_are_refused(runs, own):
    runs.pairs("rte", "cola")
    made = results.load(own.folder, runs.recipes["tiny-bert-shrinking-rte"], 1)
    other = replace(made.epochs[-1], scores={"rte": {"accuracy": 0.5}})
    results.save(own.folder, replace(made, epochs=(*made.epochs[:-1], other)))
    _, left_out = own.compared("table1")

    assert "tiny-bert-shrinking-rte, seed 1: its predictions give accuracy of rte = " in left_out[0]
    assert "and its result says 50.0000" in left_out[0]


def test_growing_has_another_first_epoch_and_is_paired_by_seed_alone(runs, own):
    for seed in range(3):
        runs.save("tiny-bert-shrinking-rte", seed, first=0, last=1)
        runs.save("tiny-bert-growing-rte", seed, first=5, last=2)
    found, _ = own.compared("table5")

    assert [(one.right, one.seeds) for one in found] == [("growing", (3, 3))]


def test_mnlis_two_columns_are_one_task(answers, own):
    table = own.table("table1")
    left, right = (
        next(c for c in table.cells if c.id == f"tiny-bert-{name}-avg") for name in ("shrinking", "constant")
    )
    tasks = comparing.paired(own, [left], [right])

    assert {task.task: task.columns for task in tasks}["MNLI"] == 2
    assert sum(task.columns for task in tasks) == len(left.mean_of)


def test_a_reports_differences_are_those_of_the_tables_with_scores(runs, own):
    runs.pairs("rte", "cola")
    report = reporting.report(own)

    assert [one.task for one in report.differences] == ["CoLA", "RTE", AVERAGE]
    assert report.alone == []  # smoke's expected values are our own references


def test_the_paper_has_six_averages_in_print(answers, tmp_path):
    own = suite(answers, tmp_path, "paper", train=False)
    found = [one for name in ("table1", "table4") for one in comparing.of_print(own.table(name), own.terms())]

    assert [one.body for one in found] == [
        "bert-base", "bert-large", "roberta-base", "bert-base-adapter", "bert-base-bitfit", "roberta-base-lora",
    ]  # fmt: skip


def test_edited_terms_are_a_warning_of_the_report_and_an_error_of_the_claims(copied, tmp_path):
    path = copied / "paper" / "difference.toml"
    path.write_text(path.read_text().replace("points = 0.5", "points = 5.0"))
    own = suite(copied, tmp_path, train=False, seeds=None)
    report = reporting.report(own)

    assert any("differences are not judged" in one and "difference.toml was edited" in one for one in report.warnings)
    assert {one.claim: one.outcome for one in report.claims}["avg"] == "error"


def test_a_claim_on_an_average_has_the_difference_tables_answer(runs, own, answers):
    runs.pairs("cola", "qnli", "rte", "sst2")  # of the nine
    verdict = next(own.claim(one) for one in own.claims() if one.id == "avg")

    assert verdict.on_ours == "undecided"
    assert "not run yet" in verdict.our_words  # an average needs all of its columns
