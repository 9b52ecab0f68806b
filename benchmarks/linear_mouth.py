"""How well a mouth follows that is no more than a linear map of the speech features.

python benchmarks/linear_mouth.py --data data --prepared recordings [--split val]

Fits the map of `data/linear_mouth.py` to prepared windows (`asynfusion prepare`, with
`linear_mouth_share=0`) of tracked faces, and prints its mouth correlation on held-out takes, as
`asynfusion evaluate` measures a model's. It hears 0.1 s more of what comes than a running avatar.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from asynfusion_ros.audio.features import SpeechFeatureExtractor
from asynfusion_ros.data.linear_mouth import CHANNELS, LinearMouth
from asynfusion_ros.evaluation.metrics import correlation
from asynfusion_ros.evaluation.takes import read_held_out, read_takes
from asynfusion_ros.motion.blendshapes import FACE_NAMES, mouth_opening
from asynfusion_ros.streaming.windows import FPS_HZ

HOP = 12
JAW, CLOSE = (CHANNELS.index(FACE_NAMES.index(name)) for name in ("jawOpen", "mouthClose"))


def fit(folder: Path) -> LinearMouth:
    """Return the map of a prepared folder's training windows of whole faces."""
    audio, face = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("audio", "face"))
    takes = json.loads((folder / "manifest.json").read_text())["takes"]
    trains = np.array([take["split"] == "train" for take in takes])[np.load(folder / "take.npy")]
    whole = np.load(folder / "face_mask.npy").min(axis=1) > 0
    resting = (np.diff(face[:, :, CHANNELS], axis=1) == 0).all(axis=2).sum(axis=1) >= 4
    return LinearMouth.fit(audio, face, np.flatnonzero(trains & whole & ~resting))


def take_features(
    extractor: SpeechFeatureExtractor, samples: np.ndarray, frames: int
) -> np.ndarray:
    """Return features (frames, D), each hop's from the end of a window, as a running avatar's."""
    window, per_frame = extractor.settings.window_frames, 16_000 / FPS_HZ
    before = np.zeros(round((window - HOP) * per_frame), np.float32)
    sound = np.concatenate([before, samples, np.zeros(extractor.samples_needed, np.float32)])
    rows = []
    for first in range(0, frames, HOP):
        begin = round(first * per_frame)
        rows.append(extractor.extract(sound[begin : begin + extractor.samples_needed])[-HOP:])
    return np.concatenate(rows)[:frames]


def main() -> None:
    """Fit, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--split", choices=("test", "val"), default="test")
    arguments = parser.parse_args()
    linear, extractor = fit(arguments.prepared), SpeechFeatureExtractor()
    found = []
    for take in read_held_out(arguments.data, arguments.split, read_takes(arguments.data)):
        features = take_features(extractor, take.samples, len(take.clip.face))
        course = linear.follow(features[None])[0] * linear.spreads
        found.append(correlation(course[:, JAW] - course[:, CLOSE], mouth_opening(take.clip.face)))
        print(f"{take.name}: {found[-1]:.3f}")
    print(f"mouth correlation of {len(found)} takes: {np.mean(found):.3f}")


if __name__ == "__main__":
    main()
