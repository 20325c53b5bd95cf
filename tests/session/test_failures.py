"""What goes wrong in a run, and what becomes of its cell."""

import json

import pytest
import torch
from made_up import cell, judged, rewrite, suite

from progbench import environment
from progbench.errors import BadInput
from progbench.method.schedule import SCHEDULES
from progbench.recipes import reading
from progbench.tasks import catalog
from progbench.training import train
from progbench.training.scoring import NonFinite


def fail_with(monkeypatch, problem):
    calls = []

    def fail(recipe, seed, device, threads, kept):
        calls.append(seed)
        raise problem

    monkeypatch.setattr(train, "train", fail)
    return calls


def test_a_loss_that_is_not_finite_is_stored_and_not_tried_again(answers, tmp_path, monkeypatch):
    calls = fail_with(monkeypatch, NonFinite("epoch 1, step 3: the loss is nan"))
    for _ in range(2):
        own = suite(answers, tmp_path)
        verdict = judged(own, "tiny-bert-constant-rte")

    again = "it is tried again once data or weights are others, or "
    assert (verdict.outcome, verdict.sentence.partition(again)[0]) == (
        "error", "seed 0: epoch 1, step 3: the loss is nan; "
    )  # fmt: skip
    assert calls == [0]


def test_a_loss_that_was_not_finite_is_tried_again_on_other_data(answers, tmp_path, monkeypatch, reliability):
    calls = fail_with(monkeypatch, NonFinite("epoch 1, step 3: the loss is nan", {"data": "of a broken file"}))
    for _ in range(2):
        own = suite(answers, tmp_path)
        verdict = judged(own, "tiny-bert-constant-rte")

    assert calls == [0, 0]
    path = next(tmp_path.rglob("seed0.json"))
    reliability(
        "Keeping results",
        "a loss that is not finite, and weights or data that were repaired since",
        happens=verdict.sentence.replace(path.parent.name, "<digest>"),
        kept="every other result; the error is trained again by the next session on other data or weights",
    )


def test_a_loss_that_is_not_finite_is_not_tried_again_on_the_same_data(answers, tmp_path, monkeypatch):
    wanted = cell(suite(answers, tmp_path), "tiny-bert-constant-rte")
    (recipe,) = suite(answers, tmp_path).recipes(wanted)
    made_of = {"data": catalog.load(catalog.tasks()["rte"], recipe.data_source).fingerprint, "weights": "random"}
    calls = fail_with(monkeypatch, NonFinite("epoch 1, step 3: the loss is nan", made_of))
    for _ in range(2):
        judged(suite(answers, tmp_path), "tiny-bert-constant-rte")

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

    def fail_once(recipe, seed, device, threads, kept):
        if seed == 1:
            raise RuntimeError("out of memory")
        return fake(recipe, seed, device, threads, kept)

    monkeypatch.setattr(train, "train", fail_once)
    own = suite(answers, tmp_path, seeds=3)
    verdict = judged(own, "tiny-bert-constant-rte")

    assert (verdict.outcome, verdict.n) == ("error", 2)


def test_a_trainer_that_does_not_learn_turns_its_cell_red(answers, tmp_path, monkeypatch):
    """The real trainer, with an optimizer that forgets to step."""
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, closure=None: None)
    own = suite(answers, tmp_path)
    verdict = judged(own, "tiny-roberta-shrinking-cola")

    assert (verdict.outcome, verdict.direction) == ("deviates", "low")


@pytest.mark.usefixtures("few_rows")
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
    assert "nyu-mll/glue is not on this machine, and the hub did not give it (OfflineModeIsEnabled" in verdict.sentence


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
    del content["epochs"][-1]["scores"]["mnli-mm"]
    rewrite(path, epochs=content["epochs"])
    found = suite(answers, tmp_path).verdicts("table1")

    assert found["tiny-bert-constant-mnli-m"].observed == 90.0
    assert found["tiny-bert-constant-mnli-mm"].sentence == (
        "seed 0: its result has no accuracy of mnli-mm; delete it to run this seed again"
    )
