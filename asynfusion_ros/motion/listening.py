"""How one listens: eyes on the interlocutor, a slight lean, and nods at the cues of their speech.

Listeners look at the speaker for some three quarters of the time (Kendon 1967), in long glances
with short ones away. Their nods are cyclic, one to three strokes that die away, wider in the pauses
of the other's speech (Hadar, Steiner and Rose 1985); too many or too few of them look wrong (Poppe,
Truong and Heylen 2011), so a share of the cues is let go by. Sizes, durations and choices are drawn
from a seeded generator without end: nothing repeats.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.blendshapes import FACE_NAMES, face_index

Array = npt.NDArray[np.float32]

CHEST_PITCH, HEAD_PITCH = 1, 4
"""Channels of a body for turns about y: forwards and down where positive."""

_CHEST_YAW, _HEAD_YAW = 2, 5
_FADE_IN_S, _FADE_OUT_S = 0.7, 0.3
_ANSWERED = 0.75  # share of cues
_LEAST_BETWEEN_S = 1.6
_STROKES, _STROKE_ODDS = (1, 2, 3), (0.5, 0.35, 0.15)
_STROKE_S = (0.42, 0.7)
_SIZE_RAD = (0.05, 0.13)
_DECAY = 0.6  # of each stroke's size against the one before
_LEAN_RAD = 0.03
_EYE_RANGE_RAD = 0.6  # gaze at weight 1
_FURTHEST = 0.5
_GLANCE_S, _LOOK_S = (0.5, 1.3), (2.0, 6.0)  # away from the other, and at them
_AWAY = 0.18  # standard deviation of glances, in weights
_SACCADE_S = 0.06
_SMILE, _BROW = 0.12, 0.15

_EYES = [face_index(name) for name in FACE_NAMES if name.startswith("eyeLook")]
_LEFT = [face_index("eyeLookOutLeft"), face_index("eyeLookInRight")]
_RIGHT = [face_index("eyeLookInLeft"), face_index("eyeLookOutRight")]
_UP = [face_index("eyeLookUpLeft"), face_index("eyeLookUpRight")]
_DOWN = [face_index("eyeLookDownLeft"), face_index("eyeLookDownRight")]
_SMILES = [face_index("mouthSmileLeft"), face_index("mouthSmileRight")]
_BROWS = [face_index("browInnerUp")]


class ListeningMotion:
    """Adds the signs of listening to one pose after another; nothing while nobody is heard."""

    def __init__(self, seed: int = 0) -> None:
        """Draw all chances from `seed`."""
        self._draw = np.random.default_rng([seed, 0x11573])
        self._share = 0.0
        self._nod_s = np.inf  # since the present nod began
        self._strokes, self._stroke_s, self._size_rad = 0, 1.0, 0.0
        self._smile = self._brow = 0.0
        self._since_s = np.inf  # since the last nod began
        self._look_s, self._next_s = 0.0, 0.0
        self._away = False
        self._from, self._to = np.zeros(2), np.zeros(2)
        self.nods = 0

    def advance(
        self, face: Array, body: Array, dt_s: float, listening: bool, cue: bool = False
    ) -> tuple[Array, Array]:
        """Return face (51,) and body (24,) of one who listens, `dt_s` later.

        `cue` says that a sign would be in place now. What is added fades in and out, and is
        nothing where nobody has been heard for a while.
        """
        dt_s = dt_s if 0.0 < dt_s < np.inf else 0.0
        step = dt_s / _FADE_IN_S if listening else -dt_s / _FADE_OUT_S
        self._share = float(np.clip(self._share + step, 0.0, 1.0))
        self._nod_s += dt_s
        self._since_s += dt_s
        if cue and listening:
            self._answer()
        if self._share == 0.0:
            return face, body
        face, body, share = face.copy(), body.copy(), _smooth(self._share)
        nod = self._nod()
        body[HEAD_PITCH] += share * nod * self._size_rad
        body[CHEST_PITCH] += share * _LEAN_RAD
        body[HEAD_PITCH] -= share * _LEAN_RAD  # the head stays upright
        sign = self._sign()
        face[_SMILES] += share * sign * self._smile
        face[_BROWS] += share * sign * self._brow
        self._look(face, body, dt_s, share)
        return np.clip(face, 0.0, 1.0), body

    def _answer(self) -> None:
        """Begin a nod, unless one was just given or this cue is let go by."""
        if self._since_s < _LEAST_BETWEEN_S or self._draw.random() > _ANSWERED:
            return
        self._strokes = int(self._draw.choice(_STROKES, p=_STROKE_ODDS))
        self._stroke_s = float(self._draw.uniform(*_STROKE_S))
        self._size_rad = float(self._draw.uniform(*_SIZE_RAD))
        self._smile = _SMILE * float(self._draw.random() < 0.4)
        self._brow = _BROW * float(self._draw.random() < 0.35)
        self._nod_s = self._since_s = 0.0
        self.nods += 1

    def _nod(self) -> float:
        """Return how far the head is down, 0 to 1: strokes that begin and end at rest."""
        stroke, place = divmod(self._nod_s / self._stroke_s, 1.0)
        if not stroke < self._strokes:
            return 0.0
        return float(_DECAY**stroke * 0.5 * (1.0 - np.cos(2.0 * np.pi * place)))

    def _sign(self) -> float:
        """Return how much of the nod's smile or raised brows there is, 0 to 1."""
        length_s = self._strokes * self._stroke_s + 0.6
        return _smooth(self._nod_s / 0.25) * _smooth((length_s - self._nod_s) / 0.5)

    def _look(self, face: Array, body: Array, dt_s: float, share: float) -> None:
        """Turn the eyes to the other, who sits straight ahead, whatever the head does."""
        self._look_s += dt_s
        if self._look_s >= self._next_s:
            self._away = not self._away
            span_s = _GLANCE_S if self._away else _LOOK_S
            spread = _AWAY if self._away else 0.01
            self._look_s, self._next_s = 0.0, float(self._draw.uniform(*span_s))
            self._from, self._to = self._to, self._draw.normal(0.0, spread, 2)
        moved = _smooth(self._look_s / _SACCADE_S)
        glance = (1.0 - moved) * self._from + moved * self._to
        left = glance[0] - float(body[_CHEST_YAW] + body[_HEAD_YAW]) / _EYE_RANGE_RAD
        up = glance[1] + float(body[CHEST_PITCH] + body[HEAD_PITCH]) / _EYE_RANGE_RAD
        left, up = np.clip([left, up], -_FURTHEST, _FURTHEST)
        face[_EYES] *= 1.0 - share
        for shapes, weight in ((_LEFT, left), (_RIGHT, -left), (_UP, up), (_DOWN, -up)):
            face[shapes] += share * max(float(weight), 0.0)


def _smooth(share: float) -> float:
    """Return a smooth step from 0 to 1 as `share` goes from 0 to 1."""
    inside = min(max(share, 0.0), 1.0)
    return inside * inside * (3.0 - 2.0 * inside)
