"""Whatever is asked of a joint: position, speed, acceleration and jerk stay within their limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynfusion_ros.motion.governor import MOST_TICKS, JointGovernor, Limits
from asynfusion_ros.motion.stopping import Kinematics, move, plan_stop

FEW = settings(max_examples=12, deadline=None)
TICK_S = 1 / 60
JOINTS = 6
LIMITS = Limits(
    np.array([-1.0, -2.0, -0.3, -1.0, -3.0, 0.1]),
    np.array([1.3, 2.0, 0.3, 1.0, 3.0, 0.2]),
    np.array([10.0, 14.0, 5.0, 1.0, 2.0, 6.0]),
    np.array([150.0, 200.0, 60.0, 20.0, 30.0, 80.0]),
    np.array([6000.0, 10000.0, 3000.0, 500.0, 600.0, 4000.0]),
)
WHERE = st.one_of(st.floats(-7.0, 7.0), st.sampled_from([-1e30, 1e30, 0.0, 1.0]))
TARGETS = st.lists(st.lists(WHERE, min_size=JOINTS, max_size=JOINTS), min_size=1, max_size=12)


def run(targets, governor=None, tick_s=TICK_S):
    governor = governor or JointGovernor(LIMITS, np.full(JOINTS, 0.15))
    start = [governor.state.p]
    return np.array(start + [governor.follow(target, tick_s) for target in targets]), governor


def assert_allowed(positions, tick_s=TICK_S, before=3):
    """Differences of every order are those of a course within the limits, from rest on."""
    assert np.isfinite(positions).all()
    assert (positions >= LIMITS.lower).all()
    assert (positions <= LIMITS.upper).all()
    course = np.concatenate([np.tile(positions[:1], (before, 1)), positions])
    for limit in LIMITS[2:]:
        course = np.diff(course, axis=0) / tick_s
        assert (np.abs(course) <= limit).all()


@FEW
@given(TARGETS, st.integers(1, 12), st.sampled_from([1 / 30, 1 / 60, 1 / 100, 1 / 200]))
def test_no_target_leads_beyond_any_limit(targets, hold, tick_s):
    positions, _ = run(np.repeat(np.array(targets), hold, axis=0), tick_s=tick_s)
    assert_allowed(positions, tick_s)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["noise", "walk", "steps", "waves"])
def test_no_course_leads_beyond_any_limit(kind, seed):
    rng = np.random.default_rng(seed)
    noise = rng.normal(0.0, 2.0, (250, JOINTS))
    t = TICK_S * np.arange(250)[:, None]
    targets = {
        "noise": noise,
        "walk": np.cumsum(0.1 * noise, axis=0),
        "steps": np.repeat(noise[:25], 10, axis=0),
        "waves": np.sin(2 * np.pi * t * np.abs(noise[0]) * 3.0) * noise[1],
    }[kind]
    assert_allowed(run(targets)[0])


@FEW
@given(TARGETS, st.lists(st.floats(-3.0, 3.0), min_size=JOINTS, max_size=JOINTS))
def test_a_constant_target_is_reached_and_kept_without_swinging(targets, goal):
    end = np.clip(goal, LIMITS.lower, LIMITS.upper)
    _, governor = run(np.repeat(np.array(targets), 5, axis=0))
    positions, _ = run([np.array(goal)] * 250, governor)
    assert positions[-1] == pytest.approx(end, abs=1e-9)
    assert np.ptp(positions[-30:], axis=0) == pytest.approx(0.0, abs=1e-12)
    moves = np.diff(positions, axis=0)
    ways = np.sign(np.where(np.abs(moves) < 1e-6, 0.0, moves))
    for way in ways.T:
        turns = np.count_nonzero(np.diff(way[way != 0.0]))
        assert turns <= 3  # out of its swing, past the goal once, back, and a hair


@pytest.mark.parametrize("size", [0.001, 0.01, 0.1, 1.0])
def test_a_step_is_taken_quickly_and_hardly_overshot(size):
    governor = JointGovernor(LIMITS, np.zeros(JOINTS))
    positions, _ = run([np.array([size] * 2 + [0.0] * 4)] * 60, governor)
    assert positions[-1, :2] == pytest.approx(size, abs=1e-9)
    assert positions[:, :2].max() < size + 0.02
    assert np.argmax(np.abs(positions[:, 0] - size) < 1e-3) < 25


def test_what_is_allowed_is_followed_exactly_one_tick_late():
    t = TICK_S * np.arange(300)[:, None]
    targets = 0.15 + 0.04 * np.sin(2 * np.pi * 0.7 * t + np.arange(JOINTS))
    targets[:, 4] = 0.0
    positions, governor = run(targets, JointGovernor(LIMITS, targets[0]))
    smooth = (targets[:-2] + 4.0 * targets[1:-1] + targets[2:]) / 6.0
    late = slice(150, None)  # the start is a step in speed
    assert positions[3:][late] == pytest.approx(smooth[late], abs=1e-12)
    assert np.abs(positions[3:] - targets[1:-1])[late].max() < 2e-3
    assert governor.counts["position"] == 0


@FEW
@given(TARGETS, st.integers(1, 5))
def test_braking_stops_soon_within_the_limits(targets, hold):
    positions, governor = run(np.repeat(np.array(targets), hold, axis=0))
    halted = np.array([governor.brake(TICK_S) for _ in range(120)])
    assert_allowed(np.concatenate([positions, halted]))
    still_s = LIMITS.velocity / LIMITS.acceleration + 2.5 * LIMITS.acceleration / LIMITS.jerk
    for joint, seconds in enumerate(still_s):
        assert np.ptp(halted[int(seconds / TICK_S) + 2 :, joint]) < 1e-9


@pytest.mark.parametrize("dt_s", [0.0, -1.0, np.nan, np.inf])
def test_without_time_nothing_moves(dt_s):
    governor = JointGovernor(LIMITS, np.full(JOINTS, 0.15))
    before = governor.state.p.copy()
    assert np.array_equal(governor.follow(np.ones(JOINTS), dt_s), before)


def test_what_targets_ask_too_much_is_counted():
    _, governor = run([np.full(JOINTS, 9.0)] * 3)
    assert governor.counts["position"] == 3 * JOINTS
    assert min(governor.counts[name] for name in ("velocity", "acceleration", "jerk")) > 0


def random_states(count=3000, seed=0):
    rng = np.random.default_rng(seed)
    acceleration, jerk = rng.uniform(5.0, 200.0, count), rng.uniform(50.0, 1e4, count)
    a = rng.uniform(-1.0, 1.0, count) * acceleration * (rng.random(count) > 0.2)
    v = rng.normal(0.0, 5.0, count) * (rng.random(count) > 0.2)
    return Kinematics(rng.normal(0.0, 1.0, count), v, a), acceleration, jerk


def test_a_stop_ends_at_rest_within_its_limits_and_reaches_as_far_as_it_says():
    state, acceleration, jerk = random_states()
    stop = plan_stop(state, acceleration, jerk)
    path = [stop.after(share * stop.duration_s) for share in np.linspace(0.0, 1.0, 400)]
    places = np.array([each.p for each in path])
    assert np.abs(path[-1].v).max() == 0.0
    assert np.abs(np.diff(places[-3:], axis=0)).max() < 1e-3
    pushes = np.array([each.a for each in path[:-1]])
    assert (np.abs(pushes) <= acceleration + 1e-9).all()
    almost = stop.after((1.0 - 1e-12) * stop.duration_s)
    assert np.abs(almost.v).max() < 1e-6
    low, high = stop.reach()
    assert places.min(axis=0) == pytest.approx(low, abs=1e-3)
    assert places.max(axis=0) == pytest.approx(high, abs=1e-3)
    assert (places >= low - 1e-9).all()
    assert (places <= high + 1e-9).all()


def test_the_rest_of_a_stop_is_the_stop_from_there():
    state, acceleration, jerk = random_states(seed=1)
    stop = plan_stop(state, acceleration, jerk)
    later = plan_stop(stop.after(0.3 * stop.duration_s), acceleration, jerk)
    assert later.end() == pytest.approx(stop.end(), abs=1e-6)
    assert later.duration_s == pytest.approx(0.7 * stop.duration_s, abs=1e-5)


def test_moving_is_integration():
    state = Kinematics(np.array([1.0]), np.array([2.0]), np.array([3.0]))
    after = move(state, np.array([6.0]), 2.0)
    assert [float(each[0]) for each in after] == [1 + 4 + 6 + 8, 2 + 6 + 12, 3 + 12]
    back = move(after, np.array([6.0]), -2.0)
    assert [float(each[0]) for each in back] == pytest.approx([1.0, 2.0, 3.0])


@pytest.mark.parametrize("pause_s", [0.2, 2.0, 1e6])
def test_a_long_pause_costs_no_more_than_a_few_ticks(pause_s):
    asked = []

    def veto(poses):
        asked.append(poses)
        return np.zeros(poses.shape[1], bool)

    governor = JointGovernor(LIMITS, np.full(JOINTS, 0.15))
    governor.follow(np.full(JOINTS, 0.3), pause_s, veto)
    assert 1 <= len(asked) <= MOST_TICKS, "who is late must be able to catch up"
