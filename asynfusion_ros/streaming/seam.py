"""Joining a window to what was shown before it.

The network copies known frames and follows its own idea from the first new frame on, which is a
step away. That step, measured against where the motion shown so far was heading, is carried into
the new frames and fades there.
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

    The first new frame is put where the known motion leads, at the mean of its last velocity and
    the new motion's first; what that adds fades over `fade_frames` as a raised cosine. Without at
    least two known and two new frames the window stays as it is.
    """
    if known is None or len(known) < 2 or len(frames) < len(known) + 2:
        return frames
    fresh = frames[len(known) :]
    velocity = (known[-1] - known[-2] + fresh[1] - fresh[0]) / 2  # per frame
    offset = known[-1] + velocity - fresh[0]
    place = np.minimum(np.arange(len(fresh), dtype=np.float32) / fade_frames, 1.0)
    fade = (0.5 + 0.5 * np.cos(np.pi * place)).astype(np.float32)
    return np.concatenate([known, fresh + fade[:, None] * offset])
