"""The paper's margins follow from numbers, by one rule."""

import math

import numpy as np
import pytest

from progbench import files
from progbench.judging import expected


def tolerances(answers):
    return files.read_toml(answers / "paper" / "tolerance.toml")["margin"]


def standard_error(entry, entries):
    """In points, by the kinds at the top of expected/paper/tolerance.toml."""
    if entry["kind"] == "average":
        return math.hypot(*(standard_error(entries[name], entries) for name in entry["of"])) / len(entry["of"])
    score, n = entry["score"] / 100, entry["examples"]
    rate = entry.get("positives", n / 2) / n
    skew = (1 - 2 * rate) ** 2 / (rate * (1 - rate))
    return (
        100
        * {
            "binomial": lambda: math.sqrt(score * (1 - score) / n),
            "mean": lambda: math.sqrt(score * (1 - score) / n),
            "correlation": lambda: (1 - score**2) / math.sqrt(n - 3),
            "matthews": lambda: math.sqrt(
                (1 - score**2 + skew * score * (1 + score**2 / 2) - 1.5 * skew * score**2) / n
            ),
            "f1": lambda: math.sqrt(score * (1 - score) * (2 - score) / (2 * entry["positives"])),
        }[entry["kind"]]()
    )


def test_every_margin_follows_from_its_numbers_by_the_one_rule(answers):
    entries = tolerances(answers)
    for name, entry in entries.items():
        larger = max(standard_error(entry, entries), entry.get("seeds", {}).get("sd", 0.0))
        assert entry["points"] == math.ceil(10 * (larger + 0.05) - 1e-9) / 10, name


def test_every_reason_names_the_standard_error_it_rests_on(answers):
    entries = tolerances(answers)
    for name, entry in entries.items():
        assert f"{standard_error(entry, entries):.2f}" in entry["reason"], name


def test_margins_are_taken_at_scores_that_bert_base_has_in_print(answers):
    tables = [expected.read(answers, "paper", name).cells for name in ("table1", "table2", "table5")]
    found = {cell.id: cell for cells in tables for cell in cells}
    printed = {
        (column, cell.expectation.printed): cell.expectation.margin
        for cell in found.values()
        if cell.model == "bert-base" and cell.kind == "scored"
        for column in (cell.id.removeprefix(f"bert-base-{cell.schedule}-"),)
    }
    for name, entry in tolerances(answers).items():
        if "score" in entry:
            assert printed[name.partition("/")[0], str(entry["score"])] == entry["points"], name


def test_a_spread_over_seeds_names_its_source(answers):
    known = [entry["seeds"] for entry in tolerances(answers).values() if "seeds" in entry]

    assert len(known) == 8
    assert all(one["source"] for one in known)


def test_f1s_standard_error_is_that_of_development_sets_drawn_anew():
    # 279 of 408 positive, precision and recall 0.899: true positives 250.8, false ones of either kind 28.2 each
    drawn = np.random.default_rng(0).multinomial(408, np.array([250.8, 28.2, 28.2, 100.8]) / 408, size=20_000)
    found = 2 * drawn[:, 0] / (2 * drawn[:, 0] + drawn[:, 1] + drawn[:, 2])

    assert 100 * found.std() == pytest.approx(1.34, rel=0.03)


def test_matthews_standard_error_is_that_of_development_sets_drawn_anew():
    # 721 of 1,043 acceptable, as many called so, and a correlation of 0.582: the shares of a 2 by 2 table
    rate = 721 / 1043
    both = rate**2 + 0.582 * rate * (1 - rate)
    shares = [both, rate - both, rate - both, 1 - 2 * rate + both]
    a, b, c, d = np.random.default_rng(0).multinomial(1043, shares, size=20_000).T.astype(float)
    found = (a * d - b * c) / np.sqrt((a + b) * (a + c) * (d + b) * (d + c))

    assert 100 * found.std() == pytest.approx(2.73, rel=0.03)
