"""Arms by where elbows and wrists are: the human's places, scaled to the robot's proportions.

Angles copy how limbs are turned; a joint at its limit then leads the hand astray. Here the joints
of an arm are found together, within their limits, so that elbow and wrist come as near their places
as they can. Needs mink: quadratic programmes of inverse kinematics on MuJoCo's model.
"""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import ConfigError, MotionFileError, brief
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.retarget.arms import arm_links
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.pose import rest_direction
from asynfusion_ros.retarget.robot_map import RobotMap
from asynfusion_ros.retarget.stage import joint_limits

Array = npt.NDArray[np.float64]

STEPS = 3
"""Quadratic programmes per pose; each begins where the last one ended."""

MISSED = 0.1
"""A wrist this share of its arm off its place, while a joint is at its limit, counts as clipped."""

_WRIST_COST, _ELBOW_COST, _ANGLE_COST = 1.0, 0.5, 0.02
_DAMPING = 1e-4
_AT_LIMIT_RAD = 1e-3
_SHORTEST_M = 0.05


@dataclass(frozen=True)
class _Arm:
    side: str
    joints: tuple[str, ...]
    shoulder: str
    lengths_m: tuple[float, float, float]  # robot's upper arm; human's limbs at the robot's size
    elbow: Any
    wrist: Any


class ReachSolver:
    """Moves the joints of upper arms and forearms so that elbows and wrists reach their places.

    Raises ConfigError where mink is not installed, MotionFileError where the map has no arm that
    bends, or MuJoCo cannot read the robot.
    """

    def __init__(self, robot_map: RobotMap, model: RobotModel, skeleton: Skeleton) -> None:
        """Build MuJoCo's model of the arms; every other joint stands still at 0."""
        try:
            self._mink, mujoco = import_module("mink"), import_module("mujoco")
        except ImportError as error:
            raise ConfigError(
                f"mode: reach needs mink ({error}); run `pip install 'asynfusion_ros[reach]'`, or "
                "write mode: angles"
            ) from error
        self._map, self._robot = robot_map, model
        sides = [s for s in "lr" if {f"{s}_upper_arm", f"{s}_forearm"} <= set(robot_map.parts)]
        self.joints = tuple(j for s in sides for j in _joints_of(robot_map, s))
        if not sides:
            raise MotionFileError(f"map {robot_map.name}: mode reach needs an arm with a forearm")
        self._world = _build(mujoco, model, robot_map, self.joints)
        limits = np.array([joint_limits(robot_map, model, name) for name in self.joints])
        self._configuration = self._mink.Configuration(self._world)
        self._slots = [int(self._world.joint(name).qposadr[0]) for name in self.joints]
        self._arms = [self._measure(side, skeleton) for side in sides]
        self._posture = self._mink.PostureTask(self._world, cost=_ANGLE_COST)
        self._limits = [self._mink.ConfigurationLimit(self._world)]
        self._lower, self._upper = limits.T
        self._begun = False

    def solve(
        self, solved: Mapping[str, float], turns: Mapping[str, Array]
    ) -> tuple[dict[str, float], tuple[str, ...]]:
        """Return positions of the arms' joints by name, and which stopped a wrist short.

        `solved` are the positions that copy the angles, where the search begins and to which it
        leans; `turns` (3, 3) say how each part of the avatar is turned in the chest.
        """
        angles = np.array(self._configuration.q)
        copied = np.array([solved[name] for name in self.joints])
        angles[self._slots] = np.clip(copied, self._lower, self._upper)
        if not self._begun:
            self._configuration.update(angles)
            self._begun = True
        self._posture.set_target(angles)
        goals = [self._aim(arm, turns) for arm in self._arms]
        tasks = [task for arm in self._arms for task in (arm.elbow, arm.wrist)]
        for _ in range(STEPS):
            speed = self._mink.solve_ik(
                self._configuration, [*tasks, self._posture], 1.0, "daqp",
                damping=_DAMPING, limits=self._limits,
            )  # fmt: skip
            self._configuration.integrate_inplace(speed, 1.0)
        found = np.clip(self._configuration.q[self._slots], self._lower, self._upper)
        positions = dict(zip(self.joints, found.tolist(), strict=True))
        missed = [
            name
            for arm, goal in zip(self._arms, goals, strict=True)
            for name in self._short(arm, goal, positions)
        ]
        return positions, tuple(missed)

    def _aim(self, arm: _Arm, turns: Mapping[str, Array]) -> Array:
        """Set where an arm's elbow and wrist belong; return the wrist's place (3,)."""
        upper = turns[f"{arm.side}_upper_arm"] @ rest_direction(f"{arm.side}_upper_arm")
        fore = turns[f"{arm.side}_forearm"] @ rest_direction(f"{arm.side}_forearm")
        back = self._map.frame.T
        shoulder = self._configuration.data.body(arm.shoulder).xpos
        elbow = shoulder + back @ (arm.lengths_m[0] * upper)
        wrist = shoulder + back @ (arm.lengths_m[1] * upper + arm.lengths_m[2] * fore)
        arm.elbow.set_target(self._mink.SE3.from_translation(elbow))
        arm.wrist.set_target(self._mink.SE3.from_translation(wrist))
        return np.asarray(wrist)

    def _short(self, arm: _Arm, goal: Array, positions: Mapping[str, float]) -> list[str]:
        """Return the joints at a limit of an arm whose wrist is not where it belongs."""
        place = self._configuration.data.body(arm.wrist.frame_name).xpos
        if float(np.linalg.norm(place - goal)) <= MISSED * sum(arm.lengths_m[1:]):
            return []
        bounds = dict(zip(self.joints, zip(self._lower, self._upper, strict=True), strict=True))
        return [
            name
            for name in arm.joints
            if min(abs(positions[name] - bound) for bound in bounds[name]) < _AT_LIMIT_RAD
        ]

    def _measure(self, side: str, skeleton: Skeleton) -> _Arm:
        """Return an arm with its lengths, where all joints are at 0."""
        joints = _joints_of(self._map, side)
        points = self._map.parts[f"{side}_upper_arm"], self._map.parts[f"{side}_forearm"]
        shoulder, elbow = (self._robot.by_name[groups[-1][-1]].child for groups in points)
        _, wrist = arm_links(self._map, self._robot, side)
        places = [self._robot.zero_frames[link][:3, 3] for link in (shoulder, elbow, wrist)]
        limbs = [float(np.linalg.norm(b - a)) for a, b in pairwise(places)]
        if min(limbs) < _SHORTEST_M:
            raise MotionFileError(
                f"map {self._map.name}: mode reach needs limbs, but from {shoulder} to {elbow} to "
                f"{wrist} it is {limbs[0]:.2f} m and {limbs[1]:.2f} m; write mode: angles"
            )
        offsets = {joint.name: joint.offset_m for joint in skeleton.joints}
        human = [float(np.linalg.norm(offsets[f"{side}_{n}"])) for n in ("forearm", "hand")]
        size = sum(limbs) / sum(human)
        lengths = (limbs[0], size * human[0], size * human[1])
        tasks = [
            self._mink.FrameTask(link, "body", position_cost=cost, orientation_cost=0.0)
            for link, cost in ((elbow, _ELBOW_COST), (wrist, _WRIST_COST))
        ]
        return _Arm(side, joints, shoulder, lengths, *tasks)


def _joints_of(robot_map: RobotMap, side: str) -> tuple[str, ...]:
    """Return the joints that move an arm's elbow and wrist."""
    parts = (f"{side}_upper_arm", f"{side}_forearm")
    return tuple(j for part in parts for group in robot_map.parts[part] for j in group)


def _build(mujoco: Any, model: RobotModel, robot_map: RobotMap, moving: tuple[str, ...]) -> Any:
    """Return MuJoCo's model of a robot without shapes, of which only some joints move."""
    tree = Xml.fromstring(model.urdf)
    for link in tree.iter("link"):
        for part in [*link.findall("visual"), *link.findall("collision")]:
            link.remove(part)
    for joint in tree.iter("joint"):
        if joint.get("name") not in moving and joint.get("type") is not None:
            joint.set("type", "fixed")
    try:
        spec = mujoco.MjSpec.from_string(Xml.tostring(tree, encoding="unicode"))
        spec.compiler.fusestatic = False
        spec.compiler.boundmass = spec.compiler.boundinertia = 1e-6
        for joint in spec.joints:
            low, high = joint_limits(robot_map, model, joint.name)
            joint.limited = int(np.isfinite([low, high]).all())
            joint.range = [low, high] if joint.limited else [0.0, 0.0]
        return spec.compile()
    except ValueError as error:
        raise MotionFileError(f"MuJoCo cannot read {model.name}: {brief(str(error))}") from error
