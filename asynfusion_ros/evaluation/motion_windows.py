"""Windows of motion as the autoencoder sees them: at its own rate, z-scored, masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.evaluation.autoencoder import AutoencoderSettings
from asynfusion_ros.evaluation.metrics import measured_joints
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.normalisation import ChannelStatistics

Array = npt.NDArray[np.float32]

KINDS = ("motion", "face", "body")
"""What a distance compares: face and body (FMD), the face (FED), the body (FGD)."""


@dataclass(frozen=True)
class MotionWindows:
    """z-scored windows (N, T, D) and their masks (N, 1, D), 1 where a channel was measured."""

    values: Array
    mask: Array

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.values)


def is_measured(clip: MotionClip, kind: str) -> bool:
    """Tell whether a take can count for `kind`: a body needs more than a head."""
    face_there = clip.face_mask is None or bool(clip.face_mask[0].any())
    joints = measured_joints(mask_of(clip, "body"))
    return (kind == "body" or face_there) and (kind == "face" or len(joints) > 1)


def channels_of(clip: MotionClip, kind: str) -> Array:
    """Return the clip's channels (T, D): face, body, or both side by side."""
    parts = {"face": (clip.face,), "body": (clip.body,), "motion": (clip.face, clip.body)}[kind]
    return np.concatenate(parts, axis=1)


def mask_of(clip: MotionClip, kind: str) -> Array:
    """Return which channels (D,) of the take were measured."""

    def of(mask: Array | None, size: int) -> Array:
        return np.ones(size, np.float32) if mask is None else mask.min(axis=0)

    face, body = of(clip.face_mask, clip.face.shape[1]), of(clip.body_mask, clip.body.shape[1])
    return {"face": face, "body": body, "motion": np.concatenate([face, body])}[kind]


def measure_statistics(clips: Sequence[MotionClip], kind: str) -> ChannelStatistics:
    """Return mean and spread of each channel over all frames where it was measured."""
    values = np.concatenate([channels_of(clip, kind) for clip in clips])
    masks = [np.broadcast_to(mask_of(clip, kind), channels_of(clip, kind).shape) for clip in clips]
    return ChannelStatistics.from_arrays(values, np.concatenate(masks))


def cut_motion(
    clip: MotionClip,
    kind: str,
    statistics: ChannelStatistics,
    settings: AutoencoderSettings,
    stride_frames: int | None = None,
    measured: npt.ArrayLike | None = None,
) -> MotionWindows:
    """Return the windows of a clip at the autoencoder's rate; none of a clip that is too short.

    Channels that `measured` (D,) leaves out (default: the clip's own mask) are put at their mean,
    0, so that a generated clip can be treated as the truth that it is compared with.
    """
    mask = np.asarray(mask_of(clip, kind) if measured is None else measured, np.float32)
    step = clip.fps_hz / settings.fps_hz
    rows = np.round(np.arange(0.0, len(clip) - 0.5, step)).astype(int)
    values = statistics.normalise(channels_of(clip, kind)[rows]) * mask
    length, stride = settings.window_frames, stride_frames or settings.stride_frames
    starts = range(0, len(values) - length + 1, stride)
    windows = [values[start : start + length] for start in starts]
    shape = (len(windows), length, values.shape[1])
    stacked = np.array(windows, np.float32).reshape(shape)
    return MotionWindows(stacked, np.tile(mask, (len(windows), 1, 1)).astype(np.float32))


def join_windows(parts: Sequence[MotionWindows]) -> MotionWindows:
    """Return all windows in one."""
    values = np.concatenate([part.values for part in parts])
    return MotionWindows(values, np.concatenate([part.mask for part in parts]))


def usable(recordings: Sequence[Recording], kind: str) -> list[Recording]:
    """Return the takes that can count for `kind`."""
    return [recording for recording in recordings if is_measured(recording.clip, kind)]
