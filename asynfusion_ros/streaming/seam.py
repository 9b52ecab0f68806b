"""Joining a window to what was shown before it.

The network copies known frames and follows its own idea from the first new frame on, which is a
step away, at a speed of its own. Position and velocity of the motion shown so far are carried into
the new frames and fade there, each in its own time (inertialization; Bollo, "Inertialization:
High-Performance Animation Transitions in Gears of War", GDC 2018, with cubic decays).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.blendshapes import FACE_NAMES

Array = npt.NDArray[np.float32]

_MOST_HOPS = (6, 2)
"""No offset may fade over more windows than these: speed carried far beyond a window adds up."""


@dataclass(frozen=True)
class Fade:
    """Frames over which the offset of position, and that of velocity, fade to nothing.

    Either one number of all channels, or one of each (D,).
    """

    position_frames: int | Array
    velocity_frames: int | Array

    def decays(self, frames: int) -> tuple[Array, Array]:
        """Return what is left of both offsets in each of the new `frames`, (T, 1) or (T, D) each.

        One begins at 1 with slope 0, one at 0 with slope 1 per frame; both end in 0 with slope 0
        (the cubic Hermite basis).
        """
        count = np.arange(1, frames + 1, dtype=np.float32)[:, None]
        own = (self.position_frames, self.velocity_frames)
        lasting, brief = (
            np.minimum(np.asarray(length, np.float32), hops * frames)
            for length, hops in zip(own, _MOST_HOPS, strict=True)
        )
        a: Array = np.minimum(count / lasting, 1.0)
        b: Array = np.minimum(count / brief, 1.0)
        return (1.0 + 2.0 * a) * (1.0 - a) ** 2, brief * b * (1.0 - b) ** 2


_SLOW = (
    *("brow", "cheekSquint", "eyeLook", "jawForward", "jawLeft", "jawRight", "mouthDimple"),
    *("mouthFrown", "mouthLeft", "mouthRight", "mouthSmile", "noseSneer"),
)
_IS_SLOW = np.array([name.startswith(_SLOW) for name in FACE_NAMES])

FACE_FADE = Fade(*(np.where(_IS_SLOW, np.float32(n), np.float32(m)) for n, m in ((24, 3), (8, 2))))
"""Lips and lids must be back on the sound soon, 0.1 s; a mood, or where somebody looks, stays."""

BODY_FADE = Fade(24, 12)
"""Arms are heavy: 0.8 s and 0.4 s. Sooner back, every window is a tug at them."""


def join(known: Array | None, frames: Array, fade: Fade) -> Array:
    """Return a window (T, D) that begins with `known` (K, D) and goes on without step or kink.

    Without at least two known and two new frames the window stays as it is.
    """
    if known is None or len(known) < 2 or len(frames) < len(known) + 2:
        return frames
    fresh = frames[len(known) :]
    pace = fresh[1] - fresh[0]  # per frame
    position = known[-1] - (fresh[0] - pace)  # where the new motion was a frame before its first
    velocity = known[-1] - known[-2] - pace
    place, run = fade.decays(len(fresh))
    return np.concatenate([known, fresh + place * position + run * velocity])
