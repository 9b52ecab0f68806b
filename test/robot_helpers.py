"""Five robots rebuilt from the facts that their makers publish, and a minute of speech motion."""

from functools import cache
from pathlib import Path

import numpy as np
import yaml

from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.npz import read_npz
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.robot_map import RobotMap, find_map

FIXTURES = Path(__file__).resolve().parent / "fixtures"
ROBOTS = ("jvrc1", "romeo", "g1", "icub", "reachy_mini")


def build_urdf(name):
    """The URDF text of a robot; each link has the name of the joint that moves it."""
    table = yaml.safe_load((FIXTURES / "robots.yaml").read_text())[name]
    places = {"root": np.zeros(3), **{joint: np.array(row[1]) for joint, row in table.items()}}
    lines = [f'<robot name="{name}">', '<link name="root"/>']
    for joint, row in table.items():
        step = " ".join(f"{value:.6g}" for value in places[joint] - places[row[0]])
        kind = "revolute" if len(row) > 2 else "fixed"
        lines.append(f'<link name="{joint}"/><joint name="{joint}" type="{kind}">')
        lines.append(f'<parent link="{row[0]}"/><child link="{joint}"/><origin xyz="{step}"/>')
        if len(row) > 2:
            _, _, axis, lower, upper, velocity, *mimic = row
            lines.append(f'<axis xyz="{" ".join(map(str, axis))}"/>')
            lines.append(
                f'<limit lower="{lower}" upper="{upper}" velocity="{velocity}" effort="1"/>'
            )
            for follows in mimic:
                words = " ".join(f'{key}="{value}"' for key, value in follows.items())
                lines.append(f"<mimic {words}/>")
        lines.append("</joint>")
    return "\n".join([*lines, "</robot>"])


@cache
def robot(name):
    """Map and model of a robot with a ready map."""
    return RobotMap.load(find_map(name)), RobotModel.from_text(build_urdf(name), name)


@cache
def speech_motion():
    """60 s of motion that the small model made from speech, at 10 Hz."""
    return read_npz(FIXTURES / "speech_motion.npz")


def part_of(clip, frames):
    """The first frames of a clip."""
    return MotionClip(clip.fps_hz, clip.face[:frames], clip.body[:frames])
