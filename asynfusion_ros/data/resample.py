"""Motion at another rate: weights linearly, rotations along the shortest arc."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.rotations import compose, invert, make_continuous

Array = npt.NDArray[np.float32]

FPS_HZ = 30.0
"""The rate at which all recordings leave their readers."""


def frame_times(frames: int, fps_hz: float, new_fps_hz: float) -> npt.NDArray[np.float64]:
    """Return where the frames at the new rate lie (T',), in frames of the old one."""
    count = max(1, round(frames * new_fps_hz / fps_hz))
    return np.asarray(np.minimum(np.arange(count) * fps_hz / new_fps_hz, frames - 1))


def sample_weights(values: npt.ArrayLike, position: npt.ArrayLike) -> Array:
    """Return values (T, D) at frame positions (T',), linearly between frames."""
    rows = np.asarray(values, np.float64)
    left, right, share = _neighbours(len(rows), position)
    share = share.reshape(-1, *(1,) * (rows.ndim - 1))
    return np.asarray((1.0 - share) * rows[left] + share * rows[right], np.float32)


def sample_rotations(rotvec: npt.ArrayLike, position: npt.ArrayLike) -> Array:
    """Return rotation vectors (T, J, 3) [rad] at frame positions (T',), by slerp."""
    rows = np.asarray(rotvec, np.float64)
    left, right, share = _neighbours(len(rows), position)
    step = compose(invert(rows[left]), rows[right])
    return make_continuous(compose(rows[left], share[:, None, None] * step)).astype(np.float32)


def resample_clip(clip: MotionClip, fps_hz: float = FPS_HZ) -> MotionClip:
    """Return the clip at another rate; a mask holds where both neighbours were measured."""
    if clip.fps_hz == fps_hz:
        return clip
    position = frame_times(len(clip), clip.fps_hz, fps_hz)
    return sample_clip(clip, position, fps_hz)


def sample_clip(clip: MotionClip, position: npt.ArrayLike, fps_hz: float) -> MotionClip:
    """Return the clip's motion at frame positions (T',), as a clip of `fps_hz`."""
    left, right, _ = _neighbours(len(clip), position)
    masks = [
        None if mask is None else np.minimum(mask[left], mask[right])
        for mask in (clip.face_mask, clip.body_mask)
    ]
    joints = sample_rotations(clip.body.reshape(len(clip), -1, 3), position)
    face = sample_weights(clip.face, position)
    return MotionClip(fps_hz, face, joints.reshape(len(joints), -1), *masks)


def _neighbours(
    frames: int, position: npt.ArrayLike
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    exact = np.clip(np.asarray(position, np.float64), 0.0, frames - 1)
    left = np.floor(exact).astype(np.int64)
    return left, np.minimum(left + 1, frames - 1), exact - left
