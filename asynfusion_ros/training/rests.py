"""Windows in which somebody speaks as themselves and rests as somebody else.

Of few people, a network learns by heart which voice belongs to which face, and shows of a voice
that it never heard nobody's. Where what face and arms rest in is exchanged between takes, no voice
tells it: only the style does, which goes with what is exchanged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.data.talk30 import JOINTS
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.motion.manner import STYLE_NAMES

Array = npt.NDArray[Any]

_RESTS = (
    *("mouthSmile", "mouthFrown", "mouthDimple", "mouthPress", "mouthShrug"),
    *("mouthLeft", "mouthRight", "jawLeft", "jawRight", "cheekSquint", "noseSneer"),
)
_MOUTH = np.array([name.startswith(_RESTS) for name in FACE_NAMES])
"""What a mouth rests in: all but what opens, stretches, closes and rounds the lips."""
_OF_LIPS = np.isin(FACE_NAMES, MOUTH_NAMES)
_EYES = np.array([name.startswith(("brow", "eye")) for name in FACE_NAMES])
_LIDS = np.array([name.startswith("eyeBlink") for name in FACE_NAMES])
_ARMS = np.repeat([joint not in ("chest", "head") for joint in JOINTS], 3)
_LID_SCALE = (0.5, 2.0)

_STYLES = {
    "eyes": ("brow_height", "frown", "squint", "lids", "gaze_height", "gaze_side"),
    "mouth": ("smile", "corners", "press", "shrug", "mouth_side", "dimple_side"),
    "body": (
        *("reach", "height", "elbow_bend", "forearm_raise", "elbows_forward"),
        *("wrist_bend", "wrist_raise", "hands_side", "elbows_side"),
    ),
}
_COLUMNS = {kind: np.isin(STYLE_NAMES, names) for kind, names in _STYLES.items()}


def exchange_rests(
    data: dict[str, Array],
    rests: dict[str, Array],
    styles: Array,
    share: float,
    rng: np.random.Generator,
) -> Array:
    """Let a share of the windows rest as others of the batch; return the styles (B, S) as they are.

    `data` has face (B, T, 51) and body (B, T, 24), and their masks (B, D); `rests` are the means of
    each window's take, face (B, 51) and body (B, 24). Eyes (with brows), mouth (with cheeks) and
    arms are exchanged apart: where the few who draw their mouth aside also looked aside, a style of
    the mouth would turn eyes. Who gives was measured wholly, and who takes as well, but that mouths
    take whatever else was measured. What opens jaw and lips stays, since those close, and so do
    chest and head, which rest in nothing (their takes' means are zero).
    """
    told: Array = styles.copy()
    for kind, columns in _COLUMNS.items():
        stream = "body" if kind == "body" else "face"
        measured = data[f"{stream}_mask"] > 0
        whole = measured.all(axis=1)
        may = measured[:, _OF_LIPS].any(axis=1) if kind == "mouth" else whole
        if not whole.any():
            continue
        takers = np.flatnonzero(may & (rng.random(may.size) < share))
        givers = rng.choice(np.flatnonzero(whole), takers.size)
        own, others = rests[stream][takers], rests[stream][givers]
        moved = _MOVES[kind](data[stream][takers], own[:, None], others[:, None])
        data[stream][takers] = moved
        told[np.ix_(takers, columns)] = styles[np.ix_(givers, columns)]
    return told


def _move_eyes(face: Array, own: Array, others: Array) -> Array:
    """Shift weights (N, T, 51) from one mean to the other; lids that were shut stay shut."""
    scale = np.clip((1.0 - others) / np.maximum(1.0 - own, 1e-3), *_LID_SCALE)
    lids = 1.0 - (1.0 - face) * scale
    moved = np.where(_LIDS, lids, np.where(_EYES, face + others - own, face))
    return np.asarray(np.clip(moved, 0.0, 1.0), np.float32)


def _move_mouth(face: Array, own: Array, others: Array) -> Array:
    """Shift weights (N, T, 51) of the mouth from one mean to the other."""
    return np.asarray(np.clip(np.where(_MOUTH, face + others - own, face), 0.0, 1.0), np.float32)


def _move_arms(body: Array, own: Array, others: Array) -> Array:
    """Shift the arms' rotation vectors (N, T, 24) from one mean to the other."""
    return np.asarray(body + np.where(_ARMS, others - own, 0.0), np.float32)


_MOVES = {"eyes": _move_eyes, "mouth": _move_mouth, "body": _move_arms}
