"""What RViz is told at the start: its displays and camera, and where the board stands."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.files import read_yaml, refuse
from asynfusion_ros.resources import find_resource
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.robot_map import RobotMap

CONFIG: Final = "rviz/avatar.rviz"
_FACE, _GRID = "Face", "Grid"  # names of displays in that file
_ABOVE_M = 0.15  # heads and antennas stand above the joints that a URDF knows
_LETTERS = 0.023  # of the board, as a share of what is shown: as large as beside the avatar
_BESIDE_RAD = 0.3  # a little from the side: depth is seen better
_OPENING_RAD = math.radians(22.5)  # half of what RViz's camera sees


def view_avatar() -> Path:
    """Return RViz's configuration for the avatar; raise ConfigError where it is not installed."""
    return find_resource(CONFIG)


def view_robot(robot_map: RobotMap, robot: RobotModel) -> Path:
    """Write and return a configuration that looks at a whole robot, from where it looks.

    The file takes the place of the one of an earlier start. Raises ConfigError where it cannot be
    written.
    """
    document = read_yaml(find_resource(CONFIG), ConfigError)
    low_m, _ = robot.heights_m
    span_m = _span_m(robot)
    manager = document["Visualization Manager"]
    forward = robot_map.forward
    manager["Views"]["Current"] |= {
        "Focal Point": {"X": 0.0, "Y": 0.0, "Z": round(low_m + 0.5 * span_m, 3)},
        "Distance": round(0.62 * span_m / math.tan(_OPENING_RAD), 3),
        "Yaw": round(math.atan2(forward[1], forward[0]) + _BESIDE_RAD, 3),
    }
    manager["Global Options"]["Fixed Frame"] = robot.root
    for display in manager["Displays"]:
        if display["Name"] == _FACE:  # it hangs on the avatar's head, which is not shown
            display["Enabled"] = display["Value"] = False
        if display["Name"] == _GRID:
            display["Offset"] = {"X": 0, "Y": 0, "Z": round(low_m, 3)}
    return _write(robot_map.name, yaml.safe_dump(document, sort_keys=False))


def place_board(robot: RobotModel) -> dict[str, Any]:
    """Return parameters of the board node with which it stands above a robot."""
    _, high_m = robot.heights_m
    letters_m = min(max(_LETTERS * _span_m(robot), 0.008), 0.05)
    return {
        "frame_id": robot.root,
        "height_m": high_m + 7.0 * letters_m + _ABOVE_M,
        "letters_m": letters_m,
    }


def _span_m(robot: RobotModel) -> float:
    """Return the height of a robot together with the board above it."""
    low_m, high_m = robot.heights_m
    return 1.3 * (high_m - low_m) + 0.3


def _write(name: str, text: str) -> Path:
    """Write a file of this user's that no other user can have laid there; return its path."""
    folder = Path(tempfile.gettempdir()) / f"asynfusion_ros_{os.getuid()}"
    plain = "".join(letter if letter.isalnum() else "_" for letter in name)[:80]
    path = folder / f"{plain}.rviz"
    with refuse(ConfigError, f"{path} cannot be written; set TMPDIR to a folder of your own"):
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise ConfigError(f"{folder} belongs to another user; set TMPDIR to a folder of yours")
        part = folder / f"{plain}.{os.getpid()}"
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    return path
