"""Audio messages of several dialects, each turned into (stamp, mono samples, rate, source)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rclpy.qos import QoSProfile, qos_profile_sensor_data

from asynfusion_ros.errors import AudioError, ConfigError
from asynfusion_ros.msg import AudioChunk
from asynfusion_ros.nodes.conversions import decode_samples, to_seconds

AUDIO_TYPES = (
    "asynfusion_ros/AudioChunk",
    "audio_common_msgs/AudioStamped",
    "audio_common_msgs/AudioData",
)

AUDIO_QOS = QoSProfile(
    depth=100,
    reliability=qos_profile_sensor_data.reliability,
    durability=qos_profile_sensor_data.durability,
)


class Sound(NamedTuple):
    """What an audio message says; `stamp_s` is None where it has no stamp."""

    stamp_s: float | None
    samples: npt.NDArray[np.float32]
    rate_hz: int
    source: str


@dataclass(frozen=True)
class AudioAdapter:
    """A message type to subscribe to, and what reads it (raises AudioError)."""

    message: type[Any]
    read: Callable[[Any], Sound]


def open_adapter(audio_type: str, sample_rate_hz: int, channels: int) -> AudioAdapter:
    """Return the adapter of one of AUDIO_TYPES; raise ConfigError where its package is missing.

    `sample_rate_hz` and `channels` describe AudioData, whose messages do not.
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

    def read(audio: Any) -> Sound:
        samples = decode_samples(audio.data, AudioChunk.ENCODING_S16LE, channels)
        return Sound(None, samples, sample_rate_hz, "")

    return AudioAdapter(message, read)


def _read_chunk(chunk: AudioChunk) -> Sound:
    stamp_s = to_seconds(chunk.header.stamp)
    samples = decode_samples(chunk.data, chunk.encoding, chunk.channels)
    return Sound(stamp_s or None, samples, int(chunk.sample_rate), chunk.source)


_PORTAUDIO = {1: ("float32_data", 1.0), 2: ("int32_data", 2.0**31), 8: ("int16_data", 2.0**15)}


def _read_stamped(message: Any) -> Sound:
    """Read audio_common_msgs/AudioStamped, whose format is PortAudio's number."""
    info, data = message.audio.info, message.audio.audio_data
    if info.format not in _PORTAUDIO or info.channels < 1:
        raise AudioError(
            f"AudioStamped of format {info.format} and {info.channels} channels; send PortAudio "
            "formats 1 (float32), 2 (int32) or 8 (int16)"
        )
    name, scale = _PORTAUDIO[info.format]
    values = np.asarray(getattr(data, name), np.float32) / np.float32(scale)
    if values.size % info.channels:
        raise AudioError(f"{values.size} samples are no whole frames of {info.channels} channels")
    mono = values.reshape(-1, info.channels).mean(axis=1, dtype=np.float32)
    return Sound(to_seconds(message.header.stamp) or None, mono, int(info.rate), "")
