"""Stamps of sound that has none, and the end of what was interrupted."""

import pytest

from asynfusion_ros.streaming.conversation import MOST_ABANDONED
from asynfusion_ros.streaming.door import LONGEST_NAME
from asynfusion_ros.viewer.sounds import Sounds

NOW_S = 100.0


def test_what_comes_at_once_without_stamps_is_heard_piece_after_piece():
    sounds = Sounds()
    stamps = [sounds.admit("a", None, 0.25, NOW_S + 0.01 * k)[1] for k in range(4)]
    assert stamps == pytest.approx([NOW_S, NOW_S + 0.25, NOW_S + 0.5, NOW_S + 0.75])


@pytest.mark.parametrize(("late_s", "gap_s"), [(0.19, 0.0), (0.21, 0.21)])
def test_only_a_pause_begins_anew(late_s, gap_s):
    sounds = Sounds()
    sounds.admit("", None, 0.5, NOW_S)
    _, stamp_s = sounds.admit("", None, 0.5, NOW_S + 0.5 + late_s)
    assert stamp_s == pytest.approx(NOW_S + 0.5 + gap_s)


def test_a_source_whose_clock_is_slow_is_not_cut():
    sounds = Sounds()
    for number in range(5000):  # by 0.1 %: half a second in all
        _, stamp_s = sounds.admit("", None, 0.1, NOW_S + 0.1001 * number)
    assert stamp_s == pytest.approx(NOW_S + 499.9)


def test_another_name_begins_now_and_a_stamp_is_kept():
    sounds = Sounds()
    first, _ = sounds.admit("a", None, 5.0, NOW_S)
    other, stamp_s = sounds.admit("b", None, 5.0, NOW_S + 0.1)
    assert (other != first, stamp_s) == (True, NOW_S + 0.1)
    assert sounds.admit("a", 7.0, 1.0, NOW_S) == (first, 7.0)


def test_an_interrupted_name_does_not_come_back_and_the_next_one_does_not_wait_for_it():
    sounds = Sounds()
    number, _ = sounds.admit("a", None, 5.0, NOW_S)
    assert sounds.hush("a") == number
    assert sounds.hush("a") is None
    assert sounds.admit("a", None, 1.0, NOW_S) is None
    assert sounds.hush("never heard") is None
    assert sounds.admit("never heard", None, 1.0, NOW_S) is None


def test_sound_without_a_name_is_another_sound_after_it_was_interrupted():
    sounds = Sounds()
    number, _ = sounds.admit("", None, 60.0, NOW_S)
    assert sounds.hush("") == number
    again, stamp_s = sounds.admit("", None, 1.0, NOW_S + 1.0)
    assert (again != number, stamp_s) == (True, NOW_S + 1.0)


def test_a_name_that_the_avatar_refuses_is_neither_heard_nor_kept():
    sounds = Sounds()
    endless = "a" * (LONGEST_NAME + 1)
    assert sounds.admit(endless, None, 1.0, NOW_S) is None
    assert sounds.hush(endless) is None
    assert not sounds._numbers | sounds._hushed


def test_names_are_forgotten_and_numbers_fit_their_field():
    sounds = Sounds()
    numbers = set()
    for k in range((1 << 16) + 5):
        numbers.add(sounds.admit(f"{k}", None, 0.1, NOW_S)[0])
        sounds.hush(f"{k - 1}")
    assert (min(numbers), max(numbers)) == (0, (1 << 16) - 1)
    assert max(len(sounds._numbers), len(sounds._hushed)) <= MOST_ABANDONED
