"""Rows of several seeds: every text where it should be, and a surplus that nothing reads."""

import dataclasses
import math

import pytest
import torch
from alone_and_stacked import compare, model, rows
from hypothesis import given
from hypothesis import strategies as st

from progbench.method import schedule
from progbench.training.packed import PackedCollator
from progbench.training.packed_seeds import BINS, SeedCollator
from progbench.training.packing import pack
from progbench.training.side_by_side import stack
from progbench.training.varlen import attend

WAYS = (BINS, ())  # rows as they are, and padded in groups


def texts(lengths, first=5):
    return [{"input_ids": list(range(first, first + length)), "labels": i % 2} for i, length in enumerate(lengths)]


@given(st.lists(st.lists(st.integers(1, 70), min_size=3, max_size=3), min_size=1, max_size=4), st.sampled_from(WAYS))
def test_every_text_stands_once_in_its_seeds_row_and_everything_else_is_surplus(seeds, bins):
    inputs = SeedCollator(PackedCollator(), pad=0, longest=128, bins=bins)([texts(one) for one in seeds]).inputs()
    ids, where = inputs["input_ids"], inputs["packing"]

    for row, first, lengths in zip(ids.tolist(), where.first.tolist(), seeds, strict=True):
        found = [row[at : at + length] for at, length in zip(first, sorted(lengths), strict=True)]
        assert found == [list(range(5, 5 + length)) for length in sorted(lengths)]
        assert sum(map(bool, row)) == sum(lengths)


@given(st.lists(st.lists(st.integers(1, 128), min_size=5, max_size=5), min_size=1, max_size=3))
def test_no_text_lies_in_two_bins(lengths):
    where = where_of(lengths, longest=128)
    ((count, size),) = where.groups
    rows = where.owners.view(len(lengths), count, size)

    for row, one in zip(rows, lengths, strict=True):
        for text, length in enumerate(sorted(one)):
            (places,) = (row == text).any(1).nonzero().T.tolist()
            assert len(places) == 1
            assert int((row == text).sum()) == length


def test_rows_of_unlike_lengths_meet_in_one_form():
    make = SeedCollator(PackedCollator(), pad=0, longest=16)
    one, other = make([texts([3, 4]), texts([9, 9])]), make([texts([12, 12]), texts([1, 1])])

    assert one.form == other.form


def test_a_form_tells_batches_of_unlike_shapes_apart():
    make = SeedCollator(PackedCollator(), pad=0, longest=16)

    assert make([texts([3, 4])]).form != make([texts([3])]).form


def test_scores_keep_their_fractions():
    batch = SeedCollator(PackedCollator(), pad=0, longest=8)([[{"input_ids": [5], "labels": 2.75}]])

    assert batch.inputs()["labels"].tolist() == [[2.75]]


def test_inputs_are_views_that_follow_what_is_copied_into_the_batch():
    make = SeedCollator(PackedCollator(), pad=0, longest=8)
    one, other = make([texts([2], 5)]), make([texts([2], 50)])
    inputs = one.inputs()
    one.flat.copy_(other.flat)

    assert inputs["input_ids"][0, :2].tolist() == [50, 51]


@pytest.mark.parametrize("head", ["classification", "question_answering"])
def test_a_surplus_token_changes_nothing(head):
    models = [model("tiny-roberta", head, "full", seed) for seed in (0, 1)]
    packed = pack(models[0])
    stacked = stack(models).eval()
    chosen = [rows(head, seed)[:3] for seed in (0, 1)]
    found = []
    for pad in (0, 77):
        answering = head == "question_answering"
        inputs = SeedCollator(packed, pad=pad, longest=16, answering=answering)(chosen).inputs()
        names = ("labels", "start_positions", "end_positions")
        outputs = stacked(**{name: value for name, value in inputs.items() if name not in names})
        found.append(outputs["logits" if head == "classification" else "start_logits"])

    assert torch.equal(*found)


@pytest.mark.parametrize("head", ["classification", "question_answering"])
def test_padded_in_groups_training_is_the_same(wanted, head):
    compare(wanted(), "tiny-bert", head, "full", schedule.shrinking, bins=())


LENGTHS = [[2, 3, 9, 40], [1, 1, 30, 41]]


def where_of(lengths, longest=48, bins=BINS):
    collate = SeedCollator(PackedCollator(), pad=0, longest=longest, bins=bins)
    return collate([*map(texts, lengths)]).inputs()["packing"]


def tokens_of(where):
    """How many tokens a row has."""
    return (len(where.owners) if where.source is None else int(where.source.max()) + 1) // len(where.first)


def each(where, lengths):
    """Where each text is: its row and its tokens."""
    for row, (starts, one) in enumerate(zip(where.first.tolist(), lengths, strict=True)):
        for start, length in zip(starts, sorted(one), strict=True):
            yield row, slice(start, start + length)


@pytest.mark.parametrize("bins", WAYS, ids=["bins", "groups"])
@pytest.mark.parametrize("lengths", [LENGTHS, [[5]], [[7, 7], [7, 7]], [[16, 16, 16], [16, 16, 16]], [[64], [64]]])
def test_attention_stays_within_a_text(lengths, bins):
    where = where_of(lengths, max(map(max, lengths)), bins)
    torch.manual_seed(0)
    query, key, value = (torch.randn(len(lengths), 3, tokens_of(where), 4).double() for _ in range(3))
    whole = attend(query, key, value, where)
    for row, there in each(where, lengths):
        q, k, v = (part[row, :, there] for part in (query, key, value))
        expected = (q @ k.transpose(1, 2) / 2).softmax(-1) @ v  # 2: the root of the size
        torch.testing.assert_close(whole[row, there].transpose(0, 1), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bins", WAYS, ids=["bins", "groups"])
@pytest.mark.parametrize("lengths", [LENGTHS, [[16, 16, 16], [16, 16, 16]]], ids=["unlike", "full"])
def test_gradients_of_attention_stay_within_a_text_and_are_0_at_surplus_tokens(lengths, bins):
    """Where all texts fill their group, too: then a place is added that surplus tokens can stand for."""
    where = where_of(lengths, max(map(max, lengths)), bins)
    torch.manual_seed(0)
    tokens = tokens_of(where)
    rows = [torch.randn(2, 3, tokens, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    real = torch.zeros(2, tokens, 1, 1)
    for row, there in each(where, lengths):
        real[row, there] = 1
    weights = torch.randn(2, tokens, 3, 4, dtype=torch.float64) * real  # nothing reads surplus tokens
    (attend(*rows, where) * weights).sum().backward()
    found = [part.grad.clone() for part in rows]
    for part in rows:
        part.grad = None
    for row, there in each(where, lengths):
        q, k, v = (part[row, :, there] for part in rows)
        own = (q @ k.transpose(1, 2) / 2).softmax(-1) @ v
        (own.transpose(0, 1) * weights[row, there]).sum().backward()

    for one, part in zip(found, rows, strict=True):
        torch.testing.assert_close(one, part.grad, rtol=0, atol=1e-12)
        assert not (one.transpose(1, 2) * (1 - real)).any()


@pytest.mark.parametrize("bins", WAYS, ids=["bins", "groups"])
def test_a_seeds_numbers_that_are_not_finite_stay_in_its_row(bins):
    where = where_of(LENGTHS, bins=bins)
    query, key, value = (torch.ones(2, 3, tokens_of(where), 4) for _ in range(3))
    value[1] = math.nan

    assert attend(query, key, value, where)[0].isfinite().all()


@given(st.lists(st.lists(st.integers(1, 48), min_size=5, max_size=5), min_size=1, max_size=3))
def test_every_token_of_a_text_has_one_place_and_every_surplus_token_has_one_without_a_token(lengths):
    where = where_of(lengths, bins=())
    source, each = where.source.tolist(), tokens_of(where)
    real = [row * each + token for row, one in enumerate(lengths) for token in range(sum(one))]
    owners = where.owners.tolist()

    assert sorted(token for token, owner in zip(source, owners, strict=True) if owner >= 0) == real
    assert {*source} == {*range(each * len(lengths))}
    for bins in where.in_groups(where.source):
        assert all(len({token // each for token in own}) == 1 for own in bins.tolist())
    for row, one in enumerate(lengths):
        of_row = [owner for token, owner in zip(source, owners, strict=True) if token // each == row and owner >= 0]
        assert [of_row.count(text) for text in range(len(one))] == sorted(one)
    assert sum(len(lengths) * bins * longest for bins, longest in where.groups) == len(source)


def test_long_texts_share_bins_with_short_ones():
    lengths = [[10] * 16 + [20] * 12 + [120] * 4] * 5

    assert where_of(lengths, longest=128, bins=()).groups == ((7, 64), (4, 128))


def test_a_batch_is_one_tensor():
    batch = SeedCollator(PackedCollator(), pad=0, longest=8)([texts([2, 3])])

    assert {field.name for field in dataclasses.fields(batch)} == {"form", "flat"}
    assert batch.flat.dtype is torch.int64
