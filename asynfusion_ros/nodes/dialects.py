"""The face in other dialects of ROS: action units, expressions, visemes, servos; each by choice."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray, MultiArrayDimension

from asynfusion_ros.errors import ConfigError, brief
from asynfusion_ros.msg import FaceBlendshapes
from asynfusion_ros.nodes.conversions import to_time
from asynfusion_ros.nodes.interface import (
    ACTION_UNITS_TOPIC,
    EXPRESSION,
    MOTION_QOS,
    SERVOS,
    VISEMES_TOPIC,
)
from asynfusion_ros.resources import find_path
from asynfusion_ros.retarget.expression import ExpressionReader
from asynfusion_ros.retarget.face import to_action_units, to_visemes
from asynfusion_ros.retarget.servos import ServoMap

Face = npt.NDArray[np.float64]

DIALECTS = ("action_units", "expression", "visemes", "servos")
_CODES = 99  # hri_msgs/FacialActionUnits has an entry for each code
_LONGEST_STEP_S = 0.5


class FaceDialects:
    """Publishes a face in each dialect that was chosen, while anybody listens to it."""

    def __init__(self, node: Node, dialects: str, servos: str) -> None:
        """Make the publishers of the `dialects`, names with commas between them.

        `servos` is the path of a map of servos, or the name of one of ours. Raises ConfigError or
        MotionFileError.
        """
        names = [name.strip() for name in dialects.split(",") if name.strip()]
        if unknown := sorted(set(names) - set(DIALECTS)):
            raise ConfigError(f"dialects has {brief(unknown)}; choose of {', '.join(DIALECTS)}")
        if not names:
            raise ConfigError(f"dialects is empty; name one or more of {', '.join(DIALECTS)}")
        self._node = node
        self._last_s: float | None = None
        makers: dict[str, Callable[[], tuple[Any, Callable[[float, float, Face], Any]]]] = {
            "action_units": self._make_action_units,
            "expression": self._make_expression,
            "visemes": self._make_visemes,
            "servos": lambda: self._make_servos(servos),
        }
        self._outputs = [makers[name]() for name in dict.fromkeys(names)]

    def publish(self, stamp_s: float, face: Face) -> None:
        """Send a face (51,) that belongs to audio time `stamp_s`."""
        step_s = 0.0 if self._last_s is None else stamp_s - self._last_s
        self._last_s = stamp_s
        step_s = min(max(step_s, 0.0), _LONGEST_STEP_S)
        for publisher, make in self._outputs:
            if publisher.get_subscription_count():
                publisher.publish(make(stamp_s, step_s, face))

    def _make_action_units(self) -> tuple[Any, Callable[[float, float, Face], Any]]:
        kind = _hri_message("FacialActionUnits")

        def make(stamp_s: float, _step_s: float, face: Face) -> Any:
            intensity, confidence = [0.0] * _CODES, [0.0] * _CODES
            for code, value in to_action_units(face).items():
                intensity[code], confidence[code] = value, 1.0
            message = kind(intensity=array("f", intensity), confidence=array("f", confidence))
            message.header.stamp = to_time(stamp_s)
            return message

        return self._node.create_publisher(kind, ACTION_UNITS_TOPIC, MOTION_QOS), make

    def _make_expression(self) -> tuple[Any, Callable[[float, float, Face], Any]]:
        kind, reader = _hri_message("Expression"), ExpressionReader()

        def make(stamp_s: float, step_s: float, face: Face) -> Any:
            read = reader.advance(face, step_s)
            message = kind(expression=read.name, valence=read.valence, arousal=read.arousal)
            message.confidence = read.confidence
            message.header.stamp = to_time(stamp_s)
            return message

        return self._node.create_publisher(kind, EXPRESSION, MOTION_QOS), make

    def _make_visemes(self) -> tuple[Any, Callable[[float, float, Face], Any]]:
        def make(stamp_s: float, _step_s: float, face: Face) -> Any:
            weights = to_visemes(face)
            message = FaceBlendshapes(name=list(weights), weight=array("f", weights.values()))
            message.header.stamp = to_time(stamp_s)
            return message

        return self._node.create_publisher(FaceBlendshapes, VISEMES_TOPIC, MOTION_QOS), make

    def _make_servos(self, servos: str) -> tuple[Any, Callable[[float, float, Face], Any]]:
        advice = "set `servos` to a map of servos, such as a copy of config/faces/servos.yaml"
        servo_map = ServoMap.load(Path(find_path(servos, advice)))
        message = Float64MultiArray()
        for name in servo_map.names:
            message.layout.dim.append(MultiArrayDimension(label=name, size=1, stride=1))
        self._node.get_logger().info(f"servos, in order: {', '.join(servo_map.names)}")

        def make(_stamp_s: float, _step_s: float, face: Face) -> Any:
            message.data = array("d", servo_map.positions(face))
            return message

        return self._node.create_publisher(Float64MultiArray, SERVOS, MOTION_QOS), make


def _hri_message(name: str) -> Any:
    try:
        return getattr(import_module("hri_msgs.msg"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"this dialect needs hri_msgs/{name} ({error}); run `apt install "
            "ros-$ROS_DISTRO-hri-msgs`, or leave it out of dialects"
        ) from error
