"""What the engine tells about itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from asynfusion_ros.streaming.chunk import ChunkTimings

HISTORY_WINDOWS = 512

WARNINGS = {
    "other_source": "a second source sends audio at the same time; the first one wins. "
    "Stop one of them, or give each its own topic",
    "late_packets": "audio comes later than the arrival allowance and is cut; send smaller chunks "
    "or raise arrival_allowance_s",
    "nan_samples": "audio holds NaN or infinite samples; they are taken as silence",
    "queue_full": "audio comes further ahead of time than max_queue_s; what exceeds it is lost. "
    "Send it later, or raise max_queue_s",
    "inbox_full": "audio comes faster than it can be taken in; what exceeds max_queue_s is lost",
    "rate_changes": "the sample rate changed within a stream; it was resampled anew",
    "nan_frames": "the model gave NaN; the previous frame was held. Check the checkpoint",
    "windows_skipped": "motion cannot be computed in real time and windows were left out; "
    "take fewer sampling steps, or a smaller model",
}


@dataclass(frozen=True)
class Spread:
    """Last value, median and 99th percentile of recent values."""

    last: float = 0.0
    p50: float = 0.0
    p99: float = 0.0


class History:
    """The most recent values of one measure; older ones are forgotten."""

    def __init__(self, size: int = HISTORY_WINDOWS) -> None:
        """Keep `size` values."""
        self._values: deque[float] = deque(maxlen=size)

    def add(self, value: float) -> None:
        """Take one value in."""
        self._values.append(value)

    def mean(self) -> float:
        """Return the mean, 0 where there is none."""
        return float(np.mean(self._values)) if self._values else 0.0

    def spread(self) -> Spread:
        """Return last, median and 99th percentile, zeros where there is none."""
        if not self._values:
            return Spread()
        p50, p99 = np.percentile(self._values, [50, 99])
        return Spread(self._values[-1], float(p50), float(p99))


@dataclass(frozen=True)
class EngineStatus:
    """A snapshot of the engine.

    Attributes:
        state: `stopped`, `idle`, `speech`, `starved` or `failed`.
        failure: traceback of what broke the engine thread; empty while it lives.
        epoch: number of the present stream.
        output_delay_s: constant time from an audio stamp to the pose that belongs to it [s].
        stream_offset_s: how far the present source's stamps lag the clock [s].
        hop_s: share of new motion per window in the delay [s].
        look_ahead_s: share of the audio heard ahead in the delay [s].
        real_time_factor: mean compute time per second of motion.
        window_ms: compute time of a window, features included [ms].
        feature_ms: its share for the speech features [ms].
        expression_ms: its share in the expression branch [ms].
        gesture_ms: its share in the gesture branch [ms].
        buffer_age_ms: mean age of a branch's view of its partner when it was read [ms].
        queue_depth_s: motion that is ready and not yet shown [s].
        audio_ahead_s: audio that waits to be turned into motion [s].
        expression_steps: sampling steps of the face in force.
        gesture_steps: sampling steps of the body in force.
        counts: events since the start, such as windows, deadline_misses, audio_gaps, nan_frames,
            and packets dropped by cause.
    """

    state: str
    failure: str = ""
    epoch: int = 0
    output_delay_s: float = 0.0
    stream_offset_s: float = 0.0
    hop_s: float = 0.0
    look_ahead_s: float = 0.0
    real_time_factor: float = 0.0
    window_ms: Spread = field(default_factory=Spread)
    feature_ms: Spread = field(default_factory=Spread)
    expression_ms: Spread = field(default_factory=Spread)
    gesture_ms: Spread = field(default_factory=Spread)
    buffer_age_ms: Spread = field(default_factory=Spread)
    queue_depth_s: float = 0.0
    audio_ahead_s: float = 0.0
    expression_steps: int = 0
    gesture_steps: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


class WindowMeter:
    """Collects the compute times of windows."""

    def __init__(self, hop_s: float) -> None:
        """Relate times to windows that each bring `hop_s` of motion."""
        self._hop_s = hop_s
        self._total = History()
        self._feature = History()
        self._expression = History()
        self._gesture = History()
        self._age = History()

    def add(self, timings: ChunkTimings) -> None:
        """Take in one window."""
        self._total.add(1e3 * timings.total_s)
        self._feature.add(1e3 * timings.feature_s)
        self._expression.add(1e3 * timings.expression_s)
        self._gesture.add(1e3 * timings.gesture_s)
        self._age.add(1e3 * timings.partner_age_s)

    def report(self) -> dict[str, Any]:
        """Return the EngineStatus fields that it measures."""
        return {
            "real_time_factor": self._total.mean() / (1e3 * self._hop_s),
            "window_ms": self._total.spread(),
            "feature_ms": self._feature.spread(),
            "expression_ms": self._expression.spread(),
            "gesture_ms": self._gesture.spread(),
            "buffer_age_ms": self._age.spread(),
        }
