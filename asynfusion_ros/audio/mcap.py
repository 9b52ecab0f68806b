"""The sound of a recording of ROS 2 topics (MCAP), placed by its stamps; needs no ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.audio.resample import (
    FloatArray,
    check_rate,
    convert_to_mono_float,
    resample,
)
from asynfusion_ros.audio.stamps import Stamper
from asynfusion_ros.errors import AudioError
from asynfusion_ros.files import refuse
from asynfusion_ros.mcap_file import Decoder, Entry, read_mcap

AUDIO_CHUNK: Final = "asynfusion_ros/msg/AudioChunk"
CONVERSATION_STATE: Final = "asynfusion_ros/msg/ConversationState"
TOLERANCE_S: Final = 0.04  # of stamps within which sound goes on


@dataclass
class _Run:
    """Sound of one utterance without a gap."""

    name: str
    begin_s: float
    rate_hz: int
    pieces: list[FloatArray] = field(default_factory=list)
    end_s: float = 0.0

    def place(self, samples: FloatArray, begin_s: float, until_s: float) -> None:
        """Write what lies before `until_s` into `samples`, whose first is that of `begin_s`."""
        sound = resample(np.concatenate(self.pieces), self.rate_hz)
        heard_s = max(0.0, min(until_s, self.end_s) - self.begin_s)
        sound = sound[: round(heard_s * SAMPLE_RATE_HZ)]
        first = round((self.begin_s - begin_s) * SAMPLE_RATE_HZ)
        sound, first = sound[max(0, -first) :], max(0, first)
        kept = sound[: max(0, len(samples) - first)]
        samples[first : first + len(kept)] = kept


def read_sound_mcap(path: Path, begin_s: float, duration_s: float) -> FloatArray | None:
    """Return what was said from the stamp `begin_s` on: mono at 16 kHz (N,), None where nothing.

    What the other said, on `listen/audio`, is left out, and so is the rest of an utterance that was
    interrupted. A message without a stamp lies where the avatar took it to be. Raises DataError
    for what is no recording, AudioError for sound that makes no sense.
    """
    decoder, stamper = Decoder(), Stamper()
    runs: list[_Run] = []
    played_s: dict[str, float] = {}  # of those that were interrupted
    for entry in read_mcap(path):
        if entry.kind == CONVERSATION_STATE:
            state = decoder.decode(entry)
            with refuse(AudioError, f"a message of {entry.topic} is no state"):
                name, played = str(state.utterance), float(state.played_s)
                interrupted = state.event == "interrupted" and math.isfinite(played)
            if interrupted:
                stamper.interrupt(name)
                played_s |= {name: played} if name else {}
        elif entry.kind == AUDIO_CHUNK and not entry.topic.endswith("listen/audio"):
            _append(runs, decoder.decode(entry), entry, stamper)
    samples = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)
    begins_s: dict[str, float] = {}
    for run in runs:
        first_s = begins_s.setdefault(run.name, run.begin_s)
        run.place(samples, begin_s, first_s + played_s.get(run.name, math.inf))
    return samples if runs else None


def _append(runs: list[_Run], chunk: Any, entry: Entry, stamper: Stamper) -> None:
    """Add a message to the last run, or begin another."""
    with refuse(AudioError, f"a message of {entry.topic} is no sound"):
        sound = convert_to_mono_float(bytes(chunk.data), chunk.encoding, chunk.channels)
        rate_hz, name = check_rate(chunk.sample_rate), getattr(chunk, "utterance", "")
        stamp_s = chunk.header.stamp.sec + 1e-9 * chunk.header.stamp.nanosec
    duration_s = len(sound) / rate_hz
    stamp_s = stamper.stamp(name, stamp_s or None, duration_s, 1e-9 * entry.time_ns)
    last = runs[-1] if runs else None
    goes_on = last is not None and abs(stamp_s - last.end_s) <= TOLERANCE_S
    if last is None or not goes_on or (last.name, last.rate_hz) != (name, rate_hz):
        last = _Run(name, stamp_s, rate_hz, end_s=stamp_s)
        runs.append(last)
    last.pieces.append(sound)
    last.end_s += duration_s
