"""The command `style`: how a clip moves, in the terms of a model, ready to ask for the same."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asynfusion_ros.cli.info import DEFAULT_MODEL
from asynfusion_ros.data.formats import find_sets, scan_set
from asynfusion_ros.data.recording import collect
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.manner import MOST_STYLE, PIECE_FRAMES, STYLE_NAMES, describe_style
from asynfusion_ros.motion.npz import read_npz
from asynfusion_ros.motion.people import OPEN
from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling.checkpoint import Checkpoint

Array = npt.NDArray[np.float32]


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("style", help="measure the style of a few seconds of motion")
    parser.add_argument(
        "clip", type=Path, help="NPZ as `asynfusion generate` writes it, or a folder of recordings"
    )
    parser.add_argument(
        "--checkpoint", type=Path, default=None, help=f"model folder (default: {DEFAULT_MODEL})"
    )
    parser.set_defaults(run=run_style)


def run_style(arguments: argparse.Namespace) -> int:
    """Print each style in its own unit and in standard deviations of the model's people.

    A model that was trained without styles has none of these: then only the first are printed.
    """
    about = Checkpoint.load(arguments.checkpoint or find_resource(DEFAULT_MODEL)).description
    values, known = _measure(arguments.clip)
    deviations = dict.fromkeys(STYLE_NAMES, float("nan"))
    if about.style is not None:
        found = dict(zip(STYLE_NAMES, values, strict=True))
        own = about.style.normalise([found.get(name, np.nan) for name in about.style_names])
        deviations |= dict(zip(about.style_names, own, strict=True))
    print(f"{'style':<15}{'measured':>10}{'deviations':>12}")
    words = []
    for name, value, given in zip(STYLE_NAMES, values, known, strict=True):
        compares = given and np.isfinite(deviations[name])
        measured = f"{value:.3f}" if given else "-"
        print(f"{name:<15}{measured:>10}" + (f"{deviations[name]:>12.2f}" if compares else ""))
        if compares:
            words.append(f"{name}={np.clip(deviations[name], -MOST_STYLE, MOST_STYLE):.2f}")
    if words:
        words += [] if len(words) == len(STYLE_NAMES) else [OPEN]
        print("--style " + ",".join(words))
    return 0


def _measure(path: Path) -> tuple[Array, Array]:
    """Return the styles (S,) of a clip, or of all takes in a folder, and which are known (S,).

    Raises DataError on a folder without takes of a known layout.
    """
    if not path.is_dir():
        return describe_style(read_npz(path))
    takes, faults = collect(item for place in find_sets(path) for item in scan_set(*place))
    for fault in faults:
        print(fault)
    long = [take.clip for take in takes if len(take.clip) >= PIECE_FRAMES]
    if not long:
        raise DataError(f"{path} holds no take of {PIECE_FRAMES} frames; style needs some seconds")
    values, known = (np.array(rows) for rows in zip(*map(describe_style, long), strict=True))
    weights = known * np.array([len(clip) for clip in long])[:, None]
    mean = (values * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1.0)
    return mean.astype(np.float32), known.max(axis=0)
