"""The parts of a skeleton, and how each is read from its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

AXES = ("yaw", "pitch", "roll")
RATES = ("velocity", "acceleration", "jerk")


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
    acceleration_rad_s2: float
    jerk_rad_s3: float


@dataclass(frozen=True)
class Capsule:
    """A part of the body: what lies within `radius_m` of a segment in the frame of `link`."""

    link: str
    from_m: Array
    to_m: Array
    radius_m: float


@dataclass(frozen=True)
class Finger:
    """A bending joint: `axis` and `offset_m` in its parent's frame, `tip_m` in its own."""

    name: str
    parent: str
    axis: Array
    offset_m: Array
    tip_m: Array


def read_ball_joint(row: Mapping[str, Any]) -> BallJoint:
    """Return one ball joint of a skeleton file; raise KeyError, TypeError or ValueError."""
    return BallJoint(
        name=str(row["name"]),
        parent=None if row["parent"] is None else str(row["parent"]),
        robot=str(row["robot"]),
        offset_m=_vector(row["offset_m"]),
        rest=_vector(row["rest"]),
        limits_rad=np.array([row[axis] for axis in AXES], np.float64).reshape(3, 2),
        velocity_rad_s=float(row["velocity"]),
        acceleration_rad_s2=float(row["acceleration"]),
        jerk_rad_s3=float(row["jerk"]),
    )


def are_rates(values: Array) -> bool:
    """Return whether all values are finite and above zero."""
    return bool((np.isfinite(values) & (values > 0.0)).all())


def read_capsule(row: Mapping[str, Any]) -> Capsule:
    """Return one capsule of a skeleton file; raise KeyError, TypeError or ValueError."""
    ends = (_vector(row["from_m"]), _vector(row["to_m"]))
    return Capsule(str(row["link"]), *ends, float(row["radius_m"]))


def read_finger(side: str, name: str, row: Mapping[str, Any]) -> list[Finger]:
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
