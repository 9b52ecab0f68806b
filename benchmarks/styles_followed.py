"""How far a model moves like the people that it is told of.

python benchmarks/styles_followed.py --data data --checkpoint models/small

Tells the model the styles of each held-out take whose face was wholly measured (validation and
test), lets it move to the take's sound, measures the styles of what it made, and prints for each
the slope of made over told (1: followed all the way), their correlation over takes, and by how many
standard deviations what was made lies above what was told.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from asynfusion_ros.evaluation.controls import generate_clips
from asynfusion_ros.evaluation.generators import open_generator
from asynfusion_ros.evaluation.manners import measure_manners
from asynfusion_ros.evaluation.takes import read_takes
from asynfusion_ros.motion.manner import PIECE_FRAMES
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.settings import EngineSettings

FEWEST = 5
"""Takes that must tell a style before it is printed."""


def main() -> None:
    """Tell, generate, measure, print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    arguments = parser.parse_args()
    generator = open_generator(
        Checkpoint.load(arguments.checkpoint), EngineSettings(deterministic=True)
    )
    about = generator.description
    takes = [
        take
        for take in read_takes(arguments.data)
        if take.split != "train" and take.clip.face_mask is None and len(take.clip) >= PIECE_FRAMES
    ]
    manner_of = measure_manners(about, [take.clip for take in takes])
    clips = generate_clips(generator, takes, 1, manner_of=manner_of)
    generator.close()
    told = np.array([manner_of(index, 0).style for index in range(len(takes))])
    made = np.array([about.people.measure(versions[0]) for versions in clips])
    print("| style | takes | slope | correlation | offset |\n|---|---|---|---|---|")
    for column, name in enumerate(about.style_names):
        known = np.isfinite(told[:, column])
        if np.count_nonzero(known) >= FEWEST:
            wanted, found = told[known, column], made[known, column]
            slope = np.polyfit(wanted, found, 1)[0]
            together = np.corrcoef(wanted, found)[0, 1]
            offset = float(found.mean() - wanted.mean())
            print(
                f"| `{name}` | {known.sum()} | {slope:.2f} | {together:.2f} | {offset:+.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
