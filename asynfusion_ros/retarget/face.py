"""The face in other dialects: facial action units, visemes, and values for single servos."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from asynfusion_ros.motion.blendshapes import ARKIT_NAMES, FACE_NAMES, mouth_opening

Array = npt.NDArray[np.float64]


def _both(*names: str) -> dict[str, float]:
    return {f"{name}{side}": 0.5 for name in names for side in ("Left", "Right")}


ACTION_UNITS: Mapping[int, Mapping[str, float]] = {
    1: {"browInnerUp": 1.0},
    2: _both("browOuterUp"),
    4: _both("browDown"),
    5: _both("eyeWide"),
    6: _both("cheekSquint"),
    7: _both("eyeSquint"),
    9: _both("noseSneer"),
    10: _both("mouthUpperUp"),
    12: _both("mouthSmile"),
    14: _both("mouthDimple"),
    15: _both("mouthFrown"),
    16: _both("mouthLowerDown"),
    17: {"mouthShrugLower": 1.0},
    18: {"mouthPucker": 1.0},
    20: _both("mouthStretch"),
    22: {"mouthFunnel": 1.0},
    24: _both("mouthPress"),
    25: {"jawOpen": 1.0, "mouthClose": -1.0},
    26: {"jawOpen": 1.0},
    28: {"mouthRollLower": 0.5, "mouthRollUpper": 0.5},
    29: {"jawForward": 1.0},
    30: {"jawLeft": 1.0, "jawRight": 1.0},
    34: {"cheekPuff": 1.0},
    43: _both("eyeBlink"),
    61: {"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.5},
    62: {"eyeLookInLeft": 0.5, "eyeLookOutRight": 0.5},
    63: _both("eyeLookUp"),
    64: _both("eyeLookDown"),
}
"""Facial Action Coding System: the ARKit weights that make up each unit (Ekman, Friesen 1978)."""

VISEMES: Mapping[str, Mapping[str, float]] = {
    "PP": {"mouthClose": 0.1, "mouthPressLeft": 0.6, "mouthPressRight": 0.6, "jawOpen": 0.1},
    "FF": {"mouthRollLower": 0.5, "mouthUpperUpLeft": 0.3, "mouthUpperUpRight": 0.3},
    "TH": {"jawOpen": 0.2, "mouthLowerDownLeft": 0.3, "mouthLowerDownRight": 0.3},
    "SS": {"mouthStretchLeft": 0.4, "mouthStretchRight": 0.4, "jawOpen": 0.05},
    "CH": {"mouthFunnel": 0.5, "mouthShrugUpper": 0.3, "jawOpen": 0.1},
    "E": {"mouthSmileLeft": 0.3, "mouthSmileRight": 0.3, "jawOpen": 0.3},
    "I": {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5, "jawOpen": 0.15},
    "aa": {"jawOpen": 0.7, "mouthLowerDownLeft": 0.3, "mouthLowerDownRight": 0.3},
    "O": {"jawOpen": 0.4, "mouthFunnel": 0.6},
    "U": {"mouthPucker": 0.8, "jawOpen": 0.1},
}
"""The ten Oculus visemes that lips alone tell apart, as ARKit weights of their full form.

kk, DD, nn and RR are made inside the mouth; `sil` is what the ten leave of 1.
"""

_PROTOTYPES = np.zeros((len(FACE_NAMES), len(VISEMES)))
for _column, _weights in enumerate(VISEMES.values()):
    for _name, _weight in _weights.items():
        _PROTOTYPES[FACE_NAMES.index(_name), _column] = _weight
_ROWS = np.flatnonzero(_PROTOTYPES.any(axis=1))

FACE_SOURCES = (
    *ARKIT_NAMES,
    "mouthOpening",
    *(f"AU{code}" for code in ACTION_UNITS),
    *(f"viseme_{name}" for name in ("sil", *VISEMES)),
)
"""Names that `drives` of a map may use for the face."""


def to_action_units(face: npt.ArrayLike) -> dict[int, float]:
    """Return the intensity (0 to 1) of each action unit for a face (51,)."""
    weights = dict(zip(FACE_NAMES, np.asarray(face, np.float64).tolist(), strict=True))
    return {
        code: min(1.0, max(0.0, sum(gain * weights[name] for name, gain in gains.items())))
        for code, gains in ACTION_UNITS.items()
    }


def to_visemes(face: npt.ArrayLike) -> dict[str, float]:
    """Return viseme weights (0 to 1) that make a face (51,) most nearly, `sil` among them.

    Least squares with weights that are not negative; where their sum is above 1 they share it.
    """
    found, _ = nnls(_PROTOTYPES[_ROWS], np.asarray(face, np.float64)[_ROWS])
    found = found / max(1.0, float(found.sum()))
    visemes = dict(zip(VISEMES, found.tolist(), strict=True))
    return {"sil": max(0.0, 1.0 - sum(visemes.values())), **visemes}


def face_values(face: npt.ArrayLike) -> dict[str, float]:
    """Return a face (51,) by the names of `FACE_SOURCES`."""
    weights = np.asarray(face, np.float64)
    values = dict(zip(FACE_NAMES, weights.tolist(), strict=True))
    values |= {"tongueOut": 0.0, "mouthOpening": float(mouth_opening(weights))}
    values |= {f"AU{code}": value for code, value in to_action_units(weights).items()}
    return values | {f"viseme_{name}": value for name, value in to_visemes(weights).items()}
