"""face_node: the avatar's face as action units, an expression, visemes, or positions of servos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node

from asynfusion_ros.errors import MessageError
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.msg import FaceBlendshapes
from asynfusion_ros.nodes.conversions import pick_values, to_seconds
from asynfusion_ros.nodes.dialects import FaceDialects
from asynfusion_ros.nodes.interface import BLENDSHAPES, MOTION_QOS
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.settings import FaceSettings

_COMPLAINT_S = 5.0


class FaceNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Repeats each face of the avatar in the dialects that were chosen, with its stamp."""

    def __init__(self, **options: Any) -> None:
        """Make the topics; raise ConfigError or MotionFileError where that is impossible."""
        super().__init__("face", **options)
        self.exit_status: int | None = None
        declare_settings(self, FaceSettings)
        settings = read_settings(self, FaceSettings)
        self._dialects = FaceDialects(self, settings.dialects, settings.servos)
        self.create_subscription(FaceBlendshapes, BLENDSHAPES, self._take, MOTION_QOS)

    def close(self) -> None:
        """Nothing is held beyond the node."""

    def _take(self, message: FaceBlendshapes) -> None:
        try:
            face = pick_values(message.name, message.weight, FACE_NAMES, "weights of the face")
        except MessageError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=_COMPLAINT_S)
            return
        self._dialects.publish(to_seconds(message.header.stamp), face)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    return run_node(FaceNode, argv)
