"""Batches made ahead by a thread."""

import threading

import pytest

from progbench.training.prepared import prefetched


def test_items_come_in_their_order():
    assert list(prefetched(range(100), most=3)) == list(range(100))


def test_so_many_are_made_before_the_first_is_used():
    made, full = [], threading.Event()

    def items():
        for number in range(10):
            made.append(number)
            if number == 3:
                full.set()
            yield number

    stream = prefetched(items(), most=2)
    assert next(stream) == 0
    assert full.wait(timeout=600)  # one in use, two waiting, one that waits for room
    stream.close()

    assert made == [0, 1, 2, 3]


def test_a_problem_comes_out_in_its_place():
    def items():
        yield 1
        raise KeyError("row 7")

    stream = prefetched(items())

    assert next(stream) == 1
    with pytest.raises(KeyError, match="row 7"):
        next(stream)


def test_who_stops_early_stops_the_thread():
    before = threading.active_count()
    stream = prefetched(iter(int, 1))  # without an end
    next(stream)
    stream.close()

    assert threading.active_count() == before
