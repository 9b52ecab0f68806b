"""Audio messages of several dialects, each turned into (stamp, mono samples, rate, source)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.resample import convert_to_mono_float
from asynfusion_ros.errors import AudioError, ConfigError
from asynfusion_ros.msg import AudioChunk
from asynfusion_ros.nodes.conversions import to_seconds
from asynfusion_ros.nodes.settings import AUDIO_TYPES


class Sound(NamedTuple):
    """What an audio message says; `stamp_s` is None where it has no stamp.

    `utterance` is empty where it names none.
    """

    stamp_s: float | None
    samples: npt.NDArray[np.float32]
    rate_hz: int
    source: str
    utterance: str = ""


@dataclass(frozen=True)
class AudioAdapter:
    """A message type to subscribe to, and what reads it.

    `read` counts what it mends (`nan_samples`) in the Counter it is given, and raises AudioError
    on a message that makes no sense.
    """

    message: type[Any]
    read: Callable[[Any, Counter[str]], Sound]


def open_adapter(audio_type: str, data_rate_hz: int = 16000, channels: int = 1) -> AudioAdapter:
    """Return the adapter of one of AUDIO_TYPES; raise ConfigError where its package is missing.

    `data_rate_hz` and `channels` describe AudioData, whose messages do not.
    """
    if audio_type == AUDIO_TYPES[0]:
        return AudioAdapter(AudioChunk, _read_chunk)
    if audio_type not in AUDIO_TYPES:
        raise ConfigError(f"audio_type is {audio_type!r}; choose one of {AUDIO_TYPES}")
    name = audio_type.rpartition("/")[2]
    try:
        message = getattr(import_module("audio_common_msgs.msg"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"audio_type {audio_type!r} needs a package audio_common_msgs with {name} ({error}); "
            "two packages share that name: build the one your source uses and source it"
        ) from error
    if name == "AudioStamped":
        return AudioAdapter(message, _read_stamped)

    def read_data(audio: Any, counts: Counter[str]) -> Sound:
        samples = convert_to_mono_float(bytes(audio.data), "S16LE", channels, counts)
        return Sound(None, samples, data_rate_hz, "")

    return AudioAdapter(message, read_data)


def _read_chunk(chunk: AudioChunk, counts: Counter[str]) -> Sound:
    stamp_s = to_seconds(chunk.header.stamp)
    samples = convert_to_mono_float(chunk.data, chunk.encoding, chunk.channels, counts)
    return Sound(stamp_s or None, samples, int(chunk.sample_rate), chunk.source, chunk.utterance)


# PortAudio's numbers of sample formats: field of AudioData, and our name of the encoding.
_PORTAUDIO = {
    1: ("float32_data", "<f4", "F32LE"),
    2: ("int32_data", "<i4", "S32LE"),
    8: ("int16_data", "<i2", "S16LE"),
}


def _read_stamped(message: Any, counts: Counter[str]) -> Sound:
    """Read audio_common_msgs/AudioStamped, whose format is PortAudio's number."""
    info, data = message.audio.info, message.audio.audio_data
    if info.format not in _PORTAUDIO:
        raise AudioError(
            f"AudioStamped of format {info.format}; send PortAudio's formats 1 (float32), "
            "2 (int32) or 8 (int16)"
        )
    name, kind, encoding = _PORTAUDIO[info.format]
    content = np.asarray(getattr(data, name)).astype(kind).tobytes()
    samples = convert_to_mono_float(content, encoding, int(info.channels), counts)
    return Sound(to_seconds(message.header.stamp) or None, samples, int(info.rate), "")
