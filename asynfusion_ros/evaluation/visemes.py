"""Which of five mouth shapes is seen while a phoneme sounds: for models of any dialect.

A shape says what every dialect can say, ARKit weights, the fifteen Oculus visemes and the nine
mouth shapes of Rhubarb alike; phonemes on which the dialects differ (schwa, h, r and its vowels)
are not asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.motion.clip import MotionClip

SHAPES = ("closed", "teeth", "rounded", "open", "narrow")
"""Lips closed; lower lip at the upper teeth; small and forward; wide open; anything in between."""

_PHONEMES = {
    "closed": "pbm",
    "teeth": "fv",
    "rounded": "wuʊoɔɒO",
    "open": "aɑæɛʌɐAIW",
    "narrow": "tdnszθðkɡŋljiɪᵻTɾx",
}
SHAPE_OF = {phoneme: shape for shape, all_ in _PHONEMES.items() for phoneme in all_}
"""Shape of each phoneme that is asked for; diphthongs count by their first half."""

_MOUTH = [FACE_NAMES.index(name) for name in MOUTH_NAMES]
_DIPHTHONGS = frozenset("AIOQWY")


def ask_shapes(recording: Recording) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Return the times [s] at which shapes are asked for (N,), and which (N).

    The middle of each phoneme, of a diphthong its first quarter. Raises DataError where a take
    carries no phonemes.
    """
    names, spans = (recording.extras.get(key) for key in ("phonemes", "phoneme_time_s"))
    if names is None or spans is None:
        raise DataError(f"{recording.name} carries no phonemes with their times")
    times, shapes = [], []
    for name, (first, last) in zip(names, spans, strict=True):
        if str(name) in SHAPE_OF:
            share = 0.25 if str(name) in _DIPHTHONGS else 0.5
            times.append(float(first) + share * float(last - first))
            shapes.append(SHAPE_OF[str(name)])
    return np.array(times), shapes


class MouthReader:
    """Reads shapes off ARKit weights, as learned from true mouths by linear discriminants."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        """Learn from takes whose mouth and phonemes are known; raise DataError where none are."""
        rows, shapes = [], []
        for recording in recordings:
            times, asked = ask_shapes(recording)
            rows.append(_mouths(recording.clip, times))
            shapes += asked
        if set(shapes) != set(SHAPES):
            raise DataError(f"the takes show {sorted(set(shapes))}; all of {SHAPES} are needed")
        self._model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1e-3)
        self._model.fit(np.concatenate(rows), shapes)

    def read(self, clip: MotionClip, times_s: npt.NDArray[np.float64]) -> list[str]:
        """Return the shape of the clip's mouth at each time (N,) [s]."""
        return [str(shape) for shape in self._model.predict(_mouths(clip, times_s))]


def shape_accuracy(seen: Sequence[str], asked: Sequence[str]) -> dict[str, float]:
    """Return `viseme_accuracy`, the share that is right, and `viseme_balanced`: mean over shapes.

    Always saying the most frequent shape gives a balanced accuracy of one fifth.
    """
    if len(seen) != len(asked) or not asked:
        raise DataError(f"{len(seen)} shapes seen, {len(asked)} asked for; give one for each")
    right = np.array([own == true for own, true in zip(seen, asked, strict=True)])
    wanted = np.array(asked)
    by_shape = [right[wanted == shape].mean() for shape in SHAPES if (wanted == shape).any()]
    return {
        "viseme_accuracy": float(right.mean()),
        "viseme_balanced": float(np.mean(by_shape)),
    }


def _mouths(clip: MotionClip, times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the weights of the mouth (N, 28), linear between frames."""
    rows = np.clip(np.asarray(times_s) * clip.fps_hz, 0.0, len(clip) - 1.0)
    face = clip.face[:, _MOUTH].astype(np.float64)
    low = np.floor(rows).astype(int)
    high = np.minimum(low + 1, len(face) - 1)
    share = (rows - low)[:, None]
    return np.asarray((1.0 - share) * face[low] + share * face[high])
