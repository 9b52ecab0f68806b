"""One part of a robot and the one to three joints that move it, solved in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.retarget.angles import aim_angle, aim_with, turn, turn_with, twist_angle
from asynfusion_ros.retarget.entries import Tuning
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.robot_map import RobotMap

Array = npt.NDArray[np.float64]

CLIP_RAD = 1e-3
"""What is asked beyond a limit by more than this counts as clipped."""

_SURE = 0.2  # below this determination an angle is held back (a limb within 11 degrees of an axis)
_FULL = 2.0 * np.pi
_BEYOND = 25.0  # weight of a squared radian beyond a limit against one away from the last pose


@dataclass(frozen=True)
class Solution:
    """Joint positions by name, the turn (3, 3) that they make, and which were clipped.

    `asked` is what was wanted of each joint (of joints that share, of their first) before limits.
    """

    positions: dict[str, float]
    turned: Array
    clipped: tuple[str, ...]
    asked: dict[str, float]


class Stage:
    """Solves one part; keeps its last angles, so that of two solutions it stays with one.

    An upper arm or forearm with at most two joints is pointed; other parts are turned.
    """

    def __init__(self, part: str, robot_map: RobotMap, model: RobotModel, start: Array) -> None:
        """Prepare for `part` of a map; `start` (3,) is where it points at zero, in our axes."""
        self.part = part
        self._groups = robot_map.parts[part]
        first = [group[0] for group in self._groups]
        self._axes = np.array([robot_map.frame @ model.zero_axis(name) for name in first])
        self.aims = part.endswith(("upper_arm", "forearm")) and len(first) <= 2
        self._start = start
        bounds = [[joint_limits(robot_map, model, j) for j in group] for group in self._groups]
        self._shares = [np.array(rows) for rows in bounds]
        self._lower = np.array([rows[:, 0].sum() for rows in self._shares])
        self._upper = np.array([rows[:, 1].sum() for rows in self._shares])
        self._bounds = list(zip(self._lower.tolist(), self._upper.tolist(), strict=True))
        tunings = [robot_map.joints.get(name, Tuning()) for name in first]
        self._scale = np.array([tuning.scale for tuning in tunings])
        self._offset = np.array([tuning.offset for tuning in tunings])
        self._last = np.clip(np.zeros(len(first)), self._lower, self._upper)
        self._rest: Array | None = None
        self._loyalty = 1.0  # weight of the distance to the last pose

    def set_rest(self, goal: Array) -> None:
        """Take the solution for `goal` as the pose about which scales count."""
        self._loyalty = 0.0  # there is no last pose yet: what lies within limits is right
        for _ in range(3):
            self._rest = self._ask(goal)
            self._loyalty = 1.0

    @property
    def rest(self) -> dict[str, float]:
        """What the standing pose asks of each joint; of joints that share, of their first."""
        values = np.zeros(len(self._groups)) if self._rest is None else self._rest
        return dict(zip([g[0] for g in self._groups], values.tolist(), strict=True))

    def solve(self, goal: Array) -> Solution:
        """Return the positions for `goal`: a direction (3,) to point to, or a turn (3, 3)."""
        asked = self._ask(goal)
        wanted = self._tuned(asked)
        inside = np.clip(wanted, self._lower, self._upper)
        out = np.abs(inside - wanted) > CLIP_RAD
        if out.any():
            inside = self._mend(goal, inside, out)
        positions: dict[str, float] = {}
        turned: Array = np.eye(3)
        # What the map changes on purpose, the parts that follow do not make up for.
        plain = asked + (inside - wanted)
        for index, (group, angle) in enumerate(zip(self._groups, inside.tolist(), strict=True)):
            parts = [angle] if len(group) == 1 else share(angle, self._shares[index])
            positions.update(zip(group, parts, strict=True))
            turned = turned @ turn(self._axes[index], float(plain[index]))
        names = [group[0] for group in self._groups]
        clipped = tuple(names[i] for i in np.flatnonzero(out))
        return Solution(positions, turned, clipped, dict(zip(names, wanted.tolist(), strict=True)))

    def _ask(self, goal: Array) -> Array:
        """Return the angles that geometry asks for, near the last ones where it leaves a choice."""
        found = (
            aim_with(self._axes, self._start, goal) if self.aims else turn_with(self._axes, goal)
        )
        choices = [[self._near(a, i) for i, a in enumerate(angles.tolist())] for angles in found]
        best = np.array(min(choices, key=self._cost))
        best = self._hold_back(goal, best)
        self._last = best
        return best

    def _cost(self, angles: Sequence[float]) -> float:
        return sum(self._price(angle, index) for index, angle in enumerate(angles))

    def _price(self, angle: float, index: int) -> float:
        low, high = self._bounds[index]
        beyond = max(0.0, low - angle, angle - high)
        return float(_BEYOND * beyond**2 + self._loyalty * (angle - self._last[index]) ** 2)

    def _near(self, angle: float, index: int) -> float:
        """Return an equal angle within limits where there is one, else nearest the last one."""
        choices = (angle - _FULL, angle, angle + _FULL)
        return min(choices, key=lambda choice: self._price(choice, index))

    def _hold_back(self, goal: Array, angles: Array) -> Array:
        """Slow the first angle where the limb lies almost along its axis and any angle would do."""
        if len(angles) == 1 or (not self.aims and len(angles) < 3):
            return angles
        start = self._start if self.aims else self._axes[2]
        aimed = goal if self.aims else goal @ self._axes[2]
        _, sure = aim_angle(self._axes[0], turn(self._axes[1], angles[1]) @ start, aimed)
        weight = min(1.0, np.sqrt(sure) / _SURE)
        if weight < 1.0:
            angles[0] = self._last[0] + weight * (angles[0] - self._last[0])
            first = turn(self._axes[0], angles[0])
            if self.aims:
                near, _ = aim_angle(self._axes[1], start, first.T @ aimed)
                angles[1] = self._near(near, 1)
            else:
                left = (first @ turn(self._axes[1], angles[1])).T @ goal
                angles[2] = self._near(twist_angle(self._axes[2], left), 2)
        return angles

    def _mend(self, goal: Array, inside: Array, out: npt.NDArray[np.bool_]) -> Array:
        """Return angles within limits, the free one of two set anew to point as near as it can."""
        plain = (self._scale == 1.0).all() and (self._offset == 0.0).all()
        if not (self.aims and len(inside) == 2 and plain) or out.all():
            return inside
        mended = np.array(inside)
        if out[0]:
            aimed = turn(self._axes[0], inside[0]).T @ goal
            mended[1] = self._near(aim_angle(self._axes[1], self._start, aimed)[0], 1)
        else:
            start = turn(self._axes[1], inside[1]) @ self._start
            mended[0] = self._near(aim_angle(self._axes[0], start, goal)[0], 0)
        return np.clip(mended, self._lower, self._upper)

    def _tuned(self, asked: Array) -> Array:
        if self._rest is None:
            return asked
        return np.asarray(self._rest + self._offset + self._scale * (asked - self._rest))


def joint_limits(robot_map: RobotMap, model: RobotModel, name: str) -> tuple[float, float]:
    """Return a joint's limits [rad or m]: the URDF's, narrowed by the map's."""
    joint = model.by_name[name]
    tuning = robot_map.joints.get(name, Tuning())
    lower, upper = tuning.limits or (-np.inf, np.inf)
    lower, upper = max(lower, joint.lower), min(upper, joint.upper)
    return (lower, upper) if lower <= upper else (joint.lower, joint.upper)


def joint_velocity(robot_map: RobotMap, model: RobotModel, name: str) -> float:
    """Return a joint's greatest speed [rad/s or m/s]: the URDF's, or the map's if that is less."""
    given = robot_map.joints.get(name, Tuning()).velocity
    speed = model.by_name[name].velocity
    return speed if given is None else min(given, speed)


def share(angle: float, bounds: Array) -> list[float]:
    """Return parts of an angle for joints that turn about one direction, by their ranges.

    `bounds` (N, 2) are their limits; each takes in proportion to how far it can go that way.
    """
    reach = np.maximum(bounds[:, 1] if angle >= 0.0 else -bounds[:, 0], 0.0)
    total = reach.sum()
    if not 0.0 < total < np.inf:
        return [angle / len(bounds)] * len(bounds)
    return [float(part) for part in angle * reach / total]


def sources_by_name(names: Sequence[str], values: npt.ArrayLike) -> Mapping[str, float]:
    """Return values by name."""
    return dict(zip(names, np.asarray(values, np.float64).tolist(), strict=True))
