"""What a run will take by steps that are timed: the arithmetic, with steps of known time; and one that is timed."""

import weakref
from dataclasses import replace

import pytest
import torch

from progbench.errors import Missing
from progbench.recipes import reading
from progbench.session import measuring, planning, probing
from progbench.session.suite import Suite

STEPS = ((4.0, 1.0), (0.75, 0.25))  # gradients and optimizer: of all blocks, and of none
SMALL = probing.Shape("tiny-bert", "full", "classification", (), 50, 4, 8, "cpu", 1)


@pytest.fixture
def recipe():
    """400 generated rows in batches of 16, and 250 that are scored: two epochs on 4 blocks."""
    read = reading.read("smoke", "glue", model="tiny-bert", schedule="constant", task="rte")
    return replace(read, epochs=2, batch_size=16)


@pytest.fixture
def steps(monkeypatch):
    """A step takes 5 seconds with all blocks, and 1 with none; returns what was timed."""
    timed = []
    monkeypatch.setattr(probing.Probe, "time", lambda probe, shape: timed.append(shape) or STEPS)
    return timed


def test_a_run_takes_its_steps_and_a_third_of_a_step_for_what_is_scored(recipe, steps):
    # 25 steps an epoch; 250 rows are 15.625 batches
    assert probing.seconds(recipe, "cpu", 1, probing.Probe()) == pytest.approx(2 * 25 * 5 + 2 * 15.625 * 5 / 3)


def test_a_stage_that_trains_half_of_the_blocks_takes_what_lies_between(recipe, steps):
    half = replace(recipe, schedule="shrinking")  # all four blocks, then the upper two

    assert probing.seconds(half, "cpu", 1, probing.Probe()) == pytest.approx(25 * 5 + 25 * 3 + 2 * 15.625 * 5 / 3)


def test_the_shape_is_the_recipes_own(recipe, steps):
    probing.seconds(recipe, "cpu", 1, probing.Probe())
    (shape,) = steps

    assert shape[:3] == ("tiny-bert", "full", "classification")
    assert shape[5:] == (16, 12, "cpu", 1, "fp32")  # rows, tokens, where, how


def test_real_tasks_are_as_long_as_was_measured_of_their_files(steps):
    wanted = reading.read("mini", "glue", model="minilm", schedule="constant", task="cola")
    probing.seconds(wanted, "cpu", 1, probing.Probe())

    assert steps[0][4:7] == (5869, wanted.batch_size, 11)


def test_a_time_that_is_known_stays_and_one_of_an_absent_gpu_is_not_made_up(answers, tmp_path, steps):
    smoke, paper = (Suite(name, answers, tmp_path / "runs", train=False) for name in ("smoke", "paper"))
    known = planning.plan(smoke, "ablation")
    given = replace(known, lacks=tuple(replace(one, each=measuring.Estimate(8.0, "measured")) for one in known.lacks))

    assert probing.filled(given, smoke).lacks == given.lacks
    assert {one.each.seconds for one in probing.filled(planning.plan(paper, "ablation"), paper).lacks} == {None}
    assert {one.each.source for one in probing.filled(known, smoke).lacks} == {probing.SOURCE}


def test_what_cannot_be_known_stays_unknown(answers, tmp_path, monkeypatch):
    def missing(*_):
        raise Missing("nobody says how many rows there are")

    monkeypatch.setattr(probing, "seconds", missing)
    smoke = Suite("smoke", answers, tmp_path / "runs", train=False)
    found = planning.plan(smoke, "ablation")

    assert {one.each for one in probing.filled(found, smoke).lacks} == {
        measuring.Estimate(None, "unknown: nobody says how many rows there are")
    }


@pytest.mark.parametrize("problem", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")])
def test_a_model_that_does_not_fit_is_of_unknown_time(problem, answers, tmp_path, monkeypatch):
    def full(*_):
        raise problem

    monkeypatch.setattr(probing.Probe, "time", full)
    smoke = Suite("smoke", answers, tmp_path / "runs", train=False)
    found = probing.filled(planning.plan(smoke, "ablation"), smoke)

    assert {one.each.source for one in found.lacks} == {"unknown: no step fits into memory"}


def test_a_gpu_that_torch_cannot_use_is_said(answers, tmp_path, monkeypatch):
    monkeypatch.setattr(probing.environment, "gpu_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    smoke = Suite("smoke", answers, tmp_path / "runs", device="cuda", train=False)
    (words,) = {one.each.source for one in probing.filled(planning.plan(smoke, "ablation"), smoke).lacks}

    assert words == f"unknown: a GPU is here, but torch {torch.__version__} cannot use it"


def test_a_step_is_really_timed(monkeypatch):
    monkeypatch.setattr(probing, "SECONDS", 0.0)
    whole, least = probing.Probe().costs(SMALL)

    assert 0 < least <= whole


def test_the_model_of_a_probe_goes_with_it(monkeypatch):
    """Or the peak memory of the run that follows would hold it."""
    monkeypatch.setattr(probing, "SECONDS", 0.0)
    made = []

    def kept(shape, make=probing._made):
        ready = make(shape)
        made.append(weakref.ref(ready[0]))
        return ready

    monkeypatch.setattr(probing, "_made", kept)
    probe = probing.Probe()
    probe.costs(SMALL)
    probe.costs(SMALL._replace(size=2))
    probe.end_now()

    assert [one() for one in made] == [None]


def test_what_the_time_for_timing_left_out_says_so(answers, tmp_path, steps, monkeypatch):
    monkeypatch.setattr(probing, "PATIENCE", 0.0)
    suite = Suite("smoke", answers, tmp_path / "runs", train=False)
    found = probing.filled(planning.plan(suite, "ablation"), suite)

    assert {one.each.source for one in found.lacks} == {"unknown: the 0 s for timing steps were over"}


def test_after_the_time_for_timing_a_batch_costs_as_another_of_its_model_by_tokens(steps):
    probe = probing.Probe()
    probe.costs(SMALL)  # 4 texts of 8
    probe.end = 0.0

    assert probe.costs(SMALL._replace(length=16, size=3)) == (4.0 * 48 / 32 + 1.0, 0.75 * 48 / 32 + 0.25)
    with pytest.raises(Missing):
        probe.costs(SMALL._replace(tuning="lora"))


def test_of_a_large_batch_some_texts_stand_for_all_and_the_optimizer_is_counted_once(monkeypatch):
    sizes, seconds = [], iter((7.0, 0.5, 3.0, 0.25))  # gradients and optimizer: of all blocks, and of none
    monkeypatch.setattr(probing, "_timed", lambda work: next(seconds))
    monkeypatch.setattr(probing, "MOST_TOKENS", {"cpu": 16})
    batch = probing._batch
    monkeypatch.setattr(probing, "_batch", lambda *given: sizes.append(given[2]) or batch(*given))

    assert probing.Probe().costs(SMALL) == (7.0 * 2 + 0.5, 3.0 * 2 + 0.25)
    assert sizes == [2]  # of 4 texts of 8 tokens


def test_gradients_are_made_anew_as_in_a_run_and_not_added_to_those_before(monkeypatch):
    held, ready = [], probing.Probe._ready

    def ready_with_spy(probe, shape):
        made, *others = ready(probe, shape)
        made.register_forward_pre_hook(lambda *_: held.append(sum(p.grad is not None for p in made.parameters())))
        return made, *others

    monkeypatch.setattr(probing.Probe, "_ready", ready_with_spy)
    monkeypatch.setattr(probing, "SECONDS", 0.0)
    probing.Probe().costs(SMALL)

    assert held == [0] * 4  # two kinds of stages, each once before it is timed


@pytest.mark.parametrize("head", ["classification", "question_answering"])
def test_the_step_that_is_timed_takes_a_packed_row_as_a_run_does(head):
    shape = SMALL._replace(head=head)
    made, _, _, collate = probing._made(shape)
    batch = probing._batch(made, shape, 4, collate)

    assert batch["input_ids"].shape == (1, 4 * 8)
    assert batch["packing"].lengths == (8, 8, 8, 8)
    assert made(**batch).loss.isfinite()


def test_on_a_busy_machine_progtuning_has_its_time_by_the_step_that_was_timed_for_fine_tuning(
    answers, tmp_path, steps, monkeypatch
):
    def slow(probe, shape):
        steps.append(shape)
        monkeypatch.setattr(probing.time, "perf_counter", lambda: 1e9)  # the first step took longer than all may
        return STEPS

    monkeypatch.setattr(probing.Probe, "time", slow)
    suite = Suite("smoke", answers, tmp_path / "runs", train=False)
    found = probing.filled(planning.plan(suite, "glue"), suite)
    timed = {one.recipe.schedule for one in found.lacks if one.each.seconds is not None}

    assert len(steps) == 1
    assert timed == {"constant", "shrinking"}
    assert any(one.each.seconds is None for one in found.lacks)  # another model has another step


@pytest.mark.parametrize(("device", "words"), [("cpu", "at least "), ("cuda", "about ")])
def test_a_gpus_time_is_no_bound_since_seeds_side_by_side_take_less(
    device, words, answers, tmp_path, steps, monkeypatch
):
    monkeypatch.setattr(probing.environment, "gpu_count", lambda: 1)
    suite = Suite("smoke", answers, tmp_path / "runs", device=device, train=False)
    monkeypatch.setattr(planning.measuring, "here", lambda *given: "a machine")
    monkeypatch.setattr(probing.Probe, "end_now", lambda probe: None)  # nothing was made

    assert probing.bound(probing.filled(planning.plan(suite, "ablation"), suite).lacks) == words
