"""The sound of a recording of ROS 2 topics (MCAP), placed by its stamps; needs no ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.audio.resample import (
    FloatArray,
    check_rate,
    convert_to_mono_float,
    resample,
)
from asynfusion_ros.errors import AudioError
from asynfusion_ros.files import refuse
from asynfusion_ros.mcap_file import Decoder, read_mcap

AUDIO_CHUNK: Final = "asynfusion_ros/msg/AudioChunk"
TOLERANCE_S: Final = 0.04  # of stamps within which sound goes on


def read_sound_mcap(path: Path, begin_s: float, duration_s: float) -> FloatArray | None:
    """Return what was said from the stamp `begin_s` on: mono at 16 kHz (N,), None where nothing.

    What the other said, on `listen/audio`, is left out. A message without a stamp goes on where
    the one before ended. Raises DataError for what is no recording, AudioError for sound that
    makes no sense.
    """
    samples = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)
    decoder, heard = Decoder(), False
    run: list[FloatArray] = []
    run_s, next_s, rate_hz = 0.0, 0.0, 0

    def place() -> None:
        sound = resample(np.concatenate(run), rate_hz) if run else np.zeros(0, np.float32)
        first = round((run_s - begin_s) * SAMPLE_RATE_HZ)
        sound, first = sound[max(0, -first) :], max(0, first)
        kept = sound[: max(0, len(samples) - first)]
        samples[first : first + len(kept)] = kept

    for entry in read_mcap(path):
        if entry.kind != AUDIO_CHUNK or entry.topic.endswith("listen/audio"):
            continue
        chunk = decoder.decode(entry)
        with refuse(AudioError, f"a message of {entry.topic} is no sound"):
            sound = convert_to_mono_float(bytes(chunk.data), chunk.encoding, chunk.channels)
            stamp_s = chunk.header.stamp.sec + 1e-9 * chunk.header.stamp.nanosec or next_s
            new_rate_hz = check_rate(chunk.sample_rate)
        if not run or abs(stamp_s - next_s) > TOLERANCE_S or new_rate_hz != rate_hz:
            place()
            run, run_s, next_s, rate_hz = [], stamp_s, stamp_s, new_rate_hz
        run.append(sound)
        next_s += len(sound) / rate_hz
        heard = True
    place()
    return samples if heard else None
