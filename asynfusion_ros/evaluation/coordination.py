"""Do face and body live together: head with brows, head with jaw, hands with jaw; and liveliness.

Activity is speed, smoothed over 0.3 s. Two activities that rise and fall together correlate; what
matters is not much or little of it, but as much as in people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

from asynfusion_ros.evaluation.metrics import correlation, measured_joints
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.rotations import geodesic_angle_rad

Array = npt.NDArray[np.float64]

PAIRS = (("head", "brows"), ("head", "jaw"), ("hands", "jaw"))
SMOOTHING_S = 0.3
BLINK_WEIGHT = 0.35
_BODY = {"head": (1,), "hands": (2, 3, 5, 6)}  # joints of the body: head; upper and lower arms
_FACE = {"brows": ("brow",), "jaw": ("jawOpen",), "gaze": ("eyeLook",), "lids": ("eyeBlink",)}


def activity(clip: MotionClip, part: str) -> Array:
    """Return how fast a part moves (T - 1,): rad/s of joints, 1/s of weights, before smoothing.

    Parts are "head", "hands" (both arms), "brows", "jaw", "gaze" and "lids".
    """
    if part in _BODY:
        joints = clip.body.reshape(len(clip), -1, 3)[:, list(_BODY[part])]
        return np.asarray(geodesic_angle_rad(joints[:-1], joints[1:]).mean(axis=1) * clip.fps_hz)
    steps = np.abs(np.diff(clip.face[:, _channels(_FACE[part])].astype(np.float64), axis=0))
    return np.asarray(steps.mean(axis=1) * clip.fps_hz)


def coordination(clip: MotionClip, measured: npt.ArrayLike) -> dict[str, float]:
    """Return the correlation of each pair of activities whose joints `measured` (24,) marks."""
    there = set(measured_joints(measured).tolist())
    pairs = [pair for pair in PAIRS if there.issuperset(_BODY[pair[0]])]
    found = correlate_activities(clip, pairs)
    return {f"{first}_{second}_coordination": found[first, second] for first, second in pairs}


def correlate_activities(
    clip: MotionClip, pairs: Sequence[tuple[str, str]] = PAIRS
) -> dict[tuple[str, str], float]:
    """Return the correlation of the smoothed activities of each pair of parts (see `activity`)."""
    size = max(1, round(SMOOTHING_S * clip.fps_hz))
    smooth = {
        part: uniform_filter1d(activity(clip, part), size) for part in {p for q in pairs for p in q}
    }
    return {(first, second): correlation(smooth[first], smooth[second]) for first, second in pairs}


def coordination_gap(own: dict[str, float], truth: dict[str, float]) -> float:
    """Return the mean absolute difference of the correlations from the truth's."""
    return float(np.mean([abs(own[name] - truth[name]) for name in truth]))


def blinks_per_minute(clip: MotionClip) -> float:
    """Return how often both lids close: peaks of their mean by `BLINK_WEIGHT`, 0.1 s apart."""
    lids = clip.face[:, _channels(_FACE["lids"])].mean(axis=1)
    padded = np.concatenate([[lids.min()], lids, [lids.min()]])
    peaks, _ = find_peaks(
        padded, prominence=BLINK_WEIGHT, distance=max(1, round(0.1 * clip.fps_hz))
    )
    return float(len(peaks) * 60.0 / clip.duration_s)


def _channels(beginnings: Sequence[str]) -> list[int]:
    return [i for i, name in enumerate(FACE_NAMES) if name.startswith(tuple(beginnings))]
