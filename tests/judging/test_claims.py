"""The paper's sentences: on its own print, and on runs whose numbers are made up here."""

import dataclasses
import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from progbench.errors import BadInput
from progbench.judging import claims, sentences
from progbench.judging.claims import Claim, Comparison, Measured
from progbench.judging.compared import Look
from progbench.judging.verdict import Observed
from progbench.session.suite import Suite


def claim(**changes):
    fields = {"id": "x", "sentence": "It is better.", "source": "section 1", "quantity": "difference"}
    return Claim(**(fields | {"comparisons": (Comparison("cola", ("a",), ("b",)),), "lowest": 0.0} | changes))


def seeds(*values):
    return dict(enumerate(values))


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    own = Suite("paper", Path(__file__).resolve().parents[2] / "expected", tmp_path_factory.mktemp("runs"), train=False)
    return {found.claim: found for found in map(own.claim, own.claims())}


# What the printed tables say of each sentence, worked out beside them: see the numbers in expected/paper.
ON_PRINT = {
    "avg-bert-base": "within noise",  # 82.8 - 82.6, which chance gives: c* 0.49
    "competitive-bert-base": "holds",  # +0.14 - 0.29 is above -0.5
    "avg-bert-large": "holds",  # 83.8 - 83.4, c* 1.36
    "competitive-bert-large": "holds",
    "avg-roberta-base": "holds",  # 83.5 - 82.8, c* 2.27
    "competitive-roberta-base": "holds",
    "reduction-bert-base": "undecided",  # drawn without a number
    "reduction-roberta-base": "undecided",
    "reduction-bert-large": "holds",  # 1 - 703.1 / 1005.4 = 30.07 %
    "reduction-squad1": "holds",  # 1 - 241.6 / 326.7 = 26.05 %
    "reduction-squad2": "holds",  # 1 - 175.3 / 217.7 = 19.48 %
    "better-on-both-squads": "does not hold",  # v2.0 EM 71.6 - 72.5, margin 0.5
    "only-bert-base": "does not hold",
    "adapter-67-percent": "holds",  # 1 - 11.9 / 35.8 = 66.76 %
    "adapter-within-half-a-point": "within noise",  # 83.1 - 83.6 against -0.5, margin 0.6
    "adapter-33-percent": "holds",
    "bitfit-a-little-lower": "within noise",  # 79.4 - 80.1 against -1 to 0, margin 0.6
    "lora-a-little-lower": "within noise",  # 85.8 - 86.0
    "low-blocks-needed": "undecided",  # 5.0, 3.4, 21.5; MRPC's 21.3 is F1 less accuracy
    "stsb-21.5-points": "holds",  # 88.3 - 66.8
    "growing-is-worse": "undecided",  # 3.1, 1.1, 19.8; MRPC's 21.9 is F1 less accuracy
    "mrpc-21.9-points": "undecided",  # 89.8 - 67.9, F1 less accuracy
    "growing-above-without-low-blocks": "within noise",  # MRPC 67.9 - 68.5, margin 2.4; STS-B is beyond
    "high-blocks-better": "undecided",  # drawn without a number
}


def test_what_the_print_says_of_each_of_its_sentences(paper):
    assert {name: found.on_print for name, found in paper.items()} == ON_PRINT


def test_what_counting_alone_decides_is_decided_without_a_run(paper):
    assert {name: found.on_ours for name, found in paper.items() if found.on_ours != "undecided"} == {
        "reduction-bert-base": "holds",  # 1 - 243,396,870 / 328,451,334 = 25.90 %
        "reduction-roberta-base": "holds",  # 22.75 %
        "reduction-bert-large": "holds",  # 30.07 %
        "reduction-squad1": "holds",  # 1 - 241,625,094 / 326,679,558 = 26.04 %
        "reduction-squad2": "holds",  # 1 - 175,259,140 / 217,786,372 = 19.53 %
        "only-bert-base": "does not hold",
        "adapter-67-percent": "does not hold",  # 44 %
        "adapter-33-percent": "does not hold",
    }


def test_disputed_sentences_are_these_four(paper):
    assert {name for name, found in paper.items() if found.outcome == "disputed"} == {
        "only-bert-base", "adapter-67-percent", "adapter-33-percent", "mrpc-21.9-points",
    }  # fmt: skip


def test_every_sentence_of_every_suite_names_cells_there_are(answers, tmp_path):
    for name in ("paper", "base", "mini", "smoke"):
        own = Suite(name, answers, tmp_path, train=False)
        cells = [cell for one in own.claims() for c in one.comparisons for cell in (*c.left, *c.right)]
        assert cells
        assert all(own.cell(cell) for cell in cells)


# what the interval of a sentence that one schedule is better, or not worse by half a point, comes to
@pytest.mark.parametrize(
    ("low", "high", "better", "not_worse"),
    [
        (0.1, 0.9, "holds", "holds"),
        (-0.4, 0.6, "undecided", "holds"),
        (-0.45, -0.05, "does not hold", "holds"),
        (-0.6, 0.2, "undecided", "undecided"),
        (-0.9, -0.1, "does not hold", "undecided"),
        (-0.9, -0.6, "does not hold", "does not hold"),
    ],
)
def test_better_and_not_worse_by_the_interval(low, high, better, not_worse):
    spread = (high - low) / 2 * 3**0.5 / 2.919986  # three differences, two degrees of freedom
    values = seeds(*((low + high) / 2 + spread * x for x in (-1, 0, 1)))
    wanted = [claim(wanted="better", strict=True), claim(wanted="not worse", strict=True, lowest=-0.5, margin=0.5)]
    answers = [claims.judge(one, [Measured("rte", seeds=values)]).on_ours for one in wanted]

    assert answers == [better, not_worse]


@pytest.mark.parametrize(
    ("now", "before", "better", "not_worse"),
    [
        ("undecided", "lower", "does not hold", "undecided"),
        ("not worse", "better", "holds", "holds"),
        ("lower", "better", "undecided", "holds"),
        ("worse", "not worse", "does not hold", "undecided"),
        ("undecided", "undecided", "undecided", "undecided"),
    ],
)
def test_what_a_look_before_showed_answers_a_claim_too(now, before, better, not_worse):
    look = Look("5", "+0.00 [-1.00, +1.00]", before, f"{before} then", "unknown")
    compared = SimpleNamespace(shown=(now, before), earlier=(look,), sentence="over 10")
    wanted = [claim(wanted="better", strict=True), claim(wanted="not worse", strict=True, lowest=-0.5, margin=0.5)]
    found = [claims.judge(one, [Measured("Avg", seeds=seeds(1, 2, 3), compared=compared)]) for one in wanted]

    assert [one.on_ours for one in found] == [better, not_worse]
    assert f"over 10; before, with 5 seeds +0.00 [-1.00, +1.00]: {before} then" in found[0].our_words


SPREAD = [-1.264911, -0.632456, 0.0, 0.632456, 1.264911]


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ([2.0, 2.1, 1.9, 2.2, 1.8], "holds"),
        ([-2.0, -2.1, -1.9, -2.2, -1.8], "does not hold"),
        ([2.0, -2.1, 1.9, -2.2, 0.5], "undecided"),
        ([3.0], "undecided"),
        # sd 1: one-sided 5 % at 4 degrees of freedom is 2.132, so the mean must exceed 2.132 / sqrt(5)
        ([x + 0.943 for x in SPREAD], "undecided"),
        ([x + 0.964 for x in SPREAD], "holds"),
    ],
)
def test_our_answer_follows_the_interval_of_the_paired_differences(values, answer):
    found = claims.judge(claim(), [Measured("cola", seeds=seeds(*values))])

    assert (found.on_ours, found.outcome) == (answer, answer)


def test_a_sentence_about_all_tasks_fails_by_one_that_surely_does_and_waits_for_one_that_is_missing():
    sure, lost = Measured("cola", seeds=seeds(2, 2.1, 1.9)), Measured("rte", seeds=seeds(-9, -9.1, -8.9))
    found = claims.judge(claim(), [sure, Measured("rte", missing="no GPU")])

    assert (claims.judge(claim(), [sure, lost]).on_ours, found.on_ours) == ("does not hold", "undecided")
    # sd 0.1, t(0.95, 2) = 2.92: 2 ± 0.17
    assert found.our_words == "cola +2.00 [+1.83, +2.17] (3); rte unknown (no GPU); wanted at least 0 points"


@pytest.mark.parametrize(
    ("quantity", "left", "right", "field", "value"),
    [
        ("difference", [Observed(seeds(60.0, 70.0, 80.0))], [Observed(seeds(59.0, 69.0))], "seeds", {0: 1.0, 1: 1.0}),
        ("difference", [Observed({0: 90.0}), Observed({0: 92.0})], [Observed({0: 85.0})], "seeds", {0: 6.0}),
        ("reduction", [Observed(count=30)], [Observed(count=40)], "exact", 25.0),
    ],
    ids=["paired by seed", "several cells stand for their mean", "a reduction is the percentage saved"],
)  # fmt: skip
def test_our_quantity_of_observed_cells(quantity, left, right, field, value):
    assert getattr(claims.our_quantity(claim(quantity=quantity), "x", left, right), field) == value


ON_PAPER = {
    "why the range is another than the sentence's": (
        "avg-roberta-base", "reason", "that it is higher is the claim; the 0.7 is a cell's own matter"
    ),
    "published spreads": ("avg-bert-large", "print_words", "by published spreads (c* = 1.36"),
    "what the margin would say": ("avg-bert-large", "print_words", "within noise by the margin of 0.6"),
    "LoRA's totals fit RoBERTa": (
        "only-bert-base", "print_words",
        "0 of 18 printed totals fit bert-base, 18 fit the model of their primary recipe",
    ),
    "the print rests on counts": ("reduction-squad1", "print_rests_on", "counts, which are arithmetic and take no run"),
    "ours does, too": ("reduction-squad1", "ours_rests_on", "counts, which are arithmetic and take no run"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "field", "words"), ON_PAPER.values(), ids=ON_PAPER)
def test_a_verdict_on_a_sentence_of_the_paper_says(paper, name, field, words):
    assert words in getattr(paper[name], field)


def test_what_is_not_printed_is_set_apart_from_the_wanted_range_and_its_unit():
    found = claims.judge(claim(quantity="reduction", lowest=22.5, highest=27.5), [Measured("updated")])

    assert found.print_words == "updated unknown (not printed); wanted 22.5 to 27.5 %"


def test_a_disputed_count_that_holds_after_all_is_an_error():
    found = claims.judge(claim(quantity="reduction", disputed="it cannot"), [Measured("updated", exact=67.0)])

    assert found.outcome == "error"


def test_a_column_of_mixed_metrics_is_compared_by_one_on_our_side(answers, tmp_path, monkeypatch):
    own = Suite("paper", answers, tmp_path, train=False)
    asked = []
    monkeypatch.setattr(own, "observed", lambda cell, variant="": asked.append(cell.metric) or Observed(missing="x"))
    own.claim(next(one for one in own.claims() if one.id == "mrpc-21.9-points"))

    assert asked == ["accuracy", "accuracy"]


def test_an_edited_claim_is_not_judged(copied, tmp_path):
    path = copied / "paper" / "claims.toml"
    path.write_text(path.read_text().replace("at_least = 29.5", "at_least = 2.5"))
    own = Suite("paper", copied, tmp_path, train=False)
    found = own.claim(own.claims()[0])

    assert found.outcome == "error"
    assert "claims.toml was edited: its sha256" in found.print_words


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            'quantity = "difference"',
            'quantity = "ratio"',
            "quantity = 'ratio': allowed is one of difference, reduction, fits",
        ),
        ('wanted = "better"', "", "one of above, at_least and wanted must say when it holds"),
        ('wanted = "better"', "at_least = 0.0\nabove = 0.0", "one of above, at_least and wanted"),
        ('wanted = "better"', "at_least = '0'", "at_least = '0': allowed is a number"),
        ('wanted = "better"', "at_least = 0.0\nat_most = -1", "at_most = -1 is below 0"),
        ('wanted = "better"', 'wanted = "good"', "wanted = 'good': allowed is one of better, not worse"),
        ('wanted = "better"', 'wanted = "better"\nmargin = 0.5', "margin belongs to wanted = 'not worse'"),
        ('wanted = "better"', 'wanted = "not worse"', "margin belongs to wanted = 'not worse'"),
        ("above = 0.0", 'wanted = "better"', "wanted is for a difference"),
        ('columns = ["avg"]', "", "claim 'avg': no columns"),
        ('columns = ["avg"]', "columns = []", "claim 'avg': columns = []: allowed is a list of texts, each once"),
        ('right = "table1', 'rihgt = "table1', "unknown field 'rihgt'"),
        ('id = "reduction"', 'id = "avg"', "two claims are called 'avg'"),
        ("[[claims]]", "[[claims", "line"),
        ("[[claims]]", "[[claim]]", "one [[claims]] for each sentence"),
        ('wanted = "better"', "at_least = nan", "at_least = nan: allowed is a number"),
        ('wanted = "better"', "at_least = true", "at_least = True: allowed is a number"),
        ('columns = ["avg"]', "columns = [5]", "claim 'avg': columns = [5]: allowed is a list of texts"),
        ('columns = ["avg"]', 'columns = ["avg", "avg"]', "allowed is a list of texts, each once"),
        ('id = "avg"', "id = 5", "claim 5: id = 5: allowed is a text"),
        ('id = "avg"', 'id = "avg"\nmetric = "f1"', "metric = 'f1': allowed is a table of metrics by column"),
        ('id = "avg"', 'id = "avg"\nmetric = { avg = 5 }', "allowed is a table of metrics by column"),
        ('right = "table1', 'left = 5\nright = "table1', "line"),
    ],
)
def test_a_malformed_file_of_claims_says_what_is_wrong(copied, old, new, problem):
    path = copied / "smoke" / "claims.toml"
    path.write_text(path.read_text().replace(old, new))
    found = sentences.read(copied, "smoke")

    assert isinstance(found, BadInput)
    assert problem in str(found)


def test_a_claim_over_a_cell_there_is_not_is_an_error_that_names_it(copied, tmp_path):
    own = Suite("smoke", copied, tmp_path, train=False)
    bad = dataclasses.replace(own.claims()[1], comparisons=(Comparison("avg", ("table1/no-such-avg",), ()),))
    found = own.claim(bad)

    assert found.outcome == "error"
    assert "no cell no-such-avg in" in found.our_words


def test_printed_numbers_of_two_metrics_decide_nothing():
    found = claims.judge(claim(), [Measured("mrpc", printed=21.9, mixed="f1 against accuracy", seeds=seeds(1, 1.1, 1))])

    assert (found.on_print, found.on_ours) == ("undecided", "holds")
    assert found.print_words == "mrpc +21.90, but of f1 against accuracy; wanted at least 0 points"


def test_a_run_with_an_error_makes_the_claim_one():
    found = claims.our_quantity(claim(), "cola", [Observed(errors={1: "the loss is nan"})], [Observed({0: 1.0})])

    assert claims.judge(claim(), [found]).outcome == "error"
    assert found.error == "seed 1: the loss is nan"


def test_a_sentence_is_not_decided_by_scores_on_other_data():
    left, right = Observed(seeds(2.0, 3.0), other_data="it read 32 rows of train"), Observed(seeds(1.0, 1.0))
    found = claims.judge(claim(), [claims.our_quantity(claim(), "cola", [left], [right])])

    assert (found.on_ours, found.our_words) == (
        "undecided",
        "cola unknown (it read 32 rows of train); wanted at least 0 points",
    )


def test_a_claim_over_an_edited_table_is_an_error(copied, tmp_path):
    path = copied / "paper" / "table5.toml"
    path.write_text(path.read_text().replace('mrpc = "67.9"', 'mrpc = "99.9"'))
    own = Suite("paper", copied, tmp_path, train=False)
    found = own.claim(next(one for one in own.claims() if one.id == "growing-above-without-low-blocks"))

    assert found.outcome == "error"
    assert "table5.toml was edited" in found.print_words


def test_a_bad_recipe_makes_the_claim_an_error_and_no_skip(answers, tmp_path, monkeypatch):
    def bad(*names, **more):
        raise BadInput("glue.toml: unknown field learning_rat")

    monkeypatch.setattr("progbench.recipes.reading.read", bad)
    own = Suite("smoke", answers, tmp_path, train=False)
    found = own.claim(next(one for one in own.claims() if one.id == "avg"))

    assert found.outcome == "error"
    assert "unknown field learning_rat" in found.our_words


def test_a_reduction_from_nothing_is_said_to_have_no_size():
    with pytest.raises(BadInput, match="claim 'x': a reduction cannot be computed from 0"):
        claims.quantity(claim(quantity="reduction"), 1.0, 0.0)


def test_a_claim_that_a_score_fits_is_an_error(answers, tmp_path):
    own = Suite("paper", answers, tmp_path, train=False)
    one = Comparison("rte", ("table1/bert-base-constant-rte",))
    found = own.claim(claim(quantity="fits", variant="fp32", comparisons=(one,)))

    assert found.outcome == "error"
    assert found.our_words == "bert-base-constant-rte is not a printed count, and quantity = 'fits' needs one"


def test_a_dispute_over_a_sentence_there_is_not_is_refused(copied):
    (copied / "smoke" / "disputed.toml").write_text('[[claims]]\nclaim = "avgg"\nargument = "as a test"')
    (copied / "smoke" / "SHA256SUMS").write_text("".join(
        f"{hashlib.sha256((copied / 'smoke' / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("claims.toml", "disputed.toml")
    ))  # fmt: skip

    assert "claims.toml: disputed.toml disputes avgg, which is not in it" in str(sentences.read(copied, "smoke"))


@pytest.mark.parametrize(
    ("printed", "answer"),
    [
        (0.7, "holds"),
        (0.6, "holds"),  # just the margin above the bound
        (0.5, "within noise"),
        (-0.6, "within noise"),
        (-0.7, "does not hold"),
    ],
)
def test_a_printed_difference_within_the_margin_of_its_bound_is_within_noise(printed, answer):
    found = claims.judge(claim(), [Measured("avg", printed=printed, margin=0.6)])

    assert found.on_print == answer
    assert found.print_words == f"avg {printed:+.2f} (margin 0.6); wanted at least 0 points"


def test_a_range_narrower_than_the_margin_is_within_noise_or_missed():
    little = claim(lowest=-1.0, highest=0.0)
    answers = [claims.judge(little, [Measured("avg", printed=x, margin=0.6)]).on_print for x in (-0.5, -1.7, 0.7)]

    assert answers == ["within noise", "does not hold", "does not hold"]


def test_one_comparison_within_noise_leaves_the_whole_sentence_there_and_one_beyond_fails_it():
    good, near, bad = (Measured("x", printed=value, margin=0.6) for value in (2.0, 0.1, -2.0))

    assert claims.judge(claim(), [good, near]).on_print == "within noise"
    assert claims.judge(claim(), [good, near, bad]).on_print == "does not hold"
    assert claims.judge(claim(), [good, near, Measured("x")]).on_print == "undecided"


def test_a_claim_says_what_each_of_its_answers_rests_on(paper):
    found, paired = paper["bitfit-a-little-lower"], paper["avg-bert-base"]

    assert found.print_rests_on == (
        "printed means without a spread, by the margins of their cells "
        "(avg 0.6: standard error of the nine together: 0.48)"
    )
    assert paired.print_rests_on == "printed means, with spreads over seeds that others published (difference.toml)"
    assert (found.ours_rests_on, found.by_counts) == ("", False)


def test_a_claim_on_runs_says_how_many_seeds_are_paired():
    runs = [Measured("a", seeds=seeds(1.0, 2.0, 3.0)), Measured("b", seeds=seeds(1.0, 2.0))]

    assert claims.judge(claim(), runs).ours_rests_on == "differences paired by seed, of 2 to 3 seeds"
