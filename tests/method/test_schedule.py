import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progbench.method.schedule import (
    SCHEDULES,
    constant,
    growing,
    named,
    parts,
    require_name,
    shrinking,
    single_block,
    without_low_blocks,
)

LT = {"L": st.integers(1, 60), "T": st.integers(1, 100)}


def blocks(schedule):
    return [list(stage.blocks) for stage in schedule]


BY_HAND = {
    "Eq. 3 trains parts t to T": (shrinking(6, 3), [[0, 1, 2, 3, 4, 5], [2, 3, 4, 5], [4, 5]]),
    "Eq. 4 trains parts after t and ends with no block": (without_low_blocks(6, 3), [[2, 3, 4, 5], [4, 5], []]),
    "Eq. 5 trains the last part first and ends with all": (growing(6, 3), [[4, 5], [2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]),
    "fine-tuning trains every block in every epoch": (constant(2, 3), [[0, 1], [0, 1], [0, 1]]),
}


@pytest.mark.parametrize(("schedule", "wanted"), BY_HAND.values(), ids=BY_HAND)
def test_by_hand(schedule, wanted):
    assert blocks(schedule) == wanted


def test_more_epochs_than_blocks_gives_the_printed_lora_total_of_table3():
    # CoLA, 80 epochs, 12 blocks: sum over t of floor(12t/80) is 4 * 19 + 20 * (0 + 3 + 6 + 9) = 436 frozen blocks.
    # A block of RoBERTa-base holds 24,576 LoRA parameters and its head 592,130.
    live = sum(len(stage.blocks) for stage in shrinking(12, 80))

    assert live == 80 * 12 - 436
    assert f"{(80 * 592_130 + live * 24_576) / 1e6:.1f}" == "60.2"


@given(**LT)
def test_parts_are_consecutive_and_hold_every_block_once(L, T):
    assert [block for part in parts(L, T) for block in part] == list(range(L))
    assert len(parts(L, T)) == T


@given(T=st.integers(1, 20), size=st.integers(1, 10))
def test_parts_have_eq2s_size_when_T_divides_L(T, size):
    assert [len(part) for part in parts(T * size, T)] == [size] * T


@given(**LT)
def test_part_sizes_differ_by_at_most_one(L, T):
    sizes = {len(part) for part in parts(L, T)}

    assert max(sizes) - min(sizes) <= 1


@given(**LT)
def test_shrinking_starts_with_all_blocks_and_never_regains_one(L, T):
    stages = [set(stage.blocks) for stage in shrinking(L, T)]

    assert stages[0] == set(range(L))
    assert all(later <= earlier for earlier, later in itertools.pairwise(stages))


@given(**LT)
def test_shrinking_ends_with_the_last_part_only(L, T):
    assert shrinking(L, T)[-1].blocks == range((L * (T - 1)) // T, L)


@given(**LT)
def test_growing_is_shrinking_reversed(L, T):
    assert list(growing(L, T)) == list(shrinking(L, T))[::-1]


@given(L=st.integers(1, 60), data=st.data())
def test_without_low_blocks_is_shrinking_one_part_later(L, data):
    T = data.draw(st.integers(1, L))
    later = [*list(shrinking(L, T))[1:]]

    assert [list(stage.blocks) for stage in without_low_blocks(L, T)][:-1] == [list(s.blocks) for s in later]
    assert list(without_low_blocks(L, T)[-1].blocks) == []


@given(L=st.integers(1, 20), data=st.data())
def test_without_low_blocks_refuses_more_epochs_than_blocks(L, data):
    T = data.draw(st.integers(L + 1, 100))

    with pytest.raises(ValueError, match=f"T={T}, L={L}"):
        without_low_blocks(L, T)


@pytest.mark.parametrize("make", SCHEDULES.values())
@pytest.mark.parametrize(("L", "T", "name"), [(0, 3, "L"), (12, 0, "T"), (12, -1, "T"), (12, 2.0, "T"), (True, 1, "L")])
def test_sizes_that_are_not_whole_positive_numbers_are_refused(make, L, T, name):
    with pytest.raises(ValueError, match=f"^{name} must be a whole number"):
        make(L, T)


@pytest.mark.parametrize("make", SCHEDULES.values())
def test_a_schedule_has_one_stage_an_epoch_and_knows_its_depth(make):
    schedule = make(12, 5)

    assert (schedule.T, len(schedule), schedule.L) == (5, 5, 12)


def test_a_single_blocks_name_counts_from_one_as_the_paper_does():
    assert [single_block(3, 1, i).name for i in range(3)] == ["single_block_b1", "single_block_b2", "single_block_b3"]


@pytest.mark.parametrize("i", [-1, 12, 1.5, None])
def test_a_block_there_is_not_is_refused(i):
    with pytest.raises(ValueError, match="i must be a block from 0 to 11"):
        single_block(12, 3, i)


@pytest.mark.parametrize("name", [*SCHEDULES, "single_block_b1", "single_block_b4"])
def test_a_schedule_is_found_by_its_own_name(name):
    assert named(name, 4, 3).name == name


KNOWN = "known are constant, shrinking, without_low_blocks, growing, single_block_b1 to"
NOT_THERE = "i must be a block from 0 to 11"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        *((name, KNOWN) for name in ("melting", "single_block", "single_block_b", "single_block_bx", "")),
        *((name, NOT_THERE) for name in ("single_block_b0", "single_block_b13")),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones_and_a_block_there_is_not_with_those_there_are(name, problem):
    with pytest.raises(ValueError, match=problem):
        named(name, 12, 3)


@pytest.mark.parametrize("name", [*SCHEDULES, "single_block_b1"])
def test_fewer_than_one_epoch_is_refused(name):
    with pytest.raises(ValueError, match="T must be a whole number of at least 1, got 0"):
        named(name, 12, 0)


def test_the_name_of_a_block_of_any_number_is_one_and_that_block_is_none_of_a_model():
    name = f"single_block_b{'9' * 5000}"  # more digits than Python makes a number of

    assert require_name(name, "table5.toml: row 1") is None
    with pytest.raises(ValueError, match="digits"):
        named(name, 12, 3)
