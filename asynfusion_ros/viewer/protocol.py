"""The viewer's wire protocol: JSON texts and binary frames, little-endian (docs/viewer.md).

A page first gets `{"type": "hello", "joints": [...], "face": [...], "rest": {...}}`, again whenever
the names change; then binary frames, told apart by their first byte, and `{"type": "status", ...}`.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MessageError

MOTION = 1
AUDIO = 2
ROBOT = 3
VERSION = 1
MOST_VALUES = 1000
MOST_CHARACTERS = 1000

_MOTION_HEAD = struct.Struct("<B3xHHd")  # kind, joints, weights, stamp [s]; 16 bytes
_AUDIO_HEAD = struct.Struct("<BxHId")  # kind, sound, sample rate [Hz], stamp of its begin [s]


def pack_hello(
    joint_names: Sequence[str], face_names: Sequence[str], rest: Mapping[str, float]
) -> str:
    """Return the text that names the values of the frames to come, and the standing pose [rad]."""
    return json.dumps(
        {
            "type": "hello",
            "version": VERSION,
            "joints": list(joint_names),
            "face": list(face_names),
            "rest": dict(rest),
        }
    )


def pack_motion(stamp_s: float, positions_rad: npt.ArrayLike, weights: npt.ArrayLike) -> bytes:
    """Return a motion frame: head, joint positions and weights as float32.

    Raises MessageError for more than MOST_VALUES of either.
    """
    joints = np.asarray(positions_rad, "<f4")
    face = np.asarray(weights, "<f4")
    if max(joints.size, face.size) > MOST_VALUES:
        raise MessageError(
            f"{joints.size} joints and {face.size} face weights; send at most {MOST_VALUES} of each"
        )
    head = _MOTION_HEAD.pack(MOTION, joints.size, face.size, stamp_s)
    return head + joints.tobytes() + face.tobytes()


def pack_audio(stamp_s: float, samples: npt.ArrayLike, rate_hz: int, sound: int = 0) -> bytes:
    """Return an audio frame of the sound numbered `sound` (uint16): head, then mono int16."""
    head = _AUDIO_HEAD.pack(AUDIO, sound, rate_hz, stamp_s)
    return head + np.asarray(samples, "<i2").tobytes()


def pack_hush(sound: int) -> str:
    """Return the text that ends the sound numbered `sound`: what plays, waits or comes of it."""
    return json.dumps({"type": "hush", "sound": sound})


def pack_robot_names(joint_names: Sequence[str]) -> str:
    """Return the text that names the joints of the robot frames to come."""
    return json.dumps({"type": "robot", "joints": list(joint_names)})


def pack_robot(stamp_s: float, positions_rad: npt.ArrayLike) -> bytes:
    """Return a robot frame: head and joint positions as float32.

    Raises MessageError for more than MOST_VALUES.
    """
    joints = np.asarray(positions_rad, "<f4")
    if joints.size > MOST_VALUES:
        raise MessageError(f"{joints.size} joints of a robot; send at most {MOST_VALUES}")
    return _MOTION_HEAD.pack(ROBOT, joints.size, 0, stamp_s) + joints.tobytes()


def pack_subtitle(text: str) -> str:
    """Return the text of what is being said, no longer than MOST_CHARACTERS."""
    return json.dumps({"type": "subtitle", "text": text[:MOST_CHARACTERS]})


def pack_status(status: Mapping[str, Any]) -> str:
    """Return a status text; values must be plain, and numbers that are not finite become null."""
    values = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in status.items()
    }
    return json.dumps({"type": "status", "values": values}, allow_nan=False)
