"""What a loudspeaker plays comes with its pose, whole, in order, and without a crack."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynfusion_ros.audio.playout import JUMP_S, LATE_S, SLIP, Playout, PoseClock

RATE_HZ = 16000
BLOCK = 160
DELAY_S = 1.0
START_S = 50.0  # of the loudspeaker's clock


def tone(seconds, hz=200.0, rate_hz=RATE_HZ):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(
        np.float32
    )


class Room:
    """A loudspeaker, and a screen that shows poses `delay_s` after their stamps, on one clock."""

    def __init__(self, rate_hz=RATE_HZ, most_s=120.0, drift=0.0):
        self.counts = Counter()
        self.playout = Playout(rate_hz, self.counts, most_s)
        self.rate_hz, self.drift = rate_hz, drift
        self.now_s, self.delay_s, self.heard = START_S, DELAY_S, []
        self.next_pose_s = START_S

    def run(self, seconds):
        for _ in range(round(seconds * 100)):
            while self.next_pose_s <= self.now_s:
                shown_s = self.next_pose_s - self.delay_s
                self.playout.follow(shown_s * (1.0 + self.drift), self.next_pose_s)
                self.next_pose_s += 1 / 60
            self.heard.append(self.playout.read(self.rate_hz // 100, self.now_s))
            self.now_s += 0.01
        return np.concatenate(self.heard)

    def place(self, time_s):
        """Sample of what was heard at a time of the clock."""
        return round((time_s - START_S) * self.rate_hz)


def test_sound_is_heard_with_its_pose_sample_by_sample():
    room, sound = Room(), tone(0.7)
    for first in range(0, len(sound), 320):
        room.playout.push("a", START_S + first / RATE_HZ, sound[first : first + 320], RATE_HZ)
    heard = room.run(2.0)
    begin = room.place(START_S + DELAY_S)
    np.testing.assert_allclose(heard[begin : begin + len(sound)], sound, atol=1e-6)
    assert not heard[:begin].any()
    assert np.abs(heard[begin + len(sound) + 400 :]).max() < 1e-3
    assert room.playout.waiting_s == 0.0
    assert not +room.counts


def test_before_any_pose_nothing_is_heard_and_nothing_lost():
    playout = Playout(RATE_HZ, Counter())
    playout.push("a", 1.0, tone(0.5), RATE_HZ)
    assert not playout.read(BLOCK, 30.0).any()
    assert playout.waiting_s == pytest.approx(0.5)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 24000, 48000])
def test_any_rate_becomes_the_loudspeaker_s(rate_hz):
    room = Room()
    sound = tone(0.5, rate_hz=rate_hz)
    for first in range(0, len(sound), 441):
        room.playout.push("a", START_S + first / rate_hz, sound[first : first + 441], rate_hz)
    heard = room.run(2.0)
    begin = room.place(START_S + DELAY_S)
    inside = slice(begin + 200, begin + 7800)
    np.testing.assert_allclose(heard[inside], tone(0.5)[200:7800], atol=0.02)
    assert np.abs(heard[begin + 8200 :]).max() < 1e-3


def test_an_answer_that_is_shown_sooner_is_heard_sooner():
    room, sound = Room(), tone(2.0)
    room.run(1.0)
    stamp_s = room.now_s
    room.playout.push("a", stamp_s, sound, RATE_HZ)
    room.run(0.1)
    room.delay_s = 0.1  # from now on poses are shown so soon after their stamps
    heard = room.run(2.5)
    begin = np.flatnonzero(np.abs(heard) > 1e-3)[0]
    assert begin == pytest.approx(room.place(stamp_s + 0.1), abs=0.02 * RATE_HZ)
    assert np.count_nonzero(np.abs(heard) > 1e-3) > 0.97 * len(sound)
    assert not +room.counts


def test_what_is_interrupted_falls_silent_without_a_crack_and_what_follows_is_heard():
    room = Room()
    room.playout.push("a", START_S, np.full(RATE_HZ, 0.5, np.float32), RATE_HZ)
    heard = room.run(1.5)
    assert heard[-1] == pytest.approx(0.5)
    room.playout.push("b", START_S + 0.6, tone(0.3), RATE_HZ)
    room.playout.hush("a")
    heard = room.run(1.0)
    cut = room.place(START_S + 1.5)
    assert np.abs(heard[cut + 400 : cut + 1500]).max() < 1e-3
    assert np.abs(np.diff(heard[cut - 10 : cut + 400])).max() < 0.02
    np.testing.assert_allclose(
        heard[room.place(START_S + 1.6) :][: len(tone(0.3))], tone(0.3), atol=2e-3
    )


def test_sound_that_came_too_late_is_cut_where_its_pose_is():
    room = Room()
    room.run(1.5)
    room.playout.push("a", START_S, tone(1.0), RATE_HZ)  # half of it is past
    heard = room.run(1.0)
    begin = room.place(START_S + 1.5)
    inside = slice(begin + 200, begin + 7800)
    np.testing.assert_allclose(heard[inside], tone(1.0)[8200:15800], atol=0.05)  # a sample
    assert room.counts["late_ms"] == pytest.approx(500, abs=20)
    assert np.abs(np.diff(heard)).max() < 0.1


def test_a_little_late_is_heard_whole_and_catches_up():
    room = Room()
    room.run(1.04)
    room.playout.push("a", START_S, np.sin(np.arange(20 * RATE_HZ) / 9).astype("f4"), RATE_HZ)
    room.run(0.5)
    assert 0.02 < room.playout.error_s <= LATE_S
    room.run(15.0)
    assert abs(room.playout.error_s) < 0.008
    assert not +room.counts


@pytest.mark.parametrize("drift", [-3e-3, 3e-3])
def test_sound_stays_with_poses_whose_clock_is_off(drift):
    room = Room(drift=drift)
    room.playout.push("a", START_S, tone(60.0), RATE_HZ)
    worst = 0.0
    heard = room.run(2.0)
    for _ in range(50):
        heard = room.run(1.0)
        worst = max(worst, abs(room.playout.error_s))
    assert worst < 0.03 < JUMP_S
    assert np.abs(np.diff(heard[room.place(START_S + 3) :])).max() < 0.06  # a tone has 0.04
    assert not +room.counts
    assert abs(drift) < SLIP


def test_poses_that_were_held_up_do_not_hold_up_the_sound():
    clock = PoseClock()
    for number in range(60):
        clock.follow(number / 60, 10.0 + number / 60)
    for number in range(60, 72):  # a stop of 0.2 s, then all at once
        clock.follow(number / 60, 11.2)
    assert clock.time_at(11.3) == pytest.approx(1.3)
    clock.follow(5.0, 11.21)  # and a leap is followed at once
    assert clock.time_at(11.3) == pytest.approx(5.09)


def test_touching_utterances_follow_without_a_gap_and_order_is_that_of_time():
    room, sound = Room(), tone(1.0)
    half = len(sound) // 2
    room.playout.push("late", START_S + 2.0, tone(0.1), RATE_HZ)
    room.playout.push("b", START_S + half / RATE_HZ, sound[half:], RATE_HZ)
    room.playout.push("a", START_S, sound[:half], RATE_HZ)
    heard = room.run(4.0)
    begin = room.place(START_S + DELAY_S)
    np.testing.assert_allclose(heard[begin : begin + len(sound)], sound, atol=5e-3)
    assert np.abs(heard[room.place(START_S + DELAY_S + 2.0) :]).max() > 0.4


def test_what_finds_no_room_is_counted():
    playout = Playout(RATE_HZ, counts := Counter(), most_s=1.0)
    for second in range(5):
        playout.push("a", float(second), tone(1.0), RATE_HZ)
    assert playout.waiting_s < 1.2
    assert counts["queue_full_ms"] == pytest.approx(5000 - 1e3 * playout.waiting_s, abs=5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_whatever_comes_the_sound_is_finite_smooth_and_accounted_for(seed):
    draw = np.random.default_rng(seed)
    room, pushed_s, hushed = Room(), 0.0, False
    for number in range(12):
        seconds = draw.uniform(0.01, 1.0)
        name = str(number)
        if draw.random() < 0.5:  # one utterance may go on where it ended, so it ends with a wave
            name, seconds = "again", np.ceil(50.0 * seconds) / 50.0
        stamp_s = room.now_s + draw.uniform(-1.5, 1.0)
        room.playout.push(name, stamp_s, tone(seconds, hz=50.0), RATE_HZ)
        pushed_s += seconds
        if draw.random() < 0.1:
            room.playout.hush(name)
            hushed = True
        if draw.random() < 0.2:
            room.delay_s = draw.uniform(0.05, 1.5)
        room.run(draw.uniform(0.01, 0.5))
    heard = room.run(5.0)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() < 1.5
    assert np.abs(np.diff(heard)).max() < 0.05
    assert room.playout.waiting_s == 0.0
    played_s = np.count_nonzero(np.abs(heard) > 1e-4) / RATE_HZ
    lost_s = 1e-3 * room.counts["late_ms"]
    assert played_s <= pushed_s + 0.02 * 12 + 0.1
    assert hushed or played_s + lost_s > 0.95 * pushed_s - 0.1
