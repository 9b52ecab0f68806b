"""What nodes say of themselves in the diagnostics, for those who show it; no ROS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "asynfusion: "
OLD_S = 3.0  # diagnostics come every second; older ones are of somebody who has gone

OK, WARN, BAD = "ok", "warn", "bad"
_LEVELS = {0: OK, 1: WARN, 2: BAD, 3: BAD}

# Counts that tell of trouble, and what they are; others are events that are as they should be.
DROPS = {
    "samples_dropped": "samples dropped",
    "audio_gaps": "gaps in the audio",
    "late_packets": "late packets",
    "duplicates": "duplicates",
    "other_source": "of a second source",
    "queue_full": "too far ahead",
    "inbox_full": "too fast",
    "nan_samples": "samples that were no numbers",
    "deadline_misses": "deadlines missed",
    "windows_skipped": "windows left out",
    "windows_discarded": "windows thrown away",
    "nan_frames": "frames that were no numbers",
    "restarts": "restarts of the engine",
    "rests": "times motion ran out",
}
NODE_DROPS = {
    "node_refused_messages": "messages refused",
    "node_skipped_poses": "poses given up",
    "limited_collision": "collisions avoided",
    "limited_vetoes": "joints stopped short",
    "limited_nan": "channels that were no numbers",
}


@dataclass(frozen=True)
class Health:
    """One node's entry in the diagnostics: when it came, its level, its words, its values."""

    seen_s: float
    level: int
    message: str
    values: Mapping[str, str]

    def judge(self, now_s: float) -> tuple[str, str]:
        """Return what to say of the node and how it is, ok, warn or bad; silence is bad."""
        silent_s = now_s - self.seen_s
        if silent_s > OLD_S:
            return f"not heard for {silent_s:.0f} s", BAD
        return self.message, _LEVELS.get(self.level, BAD)


def count_losses(values: Mapping[str, str]) -> list[tuple[float, str]]:
    """Return how often what was lost, of the avatar's values, where it was at all."""
    wanted = {f"count_{name}": said for name, said in DROPS.items()} | NODE_DROPS
    counted = [(to_number(values.get(name, "0")), said) for name, said in wanted.items()]
    return [(count, said) for count, said in counted if count > 0]


def to_number(text: str) -> float:
    """Return a number from the diagnostics; 0 where there is none that can be shown."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and abs(value) < 1e15 else 0.0


def to_plain(text: str) -> str:
    """Return a stranger's words as one short line without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)[:200]
