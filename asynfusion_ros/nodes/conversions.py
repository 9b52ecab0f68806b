"""Between messages and numbers; nothing here needs a graph."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from sensor_msgs.msg import JointState

from asynfusion_ros.errors import MessageError
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES, to_arkit52
from asynfusion_ros.msg import AudioChunk, FaceBlendshapes
from asynfusion_ros.streaming.playback import PlaybackFrame


def to_time(time_s: float) -> Time:
    """Return a time message of seconds; times before 1970 become 0."""
    nanoseconds = max(0, round(time_s * 1e9))
    return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def to_seconds(stamp: Time) -> float:
    """Return the seconds of a time message."""
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)


def encode_samples(samples: npt.ArrayLike) -> bytes:
    """Return mono floats in [-1, 1] as S16LE bytes; what lies outside is clipped, NaN is 0."""
    finite = np.nan_to_num(np.asarray(samples, np.float32), posinf=1.0, neginf=-1.0)
    scaled = np.rint(np.clip(finite, -1.0, 1.0) * 32768.0)
    return bytes(np.minimum(scaled, 32767.0).astype("<i2"))


def make_chunk(
    samples: npt.ArrayLike, rate_hz: int, stamp_s: float, source: str, utterance: str = ""
) -> AudioChunk:
    """Return an AudioChunk of mono samples (N,) whose first belongs to `stamp_s` (0: no stamp)."""
    chunk = AudioChunk(source=source, sample_rate=rate_hz, channels=1, utterance=utterance)
    chunk.header.stamp = to_time(stamp_s)
    chunk.encoding = AudioChunk.ENCODING_S16LE
    chunk.data.frombytes(encode_samples(samples))
    return chunk


def pick_values(
    names: Sequence[str], values: Sequence[float], wanted: Sequence[str], label: str
) -> npt.NDArray[np.float64]:
    """Return values in the order of `wanted`; raise MessageError where some are not there."""
    given = dict(zip(names, values, strict=False))
    missing = [name for name in wanted if name not in given]
    if missing:
        raise MessageError(f"a message lacks {len(missing)} {label}, such as {missing[:3]}")
    return np.array([given[name] for name in wanted], np.float64)


def fill_joint_state(message: JointState, frame: PlaybackFrame) -> None:
    """Write positions, velocities and the stamp of a pose into a message that has its names."""
    message.header.stamp = to_time(frame.audio_time_s)
    message.position = array("d", frame.joint_positions)
    message.velocity = array("d", frame.joint_velocities)


def fill_blendshapes(message: FaceBlendshapes, frame: PlaybackFrame) -> None:
    """Write the 52 weights and the stamp of a pose into a message that has its names."""
    message.header.stamp = to_time(frame.audio_time_s)
    message.weight = array("f", to_arkit52(frame.face))


def make_blendshapes(frame_id: str) -> FaceBlendshapes:
    """Return a neutral face with its names."""
    message = FaceBlendshapes(name=ARKIT_NAMES, weight=[0.0] * len(ARKIT_NAMES))
    message.header.frame_id = frame_id
    return message


def make_joint_state(names: Sequence[str], frame_id: str) -> JointState:
    """Return a message with the names of the joints, to be filled."""
    message = JointState(name=names)
    message.header.frame_id = frame_id
    return message
