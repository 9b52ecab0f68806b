"""Faces as CSV in the layout of Live Link Face: a time code, then ARKit's weights, head and eyes.

Angles of head and eyes are radians: yaw positive to the person's left, pitch positive down, roll
positive to the right. A time code `HH:MM:SS:FF.sss` counts frames of its second.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError, brief
from asynfusion_ros.files import read_text, refuse
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES, FACE_NAMES, to_arkit52
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.rotations import rotvec_to_zyx, zyx_to_rotvec

Array = npt.NDArray[np.float32]

HEAD = ("HeadYaw", "HeadPitch", "HeadRoll")
EYES = tuple(f"{side}Eye{axis}" for side in ("Left", "Right") for axis in ("Yaw", "Pitch", "Roll"))
_RATES_HZ = (24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 90.0, 100.0, 120.0, 240.0)
_HEAD_CHANNELS = slice(3, 6)
_HEAD_JOINT = 1


def write_livelink_csv(path: Path, clip: MotionClip) -> None:
    """Write the face and how the head is turned in the chest; eyes are in their weights."""
    columns = [name[0].upper() + name[1:] for name in ARKIT_NAMES]
    head = rotvec_to_zyx(clip.body[:, _HEAD_CHANNELS])
    lines = [",".join(["Timecode", "BlendShapeCount", *columns, *HEAD, *EYES])]
    count = str(len(columns) + len(HEAD) + len(EYES))
    for index, (weights, angles) in enumerate(zip(to_arkit52(clip.face), head, strict=True)):
        values = [*weights, *angles, *([0.0] * len(EYES))]
        numbers = [f"{value:.6f}" for value in values]
        lines.append(",".join([_time_code(index, clip.fps_hz), count, *numbers]))
    Path(path).write_text("\n".join(lines) + "\n", encoding="ascii")


def read_livelink_csv(path: Path) -> MotionClip:
    """Return the face, and the head's turn as the body's only measured joint.

    The rate is read off the time codes. Absent columns are 0; raises MotionFileError where there is
    no ARKit column, or values are not finite.
    """
    text = read_text(path, MotionFileError)
    with refuse(MotionFileError, f"{path} is no CSV of Live Link Face"):
        header, *rows = [row for row in csv.reader(io.StringIO(text)) if row]
        names = [name.strip().lower() for name in header]
        times = names.index("timecode")
        codes = [row[times] for row in rows]
        kept = [index for index in range(len(names)) if index != times]
        values = np.array([[float(row[index]) for index in kept] for row in rows], np.float64)
        values = values.reshape(len(rows), len(kept))
        fps_hz = _rate_hz(codes)
    names = [names[index] for index in kept]
    known = [name for name in FACE_NAMES if name.lower() in names]
    if not known or not len(values) or not np.isfinite(values).all():
        raise MotionFileError(
            f"{path} has {len(values)} rows and the columns {brief(header)}; it needs rows of "
            "finite values, and columns such as JawOpen"
        )
    face = np.zeros((len(values), len(FACE_NAMES)), np.float32)
    for name in known:
        face[:, FACE_NAMES.index(name)] = values[:, names.index(name.lower())]
    body = np.zeros((len(values), 24), np.float32)
    mask = np.zeros_like(body)
    if all(name.lower() in names for name in HEAD):
        angles = values[:, [names.index(name.lower()) for name in HEAD]]
        body[:, _HEAD_CHANNELS] = zyx_to_rotvec(angles)
        mask[:, _HEAD_CHANNELS] = 1.0
    return MotionClip(fps_hz, face, body, body_mask=mask)


def _time_code(index: int, fps_hz: float) -> str:
    seconds = int(index / fps_hz + 1e-9)
    frame = index - seconds * fps_hz
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}:{frame:06.3f}"


def _rate_hz(codes: list[str]) -> float:
    """Return the rate of time codes: rows per second, or of a short clip the next usual rate."""
    parts = np.array(
        [[float(part) for part in code.replace(";", ":").split(":")] for code in codes]
    )
    seconds = parts[:, :3] @ [3600.0, 60.0, 1.0]
    frames = parts[:, 3] if parts.shape[1] > 3 else np.zeros(len(parts))
    turns = np.flatnonzero(np.diff(seconds) > 0.0) + 1
    if len(turns) > 1:
        span_s = seconds[turns[-1]] - seconds[turns[0]]
        return round(float((turns[-1] - turns[0]) / span_s), 3)
    return next(rate for rate in _RATES_HZ if rate > frames.max())
