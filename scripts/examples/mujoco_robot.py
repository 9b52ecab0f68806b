"""A robot in MuJoCo that follows `joint_trajectory`, as ros2_control would make the real one do.

    pip install mujoco jvrc-description
    asynfusion up --robot jvrc1
    python scripts/examples/mujoco_robot.py jvrc1

Any robot with a map works: its name or its map's path, and `--urdf` where no package brings one. It
hangs by its root link under gravity; each joint has a servo at critical damping. Limbs are drawn as
rods, so that no mesh is needed. What the simulated robot does is published as `sim/joint_states`.
"""

from __future__ import annotations

import argparse
import contextlib
import xml.etree.ElementTree as Xml
from collections.abc import Sequence

import mujoco
import numpy as np

from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.robot_map import RobotMap, find_map, locate_urdf

STEP_S = 0.002
NATURAL_RAD_S = 40.0  # of each servo with the inertia that it carries at rest
ROTOR = 0.01  # kg m^2, without which fingers of a gram cannot be held
TICK_S = 0.02
SAY_S = 5.0


class Simulation:
    """A robot that hangs by its root link, each joint driven by a servo."""

    def __init__(self, urdf: str, names: Sequence[str]) -> None:
        """Build the robot of a URDF text; `names` are its joints, in the order of all arrays."""
        self.model = _build(urdf, names)
        self.data = mujoco.MjData(self.model)
        joints = [self.model.joint(name) for name in names]
        self._places = [joint.qposadr[0] for joint in joints]
        self._speeds = [joint.dofadr[0] for joint in joints]

    def place(self, positions: np.ndarray) -> None:
        """Put the joints to positions (N,) [rad] at once."""
        self.data.qpos[self._places] = positions
        mujoco.mj_forward(self.model, self.data)
        inertia = np.zeros((self.model.nv, self.model.nv))
        mujoco.mj_fullM(self.model, self.data, inertia)
        self._weight = np.diag(inertia)[self._speeds]

    @property
    def positions(self) -> np.ndarray:
        """Where the joints are (N,) [rad]."""
        return np.array(self.data.qpos[self._places])

    @property
    def fastest(self) -> float:
        """The greatest speed of any joint [rad/s]."""
        return float(np.abs(self.data.qvel).max())

    def step(self, goal: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """Go on by STEP_S towards positions (N,) and velocities (N,); return the errors (N,)."""
        error = goal - self.data.qpos[self._places]
        late = rate - self.data.qvel[self._speeds]
        servo = self._weight * (NATURAL_RAD_S**2 * error + 2.0 * NATURAL_RAD_S * late)
        self.data.ctrl[:] = servo + self.data.qfrc_bias[self._speeds]  # gravity is known
        mujoco.mj_step(self.model, self.data)
        return error


class Way:
    """From where the joints were last wanted to the one point of a trajectory, by a cubic."""

    def __init__(self, positions: np.ndarray) -> None:
        """Stand still at positions (N,)."""
        still = np.zeros_like(positions)
        self._start, self._end = (positions, still), (positions, still)
        self._begin_s, self._length_s = 0.0, 1.0

    def turn_to(
        self, now_s: float, positions: np.ndarray, rates: np.ndarray, after_s: float
    ) -> None:
        """Be at positions (N,) with velocities (N,) `after_s` from now."""
        self._start = self.at(now_s)
        self._end = (positions, rates)
        self._begin_s, self._length_s = now_s, max(after_s, STEP_S)

    def at(self, now_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Return positions and velocities (N,) now; beyond the end the joints stand still."""
        (p, v), (q, w), h = self._start, self._end, self._length_s
        s = (now_s - self._begin_s) / h
        if s >= 1.0:
            return q, np.zeros_like(q)
        bend = 3.0 * (q - p) - h * (2.0 * v + w)
        turn = 2.0 * (p - q) + h * (v + w)
        place = p + s * (h * v + s * (bend + s * turn))
        return place, v + s * (2.0 * bend + 3.0 * s * turn) / h


def _build(urdf: str, names: Sequence[str]) -> mujoco.MjModel:
    tree = Xml.fromstring(urdf)
    for link in tree.iter("link"):
        for shape in [*link.findall("visual"), *link.findall("collision")]:
            link.remove(shape)
    spec = mujoco.MjSpec.from_string(Xml.tostring(tree, encoding="unicode"))
    spec.option.timestep = STEP_S
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    for joint in spec.joints:
        joint.armature = ROTOR
    for body in spec.bodies[1:]:
        length = float(np.linalg.norm(body.pos))
        if body.parent.name != "world" and length > 0.01:
            rod = body.parent.add_geom(type=mujoco.mjtGeom.mjGEOM_CAPSULE, size=[0.02, 0, 0])
            rod.fromto, rod.mass = [0.0, 0.0, 0.0, *body.pos], 0.0
            rod.contype = rod.conaffinity = 0
    for name in names:
        motor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.set_to_motor()
    return spec.compile()


def run(simulation: Simulation, names: Sequence[str], window: bool) -> None:
    """Simulate in real time what comes on `joint_trajectory`, until stopped."""
    import rclpy  # noqa: PLC0415 (the simulation alone needs no ROS)
    from rclpy.signals import SignalHandlerOptions  # noqa: PLC0415
    from sensor_msgs.msg import JointState  # noqa: PLC0415
    from trajectory_msgs.msg import JointTrajectory  # noqa: PLC0415

    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # Ctrl-C ends the loop
    node = rclpy.create_node("mujoco_robot")
    publisher = node.create_publisher(JointState, "sim/joint_states", 10)
    way, wanted, errors = Way(simulation.positions), simulation.positions, []

    def take(message: JointTrajectory) -> None:
        point = message.points[-1]
        after_s = point.time_from_start.sec + 1e-9 * point.time_from_start.nanosec
        indices = [names.index(name) for name in message.joint_names]
        wanted[indices] = point.positions
        rates = np.zeros(len(names))
        rates[indices] = point.velocities if len(point.velocities) else 0.0
        way.turn_to(simulation.data.time, np.array(wanted), rates, after_s)

    def tick() -> None:
        for _ in range(round(TICK_S / STEP_S)):
            errors.append(simulation.step(*way.at(simulation.data.time)))
        message = JointState(name=list(names), position=simulation.positions.tolist())
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        if viewer is not None:
            viewer.sync()

    def say() -> None:
        rms = float(np.sqrt(np.square(errors).mean())) if errors else 0.0
        node.get_logger().info(f"{rms:.4f} rad from the trajectory, {simulation.fastest:.1f} rad/s")
        errors.clear()

    node.create_subscription(JointTrajectory, "joint_trajectory", take, 10)
    node.create_timer(TICK_S, tick)
    node.create_timer(SAY_S, say)
    viewer = None
    if window:
        import mujoco.viewer  # noqa: PLC0415 (needs a screen)

        viewer = mujoco.viewer.launch_passive(simulation.model, simulation.data)
    with contextlib.suppress(KeyboardInterrupt):
        rclpy.spin(node)


def main() -> None:
    """Load the robot and let it follow."""
    parser = argparse.ArgumentParser(description="A robot in MuJoCo that follows joint_trajectory")
    parser.add_argument("robot", help="name of a ready map, or path of a map")
    parser.add_argument("--urdf", default="", help="the robot's URDF (default: of its package)")
    parser.add_argument("--headless", action="store_true", help="without a window")
    arguments, _ = parser.parse_known_args()
    robot_map = RobotMap.load(find_map(arguments.robot))
    robot = RobotModel.load(locate_urdf(robot_map, arguments.urdf))
    names = list(robot.command_names)
    simulation = Simulation(robot.urdf, names)
    simulation.place(np.zeros(len(names)))
    run(simulation, names, window=not arguments.headless)


if __name__ == "__main__":
    main()
