"""Figures of one take, generated against truth. All are closed forms on plain arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.blendshapes import FACE_NAMES, mouth_opening
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.rotations import geodesic_angle_rad

Array = npt.NDArray[np.float64]

_JAW = FACE_NAMES.index("jawOpen")
_STILL = 1e-9
MOST_LAG_S = 0.15


def correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return Pearson's correlation of two series (T,); 0 where one of them does not move."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / scale) if scale > _STILL else 0.0


def mouth_correlation(clip: MotionClip, truth: MotionClip) -> float:
    """Return the correlation of the two mouth openings."""
    return correlation(mouth_opening(clip.face), mouth_opening(truth.face))


def aligned_mouth_correlation(clip: MotionClip, truth: MotionClip) -> float:
    """Return the same where one of the two is moved in time by up to MOST_LAG_S, as fits best.

    Sound and picture of a video are often a few frames apart: what that costs the correlation at
    once is not the model's. A chance fit gains by it too, so compare it with the controls'.
    """
    made, true = mouth_opening(clip.face), mouth_opening(truth.face)
    most = min(round(MOST_LAG_S * clip.fps_hz), len(made) - 2)
    found = [correlation(made, true)]
    for lag in range(1, most + 1):
        found += [correlation(made[lag:], true[:-lag]), correlation(made[:-lag], true[lag:])]
    return max(found)


def mouth_error(clip: MotionClip, truth: MotionClip) -> float:
    """Return the mean absolute difference of the mouth openings, in weights."""
    return float(np.abs(mouth_opening(clip.face) - mouth_opening(truth.face)).mean())


def face_error(clip: MotionClip, truth: MotionClip) -> float:
    """Return the mean absolute difference of all 51 weights."""
    return float(np.abs(clip.face - truth.face).mean())


def jaw_speed(clip: MotionClip) -> float:
    """Return the mean speed of jawOpen [1/s]."""
    return float(np.abs(np.diff(clip.face[:, _JAW])).mean() * clip.fps_hz)


def body_speed_rad_s(clip: MotionClip, measured: npt.ArrayLike) -> float:
    """Return the mean angular speed of the joints that `measured` (24,) marks [rad/s]."""
    joints = clip.body.reshape(len(clip), -1, 3)[:, measured_joints(measured)]
    return float(geodesic_angle_rad(joints[:-1], joints[1:]).mean() * clip.fps_hz)


def body_jerk_rad_s3(clip: MotionClip, measured: npt.ArrayLike) -> float:
    """Return the mean size of the third difference of the rotation vectors [rad/s^3]."""
    joints = clip.body.reshape(len(clip), -1, 3)[:, measured_joints(measured)]
    jerk = np.diff(joints.astype(np.float64), n=3, axis=0) * clip.fps_hz**3
    return float(np.linalg.norm(jerk, axis=-1).mean())


def measured_joints(measured: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the joints whose three channels are all marked in (24,)."""
    return np.flatnonzero(np.asarray(measured).reshape(-1, 3).all(axis=1))


def seam_ratio(clip: MotionClip, hop_frames: int) -> float:
    """Return the mean step of the body across window borders over that within windows.

    1 where the borders cannot be told from the rest.
    """
    steps = np.abs(np.diff(clip.body.astype(np.float64), axis=0)).mean(axis=1)
    border = (np.arange(1, len(clip)) % hop_frames) == 0
    within = steps[~border].mean()
    return float(steps[border].mean() / within) if within > _STILL and border.any() else 1.0


def geometric_mean(ratios: npt.ArrayLike) -> float:
    """Return the mean of ratios (N,), for which twice and half cancel; 0 where one of them is 0."""
    values = np.asarray(ratios, np.float64)
    return float(np.exp(np.log(values).mean())) if (values > 0.0).all() else 0.0


def bootstrap_interval(
    values: npt.ArrayLike,
    mean: Callable[[npt.NDArray[np.float64]], float] = lambda sample: float(sample.mean()),
    seed: int = 0,
    rounds: int = 2000,
) -> tuple[float, float]:
    """Return the 95 % interval of the mean of values (N,), resampled `rounds` times."""
    sample = np.asarray(values, np.float64)
    rng = np.random.default_rng(seed)
    means = [mean(draw) for draw in rng.choice(sample, (rounds, len(sample)))]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
