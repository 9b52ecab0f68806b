"""Let MuJoCo track the trajectory of a robot.

With `pip install mujoco`:

python benchmarks/mujoco_tracking.py jvrc1 out/speech.npz [--urdf jvrc1.urdf]

The robot of `scripts/examples/mujoco_robot.py`, which hangs by its root link under gravity, follows
the retargeted clip. Prints the tracking error and whether the simulation stayed stable.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from scipy.interpolate import make_interp_spline

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts" / "examples"))

from mujoco_robot import STEP_S, Simulation

from asynfusion_ros.motion.npz import read_npz
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.retargeter import Retargeter
from asynfusion_ros.retarget.robot_map import RobotMap, find_map, locate_urdf

MOST_SPEED_RAD_S = 100.0


def track(simulation: Simulation, names: list[str], wanted: np.ndarray, fps_hz: float) -> dict:
    """Simulate; return root mean square and largest errors [rad] and the largest speed."""
    simulation.place(wanted[0])
    times_s = np.arange(len(wanted)) / fps_hz
    way = make_interp_spline(times_s, wanted)
    ticks_s = np.arange(0.0, times_s[-1], STEP_S)
    errors, fastest = [], 0.0
    for goal, rate in zip(way(ticks_s), way.derivative()(ticks_s), strict=True):
        errors.append(simulation.step(goal, rate))
        fastest = max(fastest, simulation.fastest)
    errors = np.array(errors)
    return {
        "seconds": float(times_s[-1]),
        "rms_rad": float(np.sqrt((errors**2).mean())),
        "largest_rad": float(np.abs(errors).max()),
        "worst_joint": names[int(np.abs(errors).max(axis=0).argmax())],
        "fastest_rad_s": fastest,
        "stable": bool(np.isfinite(errors).all() and fastest < MOST_SPEED_RAD_S),
    }


def main() -> None:
    """Retarget a clip, simulate it, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("robot")
    parser.add_argument("motion", type=Path)
    parser.add_argument("--urdf", default="")
    arguments = parser.parse_args()
    robot_map = RobotMap.load(find_map(arguments.robot))
    robot = RobotModel.load(locate_urdf(robot_map, arguments.urdf))
    clip = read_npz(arguments.motion)
    retargeter = Retargeter(robot_map, robot)
    positions, _ = retargeter.retarget(clip)
    names = list(retargeter.names)
    print(json.dumps(track(Simulation(robot.urdf, names), names, positions, clip.fps_hz)))


if __name__ == "__main__":
    main()
