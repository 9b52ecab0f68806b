"""Fingers from the arms' motion: a resting curl that opens while the hand moves.

The recordings hold no fingers, so these are not learned: a synergy (Santello et al. 1998) of one
number per hand bends all fingers together, more towards the little finger.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_CURL_RAD = np.array(
    [
        [0.25, 0.20, 0.15],  # thumb
        [0.35, 0.45, 0.30],  # index
        [0.45, 0.55, 0.35],  # middle
        [0.55, 0.60, 0.40],  # ring
        [0.60, 0.60, 0.40],  # little finger
    ]
)
_FULL_SPEED_M_S = 0.8
_OPENING = 0.75
_RISE_S = 0.12
_FALL_S = 0.45


class HandSynergy:
    """Follows both hands' speeds and gives the bends of all fingers."""

    def __init__(self) -> None:
        """Begin with both hands at rest."""
        self._open = np.zeros(2)

    def advance(self, speeds_m_s: npt.ArrayLike, dt_s: float) -> Array:
        """Return bends (30,) [rad], left hand first, `dt_s` later, for hand speeds (2,)."""
        target = np.clip(np.asarray(speeds_m_s, np.float64) / _FULL_SPEED_M_S, 0.0, 1.0)
        time_s = np.where(target > self._open, _RISE_S, _FALL_S)
        self._open = self._open + (target - self._open) * (1.0 - np.exp(-dt_s / time_s))
        curl = 1.0 - _OPENING * self._open
        return np.asarray((curl[:, None, None] * _CURL_RAD).ravel())
