"""The lines that a long run leaves in a log."""

import pytest
from plain_and_fast import recipe

from progbench.runs.results import EpochResult
from progbench.training import lines, plain, train
from progbench.training.fitting import Losses
from progbench.training.step import SeedAxis


@pytest.fixture
def epoch(capsys):
    def said(seconds):
        lines.epoch("a-recipe seed 0", 1, 3, [EpochResult({"rte": {"accuracy": 0.581}}, 10, 0.5, seconds)])
        return capsys.readouterr().err

    return said


@pytest.fixture
def steps(capsys):
    """What is printed by 100 of 234 steps of so many seconds, with a clock that only they move."""

    def said(seconds, before=0):
        clock = [0.0]
        run = lines.Lines("a-recipe seed 0", 234, before, lambda: clock[0])
        for _ in range(100):
            clock[0] += seconds
            run.step("epoch 1/3, loss 0.500")
        return capsys.readouterr().err.splitlines()

    return said


def test_a_long_epoch_is_a_line_with_its_scores_and_its_minutes(epoch):
    assert epoch(600.0) == "a-recipe seed 0: epoch 1 of 3: 58.1, 10 min\n"


def test_a_short_epoch_says_nothing(epoch):
    assert epoch(5.0) == ""


def test_on_a_terminal_the_bar_says_it(epoch, steps, monkeypatch):
    monkeypatch.setattr(lines.sys.stderr, "isatty", lambda: True)

    assert (epoch(600.0), steps(25.0)) == ("", [])


def test_steps_of_25_seconds_are_a_line_in_every_24_of_them(steps):
    said = steps(25.0)

    assert [line.split(", ")[0] for line in said] == [
        f"a-recipe seed 0: step {step} of 234" for step in (24, 48, 72, 96)
    ]


def test_a_line_has_the_place_the_time_of_a_step_and_what_is_left(steps):
    # 234 - 24 steps of 25 s are 87.5 min
    wanted = "a-recipe seed 0: step 24 of 234, epoch 1/3, loss 0.500, 25.0 s a step, about 88 min left"
    assert steps(25.0)[0] == wanted


def test_a_run_that_goes_on_counts_the_steps_behind_it_and_not_their_time(steps):
    assert steps(25.0, before=55)[0].startswith("a-recipe seed 0: step 79 of 234,")
    assert "25.0 s a step" in steps(25.0, before=55)[0]


def test_steps_of_a_few_milliseconds_do_not_take_none(steps, monkeypatch):
    monkeypatch.setattr(lines, "SILENCE", 0.3)

    assert ", 5 ms a step, " in steps(0.005)[0]


def test_ten_minutes_of_short_steps_are_no_line_before_they_are_over(steps):
    assert steps(5.9) == []


@pytest.mark.usefixtures("two_dozen_rows")
@pytest.mark.parametrize("trainer", [plain, train])
def test_both_trainers_say_each_step_and_each_epoch(trainer, capsys, monkeypatch):
    monkeypatch.setattr(lines, "SILENCE", 0.0)
    monkeypatch.setattr(lines, "LONG", 0.0)
    wanted = recipe(kind="single text")  # two epochs of three steps
    trainer.train(wanted, 0, threads=1)
    said = [line.removeprefix(f"{wanted.id} seed 0: ")[:12] for line in capsys.readouterr().err.splitlines()]

    steps = [f"step {number} of 6" for number in range(1, 7)]
    assert [line.rstrip(", :") for line in said] == [*steps[:3], "epoch 1 of 2", *steps[3:], "epoch 2 of 2"]


def test_the_loss_of_an_epoch_that_goes_on_is_known_at_once():
    assert Losses(0, SeedAxis(), [[0.75], [0.5]]).latest == 0.5
