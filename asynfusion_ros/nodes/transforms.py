"""The robot's tree of frames: from joint positions to transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as Xml

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from asynfusion_ros.errors import MotionFileError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FrameTree:
    """All joints of a URDF, N of them, each with the transform from parent to child link.

    Attributes:
        parents: link that each joint is fixed to.
        children: link that each joint moves.
        translations_m: (N, 3) place of the joint in its parent's frame.
        turns: (N, 4) rotation of the joint's frame in its parent's at position 0, quaternion xyzw.
        axes: (N, 3) unit axis in the joint's frame; 0 for fixed joints.
        channels: (N,) which of the given positions moves the joint; -1 for fixed joints.
    """

    parents: tuple[str, ...]
    children: tuple[str, ...]
    translations_m: Array
    turns: Array
    axes: Array
    channels: npt.NDArray[np.int64]

    @classmethod
    def from_urdf(cls, text: str, joint_names: Sequence[str]) -> FrameTree:
        """Read a URDF whose moving joints are among `joint_names`; raise MotionFileError."""
        try:
            joints = Xml.fromstring(text).findall("joint")
            rows = [_read_joint(joint, list(joint_names)) for joint in joints]
        except (Xml.ParseError, KeyError, ValueError, AttributeError) as error:
            raise MotionFileError(f"the URDF cannot be read: {error!r}") from error
        parents, children, places, turns, axes, channels = zip(*rows, strict=True)
        arrays = (np.array(places), np.array(turns), np.array(axes), np.array(channels, np.int64))
        return cls(parents, children, *arrays)

    def rotations(self, positions: npt.ArrayLike) -> Array:
        """Return the quaternions xyzw (N, 4), parent to child, for joint positions [rad]."""
        angles = np.append(np.asarray(positions, np.float64), 0.0)[self.channels]
        moved = Rotation.from_rotvec(self.axes * angles[:, None])
        return np.asarray((Rotation.from_quat(self.turns) * moved).as_quat())


def _read_joint(
    joint: Xml.Element, names: list[str]
) -> tuple[str, str, list[float], Array, list[float], int]:
    origin, axis = joint.find("origin"), joint.find("axis")
    place = {} if origin is None else dict(origin.attrib)
    turn = Rotation.from_euler("xyz", _numbers(place.get("rpy", "0 0 0"))).as_quat()
    fixed = joint.attrib["type"] == "fixed"
    if not fixed and joint.attrib["name"] not in names:
        raise MotionFileError(
            f"the URDF's joint {joint.attrib['name']!r} gets no position; joints are {names}"
        )
    return (
        joint.find("parent").attrib["link"],  # type: ignore[union-attr]  # caught above
        joint.find("child").attrib["link"],  # type: ignore[union-attr]
        _numbers(place.get("xyz", "0 0 0")),
        turn,
        [0.0] * 3 if fixed or axis is None else _numbers(axis.attrib["xyz"]),
        -1 if fixed else names.index(joint.attrib["name"]),
    )


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]
