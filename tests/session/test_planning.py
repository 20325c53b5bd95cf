"""What is missing, who is at it, and which runs settle most for their time."""

from dataclasses import replace

import pytest
from made_up import result

from progbench.errors import BadInput
from progbench.method.flops import step_flops
from progbench.runs import results
from progbench.runs.results import RunResult
from progbench.session import planning, recipe_status
from progbench.session.measuring import Estimate
from progbench.session.planning import Lack, Plan
from progbench.session.suite import Suite

NAME = "tiny-bert-constant-rte"


@pytest.fixture
def suite(answers, tmp_path):
    return Suite("smoke", answers, tmp_path, seeds=2, train=False)


@pytest.fixture
def rte(suite):
    return recipe_status.recipe(suite, NAME)


def lack(suite, name=NAME):
    return {one.recipe.id: one for one in planning.plan(suite, "glue").lacks}.get(name)


@pytest.mark.parametrize(("filed", "lacking", "settled"), [((), (0, 1), 0), ((1,), (0,), 0), ((0, 1), None, 1)])
def test_what_is_not_on_file_is_missing(suite, rte, tmp_path, filed, lacking, settled):
    for seed in filed:
        results.save(suite.folder, result(rte, seed, {"rte": {"accuracy": 0.5}}))
    found = planning.plan(suite, "glue")
    seeds = {one.recipe.id: one.seeds for one in found.lacks}

    assert (seeds.get(NAME), found.settled) == (lacking, settled)
    assert {one.each.seconds for one in found.lacks} == {None}
    assert filed or [*tmp_path.iterdir()] == []  # a look makes no file


@pytest.mark.parametrize(("final", "seeds", "said"), [(False, (0, 1), 0), (True, (1,), 1)])
def test_an_error_is_missing_where_it_is_tried_again_and_said_where_not(suite, rte, final, seeds, said):
    results.save(suite.folder, RunResult(rte, 0, error="the loss is nan", final=final))

    assert lack(suite).seeds == seeds
    assert len(planning.plan(suite, "glue").errors) == said


def test_what_another_process_holds_is_being_trained_now(suite, rte):
    with results.lock(suite.folder, rte, 1):
        found = lack(suite)

    assert (found.seeds, found.training) == ((0,), (1,))
    assert lack(suite).training == ()


def test_a_lock_that_nobody_holds_trains_nothing(suite, rte):
    with results.lock(suite.folder, rte, 1) as held:
        pass
    open(held.lock_file, "w").close()

    assert lack(suite).training == ()


@pytest.mark.parametrize("text", ["6", "h", "-1h", "0h", "six hours", "1e3h", "6hh", "٣h"])
def test_a_budget_that_is_no_time_is_refused(text):
    with pytest.raises(BadInput, match="wanted is a number and one of s, m, h, d, such as 6h"):
        planning.seconds_of(text)


class Named:
    """In the place of a recipe: nothing but its name is asked for."""

    def __init__(self, name):
        self.id = name


def made(seconds, needs, training=()):
    """A plan of runs by name with their seconds, and what each open cell waits for."""
    lacks = tuple(
        Lack(Named(name), () if name in training else (0,), (0,) if name in training else (), Estimate(one, "measured"))
        for name, one in seconds.items()
    )
    return Plan(lacks, (), "a card", tuple(map(frozenset, needs)), 0)


@pytest.mark.parametrize(("times", "needs", "training", "budget", "order"), [
    pytest.param({"a": 30.0, "b": 10.0}, "a b", "", 100, [("b", 1), ("a", 1)], id="the cheapest cell first"),
    # a: three cells in 20 s, one in 6.7 s; b: one in 10 s
    pytest.param({"a": 20.0, "b": 10.0}, "a a a b", "", 100, [("a", 3), ("b", 1)], id="the most cells for its time"),
    # a and b with their mean are three cells in 20 s, more an hour than c, one in 7 s
    pytest.param(
        {"a": 10.0, "b": 10.0, "c": 7.0}, "a b ab c", "", 27, [("a", 0), ("b", 3), ("c", 1)],
        id="a mean settles its columns on the way",
    ),
    pytest.param(
        {"a": 5.0, "b": 50.0, "c": 20.0}, "a b b b b b b c", "", 30, [("a", 1), ("c", 1)],
        id="what does not fit is left, and what fits is still taken",
    ),
    pytest.param({"a": None, "b": 10.0}, "a ab b", "", 100, [("b", 1)], id="no run of unknown time"),
    pytest.param({"a": 10.0, "b": 10.0}, "a ab", "a", 100, [("b", 1)], id="what somebody trains counts as done"),
    pytest.param({"a": 10.0, "b": 10.0}, "a a ab", "", 20, [("a", 2), ("b", 1)], id="no run is paid for twice"),
    pytest.param({"a": 10.0}, "a", "", 9.9, [], id="nothing fits"),
])  # fmt: skip
def test_the_runs_that_settle_most_for_their_time_are_chosen(times, needs, training, budget, order):
    found = planning.chosen(made(times, needs.split(), training), budget)

    assert [(one.recipe.id, one.settles) for one in found] == order


def test_a_run_that_is_chosen_takes_its_whole_time_since_nobody_trains_a_part_of_it_before():
    planned = made({"a": 10.0, "b": 10.0}, ["a", "b"])
    planned = replace(planned, lacks=(planned.lacks[0], replace(planned.lacks[1], spared=0.5)))

    assert [one.recipe.id for one in planning.chosen(planned, 9.0)] == []
    assert planning.total(planning.chosen(planned, 20.0)) == (20.0, 0)


def test_the_total_says_how_many_runs_have_no_time():
    assert planning.total(made({"a": 10.0, "b": None, "c": 5.0}, []).lacks) == (15.0, 1)


@pytest.mark.parametrize(("filed", "spared"), [((), 1.0), ((1,), 0.5), ((0, 1), 0.0)])
def test_progtuning_is_spared_the_epoch_that_fine_tuning_trains_for_it(suite, rte, filed, spared):
    for seed in filed:
        results.save(suite.folder, result(rte, seed, {"rte": {"accuracy": 0.5}}))
    found = replace(lack(suite, "tiny-bert-shrinking-rte"), each=Estimate(60.0, "measured"))
    epochs = [step_flops("tiny-bert", range(first, 4), lengths=[64]) for first in (0, 1, 2)]

    assert found.seconds == pytest.approx(2 * 60.0 * (1 - spared * epochs[0] / sum(epochs)))


def test_who_trains_the_shared_epoch_is_spared_nothing(suite):
    assert lack(suite).spared == 0.0
