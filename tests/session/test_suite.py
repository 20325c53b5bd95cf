"""A session without pytest: what is trained, what is only looked up, and what becomes of what goes wrong."""

import dataclasses
import json

import pytest
import torch

from progbench import environment
from progbench.errors import BadInput, Missing
from progbench.method.schedule import SCHEDULES
from progbench.recipes import reading
from progbench.runs import results
from progbench.runs.results import EpochResult, RunResult
from progbench.session.suite import Suite
from progbench.tasks import toy_squad
from progbench.training import train
from progbench.training.workload import NonFinite


@pytest.fixture
def squad_files(tmp_path, monkeypatch):
    """SQUAD_DIR and a package with weights, as far as a look at whether they are there goes."""
    toy_squad.write(tmp_path / "squad")
    monkeypatch.setenv("SQUAD_DIR", str(tmp_path / "squad"))
    monkeypatch.setattr("progbench.models.loading.require", lambda model: None)


def suite(answers, folder, name="smoke", **options):
    return Suite(name, answers, folder, **options)


def cell(own, name, table="table1"):
    return next(found for found in own.table(table).cells if found.id == name)


def judged(own, name, table="table1"):
    """The verdict on a cell, after training what its runs lack."""
    wanted = cell(own, name, table)
    own.make(own.needed(wanted).values())
    return own.verdict(wanted)


def test_mnli_trains_once_for_its_two_columns(answers, tmp_path, trained):
    own = suite(answers, tmp_path)
    for column in ("mnli-m", "mnli-mm"):
        judged(own, f"tiny-bert-constant-{column}")

    assert trained == [("tiny-bert-constant-mnli", 0)]


def test_the_average_is_taken_per_seed_over_its_nine_columns(answers, tmp_path, trained):
    own = suite(answers, tmp_path, seeds=3)
    judged(own, "tiny-bert-constant-avg")
    observed = own.observed(cell(own, "tiny-bert-constant-avg"))

    assert observed.values == pytest.approx({0: 90.0, 1: 89.0, 2: 88.0})
    assert len(trained) == 8 * 3


def test_a_second_session_trains_nothing_and_judges_the_same(answers, tmp_path, trained):
    first = suite(answers, tmp_path, seeds=2)
    names = [one.id for one in first.table("table1").cells[:10]]
    for name in names:
        judged(first, name)
    verdicts = first.verdicts("table1")
    trained.clear()
    second = suite(answers, tmp_path, seeds=2)
    for name in names:
        judged(second, name)

    assert second.verdicts("table1") == verdicts
    assert trained == []


def test_without_training_what_was_not_run_is_missing(answers, tmp_path, trained):
    own = suite(answers, tmp_path, train=False)
    verdict = judged(own, "tiny-bert-constant-rte")

    assert verdict.outcome == "missing"
    assert verdict.sentence == f"not run yet: nothing in {tmp_path} (--no-train)"
    assert trained == []


def test_an_average_with_a_missing_column_is_missing_and_names_it(answers, tmp_path, trained, monkeypatch):
    own = suite(answers, tmp_path)
    require = own.maker.require

    def no_qnli(wanted):
        if wanted.task == "qnli":
            raise Missing("no file QNLI/train.tsv")
        return require(wanted)

    monkeypatch.setattr(own.maker, "require", no_qnli)
    verdict = judged(own, "tiny-bert-constant-avg")

    assert (verdict.outcome, verdict.sentence) == ("missing", "qnli: no file QNLI/train.tsv")


def fail_with(monkeypatch, problem):
    calls = []

    def fail(recipe, seed, device, threads, shared):
        calls.append(seed)
        raise problem

    monkeypatch.setattr(train, "train", fail)
    return calls


def test_a_loss_that_is_not_finite_is_stored_and_not_tried_again(answers, tmp_path, monkeypatch):
    calls = fail_with(monkeypatch, NonFinite("epoch 1, step 3: the loss is nan"))
    for _ in range(2):
        own = suite(answers, tmp_path)
        verdict = judged(own, "tiny-bert-constant-rte")

    assert (verdict.outcome, verdict.sentence) == ("error", "seed 0: epoch 1, step 3: the loss is nan")
    assert calls == [0]


def test_another_exception_is_stored_with_its_message_and_tried_again_next_session(answers, tmp_path, monkeypatch):
    calls = fail_with(monkeypatch, RuntimeError("out of memory"))
    for _ in range(2):
        own = suite(answers, tmp_path)
        for column in ("mnli-m", "mnli-mm"):
            verdict = judged(own, f"tiny-bert-constant-{column}")

    assert (verdict.outcome, verdict.sentence) == ("error", "seed 0: RuntimeError: out of memory")
    assert calls == [0, 0]


def test_bad_data_is_stored_once_for_all_seeds_and_looked_at_again_next_session(answers, tmp_path, monkeypatch):
    calls = fail_with(monkeypatch, BadInput("RTE/train.tsv:7: 2 columns, expected 4"))
    for _ in range(2):
        own = suite(answers, tmp_path, seeds=5)
        verdict = judged(own, "tiny-bert-constant-rte")

    assert verdict.sentence == "seed 0: RTE/train.tsv:7: 2 columns, expected 4"
    assert calls == [0, 0]


def test_one_failed_seed_makes_the_cell_an_error_and_keeps_the_others(answers, tmp_path, trained, monkeypatch):
    fake = train.train

    def fail_once(recipe, seed, device, threads, shared):
        if seed == 1:
            raise RuntimeError("out of memory")
        return fake(recipe, seed, device, threads, shared)

    monkeypatch.setattr(train, "train", fail_once)
    own = suite(answers, tmp_path, seeds=3)
    verdict = judged(own, "tiny-bert-constant-rte")

    assert (verdict.outcome, verdict.n) == ("error", 2)


def test_a_result_that_cannot_be_read_is_an_error_by_its_path(answers, tmp_path, trained):
    own = suite(answers, tmp_path)
    wanted = cell(own, "tiny-bert-constant-rte")
    path = results.path_of(tmp_path, own.recipe(wanted), 0)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    verdict = judged(own, wanted.id)

    assert verdict.outcome == "error"
    assert str(path) in verdict.sentence
    assert trained == []


def test_an_interrupt_is_not_swallowed(answers, tmp_path, monkeypatch):
    fail_with(monkeypatch, KeyboardInterrupt())
    own = suite(answers, tmp_path)

    with pytest.raises(KeyboardInterrupt):
        judged(own, "tiny-bert-constant-rte")
    assert not list(tmp_path.rglob("*.json"))


def test_a_reference_of_another_recipe_is_no_reference(answers, tmp_path, trained, monkeypatch):
    monkeypatch.setattr("progbench.recipes.recipe.SCORES_VERSION", 10**6)
    own = suite(answers, tmp_path)
    verdict = judged(own, "tiny-bert-constant-rte")

    assert verdict.outcome == "missing"
    assert "no reference: the one on file is of tiny-bert-constant-rte" in verdict.sentence
    assert (verdict.observed, verdict.expected) == (90.0, None)


def test_a_trainer_that_does_not_learn_turns_its_cell_red(answers, tmp_path, monkeypatch):
    """The real trainer, with an optimizer that forgets to step."""
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, closure=None: None)
    own = suite(answers, tmp_path)
    verdict = judged(own, "tiny-roberta-shrinking-cola")

    assert (verdict.outcome, verdict.direction) == ("deviates", "low")


def test_a_run_that_followed_another_schedule_is_an_error(answers, tmp_path, monkeypatch):
    """Scores alone would not show it: on a toy task both schedules learn."""
    monkeypatch.setitem(SCHEDULES, "shrinking", SCHEDULES["constant"])
    made = suite(answers, tmp_path)
    judged(made, "tiny-roberta-shrinking-cola")
    monkeypatch.undo()
    own = suite(answers, tmp_path)
    verdict = judged(own, "tiny-roberta-shrinking-cola")

    assert verdict.outcome == "error"
    assert "the run updated 376,518 parameters, but its schedule plans 276,102" in verdict.sentence


def test_seeds_that_mix_versions_are_warned_of(answers, tmp_path, trained, made_in):
    own = suite(answers, tmp_path, seeds=2)
    wanted = cell(own, "tiny-bert-constant-rte")
    judged(own, wanted.id)
    made = results.load(tmp_path, own.recipe(wanted), 1)
    results.save(tmp_path, dataclasses.replace(made, environment=made_in | {"torch": "2.14.0"}))
    again = suite(answers, tmp_path, seeds=2)

    assert again.warnings(wanted) == ["tiny-bert-constant-rte: its runs mix torch 2.13.0 and 2.14.0"]
    assert own.warnings(wanted) == []


def test_a_run_on_a_part_of_the_data_and_a_model_that_has_seen_it_are_warned_of(
    answers, tmp_path, trained, squad_files
):
    own = suite(answers, tmp_path, "mini", device="cpu")
    judged(own, "minilm-constant-squad1-em", "table2")
    found = own.warnings(cell(own, "minilm-constant-squad1-em", "table2"))

    assert found == [
        "minilm-constant-squad1: partial: trained on the first 4,370 questions only",
        "minilm-constant-squad1: not a clean score: the weights of minilm have seen this task's data before",
    ]


def test_what_was_not_run_is_not_warned_of(answers, tmp_path, squad_files):
    own = suite(answers, tmp_path, "mini", device="cpu", train=False)

    assert own.warnings(cell(own, "minilm-constant-squad1-em", "table2")) == []


def test_a_runs_notes_are_warned_of_once_for_all_seeds(answers, tmp_path, trained, monkeypatch):
    fake = train.train
    monkeypatch.setattr(train, "train", lambda *a: dataclasses.replace(fake(*a), notes=("1 answer was set aside: q7",)))
    own = suite(answers, tmp_path, seeds=2)
    judged(own, "tiny-bert-constant-squad1-em", "table2")

    assert own.warnings(cell(own, "tiny-bert-constant-squad1-em", "table2")) == [
        "tiny-bert-constant-squad1: 1 answer was set aside: q7"
    ]


def test_exact_match_and_f1_are_read_from_one_run(answers, tmp_path, trained):
    own = suite(answers, tmp_path)
    for column in ("squad1-em", "squad1-f1"):
        judged(own, f"tiny-bert-constant-{column}", "table2")

    assert trained == [("tiny-bert-constant-squad1", 0)]


def test_lines_that_were_left_out_of_the_data_are_warned_of(answers, tmp_path, trained, monkeypatch):
    fake = train.train
    monkeypatch.setattr(train, "train", lambda *a: dataclasses.replace(fake(*a), left_out={"train": 24, "qqp": 0}))
    own = suite(answers, tmp_path)
    judged(own, "tiny-bert-constant-qqp")

    assert "left out of the data: {'train': 24}" in own.warnings(cell(own, "tiny-bert-constant-qqp"))[0]


def test_without_a_gpu_a_paper_cell_is_missing_before_weights_are_looked_for(answers, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "gpu_count", lambda: 0)
    monkeypatch.setattr("progbench.models.loading.fetch", lambda _: pytest.fail("looked for weights"))
    own = suite(answers, tmp_path, "paper")
    verdict = judged(own, "bert-base-constant-rte")

    assert verdict.outcome == "missing"
    assert verdict.sentence.startswith("no GPU here")


def test_an_offline_hub_makes_a_cell_missing_with_the_hubs_words(answers, tmp_path, monkeypatch):
    monkeypatch.delenv("PROGBENCH_MODELS", raising=False)
    monkeypatch.delenv("GLUE_DIR", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    own = suite(answers, tmp_path, "paper", device="cpu", seeds=1)
    verdict = judged(own, "bert-base-constant-rte")

    assert verdict.outcome == "missing"
    assert "nyu-mll/glue is not on this machine and the hub does not give it (OfflineModeIsEnabled" in verdict.sentence


@pytest.mark.parametrize(
    ("name", "millions"), [("bert-base-constant-updated", 328.451334), ("roberta-base-shrinking-updated", 288.887046)]
)
def test_a_bar_that_is_drawn_without_a_number_is_counted_and_not_judged(answers, tmp_path, name, millions):
    own = suite(answers, tmp_path, "paper")
    verdict = judged(own, name, "figure4")

    assert (verdict.outcome, verdict.observed) == ("missing", millions)


def test_cells_of_a_row_that_nobody_asked_for_lend_their_spread_and_are_not_trained(answers, tmp_path, trained):
    first = suite(answers, tmp_path, "paper", device="cpu")
    first.maker.require = lambda wanted: "cpu"
    judged(first, "bert-base-shrinking-rte")
    trained.clear()
    own = suite(answers, tmp_path, "paper", device="cpu")
    own.maker.require = lambda wanted: "cpu"
    verdict = judged(own, "bert-base-constant-rte")

    assert (verdict.n, verdict.df) == (5, 8)
    assert trained == [("bert-base-constant-rte", seed) for seed in range(5)]


def test_judging_trains_nothing(answers, tmp_path, trained):
    suite(answers, tmp_path).verdicts("table1")

    assert trained == []


def test_a_verdict_names_the_runs_it_was_read_from(answers, tmp_path, trained):
    own = suite(answers, tmp_path)
    verdict = judged(own, "tiny-bert-constant-mnli-mm")
    (path,) = tmp_path.rglob("seed0.json")

    assert verdict.recipes == (str(path.parent.relative_to(tmp_path / "smoke")),)
    assert len(own.verdict(cell(own, "tiny-bert-constant-avg")).recipes) == 8
    assert own.verdict(cell(own, "tiny-bert-constant-updated", "figure4")).recipes[0].startswith("tiny-bert-constant-")


def test_a_count_needs_no_run(answers, tmp_path):
    own = suite(answers, tmp_path)

    assert own.needed(cell(own, "tiny-bert-constant-updated", "figure4")) == {}


def test_a_bad_recipe_is_the_error_of_its_own_cells(answers, tmp_path, trained, monkeypatch):
    read = reading.read

    def bad_rte(*names, task, **more):
        if task == "rte":
            raise BadInput("glue.toml: unknown field learning_rat")
        return read(*names, task=task, **more)

    monkeypatch.setattr("progbench.recipes.reading.read", bad_rte)
    own = suite(answers, tmp_path)
    judged(own, "tiny-bert-constant-rte")
    judged(own, "tiny-bert-constant-cola")
    found = own.verdicts("table1")

    assert (found["tiny-bert-constant-rte"].outcome, trained) == ("error", [("tiny-bert-constant-cola", 0)])
    assert found["tiny-bert-constant-rte"].sentence == "glue.toml: unknown field learning_rat"
    assert found["tiny-bert-constant-cola"].observed == 90.0


def test_a_result_without_a_cells_metric_is_the_error_of_that_cell_alone(answers, tmp_path, trained):
    own = suite(answers, tmp_path)
    judged(own, "tiny-bert-constant-mnli-m")
    (path,) = tmp_path.rglob("seed0.json")
    content = json.loads(path.read_text())
    del content["epochs"][0]["scores"]["mnli-mm"]
    path.write_text(json.dumps(content))
    found = suite(answers, tmp_path).verdicts("table1")

    assert found["tiny-bert-constant-mnli-m"].observed == 90.0
    assert found["tiny-bert-constant-mnli-mm"].sentence == (
        "seed 0: its result has no accuracy of mnli-mm; delete it to run this seed again"
    )


def test_a_number_that_two_tables_print_has_one_verdict(answers, tmp_path):
    own = Suite("paper", answers, tmp_path, seeds=None, train=False)
    for schedule, seeds in {"constant": [0.60, 0.66, 0.72], "shrinking": [0.687, 0.688, 0.689]}.items():
        wanted = own.recipe(cell(own, f"bert-base-{schedule}-rte"))
        for seed, score in enumerate(seeds):
            epoch = EpochResult({"rte": {"accuracy": score}}, wanted.planned(), 0.5, 1.0)
            results.save(tmp_path, RunResult(wanted, seed, (epoch,)))
    first, again = (own.verdicts(name)["bert-base-shrinking-rte"] for name in ("table1", "table5"))

    assert (again.table, again.df) == ("Table 5", 4)
    assert again.sentence == first.sentence
