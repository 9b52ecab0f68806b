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

_CORNERS = ("mouthSmile", "mouthFrown", "mouthDimple")
_FACE = np.array([n not in MOUTH_NAMES or n.startswith(_CORNERS) for n in FACE_NAMES])
"""What may rest otherwise: all but what closes and rounds the lips."""
_LIDS = np.array([name.startswith("eyeBlink") for name in FACE_NAMES])
_ARMS = np.repeat([joint not in ("chest", "head") for joint in JOINTS], 3)
_LID_SCALE = (0.5, 2.0)

_STYLES = {
    "face": (*("smile", "brow_height", "frown", "squint", "lids", "gaze_height", "corners"),),
    "body": (
        *("reach", "height", "elbow_bend", "forearm_raise", "elbows_forward"),
        *("wrist_bend", "wrist_raise"),
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
    each window's take, face (B, 51) and body (B, 24). Face and body are exchanged apart, and only
    between windows in which all of it was measured. Lips, chest and head stay: those must close,
    these rest in nothing (their takes' means are zero).
    """
    styles = styles.copy()
    for kind in ("face", "body"):
        whole = np.flatnonzero((data[f"{kind}_mask"] > 0).all(axis=1))
        if not whole.size:
            continue
        takers = whole[rng.random(whole.size) < share]
        givers = rng.choice(whole, takers.size)
        own, others = rests[kind][takers], rests[kind][givers]
        move = _move_face if kind == "face" else _move_arms
        data[kind][takers] = move(data[kind][takers], own[:, None], others[:, None])
        styles[np.ix_(takers, _COLUMNS[kind])] = styles[np.ix_(givers, _COLUMNS[kind])]
    return styles


def _move_face(face: Array, own: Array, others: Array) -> Array:
    """Shift weights (N, T, 51) from one mean to the other; lids that were shut stay shut."""
    shifted = face + others - own
    scale = np.clip((1.0 - others) / np.maximum(1.0 - own, 1e-3), *_LID_SCALE)
    lids = 1.0 - (1.0 - face) * scale
    moved = np.where(_LIDS, lids, np.where(_FACE, shifted, face))
    return np.asarray(np.clip(moved, 0.0, 1.0), np.float32)


def _move_arms(body: Array, own: Array, others: Array) -> Array:
    """Shift the arms' rotation vectors (N, T, 24) from one mean to the other."""
    return np.asarray(body + np.where(_ARMS, others - own, 0.0), np.float32)
