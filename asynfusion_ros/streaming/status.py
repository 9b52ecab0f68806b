"""What the engine tells about itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
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


@dataclass(frozen=True)
class EngineStatus:
    """A snapshot of the engine.

    Attributes:
        state: `stopped`, `idle`, `speech`, `starved` or `failed`.
        conversation: `idle`, `listening` or `speaking`.
        utterance: name of the one on screen; empty where there is none.
        failure: traceback of what broke the engine thread; empty while it lives.
        epoch: number of the present stream.
        output_delay_s: time from an audio stamp to the pose that belongs to it [s].
        arrival_allowance_s: its share for audio that comes late, in force [s].
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
        overlap_frames: known frames per window in force.
        pose_stride: every how many-th pose is published.
        counts: events since the start, such as windows, deadline_misses, audio_gaps, nan_frames,
            and packets dropped by cause.
    """

    state: str
    conversation: str = "idle"
    utterance: str = ""
    failure: str = ""
    epoch: int = 0
    output_delay_s: float = 0.0
    arrival_allowance_s: float = 0.0
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
    overlap_frames: int = 0
    pose_stride: int = 1
    counts: Mapping[str, int] = field(default_factory=dict)


class WindowMeter:
    """Keeps where the time of recent windows went; older ones are forgotten."""

    def __init__(self, hop_s: float) -> None:
        """Relate times to windows that each bring `hop_s` of motion."""
        self._hop_s = hop_s
        self._rows: deque[tuple[float, ...]] = deque(maxlen=HISTORY_WINDOWS)

    def add(self, timings: ChunkTimings) -> None:
        """Take in one window."""
        self._rows.append(astuple(timings))

    def report(self) -> dict[str, Any]:
        """Return the EngineStatus fields that it measures; none before the first window."""
        if not self._rows:
            return {}
        rows_ms = 1e3 * np.array(self._rows)
        p50, p99 = np.percentile(rows_ms, [50, 99], axis=0)
        spreads = [Spread(*map(float, each)) for each in zip(rows_ms[-1], p50, p99, strict=True)]
        mean_s = float(rows_ms[:, 0].mean()) / 1e3
        names = ("window_ms", "feature_ms", "expression_ms", "gesture_ms", "buffer_age_ms")
        return {"real_time_factor": mean_s / self._hop_s, **dict(zip(names, spreads, strict=True))}
