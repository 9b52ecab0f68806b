"""Windows in which somebody speaks as themselves and is as lively as somebody else.

As with what somebody rests in (`training/rests.py`), a network learns by heart how much each voice
moves, unless only the style tells it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.data.talk30 import JOINTS
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.manner import STYLE_NAMES

Array = npt.NDArray[Any]

_GAINS = (0.5, 2.0)
"""Beyond these, arms would pass through the body and brows leave their range."""
_LEAST = 1e-3
_HEAD = np.repeat([joint == "head" for joint in JOINTS], 3)
_BROWS = np.array([name.startswith("brow") for name in FACE_NAMES])


@dataclass(frozen=True)
class _Part:
    """What moves more or less, its stream and columns, and whether its style is a logarithm."""

    style: str
    stream: str
    columns: npt.NDArray[np.bool_]
    logarithm: bool


_PARTS = (
    _Part("energy", "body", ~_HEAD, True),
    _Part("head", "body", _HEAD, True),
    _Part("brows", "face", _BROWS, False),
)


def exchange_liveliness(
    data: dict[str, Array],
    rests: dict[str, Array],
    styles: Array,
    share: float,
    rng: np.random.Generator,
) -> Array:
    """Let a share of the windows move as much as others of the batch; return their styles (B, S).

    `data` has face (B, T, 51) and body (B, T, 24); `rests` are the means of each window's take,
    face (B, 51) and body (B, 24), about which the motion of chest and arms, of the head, and of the
    brows is made 0.5 to 2 times as wide, each by another giver. Takers and givers are the windows
    whose takes tell the style (not NaN); the style is then that of the motion as it is.
    """
    told: Array = styles.copy()
    for part in _PARTS:
        own = styles[:, STYLE_NAMES.index(part.style)]
        tell = np.flatnonzero(np.isfinite(own))
        takers = tell[rng.random(tell.size) < share]
        givers = rng.choice(tell, takers.size) if takers.size else takers
        wide = np.exp(own) if part.logarithm else np.maximum(own, _LEAST)
        gain = np.clip(wide[givers] / wide[takers], *_GAINS)  # (N,)
        after = gain * wide[takers]
        told[takers, STYLE_NAMES.index(part.style)] = np.log(after) if part.logarithm else after
        values, rest = data[part.stream][takers], rests[part.stream][takers, None]
        moved = rest + gain[:, None, None] * (values - rest)  # (N, T, D)
        if part.stream == "face":
            moved = np.clip(moved, 0.0, 1.0)
        data[part.stream][takers] = np.where(part.columns, moved, values)
    return told
