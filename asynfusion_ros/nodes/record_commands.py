"""The commands `record`, `replay` and `top`: what happens on a graph, kept, replayed, watched."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

from asynfusion_ros.nodes.commands import add_setting, require_ros
from asynfusion_ros.nodes.settings import RecorderSettings, ReplaySettings
from asynfusion_ros.settings import Settings

_COMMANDS: tuple[tuple[str, type[Settings], str, str], ...] = (
    (
        "record",
        RecorderSettings,
        "recorder_node",
        "record sound, motion, diagnostics and log of a running graph, for reports of faults",
    ),
    ("replay", ReplaySettings, "replay_node", "send the sound of a recording to a running graph"),
)


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the `asynfusion` command line, one option per setting."""
    for name, kind, node, purpose in _COMMANDS:
        parser = subparsers.add_parser(name, help=purpose)
        defaults = kind().to_dict()
        parser.add_argument("file", nargs="?", default=defaults["file"], help="MCAP file")
        for field, info in kind.describe():
            if field != "file":
                add_setting(parser, field, info, defaults[field])
        parser.set_defaults(run=_run, kind=kind, node=node)
    parser = subparsers.add_parser("top", help="watch a running graph in the terminal")
    parser.add_argument("--period", type=_period, default=1.0, help="seconds between two pictures")
    parser.add_argument(
        "--times", type=int, default=0, help="end after so many pictures (default: never)"
    )
    parser.set_defaults(run=_run_top)


def _period(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 60.0:
        raise argparse.ArgumentTypeError("choose 0.1 to 60 s")
    return value


def _run_top(arguments: argparse.Namespace) -> int:
    require_ros()
    from asynfusion_ros.nodes.top_node import run_top  # noqa: PLC0415 (needs ROS)

    return run_top(arguments)


def _run(arguments: argparse.Namespace) -> int:
    """Run the node in this process until it ends or Ctrl-C; return its exit status."""
    kind: type[Settings] = arguments.kind
    values: dict[str, Any] = {name: getattr(arguments, name) for name, _ in kind.describe()}
    kind.from_dict(values)
    require_ros()
    from rclpy.parameter import Parameter  # noqa: PLC0415 (needs ROS)

    from asynfusion_ros.nodes.run import run_node  # noqa: PLC0415

    module = import_module(f"asynfusion_ros.nodes.{arguments.node}")
    make = module.RecorderNode if arguments.node == "recorder_node" else module.ReplayNode
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    return run_node(lambda: make(parameter_overrides=overrides), [])
