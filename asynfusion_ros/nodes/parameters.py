"""Settings as ROS parameters: the same names, defaults, ranges and words."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.settings import SettingInfo, Settings

S = TypeVar("S", bound=Settings)

_LARGEST_INT = 2**63 - 1
_NEAR = 0.8  # so alike are a name and one that was meant


def declare_settings(node: Node, *kinds: type[Settings]) -> None:
    """Declare one parameter per field, with its description and range, and check every change.

    Of what was given to the node, names that are nearly one of its own are warned of: rclpy is
    silent about them, and names that are far from all may be meant for the other nodes of a file.
    A change that contradicts another parameter is refused with the reason. Raises rclpy's
    InvalidParameterTypeException or InvalidParameterValueException for overrides that do not fit.
    """
    for kind in kinds:
        defaults = kind().to_dict()
        for name, info in kind.describe():
            node.declare_parameter(name, defaults[name], describe_setting(info, defaults[name]))

    def check(changes: Sequence[Parameter]) -> SetParametersResult:
        return _check_changes(node, kinds, {change.name: change.value for change in changes})

    node.add_on_set_parameters_callback(check)
    known = [name for kind in kinds for name, _ in kind.describe()]
    for name in sorted(node._parameter_overrides):  # which rclpy shows in no other way
        near = [] if node.has_parameter(name) else get_close_matches(name, known, 1, _NEAR)
        for meant in near:
            node.get_logger().warning(f"there is no parameter {name}; did you mean {meant}?")


def read_settings(node: Node, kind: type[S]) -> S:
    """Build `kind` from the node's parameters; raise ConfigError on an impossible value."""
    return kind.from_dict({name: node.get_parameter(name).value for name, _ in kind.describe()})


def _check_changes(
    node: Node, kinds: Sequence[type[Settings]], changes: dict[str, Any]
) -> SetParametersResult:
    try:
        for kind in kinds:
            values = {name: node.get_parameter(name).value for name, _ in kind.describe()}
            kind.from_dict({name: changes.get(name, value) for name, value in values.items()})
    except ConfigError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def describe_setting(info: SettingInfo, default: Any) -> ParameterDescriptor:
    """Return the descriptor: words with unit and choices, and the range where there is one."""
    text = info.doc + (f" [{info.unit}]" if info.unit else "")
    if info.choices:
        text += f"; one of {', '.join(str(choice) for choice in info.choices)}"
    descriptor = ParameterDescriptor(description=text)
    if info.minimum is None and info.maximum is None:
        return descriptor
    if isinstance(default, int):
        low = -_LARGEST_INT if info.minimum is None else int(info.minimum)
        high = _LARGEST_INT if info.maximum is None else int(info.maximum)
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    else:
        least = -sys.float_info.max if info.minimum is None else float(info.minimum)
        most = sys.float_info.max if info.maximum is None else float(info.maximum)
        descriptor.floating_point_range = [FloatingPointRange(from_value=least, to_value=most)]
    return descriptor
