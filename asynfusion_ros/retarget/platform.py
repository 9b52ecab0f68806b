"""A head on six levers with rods (a Stewart platform), as Reachy Mini has: closed-form inverse.

A lever turns about its motor's axis; at its end a rod of constant length begins, whose other end is
fixed to the head. Where the head stands and how it is turned gives each rod's upper end b, and the
lever's angle q follows from |p(q) - b| = length: with p(q) = c + u cos q + w sin q,
2 (c - b) . (u cos q + w sin q) = length^2 - |c - b|^2 - |u|^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.rotations import matrix_to_rotvec, rotvec_to_matrix
from asynfusion_ros.retarget.angles import cross, solve_trigonometric, turn, turn_with_three
from asynfusion_ros.retarget.entries import Leg
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.robot_map import RobotMap
from asynfusion_ros.retarget.stage import CLIP_RAD, Solution, joint_limits

Array = npt.NDArray[np.float64]

_HALVINGS = 10
_CLOSE_M = 1e-6


@dataclass(frozen=True)
class _Lever:
    """A leg at all joints zero, in our axes: motor axis and place, rod's lower and upper end."""

    leg: Leg
    axis: Array
    place: Array
    lower_end: Array
    upper_end: Array
    bounds: tuple[float, float]


class PlatformStage:
    """Turns the head as asked, or as far that way as all levers reach."""

    def __init__(self, robot_map: RobotMap, model: RobotModel) -> None:
        """Measure the legs of the map's platform in the robot's file."""
        assert robot_map.platform is not None
        self._map, self._model = robot_map, model
        self._platform = robot_map.platform
        self._frame = robot_map.frame
        self._levers = [self._measure(leg) for leg in self._platform.legs]
        ends = np.array([lever.upper_end for lever in self._levers])
        self._centre = ends.mean(axis=0)
        self._lift = np.array([0.0, 0.0, self._platform.lift_m])

    def _measure(self, leg: Leg) -> _Lever:
        model, frame = self._model, self._frame
        if leg.ball is not None:
            end = model.zero_place(leg.ball[0])
        else:
            end = model.zero_frames[str(leg.end)][:3, 3]
        return _Lever(
            leg,
            frame @ model.zero_axis(leg.motor),
            frame @ model.zero_place(leg.motor),
            frame @ model.zero_place(leg.rod[0]),
            frame @ end,
            joint_limits(self._map, model, leg.motor),
        )

    def solve(self, goal: Array) -> Solution:
        """Return motors and rods for a head turned by `goal` (3, 3) in the body."""
        asked = self._platform.scale * matrix_to_rotvec(goal)
        share, step = 1.0, 1.0
        motors, fits = self._motors(rotvec_to_matrix(asked))
        clipped = () if fits else ("head",)
        if not fits:
            share = 0.0
            for _ in range(_HALVINGS):
                step /= 2.0
                _, fits = self._motors(rotvec_to_matrix((share + step) * asked))
                share += step if fits else 0.0
            motors, _ = self._motors(rotvec_to_matrix(share * asked))
        turned = rotvec_to_matrix(share * asked)
        positions = {
            lever.leg.motor: float(np.clip(angle, *lever.bounds))
            for lever, angle in zip(self._levers, motors, strict=True)
        }
        for lever in self._levers:
            positions.update(self._rods(lever, positions[lever.leg.motor], turned))
        return Solution(positions, turned, clipped, {})

    def _upper_end(self, lever: _Lever, turned: Array) -> Array:
        return np.asarray(self._centre + self._lift + turned @ (lever.upper_end - self._centre))

    def _motors(self, turned: Array) -> tuple[list[float], bool]:
        """Return the levers' angles [rad] for a turned head, and whether all are within reach."""
        angles, fits = [], True
        for lever in self._levers:
            arm = lever.lower_end - lever.place
            fixed = lever.axis * (lever.axis @ arm)
            u, w = arm - fixed, cross(lever.axis, arm)
            length = np.linalg.norm(lever.upper_end - lever.lower_end)
            gap = lever.place + fixed - self._upper_end(lever, turned)
            value = (length**2 - gap @ gap - u @ u) / 2.0
            both = solve_trigonometric(float(gap @ u), float(gap @ w), float(value))
            angle = min(both[:2], key=abs)  # the bend that the robot has at zero
            low, high = lever.bounds
            fits = fits and both[2] < _CLOSE_M and low - CLIP_RAD <= angle <= high + CLIP_RAD
            angles.append(angle)
        return angles, fits

    def _rods(self, lever: _Lever, motor: float, turned: Array) -> dict[str, float]:
        """Return the passive joints of a leg, with which the robot's file shows it closed."""
        lever_turn = turn(lever.axis, motor)
        lower = lever.place + lever_turn @ (lever.lower_end - lever.place)
        before = lever.upper_end - lever.lower_end
        after = lever_turn.T @ (self._upper_end(lever, turned) - lower)
        axis = cross(before, after)
        sine = float(np.linalg.norm(axis))
        rod = np.eye(3)
        if sine > 1e-12:
            rod = turn(axis / sine, float(np.arctan2(sine, before @ after)))
        found = self._ball(lever.leg.rod, rod)
        if lever.leg.ball is not None:
            found |= self._ball(lever.leg.ball, (lever_turn @ rod).T @ turned)
        return found

    def _ball(self, names: tuple[str, str, str], turned: Array) -> dict[str, float]:
        axes = np.array([self._frame @ self._model.zero_axis(name) for name in names])
        angles = min(turn_with_three(axes, turned), key=lambda row: float(np.abs(row).sum()))
        wrapped = (angles + np.pi) % (2.0 * np.pi) - np.pi
        return dict(zip(names, wrapped.tolist(), strict=True))
