"""Tracked mouths that move as a linear map of their own speech says.

A few minutes of video are learned by heart: a network then knows how each mouth was tracked, with
its errors and with how far its sound was off, and less of what speech does to a mouth. Ridge
regression cannot learn by heart, and on people whom it has not seen it follows better. So what it
says of a window stands for most of the mouth's course in training; mean and spread stay those of
the window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve

from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES

CHANNELS = tuple(FACE_NAMES.index(name) for name in MOUTH_NAMES)
CONTEXT_FRAMES = (-3, 0, 3)
PENALTY = 1.0  # per frame, for features of unit variance; chosen on validation takes
_EDGE = max(CONTEXT_FRAMES)  # frames whose context is not whole teach nothing
_LEAST_SPREAD = 0.02  # of a mouth: below it, its course is mostly noise of the tracking
_CHUNK = 256

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LinearMouth:
    """A linear map from speech features to the course of each mouth channel.

    Attributes:
        means, scales: (D,) of the features.
        weights: (3 D + 1, C) from features in context to courses of mean 0 and spread 1.
        spreads: (C,) mean spread of a window's channels.
    """

    means: Array
    scales: Array
    weights: Array
    spreads: Array

    @classmethod
    def fit(
        cls, audio: npt.NDArray[Any], face: npt.NDArray[Any], rows: npt.NDArray[np.int64]
    ) -> LinearMouth:
        """Return the map that fits the windows `rows` of audio (N, T, D) and face (N, T, 51)."""
        means, scales = _measure(audio, rows)
        width = len(CONTEXT_FRAMES) * audio.shape[-1] + 1
        square, product = np.zeros((width, width)), np.zeros((width, len(CHANNELS)))
        spreads, frames = np.zeros(len(CHANNELS)), 0
        for part in _parts(rows):
            inputs = _context(audio[part], means, scales)[:, _EDGE:-_EDGE].reshape(-1, width)
            mouths = face[part][:, :, CHANNELS].astype(np.float32)
            spread = mouths.std(axis=1, keepdims=True)
            mouths = (mouths - mouths.mean(axis=1, keepdims=True)) / (spread + _LEAST_SPREAD)
            square += inputs.T @ inputs
            product += inputs.T @ mouths[:, _EDGE:-_EDGE].reshape(-1, len(CHANNELS))
            spreads, frames = spreads + spread.sum(axis=(0, 1)), frames + len(inputs)
        penalty = PENALTY * frames * np.eye(width)
        weights = np.asarray(solve(square + penalty, product, assume_a="pos"), np.float32)
        return cls(means, scales, weights, (spreads / len(rows)).astype(np.float32))

    def follow(self, audio: npt.NDArray[Any]) -> Array:
        """Return the courses (N, T, C) that go with features (N, T, D)."""
        return np.asarray(_context(audio, self.means, self.scales) @ self.weights)


def replace_mouths(
    audio: npt.NDArray[Any], face: npt.NDArray[Any], rows: npt.NDArray[np.int64], share: float
) -> None:
    """Move the mouths of `face` (N, T, 51) in the windows `rows`, in place.

    `share` (0..1) of their course is then what a map of `audio` (N, T, D), fitted to all of them,
    says.
    """
    if not share or not rows.size:
        return
    linear = LinearMouth.fit(audio, face, rows)
    courses = np.concatenate([linear.follow(audio[part]) for part in _parts(rows)])
    courses -= courses.mean(axis=1, keepdims=True)
    courses /= courses.std(axis=(0, 1)) + 1e-6
    for row, course in zip(rows, courses, strict=True):
        mouth = face[row][:, CHANNELS].astype(np.float32)
        said = mouth.mean(axis=0) + mouth.std(axis=0) * course
        mixed = np.clip((1.0 - share) * mouth + share * said, 0.0, 1.0)
        face[row, :, np.array(CHANNELS)] = mixed.T  # an index of channels moves them to the front


def _context(windows: npt.NDArray[Any], means: Array, scales: Array) -> Array:
    """Return features (N, T, 3 D + 1) of each frame, of one before and of one after it, and a 1."""
    scaled = (windows.astype(np.float32) - means) / scales
    frames = scaled.shape[1]
    shifted = [
        scaled[:, np.clip(np.arange(frames) + shift, 0, frames - 1)] for shift in CONTEXT_FRAMES
    ]
    return np.concatenate([*shifted, np.ones_like(scaled[..., :1])], axis=-1)


def _measure(audio: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """Return mean and standard deviation (D,) of the features."""
    total = squares = np.zeros(audio.shape[-1])
    for part in _parts(rows):
        values = audio[part].astype(np.float64)
        total, squares = total + values.sum(axis=(0, 1)), squares + (values**2).sum(axis=(0, 1))
    count = len(rows) * audio.shape[1]
    mean = total / count
    scale = np.sqrt(np.maximum(squares / count - mean**2, 0.0)) + 1e-3
    return mean.astype(np.float32), scale.astype(np.float32)


def _parts(rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for first in range(0, len(rows), _CHUNK):
        yield rows[first : first + _CHUNK]
