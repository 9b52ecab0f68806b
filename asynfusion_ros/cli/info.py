"""The command `info`: what a trained model is."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling.checkpoint import WEIGHTS, Checkpoint

DEFAULT_MODEL = "models/small"


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("info", help="say what a trained model is")
    parser.add_argument(
        "checkpoint",
        type=Path,
        nargs="?",
        default=None,
        help=f"folder of a model (default: {DEFAULT_MODEL})",
    )
    parser.add_argument("--json", action="store_true", help="print the whole description as JSON")
    parser.set_defaults(run=run_info)


def run_info(arguments: argparse.Namespace) -> int:
    """Verify a model and print what it is."""
    folder = arguments.checkpoint or find_resource(DEFAULT_MODEL)
    checkpoint = Checkpoint.load(folder)
    if arguments.json:
        print(json.dumps(checkpoint.description.to_dict(), indent=1, ensure_ascii=False))
        return 0
    for name, value in describe(checkpoint).items():
        print(f"{name:<14}{value}")
    if checkpoint.card:
        print("\n" + checkpoint.card.strip())
    return 0


def describe(checkpoint: Checkpoint) -> dict[str, str]:
    """Return what a reader wants to know first, by name."""
    about = checkpoint.description
    network = about.network
    lines = {
        "network": f"{network.depth} blocks of width {network.width} per branch, "
        f"{network.interaction}, {network.speakers} speakers",
        "face": f"{network.face_dim} weights",
        "body": f"{network.body_dim} rotation vector components",
        "window": f"{network.window_frames} frames at {about.fps_hz:g} Hz, "
        f"look-ahead {about.look_ahead_s:g} s",
        "audio": f"{network.audio_dim} features",
        "styles": ", ".join(about.style_names) or "none",
        "emotions": ", ".join(about.emotions[1:]) or "none",
        "prediction": f"{about.prediction}, {about.schedule.steps} noise levels",
    }
    for name in WEIGHTS:
        weights = getattr(checkpoint, name)
        if weights is None:
            lines[name] = "absent"
        else:
            count = sum(parameter.numel() for parameter in weights.parameters())
            lines[name] = f"{count / 1e6:.2f} M parameters"
    return lines
