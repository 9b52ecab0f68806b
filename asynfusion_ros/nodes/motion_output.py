"""Joints and face of one pose, always together, with one stamp."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node
from sensor_msgs.msg import JointState

from asynfusion_ros.msg import FaceBlendshapes
from asynfusion_ros.nodes.conversions import (
    fill_blendshapes,
    fill_joint_state,
    make_blendshapes,
    make_joint_state,
)
from asynfusion_ros.nodes.interface import (
    BLENDSHAPE_NAMES,
    BLENDSHAPES,
    JOINT_STATES,
    LATCHED_QOS,
    MOTION_QOS,
)
from asynfusion_ros.streaming.playback import PlaybackFrame


class MotionOutput:
    """Publishes joint_states and face/blendshapes, and the names of the face, latched.

    The messages are made once and filled anew for each pose: 106 names need not be checked 60
    times a second.
    """

    def __init__(self, node: Node, joint_names: Sequence[str], frame_id: str) -> None:
        """Create the publishers and send the names."""
        self._node = node
        self._joints = node.create_publisher(JointState, JOINT_STATES, MOTION_QOS)
        self._face = node.create_publisher(FaceBlendshapes, BLENDSHAPES, MOTION_QOS)
        self._names = node.create_publisher(FaceBlendshapes, BLENDSHAPE_NAMES, LATCHED_QOS)
        self._joint_message = make_joint_state(joint_names, frame_id)
        self._face_message = make_blendshapes(frame_id)
        self._names.publish(self._face_message)
        self.count = 0

    def publish(self, frame: PlaybackFrame) -> None:
        """Send one pose."""
        fill_joint_state(self._joint_message, frame)
        fill_blendshapes(self._face_message, frame)
        self._joints.publish(self._joint_message)
        self._face.publish(self._face_message)
        self.count += 1

    def close(self) -> None:
        """Take the topics off the graph."""
        for publisher in (self._joints, self._face, self._names):
            self._node.destroy_publisher(publisher)
