"""Closed-form joint angles: what they make is what was asked for."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from asynfusion_ros.retarget.angles import (
    aim_angle,
    aim_with_two,
    cross,
    solve_trigonometric,
    turn,
    turn_with,
    turn_with_three,
    twist_angle,
)

UNIT = st.tuples(*[st.floats(-1.0, 1.0)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1)
ANGLE = st.floats(-3.1, 3.1)


def unit(vector):
    return np.array(vector) / np.linalg.norm(vector)


@given(UNIT, ANGLE)
def test_a_turn_is_the_exponential_of_its_vector(vector, angle):
    axis = unit(vector)
    np.testing.assert_allclose(
        turn(axis, angle), Rotation.from_rotvec(angle * axis).as_matrix(), atol=1e-12
    )


@given(UNIT, UNIT)
def test_cross_is_numpys(first, second):
    np.testing.assert_allclose(cross(np.array(first), np.array(second)), np.cross(first, second))


@given(st.floats(-5, 5), st.floats(-5, 5), ANGLE)
def test_both_solutions_solve(cosine, sine, angle):
    assume(np.hypot(cosine, sine) > 1e-3)
    value = cosine * np.cos(angle) + sine * np.sin(angle)
    *both, missed = solve_trigonometric(cosine, sine, value)
    assert missed < 1e-9
    for found in both:
        assert cosine * np.cos(found) + sine * np.sin(found) == pytest.approx(value, abs=1e-6)


def test_what_cannot_be_reached_is_told():
    first, second, missed = solve_trigonometric(3.0, 4.0, 7.0)
    assert missed == pytest.approx(2.0)
    assert first == second == pytest.approx(np.arctan2(4.0, 3.0))


@settings(deadline=None)
@given(UNIT, UNIT, UNIT, st.tuples(ANGLE, ANGLE, ANGLE))
def test_three_axes_at_any_angle_give_back_a_turn_that_they_made(first, second, third, angles):
    axes = np.array([unit(first), unit(second), unit(third)])
    assume(abs(axes[0] @ axes[1]) < 0.9)
    assume(abs(axes[1] @ axes[2]) < 0.9)
    goal = turn(axes[0], angles[0]) @ turn(axes[1], angles[1]) @ turn(axes[2], angles[2])
    best = 9.0
    for found in turn_with_three(axes, goal):
        made = turn(axes[0], found[0]) @ turn(axes[1], found[1]) @ turn(axes[2], found[2])
        best = min(best, np.abs(made - goal).max())
    assert best < 1e-5


@given(UNIT, ANGLE)
def test_they_are_euler_angles_where_axes_are_those_of_the_frame(vector, angle):
    goal = Rotation.from_rotvec(angle * unit(vector))
    expected = goal.as_euler("ZYX")
    assume(abs(abs(expected[1]) - np.pi / 2) > 0.05)
    found = turn_with_three(np.eye(3)[::-1], goal.as_matrix())
    near = [np.abs((f - expected + np.pi) % (2 * np.pi) - np.pi).max() for f in found]
    assert min(near) < 1e-6


@settings(deadline=None)
@given(UNIT, UNIT, UNIT, ANGLE, ANGLE)
def test_two_axes_point_where_they_can(first, second, start, one, two):
    a, b, p = unit(first), unit(second), unit(start)
    assume(abs(a @ b) < 0.95)
    goal = turn(a, one) @ turn(b, two) @ p
    errors = [
        np.abs(turn(a, q[0]) @ turn(b, q[1]) @ p - goal).max() for q in aim_with_two(a, b, p, goal)
    ]
    assert min(errors) < 1e-5


@given(UNIT, ANGLE, UNIT, ANGLE)
def test_the_twist_is_the_nearest_angle(vector, angle, other, step):
    axis, rotation = unit(vector), Rotation.from_rotvec(angle * unit(other)).as_matrix()
    best = np.trace(rotation.T @ turn(axis, twist_angle(axis, rotation)))
    assert best >= np.trace(rotation.T @ turn(axis, step)) - 1e-9


@given(UNIT, UNIT, UNIT, ANGLE)
def test_aiming_with_one_axis_comes_nearest(vector, start, goal, step):
    axis, p, d = unit(vector), unit(start), unit(goal)
    angle, sure = aim_angle(axis, p, d)
    assert sure >= 0.0
    assert turn(axis, angle) @ p @ d >= turn(axis, step) @ p @ d - 1e-9


def test_two_axes_leave_the_third_component_out():
    goal = Rotation.from_euler("ZYX", [0.3, -0.2, 0.1]).as_matrix()
    found = min(turn_with(np.eye(3)[[2, 1]], goal), key=lambda q: np.abs(q).sum())
    np.testing.assert_allclose(found, [0.3, -0.2], atol=1e-9)
