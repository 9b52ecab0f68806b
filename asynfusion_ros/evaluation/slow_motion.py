"""How much of a motion is slow: what somebody dwells in for seconds, not what trembles.

Speed tells little of it: motion that is too quick and too small is as fast as large calm motion.
"""

from __future__ import annotations

import numpy.typing as npt
from scipy.signal import welch

from asynfusion_ros.evaluation.metrics import measured_joints
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip

SEGMENT_S = 4.0
"""Spectra are means over pieces of this length; shorter clips have none."""

SLOW_HZ = (0.2, 0.6)
"""What counts as slow."""

_FACE = {"brows": "brow", "gaze": "eyeLook"}
_BODY = {"head": (1,), "arms": (2, 3, 4, 5, 6, 7)}  # joints of the body


def band_power(
    clip: MotionClip,
    part: str,
    measured: npt.ArrayLike | None = None,
    band_hz: tuple[float, float] = SLOW_HZ,
) -> float:
    """Return the power in a band of a part's channels together, 0 where nothing moves.

    Parts are "brows" and "gaze" (weights) and "head" and "arms" (rotation vectors [rad]; the joints
    that `measured` (24,) marks). Welch's estimate; the clip must last SEGMENT_S.
    """
    if part in _FACE:
        values = clip.face[:, [name.startswith(_FACE[part]) for name in FACE_NAMES]]
    else:
        marked = range(clip.body.shape[1] // 3) if measured is None else measured_joints(measured)
        joints = [joint for joint in _BODY[part] if joint in marked]
        values = clip.body.reshape(len(clip), -1, 3)[:, joints].reshape(len(clip), -1)
    if not values.shape[1]:
        return 0.0
    piece = round(SEGMENT_S * clip.fps_hz)
    rates_hz, power = welch(values, clip.fps_hz, nperseg=piece, axis=0)
    inside = (rates_hz >= band_hz[0]) & (rates_hz <= band_hz[1])
    return float(power[inside].sum() * (rates_hz[1] - rates_hz[0]))


def slow_ratios(
    clip: MotionClip,
    truth: MotionClip,
    parts: tuple[str, ...],
    measured: npt.ArrayLike | None = None,
) -> dict[str, float]:
    """Return "PART_slow_ratio" of `parts`: the clip's slow power over the truth's.

    Without what is too short, was not measured (joints (24,)) or does not move in the truth.
    """
    if len(truth) < round(SEGMENT_S * truth.fps_hz):
        return {}
    theirs = {part: band_power(truth, part, measured) for part in parts}
    return {
        f"{part}_slow_ratio": band_power(clip, part, measured) / power
        for part, power in theirs.items()
        if power > 0.0
    }
