"""Arms keep clear of torso and head, whatever is asked of them."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from asynfusion_ros.motion.collision import NEAR_M, ArmGuard, segment_distance
from asynfusion_ros.motion.limits import JointLimiter
from asynfusion_ros.motion.skeleton import Skeleton

FEW = settings(max_examples=25, deadline=None)
SKELETON = Skeleton.load()
GUARD = ArmGuard(SKELETON)
LOW, HIGH = SKELETON.lower_rad[:24], SKELETON.upper_rad[:24]
REST = SKELETON.ball_angles(SKELETON.rest_body)
POSES = st.integers(0, 10**6).map(lambda seed: np.random.default_rng(seed).uniform(LOW, HIGH))


def nearest(p, q, r, s):
    """The distance of two segments by a solver that knows nothing of geometry."""

    def gap(shares):
        return np.sum((p + shares[0] * (q - p) - r - shares[1] * (s - r)) ** 2)

    starts = [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5), (0.0, 1.0)]
    found = [minimize(gap, x, bounds=[(0, 1), (0, 1)], tol=1e-14).fun for x in starts]
    return np.sqrt(min(found))


@FEW
@given(st.integers(0, 10**6), st.sampled_from(["apart", "parallel", "points", "crossing"]))
def test_segments_are_as_far_apart_as_a_search_finds(seed, kind):
    rng = np.random.default_rng(seed)
    p, q, r, s = rng.normal(size=(4, 3))
    if kind == "parallel":
        s = r + 0.7 * (q - p)
    elif kind == "points":
        q, s = p, r
    elif kind == "crossing":
        r, s = 0.5 * (p + q) - (s - r), 0.5 * (p + q) + (s - r)
    ours = segment_distance(p, q, r, s)
    assert ours == pytest.approx(nearest(p, q, r, s), abs=1e-4)
    assert segment_distance(r, s, p, q) == pytest.approx(ours, abs=1e-9)


def test_rest_is_clear_and_a_hand_in_the_chest_is_not():
    assert GUARD.clearance(REST).min() > 0.03
    inside = REST.copy()
    names = SKELETON.robot_joint_names
    inside[names.index("l_shoulder_yaw")] = -1.5
    inside[names.index("l_elbow_yaw")] = -2.4
    inside[names.index("l_shoulder_roll")] = -0.3
    assert GUARD.clearance(inside)[0].min() < 0.0
    assert GUARD.clearance(inside)[1] == pytest.approx(GUARD.clearance(REST)[1])


@FEW
@given(POSES)
def test_targets_are_held_off_and_clear_ones_are_not_touched(angles):
    held = GUARD.hold_off(angles)
    clear = GUARD.clearance(angles).min(axis=-1) >= NEAR_M
    assert GUARD.clearance(held).min() >= NEAR_M - 1e-9
    for side, channels in enumerate(GUARD._channels):
        assert not clear[side] or np.array_equal(held[channels], angles[channels])
    legs = ~(GUARD._channels[0] | GUARD._channels[1])
    assert np.array_equal(held[legs], angles[legs])


def pose_of(seed):
    return np.random.default_rng(seed).uniform(LOW, HIGH)


@settings(max_examples=6, deadline=None)
@given(st.lists(POSES, min_size=2, max_size=4), st.integers(8, 40))
@example([pose_of(0), pose_of(853204)], 9)  # clear at both ends of a stop, and not between
def test_joints_never_touch_on_their_way(poses, hold):
    limiter = JointLimiter(SKELETON)
    limiter.advance(SKELETON.rest_body, 0.0)
    for pose in poses:
        body = SKELETON.body_from_ball_angles(pose)
        for _ in range(hold):
            positions = limiter.advance(body, 1 / 60)
            assert GUARD.clearance(positions[:24]).min() > 0.0


@FEW
@given(POSES, st.integers(0, 10**6), st.floats(1e-4, 0.3))
def test_no_point_moves_further_than_reach_allows(angles, seed, size):
    other = angles + np.random.default_rng(seed).normal(size=angles.shape) * size
    bound = np.abs(other - angles) @ GUARD._reach_m
    change = np.abs(GUARD.clearance(other) - GUARD.clearance(angles)).max(axis=-1)
    assert (change <= bound + 1e-9).all()


def test_no_joint_alone_moves_a_point_further_than_its_reach_and_some_come_near():
    poses = np.stack([pose_of(seed) for seed in range(100)])[:, None]  # (100, 1, 24)
    turns = 0.02 * np.eye(24)  # one channel at a time
    change = np.abs(GUARD.clearance(poses + turns) - GUARD.clearance(poses)).max(axis=-1)
    used = change.max(axis=0) / np.maximum(0.02 * GUARD._reach_m, 1e-9)  # (24, 2)
    moves = GUARD._reach_m > 0
    assert (change <= 0.02 * GUARD._reach_m + 1e-9).all()
    assert used[moves].max() > 0.7, "a bound that nothing comes near would hold with less reach"


@FEW
@given(st.lists(POSES, min_size=2, max_size=4), st.integers(2, 30))
def test_what_is_not_measured_is_decided_as_if_it_were(poses, steps):
    lazy = ArmGuard(SKELETON)
    for one, other in itertools.pairwise(poses):
        for share in np.linspace(0.0, 1.0, steps):
            angles = one + share * (other - one)
            fresh = ArmGuard(SKELETON)
            assert np.array_equal(lazy.hold_off(angles), fresh.hold_off(angles))
            ahead = angles + 0.02 * (other - one)
            poses = np.stack([angles, ahead])
            assert np.array_equal(lazy.veto(poses), fresh.veto(poses))


def test_calm_motion_is_seldom_measured(monkeypatch):
    guard, measured = ArmGuard(SKELETON), []
    exact = guard.clearance
    monkeypatch.setattr(guard, "clearance", lambda poses: measured.append(1) or exact(poses))
    swing = np.where(GUARD._channels[0], 0.1, 0.0)
    for k in range(240):
        guard.hold_off(REST + swing * np.sin(0.05 * k))
    assert 1 <= len(measured) < 60
