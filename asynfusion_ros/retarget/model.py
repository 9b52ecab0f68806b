"""A robot as its URDF describes it: its joints in order, their axes, limits and places."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import ConfigError, MotionFileError, brief
from asynfusion_ros.files import read_bytes, refuse
from asynfusion_ros.motion.rotations import rotvec_to_matrix
from asynfusion_ros.retarget.meshes import mesh_is_there

Array = npt.NDArray[np.float64]

MOST_URDF_BYTES = 16 * 1024 * 1024
FREE_SPEED_RAD_S = 10.0
"""Speed of joints for which the URDF names none that means anything (0, or above 50 rad/s)."""

_MOST_SPEED = 50.0
_TURNING = ("revolute", "continuous")
_MOVING = (*_TURNING, "prismatic")


@dataclass(frozen=True)
class RobotJoint:
    """One joint of the tree; `place` (4, 4) is its frame in its parent link's, at position 0.

    `axis` (3,) is unit, in the joint's frame; limits in rad or m, infinite where there are none;
    `mimic` is (joint, multiplier, offset) of a joint that follows another.
    """

    name: str
    kind: str
    parent: str
    child: str
    place: Array
    axis: Array
    lower: float
    upper: float
    velocity: float
    mimic: tuple[str, float, float] | None

    @property
    def moves(self) -> bool:
        """Whether it is revolute, continuous or prismatic."""
        return self.kind in _MOVING

    @property
    def turns(self) -> bool:
        """Whether it is revolute or continuous."""
        return self.kind in _TURNING


@dataclass(frozen=True)
class RobotModel:
    """All joints of a robot, parents before children, and the meshes that its file names."""

    name: str
    joints: tuple[RobotJoint, ...]
    root: str
    meshes: tuple[str, ...]
    urdf: str

    @classmethod
    def load(cls, path: Path) -> RobotModel:
        """Read a URDF file; its meshes are not needed. Raises MotionFileError."""
        content = read_bytes(Path(path), MotionFileError, MOST_URDF_BYTES)
        return cls.from_text(content.decode("utf-8", errors="replace"), str(path))

    @classmethod
    def from_text(cls, text: str, label: str = "the URDF") -> RobotModel:
        """Read a URDF; raise MotionFileError, which begins with `label`, where it is none."""
        parsed = _parse(text, label)
        with refuse(MotionFileError, f"{label} is no robot description"):
            joints = _in_order([_read_joint(joint) for joint in parsed.joints])
            names = [link.name for link in parsed.links]
        roots = sorted(set(names) - {joint.child for joint in joints})
        model = cls(str(parsed.name), tuple(joints), roots[0] if roots else "", _meshes(text), text)
        model._check(label, names, roots)
        return model

    def _check(self, label: str, links: Sequence[str], roots: Sequence[str]) -> None:
        names = [joint.name for joint in self.joints]
        if doubles := sorted({name for name in names if names.count(name) > 1}):
            raise MotionFileError(f"{label} has two joints of one name: {brief(doubles)}")
        if unknown := {link for j in self.joints for link in (j.parent, j.child)} - set(links):
            raise MotionFileError(
                f"{label} has joints at links that are not there: {brief(sorted(unknown))}; its "
                f"links are {brief(sorted(links))}"
            )
        if len(roots) != 1:
            raise MotionFileError(
                f"{label} is no tree: {len(roots)} links have no parent {brief(list(roots))}; "
                "exactly one may be the root"
            )
        for joint in self.joints:
            numbers = [*joint.place.ravel(), *joint.axis, joint.velocity]
            length = float(np.linalg.norm(joint.axis))
            if not np.isfinite(numbers).all() or joint.lower > joint.upper or abs(length - 1) > 0.1:
                raise MotionFileError(
                    f"{label}: joint {joint.name} needs finite numbers, an axis that is not zero, "
                    f"and lower <= upper; its limits are [{joint.lower}, {joint.upper}]"
                )

    @cached_property
    def by_name(self) -> Mapping[str, RobotJoint]:
        """All joints by name."""
        return {joint.name: joint for joint in self.joints}

    @cached_property
    def moving_names(self) -> tuple[str, ...]:
        """Joints that move, mimics included, parents before children."""
        return tuple(joint.name for joint in self.joints if joint.moves)

    @cached_property
    def command_names(self) -> tuple[str, ...]:
        """Joints that can be commanded: those that move and follow no other."""
        return tuple(j.name for j in self.joints if j.moves and j.mimic is None)

    def frames(self, positions: Mapping[str, Array | float]) -> dict[str, Array]:
        """Return the frames (..., 4, 4) of all links in the root's, for joint positions.

        Positions are numbers or (T,) arrays by joint name; joints not named stand at 0.
        """
        frames: dict[str, Array] = {self.root: np.eye(4)}
        for joint in self.joints:
            frame = frames[joint.parent] @ joint.place
            value = self._position(joint, positions)
            if joint.moves and (np.ndim(value) or value != 0.0):
                frame = frame @ _moved(joint, np.asarray(value, np.float64))
            frames[joint.child] = frame
        return frames

    def _position(self, joint: RobotJoint, positions: Mapping[str, Any]) -> Any:
        if joint.mimic is not None and joint.name not in positions:
            leader, multiplier, offset = joint.mimic
            return multiplier * np.asarray(positions.get(leader, 0.0)) + offset
        return positions.get(joint.name, 0.0)

    @cached_property
    def zero_frames(self) -> dict[str, Array]:
        """Frames (4, 4) of all links where all joints are at 0."""
        return self.frames({})

    @cached_property
    def heights_m(self) -> tuple[float, float]:
        """Lowest and highest place of a link over the root's where all joints are at 0 [m]."""
        heights = [float(frame[2, 3]) for frame in self.zero_frames.values()]
        return min(heights), max(heights)

    def zero_axis(self, name: str) -> Array:
        """Return a joint's axis (3,) in the root's frame where all joints are at 0."""
        joint = self.by_name[name]
        return np.asarray(self.zero_frames[joint.child][:3, :3] @ joint.axis)

    def zero_place(self, name: str) -> Array:
        """Return a joint's place (3,) [m] in the root's frame where all joints are at 0."""
        return np.asarray(self.zero_frames[self.by_name[name].child][:3, 3])

    def chain(self, link: str) -> list[RobotJoint]:
        """Return the joints from the root to a link."""
        above = {joint.child: joint for joint in self.joints}
        found: list[RobotJoint] = []
        while link in above:
            found.append(above[link])
            link = above[link].parent
        return found[::-1]

    def missing_meshes(self, folder: Path) -> list[str]:
        """Return the meshes that are not on this machine; relative ones are sought in `folder`."""
        return [mesh for mesh in self.meshes if not mesh_is_there(mesh, folder)]


def _parse(text: str, label: str) -> Any:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise MotionFileError(f"{label} declares XML entities; a robot description has none")
    with refuse(MotionFileError, f"{label} is not readable XML"):
        root = Xml.fromstring(text)
    if root.tag != "robot":
        raise MotionFileError(
            f"{label} holds <{brief(root.tag)}>, not <robot>; give a URDF (of a MuJoCo or SDF "
            "model, the URDF beside it)"
        )
    if any("xacro}" in str(element.tag) for element in root.iter()):
        raise MotionFileError(
            f"{label} is a xacro; expand it first: `xacro robot.urdf.xacro > robot.urdf`"
        )
    try:
        library = import_module("yourdfpy")
    except ImportError as error:
        raise ConfigError(
            "reading a URDF needs yourdfpy; run `pip install 'asynfusion_ros[robots]'`"
        ) from error
    logging.getLogger("yourdfpy").setLevel(logging.ERROR)
    options = {"build_scene_graph": False, "load_meshes": False, "mesh_dir": ""}
    with refuse(MotionFileError, f"{label} is no robot description"):
        return library.URDF.load(io.BytesIO(text.encode("utf-8")), **options).robot


def _read_joint(joint: Any) -> RobotJoint:
    limit, free = joint.limit, joint.type == "continuous"
    lower = -np.inf if free or limit is None or limit.lower is None else float(limit.lower)
    upper = np.inf if free or limit is None or limit.upper is None else float(limit.upper)
    velocity = 0.0 if limit is None or limit.velocity is None else float(limit.velocity)
    axis = np.asarray(joint.axis, np.float64)
    length = float(np.linalg.norm(axis))
    mimic = joint.mimic
    return RobotJoint(
        name=str(joint.name),
        kind=str(joint.type),
        parent=str(joint.parent),
        child=str(joint.child),
        place=np.eye(4) if joint.origin is None else np.asarray(joint.origin, np.float64),
        axis=np.array([1.0, 0.0, 0.0])
        if joint.type not in _MOVING
        else axis / (length if length > 0.0 else 1.0),
        lower=lower,
        upper=upper,
        velocity=velocity if 0.0 < velocity <= _MOST_SPEED else FREE_SPEED_RAD_S,
        mimic=None if mimic is None else (str(mimic.joint), mimic.multiplier, mimic.offset),
    )


def _in_order(joints: Sequence[RobotJoint]) -> list[RobotJoint]:
    """Return the joints with parents before children; leave out what hangs in a ring."""
    children = {joint.child for joint in joints}
    below: dict[str, list[RobotJoint]] = {}
    for joint in joints:
        below.setdefault(joint.parent, []).append(joint)
    found: list[RobotJoint] = []
    open_links = sorted(set(below) - children)
    while open_links:
        for joint in below.get(open_links.pop(), []):
            found.append(joint)
            open_links.append(joint.child)
    if len(found) != len(joints):
        left = sorted({joint.name for joint in joints} - {joint.name for joint in found})
        raise ValueError(f"the joints {left} form a ring or have a child of two parents")
    return found


def _moved(joint: RobotJoint, value: Array) -> Array:
    moved: Array = np.broadcast_to(np.eye(4), (*value.shape, 4, 4)).copy()
    if joint.turns:
        moved[..., :3, :3] = rotvec_to_matrix(joint.axis * value[..., None])
    else:
        moved[..., :3, 3] = joint.axis * value[..., None]
    return moved


def _meshes(text: str) -> tuple[str, ...]:
    found = [mesh.get("filename", "") for mesh in Xml.fromstring(text).iter("mesh")]
    return tuple(dict.fromkeys(found))
