"""The command `style`: how a clip moves, in the terms of a model, ready to ask for the same."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from asynfusion_ros.cli.info import DEFAULT_MODEL
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.manner import describe_style
from asynfusion_ros.motion.npz import read_npz
from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling.checkpoint import Checkpoint


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("style", help="measure the style of a few seconds of motion")
    parser.add_argument("clip", type=Path, help="NPZ as `asynfusion generate` writes it")
    parser.add_argument(
        "--checkpoint", type=Path, default=None, help=f"model folder (default: {DEFAULT_MODEL})"
    )
    parser.set_defaults(run=run_style)


def run_style(arguments: argparse.Namespace) -> int:
    """Print each style in its own unit and in standard deviations of the model's people."""
    about = Checkpoint.load(arguments.checkpoint or find_resource(DEFAULT_MODEL)).description
    if about.style is None:
        raise ConfigError("this model was trained without styles; train it with network.styles=7")
    values, known = describe_style(read_npz(arguments.clip))
    deviations = about.style.normalise(values)
    print(f"{'style':<10}{'measured':>10}{'deviations':>12}")
    words = []
    for name, value, deviation, given in zip(
        about.style_names, values, deviations, known, strict=True
    ):
        print(f"{name:<10}{value:>10.3f}{deviation:>12.2f}" if given else f"{name:<10}{'-':>10}")
        if given:
            words.append(f"{name}={np.clip(deviation, -5.0, 5.0):.2f}")
    print("--style " + ",".join(words))
    return 0
