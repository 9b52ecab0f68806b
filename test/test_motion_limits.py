"""Whatever comes in, the joints stay where and as slow as they are allowed; and the hands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynfusion_ros.motion.hands import HandSynergy
from asynfusion_ros.motion.limits import JointLimiter, to_joint_positions
from asynfusion_ros.motion.skeleton import Skeleton

FEW = settings(max_examples=25, deadline=None)
SKELETON = Skeleton.load()
LOW, HIGH, SPEED = SKELETON.lower_rad, SKELETON.upper_rad, SKELETON.velocity_rad_s

ANYTHING = st.one_of(
    st.floats(-7.0, 7.0), st.floats(), st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e30])
)
BODIES = st.lists(ANYTHING, min_size=24, max_size=24)


def allowed(positions):
    return bool(((positions >= LOW) & (positions <= HIGH)).all())


@FEW
@given(st.lists(st.tuples(BODIES, st.floats(1e-4, 1.0)), min_size=1, max_size=5))
def test_no_input_leaves_the_limits(frames):
    limiter = JointLimiter(SKELETON)
    before = limiter.advance(SKELETON.rest_body, 0.0)
    for body, dt_s in frames:
        positions = limiter.advance(body, dt_s)
        assert np.isfinite(positions).all()
        assert allowed(positions)
        assert (np.abs(positions - before) <= SPEED * dt_s + 1e-9).all()
        before = positions


def test_a_limit_is_met_to_the_last_bit():
    rng = np.random.default_rng(0)
    limiter = JointLimiter(SKELETON)
    for _ in range(50):
        limiter.advance(SKELETON.body_from_ball_angles(rng.uniform(0.5 * LOW, HIGH)[:24]), 0.0)
        assert allowed(limiter.advance(SKELETON.body_from_ball_angles(1.2 * LOW[:24]), 1.0))


@pytest.mark.parametrize("dt_s", [0.0, -1.0, np.nan, np.inf])
def test_a_step_without_time_takes_the_pose_at_once(dt_s):
    limiter = JointLimiter(SKELETON)
    body = SKELETON.body_from_ball_angles(0.5 * HIGH[:24])
    positions = limiter.advance(body, dt_s)
    np.testing.assert_allclose(positions[:24], 0.5 * HIGH[:24], atol=1e-9)
    assert np.isfinite(limiter.advance(body, 0.01)).all()


def test_channels_that_are_no_numbers_keep_their_value_and_are_counted():
    limiter = JointLimiter(SKELETON)
    good = limiter.advance(SKELETON.rest_body, 0.0)
    body = SKELETON.rest_body.copy()
    body[[0, 7, 23]] = (np.nan, np.inf, 1e30)
    assert np.array_equal(limiter.advance(body, 0.02), good)
    assert limiter.counts["nan"] == 3
    assert limiter.counts["position"] == limiter.counts["velocity"] == 0


def test_what_is_allowed_passes_unchanged():
    angles = 0.5 * (LOW + HIGH)[:24]
    limiter = JointLimiter(SKELETON)
    limiter.advance(SKELETON.body_from_ball_angles(angles), 0.0)
    for step in range(5):
        wanted = angles + 0.01 * step
        positions = limiter.advance(SKELETON.body_from_ball_angles(wanted), 0.1)
        np.testing.assert_allclose(positions[:24], wanted, atol=1e-9)
    assert not +limiter.counts


def test_positions_and_velocities_that_were_cut_are_counted():
    limiter = JointLimiter(SKELETON)
    angles = np.zeros(24)
    angles[0] = 2.0  # the chest turns by 1 rad at most
    assert limiter.advance(SKELETON.body_from_ball_angles(angles), 0.0)[0] == 1.0
    assert limiter.counts["position"] == 1
    positions = limiter.advance(np.zeros(24), 0.02)
    assert positions[0] == pytest.approx(1.0 - 0.02 * SPEED[0])
    assert limiter.counts["velocity"] == 1


def test_a_joint_is_not_stuck_at_the_far_end_of_a_wide_range():
    roll = SKELETON.robot_joint_names.index("l_elbow_roll")  # -1.6 to 2.8: more than half a turn
    angles = np.zeros(24)
    angles[roll] = LOW[roll]
    limiter = JointLimiter(SKELETON)
    limiter.advance(SKELETON.body_from_ball_angles(angles), 0.0)
    angles[roll] = 2.7
    for _ in range(100):
        positions = limiter.advance(SKELETON.body_from_ball_angles(angles), 0.02)
    assert positions[roll] == pytest.approx(2.7)


def test_a_clip_is_limited_frame_by_frame():
    bodies = np.random.default_rng(0).uniform(-2, 2, (30, 24))
    positions = to_joint_positions(SKELETON, bodies, 30.0)
    assert positions.shape == (30, 54)
    assert allowed(positions)
    assert (np.abs(np.diff(positions, axis=0)) <= SPEED / 30.0 + 1e-9).all()


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
