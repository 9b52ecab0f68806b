"""Which parts move at the same time: people, a model, and the model without bursts in its noise.

python benchmarks/coordination.py --data data --checkpoint models/small --split train val

Tells the model the styles of each take's first seconds, lets it move to the rest, and prints the
mean correlation of each two parts' speeds, smoothed over 0.3 s, and how far they are from people's.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.evaluation.controls import generate_clips
from asynfusion_ros.evaluation.coordination import correlate_activities
from asynfusion_ros.evaluation.generators import open_generator
from asynfusion_ros.evaluation.manners import measure_manners, part_takes
from asynfusion_ros.evaluation.motion_windows import is_measured
from asynfusion_ros.evaluation.takes import read_takes
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.settings import EngineSettings

TOLD_S = 4.0
PARTS = ("head", "hands", "brows", "gaze", "lids", "jaw")


def correlate(clips: list[MotionClip]) -> npt.NDArray[np.float64]:
    """Return the mean correlation (15,) of each two parts."""
    pairs = tuple(combinations(PARTS, 2))
    found = [list(correlate_activities(clip, pairs).values()) for clip in clips]
    return np.asarray(np.mean(found, axis=0))


def main() -> None:
    """Tell, generate, correlate, print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--split", nargs="+", default=["train", "val"])
    parser.add_argument("--method", choices=("lcm", "ddim"), default="lcm")
    arguments = parser.parse_args()
    checkpoint = Checkpoint.load(arguments.checkpoint)
    told, rest = part_takes(
        [t for t in read_takes(arguments.data) if t.split in arguments.split and is_whole(t)],
        TOLD_S,
    )
    columns = {"people": correlate([take.clip for take in rest])}
    manner_of = measure_manners(checkpoint.description, told)
    steps = (4, 8) if arguments.method == "lcm" else (25, 25)
    for name, bursts in (("model", checkpoint.description.bursts), ("without bursts", 0.0)):
        variant = replace(checkpoint, description=replace(checkpoint.description, bursts=bursts))
        settings = EngineSettings(
            deterministic=True,
            method=arguments.method,
            expression_steps=steps[0],
            gesture_steps=steps[1],
        )
        generator = open_generator(variant, settings)
        made = generate_clips(generator, rest, 1, manner_of=manner_of)
        generator.close()
        columns[name] = correlate([versions[0] for versions in made])
    print(f"{len(rest)} takes\n\n| | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for row, (first, second) in enumerate(combinations(PARTS, 2)):
        print(f"| {first}, {second} | {' | '.join(f'{c[row]:.2f}' for c in columns.values())} |")
    gaps = (np.sqrt(np.mean((c - columns["people"]) ** 2)) for c in columns.values())
    print(f"| from people (root mean square) | {' | '.join(f'{gap:.2f}' for gap in gaps)} |")


def is_whole(take: Recording) -> bool:
    """Tell whether a take's whole face and body were measured."""
    return take.clip.face_mask is None and is_measured(take.clip, "body")


if __name__ == "__main__":
    main()
