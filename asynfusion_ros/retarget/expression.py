"""The face as one expression: its name, and how pleasant and how aroused it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.retarget.face import to_action_units

SETTLE_S = 0.5
"""A face that stays is seen as its expression after this long, to 63 %: syllables do not show."""

LEAST = 0.35
"""An expression weaker than this is neutral."""


@dataclass(frozen=True)
class Prototype:
    """Action units that make an expression (Ekman, Friesen 1978), and its valence and arousal.

    Places on the circumplex (Russell 1980), -1 to 1. The units of the jaw are left out, since
    speech moves them.
    """

    units: tuple[int, ...]
    valence: float
    arousal: float


PROTOTYPES: Mapping[str, Prototype] = {
    "happy": Prototype((6, 12), 0.9, 0.4),
    "sad": Prototype((1, 4, 15), -0.8, -0.4),
    "surprised": Prototype((1, 2, 5), 0.2, 0.9),
    "scared": Prototype((1, 2, 4, 5, 20), -0.6, 0.8),
    "angry": Prototype((4, 7, 24), -0.6, 0.7),
    "disgusted": Prototype((9, 10), -0.7, 0.3),
}
"""Expressions by the names of hri_msgs/Expression."""

NEUTRAL = "neutral"

_UNITS = sorted({unit for prototype in PROTOTYPES.values() for unit in prototype.units})
_MATRIX = np.array(
    [[float(unit in prototype.units) for prototype in PROTOTYPES.values()] for unit in _UNITS]
)
_PLACES = np.array([[p.valence, p.arousal] for p in PROTOTYPES.values()])


@dataclass(frozen=True)
class Expression:
    """What a face shows: `valence` and `arousal` -1 to 1, `confidence` 0 to 1."""

    name: str
    valence: float
    arousal: float
    confidence: float


def read_expression(face: npt.ArrayLike) -> Expression:
    """Return the expression of a face (51,).

    Its action units are a sum of the prototypes with weights a >= 0 (least squares). The strongest
    names it; valence and arousal are the sums of the prototypes' by a; the confidence is the share
    of the strongest in all, and for a neutral face what is left of 1.
    """
    units = to_action_units(face)
    found, _ = nnls(_MATRIX, np.array([units[unit] for unit in _UNITS]))
    weights = np.minimum(found, 1.0)
    valence, arousal = np.clip(weights @ _PLACES, -1.0, 1.0)
    best = int(weights.argmax())
    strongest = float(weights[best])
    if strongest < LEAST:
        return Expression(NEUTRAL, float(valence), float(arousal), 1.0 - strongest)
    share = strongest / float(weights.sum())
    return Expression(list(PROTOTYPES)[best], float(valence), float(arousal), share)


class ExpressionReader:
    """Reads one face after another, slowly enough that speech does not show."""

    def __init__(self) -> None:
        """Begin with a neutral face."""
        self._face = np.zeros(len(FACE_NAMES))

    def advance(self, face: npt.ArrayLike, dt_s: float) -> Expression:
        """Return the expression after a face (51,) was shown for `dt_s`."""
        given = np.asarray(face, np.float64)
        share = 1.0 - np.exp(-max(dt_s, 0.0) / SETTLE_S)
        usable = np.where(np.isfinite(given), given, self._face)
        self._face = self._face + share * (usable - self._face)
        return read_expression(self._face)
