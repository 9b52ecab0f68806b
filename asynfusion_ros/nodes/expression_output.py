"""The face as facial action units of ROS4HRI, where hri_msgs is installed."""

from __future__ import annotations

from array import array
from importlib import import_module
from typing import Any

import numpy.typing as npt
from rclpy.node import Node

from asynfusion_ros.nodes.conversions import to_time
from asynfusion_ros.nodes.interface import ACTION_UNITS_TOPIC, MOTION_QOS
from asynfusion_ros.retarget.face import to_action_units

_CODES = 99  # hri_msgs/FacialActionUnits has an entry for each code


class ExpressionOutput:
    """Publishes face/action_units while anybody listens; nothing where hri_msgs is missing."""

    def __init__(self, node: Node) -> None:
        """Create the publisher."""
        self._publisher: Any = None
        try:
            self._kind = import_module("hri_msgs.msg").FacialActionUnits
        except (ImportError, AttributeError):
            return
        self._publisher = node.create_publisher(self._kind, ACTION_UNITS_TOPIC, MOTION_QOS)

    def publish(self, stamp_s: float, face: npt.ArrayLike) -> None:
        """Send the units of a face (51,)."""
        if self._publisher is None or not self._publisher.get_subscription_count():
            return
        intensity, confidence = [0.0] * _CODES, [0.0] * _CODES
        for code, value in to_action_units(face).items():
            intensity[code], confidence[code] = value, 1.0
        message = self._kind(intensity=array("f", intensity), confidence=array("f", confidence))
        message.header.stamp = to_time(stamp_s)
        self._publisher.publish(message)
