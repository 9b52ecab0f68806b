"""Do face and body live together, and with the voice: head, brows, jaw, hands; and liveliness.

Activity is speed, smoothed over 0.3 s. Two activities that rise and fall together correlate; what
matters is not much or little of it, but as much as in people. These move most while the voice
grows, a little ahead of the loud syllable, and rest while it fades: so their activity correlates
with how much louder the next half second is than the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
VOICED_FACE, VOICED_BODY = ("brows",), ("head", "hands")
"""The parts whose activity is compared with the voice."""
SMOOTHING_S = 0.3
GROWTH_S = 0.5
QUIETEST_DB = -60.0
BLINK_WEIGHT = 0.35
RATE_HZ = 16_000
_LEVEL_S = 1.0 / 30.0
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


def smooth_activity(clip: MotionClip, part: str) -> Array:
    """Return the activity of a part (T - 1,), smoothed over `SMOOTHING_S`."""
    size = max(1, round(SMOOTHING_S * clip.fps_hz))
    return np.asarray(uniform_filter1d(activity(clip, part), size))


def coordination(clip: MotionClip, measured: npt.ArrayLike) -> dict[str, float]:
    """Return the correlation of each pair of activities whose joints `measured` (24,) marks."""
    there = measured_parts(_BODY, measured)
    pairs = [pair for pair in PAIRS if pair[0] in there]
    found = correlate_activities(clip, pairs)
    return {f"{first}_{second}_coordination": found[first, second] for first, second in pairs}


def measured_parts(parts: Iterable[str], measured: npt.ArrayLike) -> list[str]:
    """Return those parts of the body whose joints `measured` (24,) marks."""
    there = set(measured_joints(measured).tolist())
    return [part for part in parts if there.issuperset(_BODY[part])]


def correlate_activities(
    clip: MotionClip, pairs: Sequence[tuple[str, str]] = PAIRS
) -> dict[tuple[str, str], float]:
    """Return the correlation of the smoothed activities of each pair of parts (see `activity`)."""
    smooth = {part: smooth_activity(clip, part) for part in {p for q in pairs for p in q}}
    return {(first, second): correlation(smooth[first], smooth[second]) for first, second in pairs}


def voice_coordination(
    clip: MotionClip, samples: npt.ArrayLike, parts: Sequence[str]
) -> dict[str, float]:
    """Return the correlation of the parts' activities with how the voice (16 kHz) grows."""
    growth = voice_growth_db(samples, len(clip), clip.fps_hz)[:-1]
    return {
        f"{part}_voice_coordination": correlation(smooth_activity(clip, part), growth)
        for part in parts
    }


def voice_growth_db(samples: npt.ArrayLike, frames: int, fps_hz: float) -> Array:
    """Return how much louder the 0.5 s from each frame on are than those before it (T,), in dB.

    Means of `voice_level_db`, at the ends of what there is of them.
    """
    total = np.concatenate([[0.0], np.cumsum(voice_level_db(samples, frames, fps_hz))])
    now, reach = np.arange(frames), max(1, round(GROWTH_S * fps_hz))
    after, before = np.minimum(now + reach, frames), np.maximum(now - reach, 0)
    later = (total[after] - total[now]) / (after - now)
    earlier = (total[now] - total[before]) / np.maximum(now - before, 1)
    return np.asarray(np.where(now > 0, later - earlier, 0.0))


def voice_level_db(samples: npt.ArrayLike, frames: int, fps_hz: float) -> Array:
    """Return the level (T,) [dB of full scale] within 1/30 s of each frame, from 16 kHz.

    All below `QUIETEST_DB` is silence.
    """
    power = np.concatenate([[0.0], np.cumsum(np.square(np.asarray(samples, np.float64)))])
    centre = np.arange(frames) / fps_hz
    low, high = (
        np.clip(np.rint((centre + side) * RATE_HZ), 0, len(power) - 1).astype(int)
        for side in (-_LEVEL_S, _LEVEL_S)
    )
    mean = (power[high] - power[low]) / np.maximum(high - low, 1)
    return np.asarray(10.0 * np.log10(np.maximum(mean, 10.0 ** (QUIETEST_DB / 10.0))))


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
