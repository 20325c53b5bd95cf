"""What a packed row is: its texts, their order, and how attention takes them together."""

from hypothesis import given
from hypothesis import strategies as st

from progbench.training.packed import PackedCollator, groups_of


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=40).map(sorted), most=st.integers(0, 3000))
def test_groups_hold_every_text_once_and_texts_of_one_length_together(lengths, most):
    groups, texts = groups_of(lengths, most), list(lengths)
    for group, start in zip(groups, [0, *(group.stop for group in groups)], strict=False):
        inside = []
        while sum(inside) < group.stop - group.start:
            inside.append(texts.pop(0))

        assert (group.start, group.longest) == (start, inside[-1])
        assert (group.places is None) == (len({*inside}) == 1)
        assert not texts or texts[0] > group.longest
    assert not texts


def test_groups_are_joined_cheapest_first_and_only_where_that_pads_little():
    # (1, 1) to length 3: 2 * (9 - 1) = 16; 3 to 4: 16 - 9 = 7; then (1, 1) to 4: 2 * (16 - 1) = 30
    def cut(most):
        return [(group.start, group.stop) for group in groups_of((1, 1, 3, 4), most)]

    assert cut(6) == [(0, 2), (2, 5), (5, 9)]
    assert cut(29) == [(0, 2), (2, 9)]
    assert cut(30) == [(0, 9)]


def test_examples_keep_their_targets_when_a_batch_is_ordered_by_length():
    batch = PackedCollator()([{"input_ids": [7, 8, 9], "labels": 1}, {"input_ids": [6], "labels": 0}])

    assert batch["input_ids"].tolist() == [[6, 7, 8, 9]]
    assert batch["labels"].tolist() == [0, 1]
