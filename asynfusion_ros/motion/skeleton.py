"""The skeleton: which joints there are, where they sit, and the robot joints they become."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError, brief
from asynfusion_ros.files import read_yaml, refuse
from asynfusion_ros.motion.rotations import (
    rotvec_to_matrix,
    rotvec_to_zyx,
    zyx_to_rotvec,
)
from asynfusion_ros.resources import find_resource

Array = npt.NDArray[np.float64]

DEFAULT_SKELETON = "config/upper_body.yaml"
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
AXES = ("yaw", "pitch", "roll")
MOST_JOINTS = 100
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,63}")


@dataclass(frozen=True)
class BallJoint:
    """A joint of three degrees: `offset_m` in its parent's frame, limits (3, 2) of yaw to roll."""

    name: str
    parent: str | None
    robot: str
    offset_m: Array
    rest: Array
    limits_rad: Array
    velocity_rad_s: float


@dataclass(frozen=True)
class Finger:
    """A bending joint: `axis` and `offset_m` in its parent's frame, `tip_m` in its own."""

    name: str
    parent: str
    axis: Array
    offset_m: Array
    tip_m: Array


@dataclass(frozen=True)
class Skeleton:
    """Ball joints (body channels, in order) and finger joints (robot joints only)."""

    name: str
    joints: tuple[BallJoint, ...]
    fingers: tuple[Finger, ...]
    finger_limits_rad: tuple[float, float]
    finger_velocity_rad_s: float

    @classmethod
    def load(cls, path: Path | None = None) -> Skeleton:
        """Read a skeleton file (default: config/upper_body.yaml); raise MotionFileError."""
        file = path or find_resource(DEFAULT_SKELETON)
        values = read_yaml(Path(file), MotionFileError)
        with refuse(MotionFileError, f"{file} is not a skeleton file"):
            joints = tuple(_ball_joint(row) for row in values["ball_joints"])
            hands = values["fingers"]
            fingers = tuple(
                finger
                for side in "lr"
                for name in FINGERS
                for finger in _finger(side, name, hands[name])
            )
            limits = (float(hands["limits"][0]), float(hands["limits"][1]))
            name, velocity_rad_s = str(values["name"]), float(hands["velocity"])
            skeleton = cls(name, joints, fingers, limits, velocity_rad_s)
        skeleton._check(Path(file))
        return skeleton

    def _check(self, file: Path) -> None:
        names = [name for joint in self.joints for name in (joint.name, joint.robot)]
        unfit = [name for name in names if not _NAME.fullmatch(name)]
        if unfit or not 0 < len(self.joints) <= MOST_JOINTS:
            raise MotionFileError(
                f"{file} has {len(self.joints)} joints and the names {brief(unfit)}; it needs 1 to "
                f"{MOST_JOINTS}, named by 2 to 64 letters, digits and _"
            )
        self._check_balls(file)
        self._check_fingers(file)

    def _check_fingers(self, file: Path) -> None:
        lower, upper = self.finger_limits_rad
        vectors = np.array([[f.axis, f.offset_m, f.tip_m] for f in self.fingers])
        if not (-np.pi <= lower < upper <= np.pi and self.finger_velocity_rad_s > 0.0):
            raise MotionFileError(
                f"{file}: fingers have limits {self.finger_limits_rad} and velocity "
                f"{self.finger_velocity_rad_s}; they need -pi <= lower < upper <= pi, and above 0"
            )
        if not (np.isfinite(vectors).all() and (np.abs(vectors).max(axis=2) > 0).all()):
            raise MotionFileError(f"{file}: a finger's axis or step is zero or not finite")
        if missing := {"l_hand", "r_hand"} - set(self.joint_names):
            raise MotionFileError(f"{file}: fingers need the joints {sorted(missing)}; add them")

    def _check_balls(self, file: Path) -> None:
        seen: set[str] = set()
        robots = [joint.robot for joint in self.joints]
        if len(set(robots)) < len(robots):
            raise MotionFileError(f"{file}: two joints have one robot name among {robots}")
        for joint in self.joints:
            if joint.parent is not None and joint.parent not in seen:
                raise MotionFileError(
                    f"{file}: {joint.name} names parent {joint.parent!r}; parents come first, "
                    f"and so far there are {sorted(seen)}"
                )
            if joint.name in seen:
                raise MotionFileError(f"{file}: two joints are named {joint.name!r}")
            lower, upper = joint.limits_rad.T
            if not ((-np.pi <= lower) & (lower < upper) & (upper <= np.pi)).all():
                raise MotionFileError(
                    f"{file}: limits of {joint.name} are {joint.limits_rad.tolist()}; each needs "
                    "-pi <= lower < upper <= pi"
                )
            finite = np.isfinite([*joint.offset_m, *joint.rest, joint.velocity_rad_s]).all()
            if not (finite and joint.velocity_rad_s > 0.0):
                raise MotionFileError(
                    f"{file}: {joint.name} needs finite offset_m and rest, and a positive velocity"
                )
            seen.add(joint.name)

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the ball joints, in the order of the body's channels."""
        return tuple(joint.name for joint in self.joints)

    @cached_property
    def robot_joint_names(self) -> tuple[str, ...]:
        """Names of the revolute joints: yaw, pitch, roll of each ball joint, then the fingers."""
        balls = [f"{joint.robot}_{axis}" for joint in self.joints for axis in AXES]
        return (*balls, *(finger.name for finger in self.fingers))

    @cached_property
    def lower_rad(self) -> Array:
        """Lower limits of all robot joints [rad]."""
        return self._bounds(0)

    @cached_property
    def upper_rad(self) -> Array:
        """Upper limits of all robot joints [rad]."""
        return self._bounds(1)

    def _bounds(self, side: int) -> Array:
        balls = np.concatenate([joint.limits_rad[:, side] for joint in self.joints])
        return np.concatenate([balls, np.full(len(self.fingers), self.finger_limits_rad[side])])

    @cached_property
    def velocity_rad_s(self) -> Array:
        """Largest speeds of all robot joints [rad/s]."""
        balls = np.repeat([joint.velocity_rad_s for joint in self.joints], 3)
        return np.concatenate([balls, np.full(len(self.fingers), self.finger_velocity_rad_s)])

    @cached_property
    def rest_body(self) -> npt.NDArray[np.float32]:
        """A natural standing pose, (3 J,) rotation vectors [rad]."""
        return np.concatenate([joint.rest for joint in self.joints]).astype(np.float32)

    def ball_angles(self, body: npt.ArrayLike, near: npt.ArrayLike | None = None) -> Array:
        """Return yaw, pitch, roll of all ball joints (..., 3 J) for bodies (..., 3 J).

        `near` (..., 3 J), such as the frame before, picks the whole turns closest to it. At a
        pitch of +-90 degrees yaw and roll are not unique; the joints' limits stay clear of it.
        """
        rotvec = np.asarray(body, np.float64)
        angles = rotvec_to_zyx(rotvec.reshape(*rotvec.shape[:-1], -1, 3)).reshape(rotvec.shape)
        if near is not None:
            angles = angles + 2 * np.pi * np.round((np.asarray(near) - angles) / (2 * np.pi))
        return angles

    def body_from_ball_angles(self, angles: npt.ArrayLike) -> Array:
        """Return bodies (..., 3 J) of yaw, pitch, roll (..., 3 J), the inverse of `ball_angles`."""
        zyx = np.asarray(angles, np.float64)
        return zyx_to_rotvec(zyx.reshape(*zyx.shape[:-1], -1, 3)).reshape(zyx.shape)

    def ball_frames(self, body: npt.ArrayLike) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return places (..., 3) [m] and rotations (..., 3, 3) of the ball joints by name.

        Both are in the world's axes, for bodies (..., 3 J).
        """
        rotvec = np.asarray(body, np.float64)
        local = rotvec_to_matrix(rotvec.reshape(*rotvec.shape[:-1], -1, 3))
        places: dict[str, Array] = {}
        turns: dict[str, Array] = {}
        for index, joint in enumerate(self.joints):
            turn = local[..., index, :, :]
            if joint.parent is None:
                places[joint.name] = np.broadcast_to(joint.offset_m, (*turn.shape[:-2], 3))
                turns[joint.name] = turn
            else:
                parent = turns[joint.parent]
                places[joint.name] = places[joint.parent] + parent @ joint.offset_m
                turns[joint.name] = parent @ turn
        return places, turns

    def forward_kinematics(
        self, body: npt.ArrayLike, fingers: npt.ArrayLike | None = None
    ) -> dict[str, Array]:
        """Return the places (..., 3) [m] of every joint, and of finger ends `<name>_tip`.

        body (..., 3 J) rotation vectors; fingers (..., 30) bends, 0 where not given.
        """
        places, turns = self.ball_frames(body)
        shape = np.shape(body)[:-1]
        bends = np.zeros((*shape, len(self.fingers)))
        if fingers is not None:
            bends = np.asarray(fingers, np.float64)
        axes = np.array([finger.axis for finger in self.fingers]).reshape(-1, 3)
        local = rotvec_to_matrix(bends[..., None] * axes)
        for index, finger in enumerate(self.fingers):
            parent = turns[finger.parent]
            places[finger.name] = places[finger.parent] + parent @ finger.offset_m
            turns[finger.name] = parent @ local[..., index, :, :]
            tip = places[finger.name] + turns[finger.name] @ finger.tip_m
            places[f"{finger.name}_tip"] = tip
        return places


def _ball_joint(row: Mapping[str, Any]) -> BallJoint:
    return BallJoint(
        name=str(row["name"]),
        parent=None if row["parent"] is None else str(row["parent"]),
        robot=str(row["robot"]),
        offset_m=_vector(row["offset_m"]),
        rest=_vector(row["rest"]),
        limits_rad=np.array([row[axis] for axis in AXES], np.float64).reshape(3, 2),
        velocity_rad_s=float(row["velocity"]),
    )


def _finger(side: str, name: str, row: Mapping[str, Any]) -> list[Finger]:
    """Return the three joints of one finger; the right hand mirrors the left across y."""
    flip = np.array([1.0, 1.0 if side == "l" else -1.0, 1.0])
    axis = _vector(row["axis"]) * (1.0 if side == "l" else -1.0)  # reflected axes turn around
    steps = [_vector(step) * flip for step in row["steps_m"]]
    offsets = [_vector(row["base_m"]) * flip, *steps[:2]]
    joints, parent = [], f"{side}_hand"
    for index, (offset, tip) in enumerate(zip(offsets, steps, strict=True)):
        joint = f"{side}_{name}_{index + 1}"
        joints.append(Finger(joint, parent, axis, offset, tip))
        parent = joint
    return joints


def _vector(values: Any) -> Array:
    return np.array(values, np.float64).reshape(3)
