"""Joining a window to what was shown before it.

The sampler blends the known frames into the generated ones, so its last known frame is the
model's own idea of it, and the first new frame follows that idea rather than what was shown. The
difference between the two is carried into the new frames and fades there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

FACE_FADE_FRAMES = 3
"""Lips must be back on the sound soon: 0.1 s."""

BODY_FADE_FRAMES = 9
"""Arms are heavy: 0.3 s."""


def join(known: Array | None, frames: Array, fade_frames: int) -> Array:
    """Return a window (T, D) that begins with `known` (K, D) and goes on without a step.

    The offset between `known` and `frames` in the last known frame fades over the next
    `fade_frames` as a raised cosine. Without known frames the window stays as it is.
    """
    if known is None or not len(known):
        return frames
    count = len(known)
    place = np.arange(1, len(frames) - count + 1)
    fade = 0.5 + 0.5 * np.cos(np.pi * np.minimum(place / (fade_frames + 1), 1.0))
    offset = known[-1] - frames[count - 1]
    fresh = frames[count:] + fade[:, None].astype(np.float32) * offset
    return np.concatenate([known, fresh])
