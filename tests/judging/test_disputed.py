"""The arguments of expected/paper/disputed.toml, each held by arithmetic."""

import math

import pytest

from progbench import updated_parameters
from progbench.judging import guards
from progbench.judging.counts import agrees_with_print
from progbench.judging.judge import judge
from progbench.judging.verdict import Observed
from progbench.method import schedule
from progbench.session.suite import Suite

ADAPTER_BLOCK, CLASSIFIER, L = 149_088, 1_538, 12
GROUPS = {16: ("28.6", "9.9"), 20: ("35.8", "11.9")}  # epochs that give the Adapter row, and what is printed

# Blocks that train in each of T epochs, under every reading of "progressively fewer" that came to mind.
RULES = {
    "Eq. 3, parts by floor(Lt/T)": lambda T: [L - L * t // T for t in range(T)],
    "Eq. 3, parts by ceil(Lt/T)": lambda T: [L - math.ceil(L * t / T) for t in range(T)],
    "Eq. 3, parts by round(Lt/T)": lambda T: [L - round(L * t / T) for t in range(T)],
    "Eq. 4, without low blocks": lambda T: [L - L * (t + 1) // T for t in range(T)],
    "each part alone": lambda T: [L * (t + 1) // T - L * t // T for t in range(T)],
    "Eq. 2 literally, floor(L/T) = 0 blocks a part": lambda T: [0] * T,
    "one block fewer an epoch, to none": lambda T: [max(L - t, 0) for t in range(T)],
    "one block fewer an epoch, to one": lambda T: [max(L - t, 1) for t in range(T)],
    "one block fewer every second epoch": lambda T: [max(L - t // 2, 0) for t in range(T)],
    "evenly from all to one": lambda T: [round(L - (L - 1) * t / (T - 1)) for t in range(T)],
    "three stages": lambda T: [L - 4 * min(2, 3 * t // T) for t in range(T)],
    "four stages": lambda T: [L - 3 * (4 * t // T) for t in range(T)],
    "six stages": lambda T: [L - 2 * (6 * t // T) for t in range(T)],
    "halved each epoch": lambda T: [max(L >> t, 1) for t in range(T)],
    "all once, then one": lambda T: [L] + [1] * (T - 1),
    "four blocks throughout": lambda T: [4] * T,
}


@pytest.fixture
def suite(answers, tmp_path):
    return Suite("paper", answers, tmp_path)


def total(rule, T):
    return sum(rule(T)) * ADAPTER_BLOCK + T * CLASSIFIER


@pytest.mark.parametrize("T", GROUPS)
def test_the_adapter_row_fits_these_epochs_and_no_others(T):
    fits = [t for t in range(1, 101) if agrees_with_print(t * (L * ADAPTER_BLOCK + CLASSIFIER), GROUPS[T][0])]

    assert fits == [T]


@pytest.mark.parametrize("rule", RULES)
def test_no_schedule_tried_gives_the_adapter_progtuning_row_at_both(rule):
    assert not all(agrees_with_print(total(RULES[rule], T), printed) for T, (_, printed) in GROUPS.items())


def test_four_blocks_throughout_give_11_9_but_9_6_where_9_9_is_printed():
    rule = RULES["four blocks throughout"]

    assert agrees_with_print(total(rule, 20), "11.9")
    assert f"{total(rule, 16) / 1e6:.1f}" == "9.6"


@pytest.mark.parametrize("make", [schedule.shrinking, schedule.growing])
def test_eq_3_and_its_reverse_give_16_1_and_20_0(make):
    assert [f"{updated_parameters('bert-base', make(12, T), 'adapter') / 1e6:.1f}" for T in GROUPS] == ["16.1", "20.0"]


def test_the_nine_totals_of_adapter_with_progtuning_are_disputed_and_no_other_cell(suite):
    cells = [cell for name in ("table1", "table3", "table4", "table5", "figure4") for cell in suite.table(name).cells]

    assert [cell.id for cell in cells if cell.disputed] == [
        f"bert-base-adapter-shrinking-{column}-updated"
        for column in "cola mnli-m mnli-mm mrpc qnli qqp rte sst2 stsb".split()
    ]


def test_a_disputed_count_is_shown_with_its_difference_and_its_argument(suite):
    found = suite.verdict(suite.cell("table3/bert-base-adapter-shrinking-cola-updated"))

    assert found.outcome == "disputed"
    assert found.difference == pytest.approx(16.126112 - 9.9)
    assert "counted 16,126,112, which neither rounds nor truncates to the printed 9.9 M; Eq. 3 over" in found.sentence


def test_a_disputed_count_that_agrees_after_all_is_an_error(suite):
    cell = suite.cell("table3/bert-base-adapter-shrinking-cola-updated")
    found = judge(cell, Observed(count=9_900_000))

    assert found.outcome == "error"
    assert "disputed, and yet counted 9,900,000, which is the printed 9.9 M: correct disputed.toml" in found.sentence


def test_the_other_45_totals_of_table_3_round_or_truncate_to_the_print(suite):
    verdicts = [suite.verdict(cell) for cell in suite.table("table3").cells if not cell.disputed]

    assert len(verdicts) == 45
    assert {found.outcome for found in verdicts} == {"reproduced"}


# Live blocks of Eq. 3 summed over T epochs: 12 T less the sum of floor(12t/T), which is (a - 1)(b - 1) / 2 a period of
# 12/T = a/b in lowest terms, and a more for each period before.
LIVE = {
    16: 12 + 12 + 11 + 10 + 9 + 9 + 8 + 7 + 6 + 6 + 5 + 4 + 3 + 3 + 2 + 1,
    20: 12 + 12 + 11 + 11 + 10 + 9 + 9 + 8 + 8 + 7 + 6 + 6 + 5 + 5 + 4 + 3 + 3 + 2 + 2 + 1,
    25: 12 * 25 - 11 * 24 // 2,
    30: 12 * 30 - (5 * 2 * 15 + 6 * 2),
    40: 12 * 40 - (10 * 3 * 6 + 4 * 9),
    60: 12 * 60 - 5 * 66,
    80: 12 * 80 - (20 * 3 * 6 + 4 * 19),
}


# L * 24,576 LoRA parameters and RoBERTa's head of 590,592 + 769 an output (adapters: 149,088 and BERT's 769 an output;
# BitFit: 8,448 and 768 + 768 + 769 an output) an epoch; live blocks of Eq. 3 summed by hand for T epochs.
@pytest.mark.parametrize(
    ("cell", "count"),
    [
        ("bert-base-adapter-constant-cola", 16 * (12 * 149_088 + 1_538)),
        ("bert-base-adapter-constant-mnli-m", 20 * (12 * 149_088 + 3 * 769)),
        ("bert-base-adapter-constant-qnli", 20 * (12 * 149_088 + 1_538)),
        ("bert-base-adapter-constant-stsb", 16 * (12 * 149_088 + 769)),
        ("bert-base-adapter-shrinking-mnli-m", LIVE[20] * 149_088 + 20 * 3 * 769),
        ("bert-base-adapter-shrinking-stsb", LIVE[16] * 149_088 + 16 * 769),
        ("bert-base-bitfit-constant-qqp", 10 * (12 * 8_448 + 1_536 + 1_538)),
        ("bert-base-bitfit-constant-stsb", 8 * (12 * 8_448 + 1_536 + 769)),
        (
            "bert-base-bitfit-shrinking-mnli-m",
            (12 + 11 + 10 + 9 + 8 + 6 + 5 + 4 + 3 + 2) * 8_448 + 10 * (1_536 + 3 * 769),
        ),
        ("roberta-base-lora-constant-mrpc", 30 * (294_912 + 590_592 + 1_538)),
        ("bert-base-adapter-shrinking-rte", LIVE[16] * 149_088 + 16 * 1_538),
        ("bert-base-adapter-shrinking-qqp", LIVE[20] * 149_088 + 20 * 1_538),
        ("bert-base-bitfit-constant-mnli-m", 10 * (12 * 8_448 + 1_536 + 3 * 769)),
        ("bert-base-bitfit-constant-rte", 8 * (12 * 8_448 + 1_536 + 1_538)),
        ("bert-base-bitfit-shrinking-rte", (12 + 11 + 9 + 8 + 6 + 5 + 3 + 2) * 8_448 + 8 * (1_536 + 1_538)),
        ("bert-base-bitfit-shrinking-stsb", (12 + 11 + 9 + 8 + 6 + 5 + 3 + 2) * 8_448 + 8 * (1_536 + 769)),
        ("bert-base-bitfit-shrinking-qqp", (12 + 11 + 10 + 9 + 8 + 6 + 5 + 4 + 3 + 2) * 8_448 + 10 * (1_536 + 1_538)),
        ("roberta-base-lora-constant-cola", 80 * (294_912 + 590_592 + 1_538)),
        ("roberta-base-lora-constant-mnli-mm", 30 * (294_912 + 590_592 + 3 * 769)),
        ("roberta-base-lora-constant-sst2", 60 * (294_912 + 590_592 + 1_538)),
        ("roberta-base-lora-constant-qnli", 25 * (294_912 + 590_592 + 1_538)),
        ("roberta-base-lora-shrinking-rte", LIVE[80] * 24_576 + 80 * (590_592 + 1_538)),
        ("roberta-base-lora-shrinking-mnli-m", LIVE[30] * 24_576 + 30 * (590_592 + 3 * 769)),
        ("roberta-base-lora-shrinking-mrpc", LIVE[30] * 24_576 + 30 * (590_592 + 1_538)),
        ("roberta-base-lora-shrinking-qqp", LIVE[25] * 24_576 + 25 * (590_592 + 1_538)),
        ("roberta-base-lora-shrinking-sst2", LIVE[60] * 24_576 + 60 * (590_592 + 1_538)),
        ("roberta-base-lora-shrinking-stsb", LIVE[40] * 24_576 + 40 * (590_592 + 769)),
        ("roberta-base-lora-constant-stsb", 40 * (294_912 + 590_592 + 769)),
    ],
)
def test_our_integers_in_table_3_are_the_arithmetic_by_hand(suite, cell, count):
    assert suite.observed(suite.cell(f"table3/{cell}-updated")).count == count


def test_every_dispute_names_a_cell_or_a_claim_there_is(answers, suite):
    found = guards.disputed(answers, "paper")

    assert all(suite.cell(f"{table}/{cell}").disputed for table, cell in found["cells"])
    assert set(found["claims"]) <= {claim.id for claim in suite.claims()}


def test_21_9_points_on_mrpc_are_f1_less_the_accuracy_of_one_answer(suite):
    progtuning, growing = (suite.cell(f"table5/bert-base-{name}-mrpc") for name in ("shrinking", "growing"))

    assert (progtuning.metric, growing.metric) == ("f1", "accuracy")
    assert abs(float(growing.expectation.printed) - 100 * 279 / 408) < 0.5
    assert float(progtuning.expectation.printed) - float(growing.expectation.printed) == pytest.approx(21.9)
