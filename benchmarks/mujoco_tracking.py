"""Let MuJoCo track the trajectory of a robot.

With `pip install mujoco`:

python benchmarks/mujoco_tracking.py jvrc1 out/speech.npz [--urdf jvrc1.urdf]

The robot hangs by its root link under gravity, each joint driven by a position servo at critical
damping. Prints the tracking error and whether the simulation stayed stable.
"""

from __future__ import annotations

import argparse
import json
import xml.etree.ElementTree as Xml
from pathlib import Path

import mujoco
import numpy as np
from scipy.interpolate import make_interp_spline

from asynfusion_ros.motion.npz import read_npz
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.retargeter import Retargeter
from asynfusion_ros.retarget.robot_map import RobotMap, find_map, locate_urdf

STEP_S = 0.002
NATURAL_RAD_S = 40.0  # of each servo with the inertia that it carries at rest
MOST_SPEED_RAD_S = 100.0


def build_model(urdf: str, names: list[str]) -> mujoco.MjModel:
    """Return the robot without its shapes, a torque motor on each joint, no contacts."""
    tree = Xml.fromstring(urdf)
    for link in tree.iter("link"):
        for shape in [*link.findall("visual"), *link.findall("collision")]:
            link.remove(shape)
    spec = mujoco.MjSpec.from_string(Xml.tostring(tree, encoding="unicode"))
    spec.option.timestep = STEP_S
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    for joint in spec.joints:
        joint.armature = 0.01  # rotors, without which fingers of a gram cannot be held
    for name in names:
        motor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.set_to_motor()
    return spec.compile()


def track(model: mujoco.MjModel, names: list[str], wanted: np.ndarray, fps_hz: float) -> dict:
    """Simulate; return root mean square and largest errors [rad] and the largest speed."""
    data = mujoco.MjData(model)
    joints = [model.joint(name) for name in names]
    places = [joint.qposadr[0] for joint in joints]
    speeds = [joint.dofadr[0] for joint in joints]
    data.qpos[places] = wanted[0]
    mujoco.mj_forward(model, data)
    inertia = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, inertia)
    weight = np.diag(inertia)[speeds]
    times_s = np.arange(len(wanted)) / fps_hz
    way = make_interp_spline(times_s, wanted)
    ticks_s = np.arange(0.0, times_s[-1], STEP_S)
    errors, fastest = [], 0.0
    for goal, rate in zip(way(ticks_s), way.derivative()(ticks_s), strict=True):
        error, late = goal - data.qpos[places], rate - data.qvel[speeds]
        servo = weight * (NATURAL_RAD_S**2 * error + 2.0 * NATURAL_RAD_S * late)
        data.ctrl[:] = servo + data.qfrc_bias[speeds]  # gravity is known to the controller
        mujoco.mj_step(model, data)
        errors.append(error)
        fastest = max(fastest, float(np.abs(data.qvel).max()))
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
    print(json.dumps(track(build_model(robot.urdf, names), names, positions, clip.fps_hz)))


if __name__ == "__main__":
    main()
