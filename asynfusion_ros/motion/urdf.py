"""The skeleton as URDF: a plain figure whose joints carry the names that are published.

`python -m asynfusion_ros.motion.urdf > urdf/avatar.urdf` writes the file that RViz shows.
"""

from __future__ import annotations

import sys
from xml.etree import ElementTree as Xml

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.parts import AXES, BallJoint, Finger
from asynfusion_ros.motion.skeleton import Skeleton

Array = npt.NDArray[np.float64]

ROOT_LINK = "avatar"
_AXIS = {"yaw": "0 0 1", "pitch": "0 1 0", "roll": "1 0 0"}
_COLOURS = {"skin": "0.87 0.66 0.55 1", "cloth": "0.23 0.33 0.45 1", "hair": "0.30 0.21 0.16 1"}
_NECK_LINK = "head_yaw"  # not the chest: RViz gives all visuals of a link one material
_EFFORT = "50"


def build_urdf(skeleton: Skeleton) -> str:
    """Return the URDF text; three revolute joints in a row stand for each ball joint."""
    robot = Xml.Element("robot", name="avatar")
    for name, rgba in _COLOURS.items():
        Xml.SubElement(Xml.SubElement(robot, "material", name=name), "color", rgba=rgba)
    Xml.SubElement(robot, "link", name=ROOT_LINK)
    for joint in skeleton.joints:
        _add_ball_joint(robot, skeleton, joint)
    for finger in skeleton.fingers:
        _add_finger(robot, skeleton, finger)
    Xml.indent(robot)
    return '<?xml version="1.0"?>\n' + Xml.tostring(robot, encoding="unicode") + "\n"


def _add_ball_joint(robot: Xml.Element, skeleton: Skeleton, joint: BallJoint) -> None:
    parent = joint.parent or ROOT_LINK
    for index, axis in enumerate(AXES):
        last = axis == AXES[-1]
        child = joint.name if last else f"{joint.name}_{axis}"
        origin = joint.offset_m if index == 0 else np.zeros(3)
        lower, upper = joint.limits_rad[index]
        revolute = _add_revolute(robot, f"{joint.robot}_{axis}", (parent, child), origin)
        Xml.SubElement(revolute, "axis", xyz=_AXIS[axis])
        _add_limit(revolute, lower, upper, joint.velocity_rad_s)
        link = Xml.SubElement(robot, "link", name=child)
        _add_inertia(link, 1.0 if last else 0.01)
        if last:
            _add_shape(link, skeleton, joint.name)
        elif child == _NECK_LINK:
            _add_visual(link, "cylinder", "skin", [-0.01, 0.0, -0.03], radius="0.05", length="0.1")
        parent = child


def _add_finger(robot: Xml.Element, skeleton: Skeleton, finger: Finger) -> None:
    ends = (finger.parent, finger.name)
    revolute = _add_revolute(robot, finger.name, ends, finger.offset_m)
    Xml.SubElement(revolute, "axis", xyz=_numbers(finger.axis))
    _add_limit(revolute, *skeleton.finger_limits_rad, skeleton.finger_velocity_rad_s)
    link = Xml.SubElement(robot, "link", name=finger.name)
    _add_inertia(link, 0.02)
    _add_rod(link, finger.tip_m, 0.008, "skin")


def _add_revolute(
    robot: Xml.Element, name: str, ends: tuple[str, str], origin: Array
) -> Xml.Element:
    joint = Xml.SubElement(robot, "joint", name=name, type="revolute")
    Xml.SubElement(joint, "parent", link=ends[0])
    Xml.SubElement(joint, "child", link=ends[1])
    Xml.SubElement(joint, "origin", xyz=_numbers(origin))
    return joint


def _add_limit(joint: Xml.Element, lower: float, upper: float, velocity: float) -> None:
    values = {"lower": f"{lower:g}", "upper": f"{upper:g}", "velocity": f"{velocity:g}"}
    Xml.SubElement(joint, "limit", {"effort": _EFFORT, **values})


def _add_inertia(link: Xml.Element, mass_kg: float) -> None:
    inertial = Xml.SubElement(link, "inertial")
    Xml.SubElement(inertial, "mass", value=f"{mass_kg:g}")
    moment = f"{0.01 * mass_kg:g}"
    moments = {"ixx": moment, "iyy": moment, "izz": moment, "ixy": "0", "ixz": "0", "iyz": "0"}
    Xml.SubElement(inertial, "inertia", moments)


def _add_shape(link: Xml.Element, skeleton: Skeleton, name: str) -> None:
    side = 1.0 if name.startswith("l_") else -1.0
    part = name[2:] if name[1] == "_" else name
    if part == "chest":
        _add_visual(link, "box", "cloth", [0.0, 0.0, 0.14], size="0.2 0.34 0.32")
    elif part == "head":  # its back: the face is a mesh of its own before it
        _add_visual(link, "sphere", "hair", [-0.02, 0.0, 0.138], radius="0.1")
    elif part == "hand":
        _add_visual(link, "box", "skin", [0.0, 0.045 * side, 0.0], size="0.08 0.09 0.025")
    else:
        end = next((j.offset_m for j in skeleton.joints if j.parent == name), np.zeros(3))
        radius, colour = (0.045, "cloth") if part == "upper_arm" else (0.035, "skin")
        _add_rod(link, end, radius, colour)


def _add_rod(link: Xml.Element, end: Array, radius: float, colour: str) -> None:
    """Add a ball at the link's origin, and a cylinder to `end` if that lies elsewhere."""
    length = float(np.linalg.norm(end))
    if length > 0.0:
        yaw, tilt = np.arctan2(end[1], end[0]), np.arccos(np.clip(end[2] / length, -1.0, 1.0))
        _add_visual(
            link, "cylinder", colour, end / 2, [0.0, tilt, yaw],
            radius=f"{radius:g}", length=f"{length:.4g}",
        )  # fmt: skip
    _add_visual(link, "sphere", colour, [0.0, 0.0, 0.0], radius=f"{1.1 * radius:.3g}")


def _add_visual(
    link: Xml.Element,
    shape: str,
    colour: str,
    xyz: npt.ArrayLike,
    rpy: npt.ArrayLike = (0.0, 0.0, 0.0),
    **size: str,
) -> None:
    visual = Xml.SubElement(link, "visual")
    Xml.SubElement(visual, "origin", xyz=_numbers(xyz), rpy=_numbers(rpy))
    Xml.SubElement(Xml.SubElement(visual, "geometry"), shape, size)
    Xml.SubElement(visual, "material", name=colour)


def _numbers(values: npt.ArrayLike) -> str:
    return " ".join(f"{value:.5g}" for value in np.asarray(values, np.float64) + 0.0)


if __name__ == "__main__":
    sys.stdout.write(build_urdf(Skeleton.load()))
