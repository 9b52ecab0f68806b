"""Joint angles in closed form: which turns about given axes point or turn a part as wanted.

A chain of revolute joints turns a part by exp(a1 q1) exp(a2 q2) ..., each axis as it lies where all
joints are zero (product of exponentials; Murray, Li, Sastry 1994, chapter 3). Its subproblems have
closed solutions, for axes at any angle to each other:

- one axis that turns as R does as nearly as it can: the twist of R about it;
- two axes that point a direction p to d: exp(a1 q1) exp(a2 q2) p = d;
- three axes that turn as R does: two point a3 to R a3, since a3 does not move under exp(a3 q3), and
  the third is the twist that is left.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_PARALLEL = 1e-6


def turn(axis: Array, angle_rad: float) -> Array:
    """Return the matrix (3, 3) of a turn about a unit axis (3,), exp(axis angle)."""
    x, y, z = axis.tolist()  # scalars: numpy is slow on three numbers
    sine, cosine = math.sin(angle_rad), math.cos(angle_rad)
    rest = 1.0 - cosine
    return np.array(
        [
            [cosine + x * x * rest, x * y * rest - z * sine, x * z * rest + y * sine],
            [y * x * rest + z * sine, cosine + y * y * rest, y * z * rest - x * sine],
            [z * x * rest - y * sine, z * y * rest + x * sine, cosine + z * z * rest],
        ]
    )


def cross(first: Array, second: Array) -> Array:
    """Return the cross product (3,) of two vectors (3,)."""
    (a, b, c), (x, y, z) = first.tolist(), second.tolist()
    return np.array([b * z - c * y, c * x - a * z, a * y - b * x])


def twist_angle(axis: Array, rotation: Array) -> float:
    """Return the angle [rad] about `axis` (3,) that is nearest to `rotation` (3, 3).

    It maximises the trace of rotation^T exp(axis q): with R = rotation, that is
    q = atan2(axis . vee(R - R^T), trace R - axis^T R axis).
    """
    vee = np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    return math.atan2(float(axis @ vee), float(np.trace(rotation) - axis @ rotation @ axis))


def aim_angle(axis: Array, start: Array, goal: Array) -> tuple[float, float]:
    """Return the angle [rad] about `axis` that brings `start` (3,) nearest `goal` (3,).

    And how well it is determined: the product of both distances from the axis, 0 where any angle
    does.
    """
    start_off, goal_off = start - axis * (axis @ start), goal - axis * (axis @ goal)
    sine, cosine = float(axis @ cross(start_off, goal_off)), float(start_off @ goal_off)
    sure = math.sqrt(float(start_off @ start_off) * float(goal_off @ goal_off))
    return math.atan2(sine, cosine), sure


def solve_trigonometric(cosine: float, sine: float, value: float) -> tuple[float, float, float]:
    """Return both q [rad] with cosine cos q + sine sin q = value, and by how much it fails.

    Where no angle reaches `value` both are the angle that comes nearest, and the third number is
    what remains.
    """
    reach = math.hypot(cosine, sine)
    middle = math.atan2(sine, cosine)
    if reach < _PARALLEL:
        return middle, middle, abs(value)
    spread = math.acos(max(-1.0, min(1.0, value / reach)))
    return middle - spread, middle + spread, max(0.0, abs(value) - reach)


def aim_with_two(first: Array, second: Array, start: Array, goal: Array) -> list[Array]:
    """Return both pairs (2,) [rad] with exp(first q1) exp(second q2) start nearest `goal`.

    What `first` leaves alone is the goal's part along it: first . exp(second q2) start =
    first . goal gives q2, and q1 then turns the rest.
    """
    along = second * (second @ start)
    constant = float(first @ along)
    cosine, sine = float(first @ (start - along)), float(first @ cross(second, start))
    lower, upper, _ = solve_trigonometric(cosine, sine, float(first @ goal) - constant)
    return [
        np.array([aim_angle(first, turn(second, angle) @ start, goal)[0], angle])
        for angle in (lower, upper)
    ]


def turn_with_three(axes: Array, rotation: Array) -> list[Array]:
    """Return both triples (3,) [rad] whose turns about `axes` (3, 3), in order, give `rotation`.

    Rows of `axes` are unit; neighbours must not be parallel. Where the axes cannot reach the
    rotation (outer axes that are not at right angles to the middle one) they come near.
    """
    found = []
    for pair in aim_with_two(axes[0], axes[1], axes[2], rotation @ axes[2]):
        left = (turn(axes[0], pair[0]) @ turn(axes[1], pair[1])).T @ rotation
        found.append(np.array([*pair, twist_angle(axes[2], left)]))
    return found


def turn_with(axes: Array, rotation: Array) -> list[Array]:
    """Return the candidates (N,) [rad] of one to three axes (N, 3) for `rotation` (3, 3).

    Two axes are completed by a third at right angles to both, whose angle is left out.
    """
    if len(axes) == 1:
        return [np.array([twist_angle(axes[0], rotation)])]
    if len(axes) == 2:
        third = cross(axes[0], axes[1])
        whole = np.vstack([axes, third / np.linalg.norm(third)])
        return [angles[:2] for angles in turn_with_three(whole, rotation)]
    return turn_with_three(axes, rotation)


def aim_with(axes: Array, start: Array, goal: Array) -> list[Array]:
    """Return the candidates (N,) [rad] of one or two axes (N, 3) that point `start` to `goal`."""
    if len(axes) == 1:
        return [np.array([aim_angle(axes[0], start, goal)[0]])]
    return aim_with_two(axes[0], axes[1], start, goal)
