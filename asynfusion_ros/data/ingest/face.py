"""MediaPipe's blendshape scores to weights whose zero is this person's face at rest.

The model reports raised brows, half-closed lids or lowered eyes on faces that do nothing; how much
depends on the face, the camera and the glasses. What a channel shows nearly always is the person's
face, not an expression.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.blendshapes import FACE_NAMES, face_index

Array = npt.NDArray[np.float64]

REST_SHARE = 0.1
"""Quantile of a channel that is taken for rest: the mouth opens and smiles come and go."""
BROW_SHARE = 0.25
"""The same of brows, which rest most of the time."""
OPEN_SHARE = 0.3
"""The same of eyelids: open more than 70% of the time; blinks take about 5%."""
LARGEST_GAIN = 1.6
SHUT_SHARE = 0.985
"""Quantile of the lids at which the eyes are shut, where the person blinks at all."""
_BLINK_RISE = 0.2

_BROWS = tuple(face_index(name) for name in FACE_NAMES if name.startswith("brow"))
_LIDS = tuple(face_index(f"eyeBlink{side}") for side in ("Left", "Right"))


def calibrate_face(scores: npt.ArrayLike, measured: npt.ArrayLike) -> tuple[Array, Array]:
    """Return weights (T, 51) in 0..1 and the rest (51,) that was taken from scores (T, 51).

    w = (score - rest) * min(1 / (1 - rest), 1.6); lids are stretched so that a blink shuts them;
    gaze is what both eyes share, about its median. Only frames `measured` (T,) tell of rest.
    """
    rows = np.asarray(scores, np.float64)
    known = rows[np.asarray(measured, bool)]
    if not len(known):
        return np.zeros_like(rows), np.zeros(rows.shape[1])
    rest = np.quantile(known, REST_SHARE, axis=0)
    rest[list(_BROWS)] = np.quantile(known[:, _BROWS], BROW_SHARE, axis=0)
    rest[list(_LIDS)] = np.quantile(known[:, _LIDS], OPEN_SHARE, axis=0)
    gain = np.minimum(1.0 / np.maximum(1.0 - rest, 1e-6), LARGEST_GAIN)
    shut = np.quantile(known[:, _LIDS], SHUT_SHARE, axis=0) - rest[list(_LIDS)]
    blinks = shut > _BLINK_RISE
    gain[list(_LIDS)] = np.where(blinks, 1.0 / np.maximum(shut, _BLINK_RISE), gain[list(_LIDS)])
    face = (rows - rest) * gain
    for (more, less), shared in _gaze(rows, np.asarray(measured, bool)).items():
        face[:, list(more)] = np.maximum(shared, 0.0)[:, None]
        face[:, list(less)] = np.maximum(-shared, 0.0)[:, None]
    return np.clip(face, 0.0, 1.0), rest


Pairs = tuple[tuple[int, int], tuple[int, int]]


def _gaze(rows: Array, measured: npt.NDArray[np.bool_]) -> dict[Pairs, Array]:
    """Return by (channels that rise, channels that fall) how far both eyes look there (T,)."""
    up = _pair("eyeLookUpLeft", "eyeLookUpRight")
    down = _pair("eyeLookDownLeft", "eyeLookDownRight")
    left = _pair("eyeLookOutLeft", "eyeLookInRight")
    right = _pair("eyeLookInLeft", "eyeLookOutRight")
    shared = {}
    for more, less in ((up, down), (left, right)):
        gaze = (rows[:, list(more)] - rows[:, list(less)]).mean(axis=1)
        shared[more, less] = gaze - np.median(gaze[measured])
    return shared


def _pair(first: str, second: str) -> tuple[int, int]:
    return face_index(first), face_index(second)
