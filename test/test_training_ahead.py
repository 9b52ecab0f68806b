"""Batches made beforehand are the batches that would have been made."""

import threading

import pytest

from asynfusion_ros.training.ahead import Ahead


@pytest.mark.parametrize("depth", [0, 3])
@pytest.mark.parametrize("numbers", [range(5), range(7, 30, 2), (0, 1, 2, 10, 11), (4, 4, 3)])
def test_what_is_taken_is_what_was_asked_for(depth, numbers):
    ahead = Ahead(lambda number: number**2, depth)
    assert [ahead.take(number) for number in numbers] == [number**2 for number in numbers]


def test_threads_make_what_comes_next_and_no_more():
    made, ready = [], threading.Event()

    def make(number):
        made.append(number)
        if number == 6:
            ready.set()
        return number

    ahead = Ahead(make, depth=2)
    assert ahead.take(0) == 0
    assert ahead.take(2) == 2
    assert ready.wait(10.0)
    assert sorted(set(made)) in ([0, 1, 2, 4, 6], [0, 2, 4, 6])
    assert made[0] == 0


def test_a_failure_comes_when_it_is_taken():
    def make(number):
        if number == 2:
            raise ValueError("broken")
        return number

    ahead = Ahead(make, depth=2)
    assert [ahead.take(0), ahead.take(1)] == [0, 1]
    with pytest.raises(ValueError, match="broken"):
        ahead.take(2)
