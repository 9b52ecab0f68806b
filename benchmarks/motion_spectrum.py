"""How fast a model moves, band by band, beside the people that it is told of.

python benchmarks/motion_spectrum.py --data data --checkpoint models/small --hop 12

Tells the model the styles of each held-out take's first seconds (validation and test), lets it move
to the rest, and prints for brows, gaze, head and arms the amplitude of what it made over that of
people, band by band: the geometric mean over takes. 1 is as much as people; a peak
that moves with the hop is made by the seams of windows.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

from asynfusion_ros.evaluation.controls import generate_clips
from asynfusion_ros.evaluation.generators import open_generator
from asynfusion_ros.evaluation.manners import measure_manners, part_takes
from asynfusion_ros.evaluation.slow_motion import SEGMENT_S, band_power
from asynfusion_ros.evaluation.takes import read_takes
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.settings import EngineSettings

TOLD_S = 4.0
EDGES_HZ = (0.2, 0.6, 1.1, 1.6, 2.6, 4.1, 6.1)
PARTS = ("brows", "gaze", "head", "arms")


def main() -> None:
    """Tell, generate, compare, print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--hop", type=int, default=EngineSettings.hop_frames)
    arguments = parser.parse_args()
    generator = open_generator(
        Checkpoint.load(arguments.checkpoint),
        EngineSettings(deterministic=True, hop_frames=arguments.hop),
    )
    takes = [t for t in read_takes(arguments.data) if t.split in ("val", "test")]
    told, rest = part_takes([t for t in takes if t.clip.face_mask is None], TOLD_S)
    manner_of = measure_manners(generator.description, told)
    made = generate_clips(generator, rest, 1, manner_of=manner_of)
    generator.close()
    bands = list(pairwise(EDGES_HZ))
    print(f"| | {' | '.join(f'{low:g} to {high:g} Hz' for low, high in bands)} |")
    print("|---" * (len(bands) + 1) + "|")
    for part in PARTS:
        cells = []
        for band in bands:
            ratios = []
            for take, versions in zip(rest, made, strict=True):
                if take.clip.duration_s < SEGMENT_S:
                    continue
                marked = None if take.clip.body_mask is None else take.clip.body_mask[0]
                theirs = band_power(take.clip, part, marked, band)
                ours = band_power(versions[0], part, marked, band)
                if theirs > 0.0 and ours > 0.0:
                    ratios.append(np.log(ours / theirs) / 2.0)  # of amplitudes
            cells.append(f"{np.exp(np.mean(ratios)):.2f}")
        print(f"| {part} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
