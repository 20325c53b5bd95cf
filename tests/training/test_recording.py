"""The GPU's stand-in knows as little of Python as a graph does, and forbids what a capture forbids."""

import doctest
import random

import gpu_stand_in
import pytest
import torch
from gpu_stand_in import recorded, watched


def test_its_examples_are_true():
    found = doctest.testmod(gpu_stand_in)

    assert (found.failed, found.attempted > 0) == (0, True)


@pytest.fixture
def numbers():
    return torch.arange(4.0)


def test_a_capture_leaves_data_and_chance_as_they_were(numbers):
    torch.manual_seed(0)
    chance = torch.get_rng_state()
    recorded(lambda: numbers.add_(1).mul_(torch.rand(4)))

    assert numbers.tolist() == [0, 1, 2, 3]
    assert torch.equal(torch.get_rng_state(), chance)


def test_what_a_capture_made_holds_no_numbers_before_the_first_replay(numbers):
    kept = []
    replay = recorded(lambda: kept.append(numbers + 1) or kept[0])

    assert kept[0].isnan().all()
    assert replay().tolist() == [1, 2, 3, 4]


def test_a_replay_computes_on_what_lies_in_memory_now(numbers):
    replay = recorded(lambda: numbers[1:].sum() * 2)
    numbers.fill_(5)

    assert replay().item() == 30


def test_a_number_of_python_and_a_branch_are_those_of_the_capture(numbers):
    share = [2.0]
    replay = recorded(lambda: numbers * share[0] if share[0] < 3 else numbers * random.random())
    share[0] = 7.0

    assert replay().tolist() == [0, 2, 4, 6]


def test_a_gradient_is_an_attribute_that_no_replay_sets(numbers):
    weight = torch.nn.Parameter(numbers)

    def step():
        weight.grad = None
        loss = (weight * weight).sum()
        loss.backward()
        return loss.detach()

    replay = recorded(step)
    captured = weight.grad
    replay()

    assert captured.tolist() == [0, 2, 4, 6]
    weight.grad = None
    replay()
    assert weight.grad is None


def test_chance_goes_on_from_replay_to_replay_as_it_does_without_a_graph(numbers):
    def drawn():
        return torch.nn.functional.dropout(numbers + 1, 0.5)

    replay = recorded(drawn)
    torch.manual_seed(3)
    eager = [drawn().tolist() for _ in range(3)]
    torch.manual_seed(3)

    assert [replay().tolist() for _ in range(3)] == eager


def test_the_memory_of_one_recording_is_overwritten_by_its_next_replay(numbers):
    replay = recorded(lambda: numbers * 2)
    first = replay()
    numbers.fill_(1)
    replay()

    assert first.tolist() == [2, 2, 2, 2]


def test_memory_that_has_been_freed_is_not_read_again(numbers):
    buffers = [numbers + 1]
    replay = recorded(lambda: buffers[0] * 2)
    buffers.clear()

    with pytest.raises(RuntimeError, match="memory that has been freed"):
        replay()


FORBIDDEN = {
    "a number read": lambda x: x.sum().item(),
    "a number read by Python": lambda x: float(x.sum()),
    "a branch on data": lambda x: x if x.sum() > 0 else -x,
    "a list": lambda x: x.tolist(),
    "a copy to the host": lambda x: x.cpu(),
    "a copy from the host": lambda x: x + torch.tensor([1.0, 2.0, 3.0, 4.0]),
    "an order drawn on the host": lambda x: x[torch.randperm(4)],
    "a generator of the host": lambda x: torch.rand(4, generator=torch.Generator()),
    "a size that data decides": lambda x: x.nonzero(),
    "a mask as an index": lambda x: x[x > 1],
    "texts of lengths that data has": lambda x: x.repeat_interleave(x.long()),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_no_capture_allows_raises_and_is_seen_by_who_watches(name, numbers):
    with pytest.raises(RuntimeError, match=r"^operation not permitted when stream is capturing: "):
        recorded(lambda: FORBIDDEN[name](numbers))

    assert numbers.tolist() == [0, 1, 2, 3]
    assert watched(lambda: FORBIDDEN[name](numbers))[1]


def test_a_length_that_python_knows_is_allowed(numbers):
    replay = recorded(lambda: numbers.repeat_interleave(numbers.long(), output_size=6))

    assert replay().tolist() == [1, 2, 2, 3, 3, 3]


def test_what_a_capture_allows_is_not_said():
    assert watched(lambda: torch.ones(2) * 2)[1] == ""
