"""Motion without a model: of all training windows the one that sounds most alike, again and again.

A generator that only remembers. Its windows are real motion, so its Frechet distances are low; a
model that does not beat it has learned nothing that looking up would not give.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.motion.rotations import slerp
from asynfusion_ros.streaming.generator import Extractor
from asynfusion_ros.training.batches import PreparedWindows

Array = npt.NDArray[np.float32]

FADE_FRAMES = 12
_PARTS = 4  # a window's features are compared as the means of its quarters
_FPS_HZ = 30


class Retrieval:
    """The training windows of prepared folders, found by their sound."""

    def __init__(self, prepared: Path | Sequence[Path], extractor: Extractor) -> None:
        """Index the windows whose face and body were measured."""
        windows = PreparedWindows(prepared)
        arrays = windows.arrays
        whole = arrays["body_mask"].read(windows.train).min(axis=1) > 0
        self._rows = windows.train[whole] if whole.any() else windows.train
        self._face, self._body = arrays["face"], arrays["body"]
        self._extractor = extractor
        keys = np.stack([_key(arrays["audio"].read([row])[0]) for row in self._rows])
        self._statistics = ChannelStatistics.from_arrays(keys)
        self._keys = self._statistics.normalise(keys)

    def find(self, features: Array) -> int:
        """Return the training window whose features (60, D) are nearest, as its row."""
        gap = self._keys - self._statistics.normalise(_key(features))
        return int(self._rows[np.argmin((gap**2).sum(axis=1))])

    def generate(self, samples: Array, frames: int) -> MotionClip:
        """Return the motion (frames) of a recording: windows one after the other, faded over."""
        needed = self._extractor.samples_needed
        padded = np.concatenate([samples, np.zeros(needed + SAMPLE_RATE_HZ, np.float32)])
        face, body = np.zeros((0, 51), np.float32), np.zeros((0, 24), np.float32)
        while len(face) < frames + FADE_FRAMES:
            start = max(0, len(face) - FADE_FRAMES)
            first = min(round(start * SAMPLE_RATE_HZ / _FPS_HZ), len(padded) - needed)
            row = self.find(self._extractor.extract(padded[first : first + needed]))
            face = _append(face, self._face.read([row])[0], start, rotations=False)
            body = _append(body, self._body.read([row])[0], start, rotations=True)
        return MotionClip(float(_FPS_HZ), face[:frames], body[:frames])


def _key(features: Array) -> Array:
    parts = np.array_split(np.asarray(features, np.float32), _PARTS)
    return np.concatenate([part.mean(axis=0) for part in parts])


def _append(motion: Array, window: Array, start: int, rotations: bool) -> Array:
    overlap = len(motion) - start
    if overlap <= 0:
        return np.concatenate([motion, window])
    faded = []
    for index in range(overlap):
        weight = (index + 1) / (overlap + 1)
        before, after = motion[start + index], window[index]
        if rotations:
            faded.append(slerp(before.reshape(-1, 3), after.reshape(-1, 3), weight).ravel())
        else:
            faded.append((1.0 - weight) * before + weight * after)
    return np.concatenate([motion[:start], np.array(faded, np.float32), window[overlap:]])
