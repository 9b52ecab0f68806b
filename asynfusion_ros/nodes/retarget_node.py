"""retarget_node: the avatar's joints and face as commands for a robot."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from asynfusion_ros.errors import MessageError, MotionFileError
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.msg import FaceBlendshapes
from asynfusion_ros.nodes.conversions import pick_values, to_seconds, to_time
from asynfusion_ros.nodes.interface import (
    BLENDSHAPES,
    DIAGNOSTICS,
    JOINT_STATES,
    JOINT_TRAJECTORY,
    MOTION_QOS,
    ROBOT_JOINT_STATES,
)
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.robot_output import RobotOutput
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.settings import RetargetSettings
from asynfusion_ros.retarget.meshes import locate_meshes
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.retargeter import Retargeter, RobotPose
from asynfusion_ros.retarget.robot_map import RobotMap, find_map, locate_urdf

_LONGEST_STEP_S = 0.1  # after a gap the robot goes on no faster than it may
_COMPLAINT_S = 5.0


class RetargetNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Joins joints and face of one stamp, and sends the robot's joints and trajectories."""

    def __init__(self, **options: Any) -> None:
        """Load map and URDF; raise ConfigError or MotionFileError where they do not fit."""
        super().__init__("retarget", **options)
        self.exit_status: int | None = None
        declare_settings(self, RetargetSettings)
        self._settings = read_settings(self, RetargetSettings)
        robot_map, model = load_robot(self._settings.robot, self._settings.urdf)
        self._retargeter = Retargeter(robot_map, model)
        self._name = robot_map.name
        self._joints: JointState | None = None
        self._last_s: float | None = None
        self._sent_s = float("-inf")
        self._states = self.create_publisher(JointState, ROBOT_JOINT_STATES, MOTION_QOS)
        self._trajectories = self._make_trajectories(robot_map)
        folder = locate_urdf(robot_map, self._settings.urdf).parent
        self._robot = self._make_robot(self._with_meshes(model.urdf, folder))
        self._diagnostics = self.create_publisher(DiagnosticArray, DIAGNOSTICS, MOTION_QOS)
        self.create_timer(1.0, self._report)
        self.create_timer(1.0, self._stand)
        self.create_subscription(JointState, JOINT_STATES, self._take_joints, MOTION_QOS)
        self.create_subscription(FaceBlendshapes, BLENDSHAPES, self._take_face, MOTION_QOS)
        self.get_logger().info(f"{robot_map.name}: {len(robot_map.joint_names)} joints follow")

    def close(self) -> None:
        """Take the robot off the graph."""
        if self._robot is not None:
            self._robot.close()

    def _make_trajectories(self, robot_map: RobotMap) -> list[tuple[Any, list[int], list[str]]]:
        """Return (publisher, indices, names) of each controller, or one for all."""
        controllers: Mapping[str, Sequence[str]] = robot_map.controllers
        if not controllers:
            controllers = {"": robot_map.joint_names}
        order = list(self._retargeter.names)
        found = []
        for name, joints in controllers.items():
            topic = f"{name}/{JOINT_TRAJECTORY}" if name else JOINT_TRAJECTORY
            publisher = self.create_publisher(JointTrajectory, topic, MOTION_QOS)
            found.append((publisher, [order.index(joint) for joint in joints], list(joints)))
        return found

    def _with_meshes(self, urdf: str, folder: Path) -> str:
        """Return the URDF with meshes that RViz can open; warn of those that are not here."""
        located, missing = locate_meshes(urdf, folder)
        if missing:
            few = len(missing) == 1
            what = "1 mesh of the robot is" if few else f"{len(missing)} meshes of the robot are"
            self.get_logger().warning(
                f"{what} not on this machine, so RViz lacks {'it' if few else 'them'}: "
                f"{', '.join(missing[:3])}{', ...' if missing[3:] else ''}; install the package "
                "that brings them, or keep them beside the URDF"
            )
        return located

    def _make_robot(self, urdf: str) -> RobotOutput | None:
        if not self._settings.publish_tf:
            return None
        try:
            return RobotOutput(self, urdf, self._retargeter.names)
        except MotionFileError as error:
            self.get_logger().warning(f"{error}: no frames on /tf; use robot_state_publisher")
            return None

    def _take_joints(self, message: JointState) -> None:
        self._joints = message

    def _take_face(self, message: FaceBlendshapes) -> None:
        joints = self._joints
        if joints is None or joints.header.stamp != message.header.stamp:
            return
        stamp_s = to_seconds(message.header.stamp)
        try:
            names = self._retargeter.skeleton.robot_joint_names
            positions = pick_values(joints.name, joints.position, names, "joints of the avatar")
            face = pick_values(message.name, message.weight, FACE_NAMES, "weights of the face")
        except MessageError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=_COMPLAINT_S)
            return
        step_s = 0.0 if self._last_s is None else stamp_s - self._last_s
        if self._last_s is not None and not 0.0 < step_s <= _LONGEST_STEP_S:
            step_s = _LONGEST_STEP_S if step_s > 0.0 else 1.0 / 60.0
        self._last_s = stamp_s
        pose = self._retargeter.advance(positions, face, step_s)
        self._send(stamp_s, pose)

    def _send(self, stamp_s: float, pose: RobotPose) -> None:
        message = JointState(name=self._retargeter.names)
        message.header.stamp = to_time(stamp_s)
        message.position = array("d", pose.positions)
        message.velocity = array("d", pose.velocities)
        self._states.publish(message)
        if self._robot is not None:
            self._robot.publish(stamp_s, pose.positions)
        since_s = stamp_s - self._sent_s
        if 0.0 <= since_s < 1.0 / self._settings.trajectory_rate_hz - 1e-3:
            return
        self._sent_s = stamp_s
        for publisher, indices, names in self._trajectories:
            publisher.publish(self._trajectory(pose, indices, names))

    def _trajectory(self, pose: RobotPose, indices: list[int], names: list[str]) -> JointTrajectory:
        """Return one point to be reached `horizon_s` from now; it replaces the one before."""
        horizon_s = self._settings.horizon_s
        seconds = int(horizon_s)
        point = JointTrajectoryPoint(
            positions=array("d", pose.positions[indices]),
            velocities=array("d", pose.velocities[indices]),
            time_from_start=Duration(sec=seconds, nanosec=round((horizon_s - seconds) * 1e9)),
        )
        return JointTrajectory(joint_names=names, points=[point])

    def _stand(self) -> None:
        """Show the robot at rest until the avatar moves: without frames RViz piles its links up."""
        if self._robot is not None and self._last_s is None:
            now_s = 1e-9 * self.get_clock().now().nanoseconds
            self._robot.publish(now_s, self._retargeter.positions)

    def _report(self) -> None:
        """Tell how often limits had to act."""
        counts = self._retargeter.counts
        frames = max(1, counts["frames"])
        entry = DiagnosticStatus(name=f"asynfusion: {self._name}", level=DiagnosticStatus.OK)
        entry.message = f"{counts['clipped_frames'] / frames:.1%} of {counts['frames']} clipped"
        entry.values = [KeyValue(key=k, value=str(v)) for k, v in sorted(counts.items())]
        message = DiagnosticArray(status=[entry])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def load_robot(name: str, urdf: str) -> tuple[RobotMap, RobotModel]:
    """Return the map of a robot and its model; raise ConfigError or MotionFileError.

    `name` is that of a ready map or the path of one; `urdf` a path, or empty for the file of an
    installed package.
    """
    robot_map = RobotMap.load(find_map(name))
    return robot_map, RobotModel.load(locate_urdf(robot_map, urdf))


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    return run_node(RetargetNode, argv)
