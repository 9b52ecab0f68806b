"""Between messages and numbers; nothing here needs a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from sensor_msgs.msg import JointState

from asynfusion_ros.errors import AudioError
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES, to_arkit52
from asynfusion_ros.msg import AudioChunk, FaceBlendshapes
from asynfusion_ros.streaming.playback import PlaybackFrame

FloatArray = npt.NDArray[np.float32]

ENCODINGS = {
    AudioChunk.ENCODING_S16LE: (np.dtype("<i2"), 2.0**15),
    AudioChunk.ENCODING_S32LE: (np.dtype("<i4"), 2.0**31),
    AudioChunk.ENCODING_F32LE: (np.dtype("<f4"), 1.0),
}
MOST_CHANNELS = 8


def to_time(time_s: float) -> Time:
    """Return a time message of seconds; times before 1970 become 0."""
    nanoseconds = max(0, round(time_s * 1e9))
    return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def to_seconds(stamp: Time) -> float:
    """Return the seconds of a time message."""
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)


def decode_samples(data: Any, encoding: str, channels: int) -> FloatArray:
    """Return mono samples (N,) of interleaved bytes; raise AudioError on an impossible message."""
    if encoding not in ENCODINGS:
        raise AudioError(f"audio encoding {encoding!r}; send one of {list(ENCODINGS)}")
    if not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(f"audio of {channels} channels; send 1 to {MOST_CHANNELS}")
    kind, scale = ENCODINGS[encoding]
    content = bytes(data)
    frame_bytes = kind.itemsize * channels
    if len(content) % frame_bytes:
        raise AudioError(
            f"{len(content)} bytes of audio are no whole number of frames of {frame_bytes} bytes "
            f"({channels} channels of {encoding}); check encoding and channels"
        )
    samples = np.frombuffer(content, kind).astype(np.float32) / np.float32(scale)
    mono: FloatArray = samples.reshape(-1, channels).mean(axis=1, dtype=np.float32)
    return mono


def encode_samples(samples: npt.ArrayLike) -> bytes:
    """Return mono floats in [-1, 1] as S16LE bytes; what lies outside is clipped, NaN is 0."""
    finite = np.nan_to_num(np.asarray(samples, np.float32), posinf=1.0, neginf=-1.0)
    return np.rint(np.clip(finite, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()


def make_chunk(samples: FloatArray, rate_hz: int, stamp_s: float, source: str) -> AudioChunk:
    """Return an AudioChunk of mono samples whose first belongs to `stamp_s`."""
    chunk = AudioChunk(source=source, sample_rate=rate_hz, channels=1)
    chunk.header.stamp = to_time(stamp_s)
    chunk.encoding = AudioChunk.ENCODING_S16LE
    chunk.data.frombytes(encode_samples(samples))
    return chunk


def make_joint_state(frame: PlaybackFrame, names: Sequence[str], frame_id: str) -> JointState:
    """Return positions and velocities of all robot joints, stamped with audio time."""
    message = JointState(name=names)
    message.header.stamp = to_time(frame.audio_time_s)
    message.header.frame_id = frame_id
    message.position = frame.joint_positions.tolist()
    message.velocity = frame.joint_velocities.tolist()
    return message


def make_blendshapes(frame: PlaybackFrame, frame_id: str) -> FaceBlendshapes:
    """Return the 52 ARKit weights, stamped with audio time."""
    message = FaceBlendshapes(name=ARKIT_NAMES)
    message.header.stamp = to_time(frame.audio_time_s)
    message.header.frame_id = frame_id
    message.weight = to_arkit52(frame.face).tolist()
    return message
