"""Barge-in, emergency stop and watchdog, through the engine and real joint limits."""

import numpy as np
import pytest
from streaming_stubs import RATE_HZ, Player, StubGenerator, make_engine, speech_like

from asynfusion_ros.motion.limits import JointLimiter
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.streaming.playback import STILL_S

SKELETON = Skeleton.load()
TICK_S = 1 / 60
STILL_RAD_S = 0.05
START_S = 1000.0


class Dancer(StubGenerator):
    """Waves arms and head as wildly as a body model could."""

    def step(self, samples, state, steps=None):
        chunk, after = super().step(samples, state, steps)
        t = (chunk.first_frame + np.arange(len(chunk.body))[:, None]) / 30
        waves = 0.35 * np.sin(2 * np.pi * 1.1 * t + np.arange(24)) * (np.arange(24) >= 3)
        chunk.body[:] = SKELETON.rest_body + waves
        return chunk, after


def dance(**settings):
    limiter = JointLimiter(SKELETON)
    engine, clock, generator = make_engine(generator=Dancer(), joints=limiter, **settings)
    player = Player(engine, clock)
    player.send(START_S, START_S, speech_like(8.0))
    player.run(2.0)
    return engine, player, generator


def joints_of(player, begin=0):
    return np.array([frame.joint_positions for _, frame in player.frames[begin:]])


def speeds(positions):
    return np.abs(np.diff(positions, axis=0)).max(axis=1) / TICK_S


def assert_within_limits(positions):
    limits = (SKELETON.velocity_rad_s, SKELETON.acceleration_rad_s2, SKELETON.jerk_rad_s3)
    assert (positions >= SKELETON.lower_rad).all()
    assert (positions <= SKELETON.upper_rad).all()
    for limit in limits:
        positions = np.diff(positions, axis=0) / TICK_S
        assert (np.abs(positions) <= limit).all()


def test_a_flush_stills_the_joints_within_100_ms_wherever_it_comes():
    times = []
    engine, player, _ = dance()
    for pause in range(5):  # at any phase of the movement
        engine.push_audio(None, speech_like(4.0, seed=pause), RATE_HZ)
        player.run(2.2 + 0.13 * pause)
        assert speeds(joints_of(player, -30)).max() > 1.0
        flushed = len(player.frames) - 1
        engine.flush()
        player.run(STILL_S)
        after = speeds(joints_of(player, flushed))
        moving = np.flatnonzero(after > STILL_RAD_S)
        times.append((moving[-1] + 1) * TICK_S)
        assert after[-3:].max() < 1e-9
    assert max(times) <= 0.1 + 1e-9
    assert_within_limits(joints_of(player))


def test_after_a_flush_the_avatar_settles_gently():
    engine, player, _ = dance()
    engine.flush()
    flushed = len(player.frames)
    player.run(STILL_S + 0.3)
    assert speeds(joints_of(player, flushed + round(STILL_S / TICK_S))).max() < 1.0
    player.run(3.0)
    assert player.frames[-1][1].state == "idle"
    assert_within_limits(joints_of(player))


def test_an_emergency_stop_is_latched_until_released():
    engine, player, _ = dance()
    engine.halt(True)
    halted = len(player.frames)
    player.run(2.0)
    assert {frame.state for _, frame in player.frames[halted:]} == {"halted"}
    assert speeds(joints_of(player, halted + 8)).max() < 1e-9
    engine.flush()
    engine.push_audio(None, speech_like(5.0), RATE_HZ)
    player.run(2.0)
    assert np.ptp(joints_of(player, halted + 8), axis=0).max() < 1e-9
    engine.halt(False)
    player.run(4.0)
    assert speeds(joints_of(player, -60)).max() > 0.5
    assert_within_limits(joints_of(player))
    assert engine.status().counts["halts"] == 1


@pytest.mark.parametrize("trouble", ["hangs", "dies"])
def test_an_engine_that_delivers_nothing_leaves_a_safe_pose(trouble):
    engine, player, generator = dance()
    if trouble == "dies":
        engine._mailbox.fail("it died")
    engine.advance = lambda: False
    player.run(5.0)
    assert generator.windows  # it had moved before
    assert np.ptp(joints_of(player, -30)[:, :24], axis=0).max() < 1e-4
    idle = np.clip(engine._playback._idle[1], -1, 1)
    expected = JointLimiter(SKELETON).advance(idle, 0.0)
    assert player.frames[-1][1].joint_positions[:24] == pytest.approx(expected[:24], abs=1e-3)
    assert_within_limits(joints_of(player))
    assert engine.status().counts["rests"] == 1


def test_a_clock_that_jumps_moves_no_joint_beyond_its_limits():
    _, player, _ = dance()
    player.clock.advance(-500.0)
    player.run(1.0)
    player.clock.advance(3600.0)
    before = player.frames[-1][1].joint_positions
    player.run(1 / 60)
    after = player.frames[-1][1].joint_positions
    assert np.abs(after - before).max() < 4.0  # an hour has passed, yet it is a pose, not a jump
    begin = len(player.frames)
    player.run(2.0)
    assert_within_limits(joints_of(player, begin - 1))


def test_a_new_engine_eases_out_of_the_pose_that_was_shown_last():
    _, player, _ = dance()
    last = player.frames[-1][1]
    engine, clock, _ = make_engine(generator=Dancer(), joints=JointLimiter(SKELETON))
    engine.resume(last)
    after = Player(engine, clock)
    after.run(3.0)
    positions = np.concatenate([last.joint_positions[None], joints_of(after)])
    assert np.abs(positions[1] - positions[0]).max() < 1e-3
    assert speeds(positions[:10]).max() < 1.0  # from rest, though the new one dances already
    assert_within_limits(positions)
    faces = np.array([last.face, *(frame.face for _, frame in after.frames)])
    assert np.abs(np.diff(faces, axis=0)).max() < 0.15
    assert engine.status().counts["rests"] == 0
