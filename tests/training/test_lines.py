"""The line an epoch of a long run."""

import pytest

from progbench.runs.results import EpochResult
from progbench.training import one_run


@pytest.fixture
def said(capsys):
    def tell(seconds):
        one_run.tell("a-recipe seed 0", 1, 3, [EpochResult({"rte": {"accuracy": 0.581}}, 10, 0.5, seconds)])
        return capsys.readouterr().err

    return tell


def test_a_long_epoch_is_a_line_with_its_scores_and_its_minutes(said):
    assert said(600.0) == "a-recipe seed 0: epoch 1 of 3: 58.1, 10 min\n"


def test_a_short_epoch_says_nothing(said):
    assert said(5.0) == ""


def test_on_a_terminal_the_bar_says_it(said, monkeypatch):
    monkeypatch.setattr(one_run.sys.stderr, "isatty", lambda: True)

    assert said(600.0) == ""
