"""Which parts move at the same time, and when the voice grows: people, a model, and it without.

python benchmarks/coordination.py --data data --checkpoint models/small --split train val

Tells the model the styles of each take's first seconds, lets it move to the rest, and prints the
mean correlation of each two parts' speeds, smoothed over 0.3 s, how far they are from people's, and
the correlation of each part's speed with how the voice grows. The model moves as it ships, to the
sound of the next take, with bursts that do not hear the voice, and without any in its noise.
`--plot` draws how the head's speed correlates with the voice's level before and after it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.evaluation.controls import generate_clips
from asynfusion_ros.evaluation.coordination import (
    SMOOTHING_S,
    correlate_activities,
    smooth_activity,
    voice_coordination,
    voice_level_db,
)
from asynfusion_ros.evaluation.generators import open_generator
from asynfusion_ros.evaluation.manners import measure_manners, part_takes
from asynfusion_ros.evaluation.metrics import correlation
from asynfusion_ros.evaluation.motion_windows import is_measured
from asynfusion_ros.evaluation.takes import read_takes
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.settings import EngineSettings

TOLD_S = 4.0
LAGS_S = np.arange(-30, 31, 3) / 30.0
PARTS = ("head", "hands", "brows", "gaze", "lids", "jaw")


def correlate(clips: list[MotionClip]) -> npt.NDArray[np.float64]:
    """Return the mean correlation (15,) of each two parts."""
    pairs = tuple(combinations(PARTS, 2))
    found = [list(correlate_activities(clip, pairs).values()) for clip in clips]
    return np.asarray(np.mean(found, axis=0))


def follow(clips: list[MotionClip], takes: list[Recording]) -> npt.NDArray[np.float64]:
    """Return the mean correlation (6,) of each part with the voice of its take."""
    found = [
        list(voice_coordination(clip, take.samples, PARTS).values())
        for clip, take in zip(clips, takes, strict=True)
    ]
    return np.asarray(np.mean(found, axis=0))


def main() -> None:
    """Tell, generate, correlate, print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--split", nargs="+", default=["train", "val"])
    parser.add_argument("--method", choices=("lcm", "ddim"), default="lcm")
    parser.add_argument("--plot", type=Path, help="picture to write")
    arguments = parser.parse_args()
    checkpoint = Checkpoint.load(arguments.checkpoint)
    told, rest = part_takes(
        [t for t in read_takes(arguments.data) if t.split in arguments.split and is_whole(t)],
        TOLD_S,
    )
    about, manner_of = checkpoint.description, measure_manners(checkpoint.description, told)
    variants = {
        "model": (about, False),
        "other sound": (about, True),
        "deaf bursts": (replace(about, burst_voice=0.0), False),
        "without bursts": (replace(about, bursts=0.0), False),
    }
    columns = {"people": [take.clip for take in rest]}
    for name, (description, shuffled) in variants.items():
        generator = open_generator(
            replace(checkpoint, description=description), settings_of(arguments.method)
        )
        made = generate_clips(generator, rest, 1, shuffled, manner_of=manner_of)
        generator.close()
        columns[name] = [versions[0] for versions in made]
    print_table(columns, rest)
    if arguments.plot:
        plot_lags(columns, rest, arguments.plot)


def settings_of(method: str) -> EngineSettings:
    """Return how the model is sampled: 4/8 steps, or 25/25 of the teacher."""
    face, body = (4, 8) if method == "lcm" else (25, 25)
    return EngineSettings(
        deterministic=True, method=method, expression_steps=face, gesture_steps=body
    )


def print_table(columns: Mapping[str, list[MotionClip]], takes: list[Recording]) -> None:
    """Print who moves with whom, and with the voice, a column for each set of clips."""
    print(f"{len(takes)} takes\n\n| | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    together = [correlate(clips) for clips in columns.values()]
    for row, (first, second) in enumerate(combinations(PARTS, 2)):
        print(f"| {first}, {second} | {' | '.join(f'{found[row]:.2f}' for found in together)} |")
    gaps = (np.sqrt(np.mean((found - together[0]) ** 2)) for found in together)
    print(f"| from people (root mean square) | {' | '.join(f'{gap:.2f}' for gap in gaps)} |")
    voiced = [follow(clips, takes) for clips in columns.values()]
    for row, part in enumerate(PARTS):
        print(f"| {part}, voice | {' | '.join(f'{found[row]:.2f}' for found in voiced)} |")


def plot_lags(columns: Mapping[str, list[MotionClip]], takes: list[Recording], file: Path) -> None:
    """Draw the head's speed against the voice around it: mean over takes and its standard error."""
    figure, axes = plt.subplots(figsize=(7.0, 3.2), layout="constrained")
    for name in ("people", "model", "other sound"):
        rows = [lag_curve(c, t.samples) for c, t in zip(columns[name], takes, strict=True)]
        mean, error = np.mean(rows, axis=0), np.std(rows, axis=0) / np.sqrt(len(rows))
        (line,) = axes.plot(LAGS_S, mean, label=name)
        axes.fill_between(LAGS_S, mean - error, mean + error, color=line.get_color(), alpha=0.2)
    axes.axhline(0.0, color="grey", linewidth=0.8)
    axes.set_xlabel("the voice is heard so long after the head moves [s]")
    axes.set_ylabel("correlation of head's speed and level")
    axes.legend(frameon=False)
    figure.savefig(file, dpi=130)


def lag_curve(clip: MotionClip, samples: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the correlation of the head's speed with the level `LAGS_S` later."""
    speed = smooth_activity(clip, "head")
    level = uniform_filter1d(
        voice_level_db(samples, len(speed), clip.fps_hz), round(SMOOTHING_S * clip.fps_hz)
    )
    found = []
    for lag in np.rint(LAGS_S * clip.fps_hz).astype(int):
        first, last = max(0, -lag), len(speed) - max(0, lag)
        found.append(correlation(speed[first:last], level[first + lag : last + lag]))
    return np.array(found)


def is_whole(take: Recording) -> bool:
    """Tell whether a take's whole face and body were measured."""
    return take.clip.face_mask is None and is_measured(take.clip, "body")


if __name__ == "__main__":
    main()
