"""What a reader is told of the runs behind a cell: above all, on which data they were made."""

import pytest

from progbench.judging.caveats import caveats, other_data
from progbench.recipes import reading
from progbench.runs.results import RunResult
from progbench.tasks.catalog import tasks

WHOLE = {"train": 2490, "rte": 277}


def recipe(suite="paper", task="rte", **changes):
    name = {"paper": "bert-base", "mini": "minilm", "smoke": "tiny-bert"}[suite]
    file = "squad" if task.startswith("squad") else "glue"
    return reading.read(suite, file, model=name, schedule="shrinking", task=task)


def told(wanted, *runs):
    """The caveats on runs with these counts of rows, or with these other fields."""
    return caveats("a", {wanted: [RunResult(wanted, seed, **fields) for seed, fields in enumerate(runs)]})


def test_runs_on_the_published_rows_have_no_caveat():
    assert told(recipe(), {"examples": WHOLE}) == []


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ({"train": 32}, "it read 32 rows of train (published: 2,490)"),
        ({"train": 2489}, "it read 2,489 rows of train (published: 2,490)"),
        ({"train": 2491}, "it read 2,491 rows of train (published: 2,490)"),
        ({"rte": 276}, "it read 276 rows of rte (published: 277)"),
    ],
)
def test_another_count_of_rows_is_a_caveat(read, words):
    assert told(recipe(), {"examples": WHOLE | read}) == [f"bert-base-shrinking-rte: not the published data: {words}"]


def test_every_set_and_run_with_another_count_is_named_once():
    found = other_data(recipe(), [RunResult(recipe(), seed, examples={"train": 32, "rte": 5}) for seed in range(2)])

    assert found == [
        "not the published data: it read 32 rows of train (published: 2,490); it read 5 rows of rte (published: 277)"
    ]


@pytest.mark.parametrize(
    ("train", "left_out", "fits"),
    [
        (363_846, 0, True),  # the hub's copy
        (363_849, 21, True),  # the authors' file, without its broken lines
        (363_840, 9, True),
        (363_848, 0, False),
        (363_847, 1, False),
        (363_830, 21, False),
    ],
)
def test_rows_that_were_left_out_count_or_do_not_but_both_counts_are_exact(train, left_out, fits):
    run = RunResult(recipe(task="qqp"), 0, examples={"train": train, "qqp": 40_430}, left_out={"train": left_out})

    assert (other_data(run.recipe, [run]) == []) is fits


@pytest.mark.parametrize("task", tasks().values(), ids=tasks())
def test_every_set_of_every_task_has_a_published_count(task):
    assert set(task.rows) == {"train", *task.evaluate}
    assert all(counts and min(counts) > 0 for counts in task.rows.values())


def test_generated_data_has_no_published_count():
    assert told(recipe("smoke"), {"examples": {"train": 400, "rte": 250}}) == []


def test_a_part_that_the_recipe_asks_for_is_one_caveat_and_no_second():
    found = told(recipe("mini", "squad1"), {"examples": {"train": 4370, "squad1": 10_570, "train windows": 9}})

    assert [line for line in found if "rows" in line] == []
    assert "partial: trained on the first 4,370 questions only" in found[0]


def test_the_evaluation_rows_of_a_recipe_that_asks_for_a_part_are_counted():
    found = told(recipe("mini", "squad1"), {"examples": {"train": 4370, "squad1": 5_285}})

    assert "not the published data: it read 5,285 rows of squad1 (published: 10,570)" in found[0]


def test_against_the_print_a_part_that_the_recipe_asks_for_is_other_data_too():
    wanted = recipe("mini", "squad1")
    run = RunResult(wanted, 0, examples={"train": 4370, "squad1": 10_570})

    assert other_data(wanted, [run]) == []
    assert other_data(wanted, [run], printed=True) == ["partial: trained on the first 4,370 questions only"]


@pytest.mark.parametrize(("says", "lacks"), [({}, ["train", "rte"]), ({"train": 2490}, ["rte"])])
def test_a_result_that_does_not_say_how_many_rows_it_read_is_not_of_published_data(says, lacks, reliability):
    words = "; ".join(f"it does not say how many rows of {part} it read" for part in lacks)
    (said,) = other_data(recipe(), [RunResult(recipe(), 0, examples=says)])

    assert said == f"not the published data: {words}"
    if says:
        kept = "the runs and their scores; such a cell is never called reproduced"
        reliability("Keeping results", "a result that does not say how many rows it read", happens=said, kept=kept)


def test_what_any_run_left_out_of_the_data_is_told_not_only_the_first():
    found = told(recipe(), {"examples": WHOLE}, {"examples": WHOLE, "left_out": {"train": 1}})

    assert found == ["bert-base-shrinking-rte: left out of the data: {'train': 1}"]
