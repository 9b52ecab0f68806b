"""Whatever comes in, the joints stay where and as slow as they are allowed; and the hands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from robot_helpers import part_of, speech_motion

from asynfusion_ros.motion.collision import ArmGuard
from asynfusion_ros.motion.hands import HandSynergy
from asynfusion_ros.motion.limits import (
    JointLimiter,
    JointTargets,
    share_beyond_limits,
    to_joint_positions,
)
from asynfusion_ros.motion.skeleton import Skeleton

FEW = settings(max_examples=12, deadline=None)
SKELETON = Skeleton.load()
LOW, HIGH, SPEED = SKELETON.lower_rad, SKELETON.upper_rad, SKELETON.velocity_rad_s
TICK_S = 1 / 60

ANYTHING = st.one_of(
    st.floats(-7.0, 7.0), st.floats(), st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e30])
)
BODIES = st.lists(ANYTHING, min_size=24, max_size=24)


def allowed(positions):
    return bool(((positions >= LOW) & (positions <= HIGH)).all())


@FEW
@given(
    st.lists(BODIES, min_size=1, max_size=5), st.integers(1, 6), st.sampled_from([1 / 30, 1 / 60])
)
def test_no_input_leaves_the_limits(bodies, hold, dt_s):
    limiter = JointLimiter(SKELETON)
    rest = limiter.advance(SKELETON.rest_body, 0.0)
    shown = [rest] * 3 + [limiter.advance(body, dt_s) for body in bodies for _ in range(hold)]
    shown += [limiter.halt(dt_s) for _ in range(5)]
    assert_within_limits(np.array(shown), dt_s)


def assert_within_limits(positions, dt_s):
    assert np.isfinite(positions).all()
    assert allowed(positions)
    for limit in (SPEED, SKELETON.acceleration_rad_s2, SKELETON.jerk_rad_s3):
        positions = np.diff(positions, axis=0) / dt_s
        assert (np.abs(positions) <= limit).all()


@FEW
@given(st.lists(st.tuples(BODIES, st.floats(1e-4, 1.0)), min_size=1, max_size=5))
def test_uneven_steps_stay_within_position_and_speed(frames):
    limiter = JointLimiter(SKELETON)
    before = limiter.advance(SKELETON.rest_body, 0.0)
    for body, dt_s in frames:
        positions = limiter.advance(body, dt_s)
        assert np.isfinite(positions).all()
        assert allowed(positions)
        assert (np.abs(positions - before) <= SPEED * dt_s * 1.01 + 1e-9).all()
        before = positions


def test_a_limit_is_met_to_the_last_bit():
    rng = np.random.default_rng(0)
    limiter = JointLimiter(SKELETON)
    for _ in range(5):
        limiter.advance(SKELETON.body_from_ball_angles(rng.uniform(0.5 * LOW, HIGH)[:24]), 0.0)
        assert allowed(limiter.advance(SKELETON.body_from_ball_angles(1.2 * LOW[:24]), 1.0))


@pytest.mark.parametrize("dt_s", [0.0, -1.0, np.nan, np.inf])
def test_the_first_body_is_taken_at_once_and_without_time_nothing_moves(dt_s):
    limiter = JointLimiter(SKELETON)
    body = SKELETON.body_from_ball_angles(0.3 * HIGH[:24])
    clear = ArmGuard(SKELETON).hold_off(0.3 * HIGH[:24])
    positions = limiter.advance(body, dt_s)
    np.testing.assert_allclose(positions[:24], clear, atol=1e-9)
    assert np.array_equal(limiter.advance(SKELETON.rest_body, dt_s), positions)


def test_channels_that_are_no_numbers_keep_their_value_and_are_counted():
    limiter = JointLimiter(SKELETON)
    good = limiter.advance(SKELETON.rest_body, 0.0)
    body = SKELETON.rest_body.copy()
    body[[0, 7, 23]] = (np.nan, np.inf, 1e30)
    np.testing.assert_allclose(limiter.advance(body, 0.02), good, atol=1e-12)
    assert limiter.counts["nan"] == 3
    assert limiter.counts["position"] == limiter.counts["velocity"] == 0


def test_positions_that_were_cut_are_counted():
    limiter = JointLimiter(SKELETON)
    limiter.advance(SKELETON.rest_body, 0.0)
    angles = SKELETON.ball_angles(SKELETON.rest_body)
    angles[0] = 2.0  # the chest turns by 1 rad at most
    for _ in range(100):
        positions = limiter.advance(SKELETON.body_from_ball_angles(angles), 0.02)
    assert positions[0] == pytest.approx(1.0)
    assert limiter.counts["position"] == 100
    assert limiter.counts["velocity"] > 0


def test_a_joint_is_not_stuck_at_the_far_end_of_a_wide_range():
    roll = SKELETON.robot_joint_names.index("l_elbow_roll")  # -1.6 to 2.8: more than half a turn
    angles = np.zeros(24)
    angles[roll] = LOW[roll]
    limiter = JointLimiter(SKELETON)
    limiter.advance(SKELETON.body_from_ball_angles(angles), 0.0)
    angles[roll] = 2.3
    for _ in range(100):
        positions = limiter.advance(SKELETON.body_from_ball_angles(angles), 0.02)
    assert positions[roll] == pytest.approx(2.3)


def test_a_halt_holds_and_its_release_leads_back_gently():
    rng = np.random.default_rng(3)
    limiter = JointLimiter(SKELETON)
    limiter.advance(SKELETON.rest_body, 0.0)
    swing = SKELETON.rest_body + 0.1 * rng.normal(size=24)
    moving = [
        limiter.advance(swing if (i // 12) % 2 else SKELETON.rest_body, TICK_S) for i in range(60)
    ]
    held = [limiter.halt(TICK_S) for _ in range(60)]
    assert np.ptp(held[12:], axis=0).max() < 1e-9  # 0.2 s after the halt
    freed = [limiter.advance(SKELETON.rest_body, TICK_S) for _ in range(100)]
    assert_within_limits(np.array([*moving, *held, *freed]), TICK_S)
    assert np.abs(np.diff(freed, axis=0)).max() / TICK_S < 2.0 * np.abs(held[-1] - freed[-1]).max()
    at_rest = SKELETON.ball_angles(SKELETON.rest_body)
    np.testing.assert_allclose(freed[-1][:24], at_rest, atol=1e-6)


def test_a_clip_stays_within_its_positions_frame_by_frame():
    bodies = np.random.default_rng(0).uniform(-2, 2, (30, 24))
    positions = to_joint_positions(SKELETON, bodies, 30.0)
    assert positions.shape == (30, 54)
    assert allowed(positions)


def test_the_share_beyond_limits_is_what_the_limiter_counts():
    skeleton, rng = Skeleton.load(), np.random.default_rng(0)
    calm = speech_motion().body[:90]
    for body in (calm, calm + 0.3 * rng.standard_normal(calm.shape)):
        limiter = JointLimiter(skeleton)
        for index, row in enumerate(body):
            limiter.advance(row, 1.0 / 30.0 if index else 0.0)
        counted = limiter.counts["position"] / (3 * len(skeleton.joints) * len(body))
        # But for arms that the limiter had already taken off the torso.
        assert share_beyond_limits(skeleton, body, 30.0) == pytest.approx(counted, rel=0.05)
    assert counted > 0.01


def test_hands_curl_at_rest_and_open_while_they_move():
    hands = HandSynergy()
    rest = hands.advance((0.0, 0.0), 0.1)
    assert rest.shape == (30,)
    assert np.array_equal(rest[:15], rest[15:])
    assert ((rest > 0) & (rest < 1)).all()
    for _ in range(40):
        bends = hands.advance((2.0, 0.0), 0.05)
    assert (bends[:15] < rest[:15]).all()  # the left hand moves
    assert np.array_equal(bends[15:], rest[15:])
    for _ in range(100):
        bends = hands.advance((0.0, 0.0), 0.05)
    np.testing.assert_allclose(bends, rest, atol=1e-3)


def test_hands_open_the_same_whatever_the_rate():
    fast, slow = HandSynergy(), HandSynergy()
    for _ in range(10):
        many = fast.advance((0.5, 0.5), 0.01)
    np.testing.assert_allclose(slow.advance((0.5, 0.5), 0.1), many, atol=1e-9)


def test_ordinary_motion_passes_one_pose_late_and_otherwise_as_it_was():
    clip = part_of(speech_motion(), 200)  # at 10 Hz: it has corners
    limiter, targets = JointLimiter(SKELETON), JointTargets(SKELETON)
    bodies = [clip.at(time_s).body for time_s in np.arange(0.0, clip.duration_s - 0.1, 1 / 60)]
    steps = [1 / 60 if index else 0.0 for index in range(len(bodies))]
    shown = np.stack([limiter.advance(*pair) for pair in zip(bodies, steps, strict=True)])[:, :24]
    wanted = np.stack([targets.advance(*pair) for pair in zip(bodies, steps, strict=True)])[:, :24]
    gap_rad = shown[1:] - wanted[:-1]
    assert sum(limiter.counts.values()) < 1e-3 * shown.size
    assert limiter.counts["stops"] == limiter.counts["vetoes"] == 0
    assert np.sqrt((gap_rad**2).mean()) < np.radians(0.05)
    assert np.abs(gap_rad).max() < np.radians(2.0)  # at corners
