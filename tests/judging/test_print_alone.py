"""The print alone: Table 1's three models, as they were worked out beforehand."""

import pytest

from progbench import files
from progbench.judging import terms
from progbench.judging.on_print import by_print
from progbench.judging.terms import Spread
from progbench.tasks.catalog import task_of

# the average's difference, tasks up of eight, the sign flip's p, c*, and the average without RTE
TABLE1 = {
    "bert-base": (0.14, 2, 0.32, 0.49, -0.11),
    "bert-large": (0.40, 5, 0.14, 1.36, 0.12),
    "roberta-base": (0.67, 6, 0.027, 2.27, 0.42),
}


@pytest.fixture
def printed(answers):
    spreads = terms.read(answers, "paper").spreads
    rows = files.read_toml(answers / "paper" / "table1.toml")["rows"]
    by_row = {(row["model"], row["schedule"]): row["printed"] for row in rows}

    def alone(model, spreads=spreads):
        ours, theirs = by_row[model, "shrinking"], by_row[model, "constant"]
        return by_print("Table 1", model, {
            name: (task_of(name).name, float(ours[name]) - float(theirs[name])) for name in ours if name != "avg"
        }, spreads)  # fmt: skip

    return alone


@pytest.mark.parametrize("model", TABLE1)
def test_table_1_alone(printed, model):
    found = printed(model)
    p = 2 if found.p > 0.1 else 3

    assert (
        round(found.average, 2),
        found.up,
        round(found.p, p),
        round(found.factor, 2),
        float(f"{found.without:.2f}"),
    ) == TABLE1[model]
    assert (found.tasks, found.most) == (8, "rte")


def test_print_supports_that_robertas_average_is_enhanced_and_no_other_models(printed):
    assert [(one.beyond_chance, one.for_such_tasks) for one in map(printed, TABLE1)] == [
        (False, False),
        (True, False),  # BERT-large's is RTE
        (True, True),
    ]


def test_by_print_none_of_the_three_is_worse_on_average_by_half_a_point(printed):
    assert [one.word for one in map(printed, TABLE1)] == ["not worse", "better", "better"]


def test_the_spreads_that_no_source_gives_are_named(printed):
    assert printed("bert-base").assumed == ("mrpc", "qqp", "rte")


def test_without_a_spread_there_is_a_sign_flip_and_nothing_else(printed):
    found = printed("roberta-base", spreads={})

    assert (round(found.p, 3), found.factor, found.low, found.word) == (0.027, None, None, "undecided")


def test_a_lower_average_is_tested_downwards():
    found = by_print(
        "t", "m", {"a": ("rte", -1.0), "b": ("cola", -2.0)}, {"rte": Spread(0.1, ""), "cola": Spread(0.1, "")}
    )

    assert (found.p, found.up, found.word) == (0.25, 0, "worse")  # one of four sign patterns is as low
    assert found.factor > 1
