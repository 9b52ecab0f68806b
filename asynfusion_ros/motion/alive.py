"""Signs of life where the model shows none: blinks, and eyes that wander while nobody speaks.

The body breathes and shifts by itself, since windows of silence are generated like those of speech,
but in silence a model may hardly blink. A blink of its own puts off the next one that is added.
Blinks come at times of a gamma distribution (mean 4 s, never within 1 s; Bentivoglio et al. 1997
give 17 a minute at rest), close in 0.08 s and open in 0.16 s. Fixations last 0.6 s and more; a
saccade takes 0.05 s and lands anew around the front. Both are drawn from a seeded generator without
end, so nothing repeats.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.blendshapes import FACE_NAMES, face_index

Array = npt.NDArray[np.float32]

_CLOSE_S, _OPEN_S = 0.08, 0.16
_REST_S, _BLINK_SCALE_S = 1.0, 1.5  # a gamma distribution of shape 2 after the rest
_FIXATION_S, _SACCADE_S = 0.6, 0.05
_GAZE = 0.12  # standard deviation of where the eyes land, in weights of the gaze shapes
_FURTHEST = 0.3
_FADE_S = 0.5
_SHUT = 0.35  # lids of the model that are closed further than this are a blink of its own
_LIDS = [face_index("eyeBlinkLeft"), face_index("eyeBlinkRight")]
_SHAPES = {
    way: [face_index(name) for name in FACE_NAMES if name.startswith("eyeLook" + way)]
    for way in ("Up", "Down")
}
_TO_LEFT = [face_index("eyeLookOutLeft"), face_index("eyeLookInRight")]
_TO_RIGHT = [face_index("eyeLookInLeft"), face_index("eyeLookOutRight")]


class SignsOfLife:
    """Adds blinks that are due, and in silence a wandering gaze, to one face after another."""

    def __init__(self, seed: int = 0) -> None:
        """Draw all chances from `seed`."""
        self._draw = np.random.default_rng(seed)
        self._blink_in_s = self._next_blink_s()
        self._closing_s = np.inf  # since the present blink began
        self._from, self._to = np.zeros(2), np.zeros(2)  # left and up, in weights
        self._held_s, self._hold_s = 0.0, 0.0
        self._share = 0.0

    def advance(self, face: Array, dt_s: float, silent: bool) -> Array:
        """Return the face (51,) with signs of life, `dt_s` later; weights stay in 0..1."""
        dt_s = dt_s if 0.0 < dt_s < np.inf else 0.0
        out = np.array(face, np.float32)
        if out[_LIDS].mean() > _SHUT:
            self._blink_in_s = self._next_blink_s()
        self._look(out, dt_s, silent)
        out[_LIDS] = np.maximum(out[_LIDS], self._blink(dt_s))
        return np.clip(out, 0.0, 1.0)

    def _next_blink_s(self) -> float:
        return _REST_S + float(self._draw.gamma(2.0, _BLINK_SCALE_S))

    def _blink(self, dt_s: float) -> float:
        self._closing_s += dt_s
        self._blink_in_s -= dt_s
        if self._blink_in_s <= 0.0:
            self._closing_s, self._blink_in_s = 0.0, self._next_blink_s()
        t = self._closing_s
        share = t / _CLOSE_S if t < _CLOSE_S else 1.0 - (t - _CLOSE_S) / _OPEN_S
        return _smooth(share)

    def _look(self, face: Array, dt_s: float, silent: bool) -> None:
        step = dt_s / _FADE_S
        self._share = float(np.clip(self._share + (step if silent else -step), 0.0, 1.0))
        self._held_s += dt_s
        if self._held_s >= self._hold_s:
            self._from, self._held_s = self._to, 0.0
            self._to = np.clip(self._draw.normal(0.0, _GAZE, 2), -_FURTHEST, _FURTHEST)
            self._hold_s = _FIXATION_S + float(self._draw.exponential(1.2))
        moved = _smooth(self._held_s / _SACCADE_S)
        left, up = self._share * ((1.0 - moved) * self._from + moved * self._to)
        face[_TO_LEFT] += max(left, 0.0)
        face[_TO_RIGHT] += max(-left, 0.0)
        face[_SHAPES["Up"]] += max(up, 0.0)
        face[_SHAPES["Down"]] += max(-up, 0.0)


def _smooth(share: float) -> float:
    """Return a smooth step from 0 to 1 as `share` goes from 0 to 1."""
    inside = min(max(share, 0.0), 1.0)
    return inside * inside * (3.0 - 2.0 * inside)
