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
    *("mouthLeft", "mouthRight", "jawLeft", "jawRight"),
)
_FACE = np.array([n not in MOUTH_NAMES or n.startswith(_RESTS) for n in FACE_NAMES])
"""What may rest otherwise: all but what opens, stretches, closes and rounds the lips."""
_MOUTH = np.array([n in MOUTH_NAMES for n in FACE_NAMES])
_LIDS = np.array([name.startswith("eyeBlink") for name in FACE_NAMES])
_ARMS = np.repeat([joint not in ("chest", "head") for joint in JOINTS], 3)
_LID_SCALE = (0.5, 2.0)

_OF_MOUTH = ("smile", "corners", "press", "shrug", "mouth_side", "dimple_side")
_STYLES = {
    "face": (*_OF_MOUTH, "brow_height", "frown", "squint", "lids", "gaze_height", "gaze_side"),
    "mouth": _OF_MOUTH,
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
    each window's take, face (B, 51) and body (B, 24). Face and body are exchanged apart. Who gives
    was measured wholly; who takes as well, or takes at the mouth alone if nothing but that was
    measured. What opens jaw and lips stays, since those close, and so do chest and head, which rest
    in nothing (their takes' means are zero).
    """
    told: Array = styles.copy()
    for kind in _STYLES:
        stream = "body" if kind == "body" else "face"
        measured = data[f"{stream}_mask"] > 0
        whole = measured.all(axis=1)
        may = ~whole & measured[:, _MOUTH].any(axis=1) if kind == "mouth" else whole
        if not whole.any():
            continue
        takers = np.flatnonzero(may & (rng.random(may.size) < share))
        givers = rng.choice(np.flatnonzero(whole), takers.size)
        own, others = rests[stream][takers], rests[stream][givers]
        moved = _MOVES[kind](data[stream][takers], own[:, None], others[:, None])
        data[stream][takers] = moved
        told[np.ix_(takers, _COLUMNS[kind])] = styles[np.ix_(givers, _COLUMNS[kind])]
    return told


def _move_face(face: Array, own: Array, others: Array) -> Array:
    """Shift weights (N, T, 51) from one mean to the other; lids that were shut stay shut."""
    scale = np.clip((1.0 - others) / np.maximum(1.0 - own, 1e-3), *_LID_SCALE)
    lids = 1.0 - (1.0 - face) * scale
    moved = np.where(_LIDS, lids, np.where(_FACE, face + others - own, face))
    return np.asarray(np.clip(moved, 0.0, 1.0), np.float32)


def _move_mouth(face: Array, own: Array, others: Array) -> Array:
    """Move the mouth alone, as in a whole face."""
    return np.asarray(np.where(_MOUTH, _move_face(face, own, others), face), np.float32)


def _move_arms(body: Array, own: Array, others: Array) -> Array:
    """Shift the arms' rotation vectors (N, T, 24) from one mean to the other."""
    return np.asarray(body + np.where(_ARMS, others - own, 0.0), np.float32)


_MOVES = {"face": _move_face, "mouth": _move_mouth, "body": _move_arms}
