"""Settings as ROS parameters: the same names, defaults, ranges and words."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from asynfusion_ros.settings import SettingInfo, Settings

S = TypeVar("S", bound=Settings)


def declare_settings(node: Node, kind: type[Settings]) -> None:
    """Declare one parameter for each field of `kind`, with its description and range."""
    for item in dataclasses.fields(kind):
        info: SettingInfo = item.metadata["setting"]
        if not node.has_parameter(item.name):
            node.declare_parameter(item.name, item.default, describe_setting(info, item.default))


def read_settings(node: Node, kind: type[S]) -> S:
    """Build `kind` from the node's parameters; raise ConfigError on an impossible value."""
    names = [item.name for item in dataclasses.fields(kind)]
    return kind.from_dict({name: node.get_parameter(name).value for name in names})


def describe_setting(info: SettingInfo, default: Any) -> ParameterDescriptor:
    """Return the descriptor: words with unit and choices, and the range where there is one."""
    text = info.doc + (f" [{info.unit}]" if info.unit else "")
    if info.choices:
        text += f"; one of {', '.join(str(choice) for choice in info.choices)}"
    descriptor = ParameterDescriptor(description=text)
    if info.minimum is None or info.maximum is None or isinstance(default, bool):
        return descriptor
    if isinstance(default, int):
        bounds = IntegerRange(from_value=int(info.minimum), to_value=int(info.maximum), step=1)
        descriptor.integer_range = [bounds]
    else:
        span = FloatingPointRange(from_value=float(info.minimum), to_value=float(info.maximum))
        descriptor.floating_point_range = [span]
    return descriptor
