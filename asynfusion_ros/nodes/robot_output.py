"""What RViz needs: robot_description and /tf, where no robot_state_publisher runs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from std_msgs.msg import String

from asynfusion_ros.nodes.conversions import to_time
from asynfusion_ros.nodes.interface import LATCHED_QOS, ROBOT_DESCRIPTION, TF, TF_QOS
from asynfusion_ros.nodes.transforms import FrameTree


class RobotOutput:
    """Publishes the URDF once, latched, and its frames with every pose while anybody listens."""

    def __init__(self, node: Node, urdf: str, joint_names: Sequence[str]) -> None:
        """Create the publishers; without tf2_msgs warn once and send no frames."""
        self._node = node
        self._tree = FrameTree.from_urdf(urdf, joint_names)
        self._description = node.create_publisher(String, ROBOT_DESCRIPTION, LATCHED_QOS)
        self._description.publish(String(data=urdf))
        self._tf: Any = None
        self._transforms = [
            _make_transform(parent, child, place)
            for parent, child, place in zip(
                self._tree.parents, self._tree.children, self._tree.translations_m, strict=True
            )
        ]
        try:
            kind = import_module("tf2_msgs.msg").TFMessage
        except ImportError:
            node.get_logger().warning(
                "tf2_msgs is not installed: no frames on /tf; install it (apt install "
                "ros-$ROS_DISTRO-tf2-msgs, or bash scripts/setup.sh), or set publish_tf to false"
            )
            return
        self._tf = node.create_publisher(kind, TF, TF_QOS)
        self._message = kind(transforms=self._transforms)

    def publish(self, audio_time_s: float, positions: npt.NDArray[np.float64]) -> None:
        """Send the frames of one pose."""
        if self._tf is None or not self._tf.get_subscription_count():
            return
        stamp = to_time(audio_time_s)
        for transform, quaternion in zip(
            self._transforms, self._tree.rotations(positions).tolist(), strict=True
        ):
            transform.header.stamp = stamp
            rotation = transform.transform.rotation
            rotation.x, rotation.y, rotation.z, rotation.w = quaternion
        self._tf.publish(self._message)

    def close(self) -> None:
        """Take the topics off the graph."""
        for publisher in (self._description, self._tf):
            if publisher is not None:
                self._node.destroy_publisher(publisher)


def _make_transform(parent: str, child: str, place: npt.NDArray[np.float64]) -> TransformStamped:
    transform = TransformStamped(child_frame_id=child)
    transform.header.frame_id = parent
    translation = transform.transform.translation
    translation.x, translation.y, translation.z = place.tolist()
    return transform
