"""The command `calibrate`: a student that goes as far as it is told."""

from __future__ import annotations

import argparse
from pathlib import Path

from asynfusion_ros.evaluation.calibration import calibrate, measure_responses
from asynfusion_ros.evaluation.takes import read_takes
from asynfusion_ros.motion.manner import PIECE_FRAMES
from asynfusion_ros.sampling.checkpoint import Checkpoint


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("calibrate", help="let a student go as far as it is told")
    parser.add_argument("--checkpoint", type=Path, required=True, help="model folder")
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="recordings that it was trained on"
    )
    parser.add_argument("--styles", nargs="+", required=True, help="such as: energy head")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new model")
    parser.set_defaults(run=run_calibrate)


def run_calibrate(arguments: argparse.Namespace) -> int:
    """Measure how the training takes' styles are followed, print it, and write the new model."""
    checkpoint = Checkpoint.load(arguments.checkpoint)
    takes = [
        take
        for take in read_takes(arguments.data)
        if take.split == "train" and take.clip.face_mask is None and len(take.clip) >= PIECE_FRAMES
    ]
    responses = measure_responses(checkpoint, takes)
    print(f"{'style':<15}{'takes':>6}{'slope':>7}{'offset':>8}")
    for name, found in responses.items():
        print(f"{name:<15}{found.takes:>6}{found.slope:>7.2f}{found.offset:>+8.2f}")
    calibrate(checkpoint, responses, arguments.styles).save(arguments.out)
    print(f"wrote {arguments.out}")
    return 0
