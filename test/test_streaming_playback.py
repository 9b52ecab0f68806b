from itertools import pairwise

import numpy as np
import pytest
from streaming_stubs import IDLE_BODY, IDLE_FACE, StubJoints

from asynfusion_ros.streaming.playback import HOLD_S, Offset, Playback
from asynfusion_ros.streaming.queue import MotionQueue, Timeline

TICK_S = 1 / 60


def make_queue(epoch=1, anchor_s=100.0, shift_s=1.0):
    queue = MotionQueue(capacity_s=4.0)
    queue.begin(Timeline(epoch, anchor_s, shift_s, speech=True))
    return queue


def ramp(first, count):
    numbers = np.arange(first, first + count, dtype=np.float32)
    return np.tile(numbers[:, None] / 1000, (1, 51)), np.tile(numbers[:, None] / 100, (1, 24))


def test_the_queue_interpolates_at_any_audio_time():
    queue = make_queue()
    queue.push(1, 0, *ramp(0, 12))
    for position in (0.0, 0.25, 3.5, 10.9):
        pose = queue.at(101.0 + position / 30)
        assert pose.audio_time_s == pytest.approx(100 + position / 30)
        assert pose.face == pytest.approx(position / 1000, abs=1e-6)
        assert pose.body == pytest.approx(position / 100, abs=1e-5)


def test_there_is_no_pose_before_the_first_and_after_the_last_frame():
    queue = make_queue()
    queue.push(1, 0, *ramp(0, 12))
    assert queue.at(100.99) is None
    assert queue.at(101.0 + 11.01 / 30) is None


def test_frames_of_a_passed_epoch_are_refused():
    queue = make_queue()
    queue.begin(Timeline(2, 200.0, 1.0, speech=True))
    assert not queue.push(1, 0, *ramp(0, 12))
    assert queue.push(2, 0, *ramp(0, 12))
    queue.clear()
    assert not queue.push(2, 12, *ramp(12, 12))
    assert queue.at(201.1) is None


def test_the_stream_before_plays_on_until_the_new_one_is_due():
    queue = make_queue()
    queue.push(1, 0, *ramp(0, 60))
    queue.begin(Timeline(2, 101.0, 1.0, speech=True))
    queue.push(2, 0, *ramp(500, 12))
    assert queue.at(101.9).timeline.epoch == 1
    assert queue.at(102.1).timeline.epoch == 2


def test_the_queue_is_bounded_and_old_frames_do_not_come_back():
    queue = make_queue()
    for first in range(0, 1200, 12):
        queue.push(1, first, *ramp(first, 12))
    assert queue.at(101.1) is None
    assert queue.at(101.0 + 1190.5 / 30).face[0] == pytest.approx(1.1905, abs=1e-4)
    assert queue.depth_s(101.0 + 1189 / 30) == pytest.approx(10 / 30, abs=1e-6)


def test_an_offset_keeps_position_and_velocity_then_dies_out():
    offset = Offset(1, settle_s=0.5)
    offset.restart(np.array([1.0]), np.array([2.0]))
    h = 1e-6
    offset.advance(h)
    assert (offset.x[0] - 1.0) / h == pytest.approx(2.0, rel=1e-3)
    one, two = Offset(1, 0.5), Offset(1, 0.5)
    for each in (one, two):
        each.restart(np.array([1.0]), np.array([2.0]))
    one.advance(0.2)
    for _ in range(20):
        two.advance(0.01)
    assert one.x == pytest.approx(two.x)  # exact whatever the steps
    one.advance(0.5)
    assert abs(one.x[0]) < 0.02


def make_playback():
    return Playback(IDLE_FACE, IDLE_BODY, StubJoints(), 0.1, 0.4)


def play(playback, queue, begin_s, seconds):
    times = begin_s + np.arange(round(seconds / TICK_S)) * TICK_S
    return times, [playback.render(t, t - 1.0, queue.at(t)) for t in times]


def test_starting_and_running_dry_never_jump():
    queue, playback = make_queue(), make_playback()
    queue.push(1, 0, *ramp(0, 60))
    _, frames = play(playback, queue, 100.5, 4.0)
    body = np.array([f.body[0] for f in frames])
    velocity = np.diff(body) / TICK_S
    reach, rate = 0.8, 6.0 / 0.4  # rad to bridge, 1/s of the critically damped offset
    assert np.abs(velocity).max() < reach * rate / np.e + 0.5
    assert np.abs(np.diff(velocity)).max() < 1.1 * reach * rate**2 * TICK_S
    assert {f.state for f in frames} == {"settling", "speech"}
    assert frames[-1].body == pytest.approx(IDLE_BODY, abs=1e-3)
    assert frames[-1].face == pytest.approx(IDLE_FACE, abs=1e-3)


def test_in_the_middle_of_a_stream_the_queue_is_followed_exactly():
    queue, playback = make_queue(), make_playback()
    queue.push(1, 0, *ramp(0, 60))
    times, frames = play(playback, queue, 101.0, 1.9)
    for t, frame in zip(times[90:], frames[90:], strict=True):
        assert frame.body == pytest.approx((t - 101.0) * 30 / 100, abs=1e-4)


def test_a_short_hole_holds_the_pose_instead_of_leaving_it():
    queue, playback = make_queue(), make_playback()
    queue.push(1, 0, *ramp(400, 30))
    play(playback, queue, 101.0, 29 / 30)
    _, frames = play(playback, queue, 101.0 + 29 / 30, HOLD_S - TICK_S)
    assert min(f.body[0] for f in frames) > 4.2


def test_joint_velocities_are_the_difference_of_positions():
    queue, playback = make_queue(), make_playback()
    queue.push(1, 0, *ramp(0, 60))
    _, frames = play(playback, queue, 101.0, 1.0)
    for before, after in pairwise(frames):
        difference = (after.joint_positions - before.joint_positions) / TICK_S
        assert after.joint_velocities == pytest.approx(difference, abs=1e-6)


def test_a_clock_that_stands_or_goes_back_gives_no_velocity():
    queue, playback = make_queue(), make_playback()
    queue.push(1, 0, *ramp(0, 60))
    for t in (101.0, 101.0, 100.9):
        frame = playback.render(t, t - 1.0, queue.at(t))
        assert np.isfinite(frame.body).all()
        assert (frame.joint_velocities == 0).all()
