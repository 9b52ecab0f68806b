"""Low-pass filtering of motion without delay."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

Array = npt.NDArray[np.float32]


def low_pass(values: npt.ArrayLike, fps_hz: float, cutoff_hz: float) -> Array:
    """Return (T, ...) without what is faster than `cutoff_hz`, undelayed.

    A Butterworth filter of order 2, run forward and back; both ends are continued by their own
    reflection. Cutoffs from half the frame rate on change nothing.
    """
    rows = np.asarray(values, dtype=np.float64)
    if cutoff_hz >= 0.5 * fps_hz or len(rows) < 2:
        return rows.astype(np.float32)
    sections = butter(2, cutoff_hz, fs=fps_hz, output="sos")
    padding = min(len(rows) - 1, round(fps_hz))
    smoothed: Array = sosfiltfilt(sections, rows, axis=0, padlen=padding).astype(np.float32)
    return smoothed
