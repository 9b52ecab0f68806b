"""The names and order of the face's channels: Apple's ARKit blendshapes, weights in 0..1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError

Array = npt.NDArray[np.float32]


def _sides(*names: str) -> tuple[str, ...]:
    return tuple(name + side for name in names for side in ("Left", "Right"))


FACE_NAMES: tuple[str, ...] = (
    *_sides("browDown"),
    "browInnerUp",
    *_sides("browOuterUp"),
    "cheekPuff",
    *_sides("cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp"),
    *_sides("eyeSquint", "eyeWide"),
    *("jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose"),
    *_sides("mouthDimple", "mouthFrown"),
    *("mouthFunnel", "mouthLeft"),
    *_sides("mouthLowerDown", "mouthPress"),
    *("mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper"),
    *("mouthShrugLower", "mouthShrugUpper"),
    *_sides("mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer"),
)
"""The 51 channels of the expression branch, in BEAT's order."""

ARKIT_NAMES: tuple[str, ...] = (*FACE_NAMES, "tongueOut")
"""The 52 names that are published; tongueOut is always 0."""

MOUTH_NAMES: tuple[str, ...] = tuple(
    name for name in FACE_NAMES if name.startswith(("jaw", "mouth", "cheekPuff"))
)
"""The channels that articulate speech."""

EYE_NAMES = tuple(name for name in FACE_NAMES if name.startswith("eye"))
"""The channels of lids and gaze."""

LID_NAMES = _sides("eyeBlink")
"""The channels that shut the eyes."""

_INDEX = {name: index for index, name in enumerate(ARKIT_NAMES)}

_LIP_TRAVEL = 0.22  # of a lip, in travels of the jaw
_LIPS = _sides("mouthLowerDown", "mouthUpperUp")


def face_index(name: str) -> int:
    """Return the channel of an ARKit name; raise MotionFileError on an unknown one."""
    if name not in _INDEX:
        raise MotionFileError(f"{name!r} is no ARKit blendshape; the names are {ARKIT_NAMES}")
    return _INDEX[name]


def to_arkit52(face: npt.ArrayLike) -> Array:
    """Append tongueOut = 0 to faces (..., 51), giving (..., 52)."""
    weights = np.asarray(face, dtype=np.float32)
    return np.concatenate([weights, np.zeros_like(weights[..., :1])], axis=-1)


def mouth_opening(face: npt.ArrayLike) -> Array:
    """Return how far the lips part (...): jawOpen less mouthClose, at least 0.

    mouthClose lifts the lips back over an open jaw, so their difference is the visible gap.
    """
    weights = np.asarray(face, dtype=np.float32)
    gap = weights[..., _INDEX["jawOpen"]] - weights[..., _INDEX["mouthClose"]]
    return np.asarray(np.maximum(gap, 0.0), dtype=np.float32)


def lip_gap(face: npt.ArrayLike) -> Array:
    """Return the gap between the lips (...) in units of an open jaw, at least 0.

    The opening, and 0.22 of how far each lip is drawn from the other: on the ARKit face a fully
    lowered lip travels about 8 mm where the jaw opens by 36. So an s, its jaw nearly shut and its
    teeth showing, is no closure of the lips.
    """
    weights = np.asarray(face, dtype=np.float32)
    drawn = sum(weights[..., _INDEX[lip]] for lip in _LIPS)
    return np.asarray(mouth_opening(weights) + _LIP_TRAVEL * 0.5 * drawn, dtype=np.float32)


def lip_gap_slope() -> Array:
    """Return the derivative (51,) of `lip_gap` by each weight, of a mouth that is open."""
    slope = np.zeros(len(FACE_NAMES), np.float32)
    slope[_INDEX["jawOpen"]], slope[_INDEX["mouthClose"]] = 1.0, -1.0
    slope[[_INDEX[lip] for lip in _LIPS]] = 0.5 * _LIP_TRAVEL
    return slope


def mirror_face(face: npt.ArrayLike) -> Array:
    """Return faces (..., 51) seen in a mirror: every Left channel swapped with its Right."""
    mirrored = np.take(np.asarray(face, dtype=np.float32), np.asarray(_MIRROR), axis=-1)
    return np.asarray(mirrored, dtype=np.float32)


def _mirror_order() -> tuple[int, ...]:
    def other(name: str) -> str:
        if name.endswith("Left"):
            return name[:-4] + "Right"
        return name[:-5] + "Left" if name.endswith("Right") else name

    return tuple(_INDEX[other(name)] for name in FACE_NAMES)


_MIRROR = _mirror_order()
