"""The command `up`: start the graph without a launch system."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import Any

from asynfusion_ros.errors import StateError
from asynfusion_ros.graph import GraphArguments, describe_graph
from asynfusion_ros.nodes.processes import run_processes
from asynfusion_ros.settings import SettingInfo


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line, one option per graph argument."""
    parser = subparsers.add_parser("up", help="start the whole ROS graph: audio, avatar, viewer")
    defaults = GraphArguments().to_dict()
    for name, info in GraphArguments.describe():
        add_setting(parser, name, info, defaults[name])
    parser.set_defaults(run=run_up)


def add_setting(
    parser: argparse.ArgumentParser, name: str, info: SettingInfo, default: Any
) -> None:
    """Add an option for one setting, with its words, choices and default."""
    options: dict[str, Any] = {"type": type(default), "metavar": info.unit or name.upper()}
    if isinstance(default, bool):
        options = {"action": argparse.BooleanOptionalAction}
    elif info.choices:
        options = {"choices": info.choices}
    shown = "" if default == "" or isinstance(default, bool) else f" (default: {default})"
    text = (info.doc + shown).replace("%", "%%")
    parser.add_argument(
        f"--{name.replace('_', '-')}", dest=name, default=default, help=text, **options
    )


def run_up(arguments: argparse.Namespace) -> int:
    """Start the graph and stay until it ends; return its exit status."""
    values = {name: getattr(arguments, name) for name, _ in GraphArguments.describe()}
    graph = GraphArguments.from_dict(values)
    specs = describe_graph(graph)
    require_ros()
    limit_s = 0.0 if graph.report else graph.seconds
    return run_processes(specs, limit_s)


def require_ros() -> None:
    """Raise StateError, saying what to do, where nodes cannot run."""
    if find_spec("rclpy") is None:
        raise StateError(
            "rclpy is not here; source a ROS 2 installation (source /opt/ros/jazzy/setup.bash), or "
            "run `bash scripts/setup.sh`, which makes an environment, and source its setup.bash"
        )
    if find_spec("asynfusion_ros.msg") is None:
        raise StateError(
            "the messages of asynfusion_ros are not built; run `colcon build` in your workspace "
            "and source install/setup.bash, or run `bash scripts/setup.sh`"
        )
