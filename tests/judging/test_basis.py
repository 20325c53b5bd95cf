"""What each printed count rests on: the arguments of expected/paper/basis.toml, each held by arithmetic."""

from collections import Counter

import pytest

from progbench.errors import BadInput
from progbench.judging import expected, guards
from progbench.judging.counts import agrees_with_print
from progbench.method.counting import updated_parameters
from progbench.method.schedule import constant
from progbench.recipes import reading
from progbench.session.suite import Suite


@pytest.fixture
def counted(answers, tmp_path):
    """Every printed count of the paper, with its verdict."""
    own = Suite("paper", answers, tmp_path, train=False)
    cells = [cell for name in own.tables() for cell in own.table(name).cells if cell.expectation.printed]
    return [(cell, own.verdict(cell)) for cell in cells if cell.kind == "counted"]


def test_predictions_are_told_from_fits(counted):
    # Table 2 and section 4.2; Adapter's, BitFit's and LoRA's own rows; BitFit's and LoRA's with Progtuning
    assert Counter(found.basis for _, found in counted if found.outcome == "reproduced") == {
        "stated": 4 + 2, "fitted": 9 + 9 + 9, "predicted": 9 + 9,
    }  # fmt: skip


def test_the_disputed_counts_are_predictions_that_failed(counted):
    assert {found.basis for _, found in counted if found.outcome == "disputed"} == {"predicted"}


def test_no_single_rule_gives_all_counts_that_agree(counted):
    ways = Counter(found.rounding for _, found in counted if found.outcome == "reproduced")

    assert ways == {"both": 34, "rounded": 9, "truncated": 8}


@pytest.mark.parametrize(
    ("tuning", "task", "labels", "printed", "epochs"),
    [
        ("adapter", "cola", 2, "28.6", 16),
        ("adapter", "mnli", 3, "35.8", 20),
        ("bitfit", "cola", 2, "0.8", 8),
        ("bitfit", "mnli", 3, "1.0", 10),
    ],
)
def test_a_fitted_rows_totals_leave_one_number_of_epochs(tuning, task, labels, printed, epochs):
    totals = {T: updated_parameters("bert-base", constant(12, T), tuning, num_labels=labels) for T in range(1, 101)}
    recipe = reading.read("paper", "peft", model="bert-base", schedule="constant", task=task, tuning=tuning)

    assert [T for T, total in totals.items() if agrees_with_print(total, printed)] == [epochs] == [recipe.epochs]


def test_loras_totals_fit_roberta_alone(answers):
    cells = [one for one in expected.read(answers, "paper", "table3").cells if one.tuning == "lora"]
    fits = Counter()
    for cell in cells:
        for model in ("bert-base", "roberta-base"):
            wanted = reading.read(
                "paper", "peft", model=model, schedule=cell.schedule, task=cell.count_task, tuning="lora"
            )
            fits[model] += agrees_with_print(wanted.planned(), cell.expectation.printed)

    assert fits == {"bert-base": 0, "roberta-base": 18}


def test_every_inferred_setting_of_a_recipe_is_told(answers):
    cells = expected.read(answers, "paper", "table3").cells
    tunings = reading._file(reading._folder() / "paper" / "peft.toml")["tunings"]
    inferred = {name for name, one in tunings.items() if one["epochs"]["source"].startswith("inferred")}

    assert inferred == {cell.tuning for cell in cells if "(epochs)" in cell.basis_words}


def test_a_count_says_what_it_rests_on(counted):
    words = {cell.id: found.sentence for cell, found in counted}

    assert words["bert-base-bitfit-constant-cola-updated"].endswith(
        "printed 0.8 M; fitted (epochs): only 8 epochs give 0.8 M, and only 10 give 1.0 M"
    )
    assert words["bert-base-constant-squad2-updated"] == (
        "counted 217,786,372, which truncates, and does not round, to the printed 217.7 M"
    )


def test_an_entry_on_a_row_there_is_not_is_refused():
    found = guards.Bases({("table3", "bert-base-adaptr-constant"): ("fitted", "")})

    with pytest.raises(BadInput, match=r"basis\.toml speaks of bert-base-adaptr-constant, which is no row of it"):
        found.require_known("table3.toml", "table3", ["bert-base-adapter-constant"])


def test_an_entry_of_another_shape_is_refused(tmp_path):
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "basis.toml").write_text('[[rows]]\ntable = "table3"\nrow = "a"\nbasis = "guessed"\n')

    with pytest.raises(BadInput, match=r"basis.toml: rows, entry 1: no setting, argument"):
        guards.bases(tmp_path, "paper")
