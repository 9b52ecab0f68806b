"""The command `asynfusion`: one word per task; only the module of the chosen task is imported."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from asynfusion_ros import __version__
from asynfusion_ros.errors import AsynFusionError

# Command: the module whose `add_commands(subparsers)` adds it, and what the command is for.
COMMANDS = {
    "up": ("asynfusion_ros.nodes.commands", "start the whole ROS graph: audio, avatar, viewer"),
    "record": ("asynfusion_ros.nodes.record_commands", "record a graph, for reports of faults"),
    "replay": ("asynfusion_ros.nodes.record_commands", "send a recording's sound to a graph"),
    "top": ("asynfusion_ros.nodes.record_commands", "watch a running graph in the terminal"),
    "doctor": ("asynfusion_ros.cli.doctor", "say what works here and what to mend"),
    "generate": ("asynfusion_ros.cli.generate", "make motion files and a video from a recording"),
    "render": ("asynfusion_ros.cli.render", "film clips as the web page draws them"),
    "export": ("asynfusion_ros.cli.exchange", "write a clip for other programs"),
    "import": ("asynfusion_ros.cli.exchange", "read other programs' files as a clip"),
    "avatar": ("asynfusion_ros.cli.avatar", "show your own character: guess or check a map"),
    "robot": ("asynfusion_ros.cli.robot", "put the motion on a robot: guess or check a map"),
    "style": ("asynfusion_ros.cli.style", "measure the style of a few seconds of motion"),
    "info": ("asynfusion_ros.cli.info", "say what a trained model is"),
    "data": ("asynfusion_ros.data.commands", "check folders of recordings"),
    "ingest": ("asynfusion_ros.cli.ingest", "make recordings from a video of somebody talking"),
    "synthesise": (
        "asynfusion_ros.data.synthesis.commands",
        "make speech with known articulation, to train the mouth",
    ),
    "prepare": ("asynfusion_ros.training.commands", "cut recordings into training windows"),
    "train": ("asynfusion_ros.training.commands", "train the teacher"),
    "distill": ("asynfusion_ros.training.commands", "distil a teacher into a few-step model"),
    "calibrate": ("asynfusion_ros.cli.calibrate", "let a student go as far as it is told"),
    "evaluate": ("asynfusion_ros.cli.evaluate", "measure a model on held-out recordings"),
    "onnx": ("asynfusion_ros.cli.onnx_files", "write a model's networks as ONNX files"),
    "bench": ("asynfusion_ros.cli.bench", "measure speed beside baselines and limits"),
    "reproduce": ("asynfusion_ros.cli.reproduce", "make a table of the paper anew"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0 done, 2 an error that the user can mend."""
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = build_parser(_chosen(given)).parse_args(given)
        return int(arguments.run(arguments) or 0)
    except AsynFusionError as error:
        print(f"asynfusion: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("asynfusion: interrupted", file=sys.stderr)
        return 130


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Return the parser, complete for the `chosen` command; the others only have their line."""
    parser = argparse.ArgumentParser(
        prog="asynfusion", description="Speech in, a living avatar out.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    module = COMMANDS[chosen][0] if chosen else None
    for name, (home, purpose) in COMMANDS.items():
        if home != module:
            subparsers.add_parser(name, help=purpose)
    if module is not None:
        import_module(module).add_commands(subparsers)
    return parser


def _chosen(argv: Sequence[str]) -> str | None:
    """Return the command that the arguments begin with, if any."""
    return argv[0] if argv and argv[0] in COMMANDS else None
