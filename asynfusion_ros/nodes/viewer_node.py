"""viewer_node: hands the topics to the web page; a subscriber like any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from asynfusion_ros.audio.resample import check_rate
from asynfusion_ros.errors import AudioError, MessageError
from asynfusion_ros.msg import ConversationState, FaceBlendshapes
from asynfusion_ros.nodes.audio_adapters import open_adapter
from asynfusion_ros.nodes.conversions import encode_samples, to_seconds
from asynfusion_ros.nodes.diagnostics import read_diagnostics
from asynfusion_ros.nodes.interface import (
    AUDIO,
    AUDIO_QOS,
    AVATAR_STATE,
    BLENDSHAPES,
    DIAGNOSTICS,
    EVENTS_QOS,
    JOINT_STATES,
    LATCHED_QOS,
    MOTION_QOS,
    ROBOT_DESCRIPTION,
    ROBOT_JOINT_STATES,
    SUBTITLES,
)
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.settings import ViewerSettings
from asynfusion_ros.resources import find_path
from asynfusion_ros.viewer.assets import Assets
from asynfusion_ros.viewer.avatar_map import AvatarMap
from asynfusion_ros.viewer.server import ViewerServer
from asynfusion_ros.viewer.sounds import Sounds


class ViewerNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Joins joints and face of one stamp and pushes them, the audio and the diagnostics."""

    def __init__(self, **options: Any) -> None:
        """Start the server; raise ConfigError where its port is taken. `options` go to Node."""
        super().__init__("viewer", **options)
        self.exit_status: int | None = None
        declare_settings(self, ViewerSettings)
        settings = read_settings(self, ViewerSettings)
        adapter = open_adapter(settings.audio_type)
        self._read_audio = adapter.read
        self._counts: Counter[str] = Counter()
        self._joints: JointState | None = None
        self._sounds = Sounds()
        self._robot_meshes = find_path(settings.robot_meshes) if settings.robot_meshes else None
        own = AvatarMap.of(find_path(settings.avatar)) if settings.avatar else None
        assets = Assets(settings.look, own)
        self.server = ViewerServer(
            settings.host, settings.port, token=settings.token, assets=assets
        )
        self.server.start()
        self.create_subscription(JointState, JOINT_STATES, self._take_joints, MOTION_QOS)
        self.create_subscription(FaceBlendshapes, BLENDSHAPES, self._take_face, MOTION_QOS)
        self.create_subscription(adapter.message, AUDIO, self._take_audio, AUDIO_QOS)
        self.create_subscription(ConversationState, AVATAR_STATE, self._take_state, EVENTS_QOS)
        self.create_subscription(JointState, ROBOT_JOINT_STATES, self._take_robot, MOTION_QOS)
        self.create_subscription(String, ROBOT_DESCRIPTION, self._take_description, LATCHED_QOS)
        self.create_subscription(String, SUBTITLES, self._take_subtitle, MOTION_QOS)
        self.create_subscription(DiagnosticArray, DIAGNOSTICS, self._take_status, MOTION_QOS)
        self.get_logger().info(f"open {self.server.link} to see the avatar")

    def close(self) -> None:
        """End the server."""
        self.server.stop()

    def _take_joints(self, message: JointState) -> None:
        self._joints = message

    def _take_face(self, message: FaceBlendshapes) -> None:
        joints = self._joints
        if joints is None:
            return
        try:
            self.server.push_motion(
                to_seconds(message.header.stamp),
                joints.name,
                np.asarray(joints.position),
                message.name,
                np.asarray(message.weight),
            )
        except MessageError as error:
            self._refuse(error)

    def _refuse(self, error: MessageError) -> None:
        self._counts["refused_messages"] += 1
        self.get_logger().warning(f"not shown: {error}", throttle_duration_sec=5.0)

    def _take_audio(self, message: Any) -> None:
        try:
            sound = self._read_audio(message, self._counts)
            check_rate(sound.rate_hz)
        except AudioError:
            self._counts["refused_messages"] += 1  # the avatar says why
            return
        duration_s = len(sound.samples) / sound.rate_hz
        admitted = self._sounds.admit(sound.utterance, sound.stamp_s, duration_s, self._now_s())
        if admitted is None:
            self._counts["hushed_messages"] += 1
            return
        number, stamp_s = admitted
        samples = np.frombuffer(encode_samples(sound.samples), "<i2")
        self.server.push_audio(stamp_s, samples, sound.rate_hz, number)

    def _take_state(self, message: ConversationState) -> None:
        if message.event == ConversationState.EVENT_INTERRUPTED:
            number = self._sounds.hush(message.utterance)
            if number is not None:
                self.server.push_hush(number)

    def _take_robot(self, message: JointState) -> None:
        try:
            stamp_s = to_seconds(message.header.stamp)
            self.server.push_robot(stamp_s, message.name, np.asarray(message.position))
        except MessageError as error:
            self._refuse(error)

    def _take_description(self, message: String) -> None:
        try:
            missing = self.server.assets.set_robot(message.data, self._robot_meshes)
        except MessageError as error:
            self._refuse(error)
            return
        if missing:
            self.get_logger().warning(
                f"{len(missing)} meshes of the robot are not on this machine, so the page lacks "
                f"them: {', '.join(missing[:3])}{', ...' if missing[3:] else ''}; install the "
                "package that brings them, or set robot_meshes"
            )

    def _take_subtitle(self, message: String) -> None:
        self.server.push_subtitle(message.data)

    def _take_status(self, message: DiagnosticArray) -> None:
        values = read_diagnostics(message)
        if values is not None:
            self.server.push_status({**values, **self._counts})

    def _now_s(self) -> float:
        return float(self.get_clock().now().nanoseconds) * 1e-9


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    return run_node(ViewerNode, argv)
