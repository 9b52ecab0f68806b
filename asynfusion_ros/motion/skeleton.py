"""The skeleton: which joints there are, where they sit, and the robot joints they become."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError, brief
from asynfusion_ros.files import read_yaml, refuse
from asynfusion_ros.motion.parts import (
    AXES,
    RATES,
    BallJoint,
    Capsule,
    Finger,
    are_rates,
    read_ball_joint,
    read_capsule,
    read_finger,
)
from asynfusion_ros.motion.rotations import (
    rotvec_to_matrix,
    rotvec_to_zyx,
    zyx_to_rotvec,
)
from asynfusion_ros.resources import find_resource

Array = npt.NDArray[np.float64]

DEFAULT_SKELETON = "config/upper_body.yaml"
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
MOST_JOINTS = 100
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,63}")


@dataclass(frozen=True)
class Skeleton:
    """Ball joints (body channels, in order) and finger joints (robot joints only)."""

    name: str
    joints: tuple[BallJoint, ...]
    fingers: tuple[Finger, ...]
    finger_limits_rad: tuple[float, float]
    finger_velocity_rad_s: float
    finger_acceleration_rad_s2: float
    finger_jerk_rad_s3: float
    capsules: tuple[Capsule, ...] = ()

    @classmethod
    def load(cls, path: Path | None = None) -> Skeleton:
        """Read a skeleton file (default: config/upper_body.yaml); raise MotionFileError."""
        file = path or find_resource(DEFAULT_SKELETON)
        values = read_yaml(Path(file), MotionFileError)
        with refuse(MotionFileError, f"{file} is not a skeleton file"):
            joints = tuple(read_ball_joint(row) for row in values["ball_joints"])
            hands = values["fingers"]
            fingers = tuple(
                finger
                for side in "lr"
                for name in FINGERS
                for finger in read_finger(side, name, hands[name])
            )
            limits = (float(hands["limits"][0]), float(hands["limits"][1]))
            name, (speed, push, jerk) = str(values["name"]), (float(hands[rate]) for rate in RATES)
            capsules = tuple(read_capsule(row) for row in values.get("capsules", ()))
            skeleton = cls(name, joints, fingers, limits, speed, push, jerk, capsules)
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
        self._check_capsules(file)

    def _check_capsules(self, file: Path) -> None:
        for part in self.capsules:
            numbers = np.array([*part.from_m, *part.to_m, part.radius_m])
            known = part.link in self.joint_names
            if not (known and np.isfinite(numbers).all() and part.radius_m > 0.0):
                raise MotionFileError(
                    f"{file}: a capsule of {brief(part.link)} needs finite ends, a radius above 0, "
                    f"and one of the links {self.joint_names}"
                )

    def _check_fingers(self, file: Path) -> None:
        lower, upper = self.finger_limits_rad
        vectors = np.array([[f.axis, f.offset_m, f.tip_m] for f in self.fingers])
        rates = np.array(
            [
                self.finger_velocity_rad_s,
                self.finger_acceleration_rad_s2,
                self.finger_jerk_rad_s3,
            ]
        )
        if not (-np.pi <= lower < upper <= np.pi and are_rates(rates)):
            raise MotionFileError(
                f"{file}: fingers have limits {self.finger_limits_rad} and {RATES} of {rates}; "
                "they need -pi <= lower < upper <= pi, and rates above 0"
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
            finite = np.isfinite([*joint.offset_m, *joint.rest]).all()
            rates = (joint.velocity_rad_s, joint.acceleration_rad_s2, joint.jerk_rad_s3)
            if not (finite and are_rates(np.array(rates))):
                raise MotionFileError(
                    f"{file}: {joint.name} needs finite offset_m and rest, and {RATES} above 0"
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
        return self._rates([j.velocity_rad_s for j in self.joints], self.finger_velocity_rad_s)

    @cached_property
    def acceleration_rad_s2(self) -> Array:
        """Largest accelerations of all robot joints [rad/s^2]."""
        balls = [joint.acceleration_rad_s2 for joint in self.joints]
        return self._rates(balls, self.finger_acceleration_rad_s2)

    @cached_property
    def jerk_rad_s3(self) -> Array:
        """Largest jerks of all robot joints [rad/s^3]."""
        return self._rates([j.jerk_rad_s3 for j in self.joints], self.finger_jerk_rad_s3)

    def _rates(self, balls: list[float], fingers: float) -> Array:
        return np.concatenate([np.repeat(balls, 3), np.full(len(self.fingers), fingers)])

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
