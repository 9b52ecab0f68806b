"""The map of a robot: which of its joints follow which part of the avatar, as a YAML file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import ConfigError, MotionFileError, brief
from asynfusion_ros.files import read_yaml, refuse
from asynfusion_ros.resources import find_resource
from asynfusion_ros.retarget.entries import (
    PARTS,
    Groups,
    Platform,
    Tuning,
    read_axis,
    read_directions,
    read_groups,
    read_names,
    read_numbers,
    read_platform,
    read_tuning,
)
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.places import find_urdf

Array = npt.NDArray[np.float64]

FOLDER = "config/robots"
MODES = ("angles", "reach")
_KEYS = (
    "name", "urdf", "install", "axes", "zero_pose", "parts", "platform", "joints", "drives", "rest",
    "controllers", "mirrored", "mode",
)  # fmt: skip


@dataclass(frozen=True)
class RobotMap:
    """What a map file says; see docs/robots.md for each entry."""

    name: str
    urdf: tuple[str, ...] = ()
    install: str = ""
    forward: tuple[float, ...] = (1.0, 0.0, 0.0)
    left: tuple[float, ...] = (0.0, 1.0, 0.0)
    zero_pose: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    parts: Mapping[str, Groups] = field(default_factory=dict)
    platform: Platform | None = None
    joints: Mapping[str, Tuning] = field(default_factory=dict)
    drives: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    rest: Mapping[str, float] = field(default_factory=dict)
    controllers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mirrored: bool = False
    mode: str = MODES[0]

    @classmethod
    def load(cls, path: Path) -> RobotMap:
        """Read a map; raise MotionFileError where an entry is unknown or makes no sense."""
        document = read_yaml(Path(path), MotionFileError)
        if not isinstance(document, Mapping):
            raise MotionFileError(f"{path} is no robot map; it needs entries such as {_KEYS}")
        if unknown := sorted(str(key) for key in set(document) - set(_KEYS)):
            raise MotionFileError(f"{path} has unknown entries {brief(unknown)}; known: {_KEYS}")
        with refuse(MotionFileError, f"{path} is no robot map"):
            return cls.from_dict(document, Path(path).stem)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], name: str = "robot") -> RobotMap:
        """Build from plain values; raise ValueError or MotionFileError."""
        axes = document.get("axes") or {}
        zero_pose = read_directions(document.get("zero_pose") or {})
        parts = {k: read_groups(k, v) for k, v in (document.get("parts") or {}).items()}
        if wrong := sorted((set(parts) | set(zero_pose)) - set(PARTS)):
            raise MotionFileError(f"{brief(wrong)} is no part of the avatar; parts are {PARTS}")
        platform = document.get("platform")
        return cls(
            name=str(document.get("name", name)),
            urdf=read_names(document.get("urdf") or []),
            install=str(document.get("install", "")),
            forward=read_axis(axes.get("forward", "x")),
            left=read_axis(axes.get("left", "y")),
            zero_pose=zero_pose,
            parts=parts,
            platform=None if platform is None else read_platform(platform),
            joints={
                str(k): read_tuning(str(k), v) for k, v in (document.get("joints") or {}).items()
            },
            drives={str(k): read_numbers(v) for k, v in (document.get("drives") or {}).items()},
            rest=read_numbers(document.get("rest") or {}),
            controllers={k: read_names(v) for k, v in (document.get("controllers") or {}).items()},
            mirrored=bool(document.get("mirrored", False)),
            mode=_read_mode(document.get("mode", MODES[0])),
        )

    @property
    def joint_names(self) -> tuple[str, ...]:
        """All joints that the map moves, each once."""
        named = [j for groups in self.parts.values() for group in groups for j in group]
        if self.platform is not None:
            named += [leg.motor for leg in self.platform.legs]
        return tuple(dict.fromkeys([*named, *self.drives]))

    @property
    def frame(self) -> Array:
        """Return (3, 3) that turns vectors of the robot's root into x forward, y left, z up."""
        return np.array([self.forward, self.left, np.cross(self.forward, self.left)])

    def check(self, model: RobotModel) -> None:
        """Raise MotionFileError where the map names joints that the robot has not, or twice."""
        rods = self.platform.legs if self.platform is not None else ()
        passive = [j for leg in rods for j in (*leg.rod, *(leg.ball or ()))]
        controlled = [j for joints in self.controllers.values() for j in joints]
        named = [*self.joint_names, *self.joints, *self.rest, *controlled]
        usable = list(model.command_names)
        unknown = [name for name in dict.fromkeys([*named, *passive]) if name not in usable]
        if unknown:
            raise MotionFileError(_say_unknown(self.name, unknown, model))
        links = [leg.end for leg in rods if leg.end is not None]
        if absent := sorted(set(links) - set(model.zero_frames)):
            raise MotionFileError(f"map {self.name}: {model.name} has no links {brief(absent)}")
        twice = [j for g in self.parts.values() for group in g for j in group]
        twice += list(self.drives)
        if doubles := sorted({name for name in twice if twice.count(name) > 1}):
            raise MotionFileError(f"map {self.name} moves {brief(doubles)} more than once")
        if still := [j for g in self.parts.values() for s in g for j in s if not _turns(model, j)]:
            raise MotionFileError(
                f"map {self.name}: {brief(still)} slide; parts take joints that turn, drives both"
            )


def find_map(name: str) -> Path:
    """Return the map of a robot by name, such as jvrc1, or by path; raise MotionFileError."""
    given = Path(name).expanduser()
    if given.suffix in (".yaml", ".yml") and given.is_file():
        return given
    folder = find_resource(FOLDER)
    ready = sorted(path.stem for path in folder.glob("*.yaml"))
    if name in ready:
        return folder / f"{name}.yaml"
    near = difflib.get_close_matches(name, ready, 1)
    hint = f"; did you mean {near[0]}?" if near else "."
    raise MotionFileError(
        f"there is no map {brief(name)}{hint} Ready are {ready}; for another robot give the path "
        "of a map, which `asynfusion robot guess robot.urdf --out robot.yaml` begins"
    )


def locate_urdf(robot_map: RobotMap, given: str = "") -> Path:
    """Return the URDF of a map's robot: the path `given`, or the file of an installed package.

    Raises ConfigError where there is neither.
    """
    if given:
        path = Path(given).expanduser()
        if not path.is_file():
            raise ConfigError(f"the URDF {brief(given)} does not exist; give the path of one")
        return path.resolve()
    found = find_urdf(robot_map.urdf)
    if found is None:
        raise ConfigError(
            f"no description of {robot_map.name} is installed: its map looks for "
            f"{list(robot_map.urdf)}; install it ({robot_map.install or 'see its maker'}) or give "
            "the path of its URDF"
        )
    return found


def _say_unknown(name: str, unknown: Sequence[str], model: RobotModel) -> str:
    usable = list(model.command_names)
    hints = []
    for joint in unknown:
        lower = {known.lower(): known for known in usable}
        near = difflib.get_close_matches(joint.lower(), list(lower), 1)
        follows = model.by_name.get(joint)
        if follows is not None and follows.mimic is not None:
            hints.append(f"{joint} (it follows {follows.mimic[0]}: name that one)")
        else:
            hints.append(f"{joint} (near: {lower[near[0]]})" if near else joint)
    return (
        f"map {name} names joints that {model.name} does not have: {', '.join(hints)}; it has "
        f"{', '.join(usable)}"
    )


def _read_mode(value: Any) -> str:
    if value not in MODES:
        raise ValueError(f"mode is {brief(value)}; write one of {', '.join(MODES)}")
    return str(value)


def _turns(model: RobotModel, name: str) -> bool:
    return model.by_name[name].turns
