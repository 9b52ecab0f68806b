"""Motion in recordings of ROS 2 topics (MCAP), as rosbag2 writes and plays them; needs no ROS.

A recording of a running avatar becomes a clip, and a clip a recording: `joint_states` and
`face/blendshapes`, pose by pose of one stamp, as docs/ros_interface.md defines them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import DataError, MotionFileError
from asynfusion_ros.files import refuse
from asynfusion_ros.mcap_file import Decoder, import_ros2, read_mcap
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES, FACE_NAMES, to_arkit52
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.skeleton import Skeleton

JOINT_STATE: Final = "sensor_msgs/msg/JointState"
BLENDSHAPES: Final = "asynfusion_ros/msg/FaceBlendshapes"
MOST_POSES: Final = 2_000_000  # nine hours at 60 Hz
MOST_VALUE: Final = 1e3  # rad, or a weight; neither NaN nor what no joint can be is less
_HEADER = """================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
DEFINITIONS: Final = {
    JOINT_STATE: "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\n"
    f"float64[] effort\n{_HEADER}",
    BLENDSHAPES: f"std_msgs/Header header\nstring[] name\nfloat32[] weight\n{_HEADER}",
}

Array = npt.NDArray[np.float64]
Track = dict[float, Array]
"""Values by stamp [s], rising."""


def write_motion_mcap(path: Path, clip: MotionClip, skeleton: Skeleton) -> None:
    """Write the two topics of a clip, its first frame at 1 s; fingers are straight.

    Raises StateError where the package mcap-ros2-support is missing.
    """
    writer_of = import_ros2("writer").Writer
    count = 3 * len(skeleton.joints)
    angles = _unwrapped(skeleton, clip.body)
    angles = np.clip(angles, skeleton.lower_rad[:count], skeleton.upper_rad[:count])
    speeds = np.gradient(angles, 1.0 / clip.fps_hz, axis=0) if len(clip) > 1 else 0.0 * angles
    faces = to_arkit52(np.clip(clip.face, 0.0, 1.0))
    fingers = [0.0] * len(skeleton.fingers)
    with Path(path).open("wb") as file:
        writer = writer_of(file)
        kinds = {name: writer.register_msgdef(name, text) for name, text in DEFINITIONS.items()}
        for row in range(len(clip)):
            time_ns = 10**9 + round(row * 1e9 / clip.fps_hz)
            stamp = {"sec": time_ns // 10**9, "nanosec": time_ns % 10**9}
            header = {"stamp": stamp, "frame_id": "avatar"}
            joints = {
                "header": header, "name": list(skeleton.robot_joint_names), "effort": [],
                "position": [*angles[row].tolist(), *fingers],
                "velocity": [*speeds[row].tolist(), *fingers],
            }  # fmt: skip
            face = {"header": header, "name": list(ARKIT_NAMES), "weight": faces[row].tolist()}
            writer.write_message("/joint_states", kinds[JOINT_STATE], joints, time_ns)
            writer.write_message("/face/blendshapes", kinds[BLENDSHAPES], face, time_ns)
        writer.finish()


def read_motion_mcap(path: Path, skeleton: Skeleton) -> tuple[MotionClip, float]:
    """Return a recording's motion, and the stamp [s] of its first frame.

    Of each kind the topic counts that holds most messages with all our names. Frames come at the
    median rate of their stamps, interpolated; a stamp that is not after the one before is passed
    over. Masks tell which of face and body was recorded. Raises MotionFileError where neither was.
    """
    try:
        tracks = _read_tracks(path, skeleton)
    except DataError as error:
        raise MotionFileError(str(error)) from error
    wholes = [track for track in tracks.values() if len(track) > 1]
    if not wholes:
        raise MotionFileError(
            f"{path} holds no motion: no two {JOINT_STATE} with the joints of our URDF, or "
            f"{BLENDSHAPES} with the 52 ARKit names; record a running avatar by `asynfusion record`"
        )
    grid_s, fps_hz = _common_times(path, wholes)
    frames = len(grid_s)
    angles = _interpolate(tracks[JOINT_STATE], grid_s, 3 * len(skeleton.joints))
    face = _interpolate(tracks[BLENDSHAPES], grid_s, len(FACE_NAMES))
    body = np.zeros((frames, 3 * len(skeleton.joints)), np.float32)
    if angles is not None:
        body = skeleton.body_from_ball_angles(angles).astype(np.float32)
    weights = np.zeros((frames, len(FACE_NAMES)), np.float32)
    if face is not None:
        weights = np.clip(face, 0.0, 1.0).astype(np.float32)
    masks = [
        np.zeros_like(rows) if found is None else None
        for rows, found in ((weights, face), (body, angles))
    ]
    return MotionClip(fps_hz, weights, body, *masks), float(grid_s[0])


def _common_times(path: Path, tracks: Sequence[Track]) -> tuple[Array, float]:
    """Return the times (T,) [s] that all tracks cover, and their rate: the fastest track's."""
    step_s = min(float(np.median(np.diff(list(track)))) for track in tracks)
    begin_s = max(next(iter(track)) for track in tracks)
    end_s = min(next(reversed(track)) for track in tracks)
    frames = round((end_s - begin_s) / step_s) + 1
    if not 1 < frames <= MOST_POSES:
        raise MotionFileError(
            f"{path}: {frames} frames have face and body, of stamps {begin_s:.3f} to {end_s:.3f}; "
            f"2 to {MOST_POSES} are read"
        )
    return begin_s + step_s * np.arange(frames, dtype=np.float64), round(1.0 / step_s, 3)


def _read_tracks(path: Path, skeleton: Skeleton) -> dict[str, Track]:
    """Return the ball joints' angles (24,) and the weights (51,) of the fullest topics."""
    decoder = Decoder()
    wanted = {
        JOINT_STATE: (skeleton.robot_joint_names[: 3 * len(skeleton.joints)], "position"),
        BLENDSHAPES: (FACE_NAMES, "weight"),
    }
    found: dict[str, dict[str, Track]] = {kind: {} for kind in wanted}
    for entry in read_mcap(path):
        if entry.kind not in wanted:
            continue
        names, field = wanted[entry.kind]
        message = decoder.decode(entry)
        with refuse(MotionFileError, f"a message of {entry.topic} lacks what {entry.kind} has"):
            values = dict(zip(message.name, getattr(message, field), strict=False))
            row = np.array([values.get(name, np.nan) for name in names], np.float64)
            stamp_s = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        track = found[entry.kind].setdefault(entry.topic, {})
        if (np.abs(row) < MOST_VALUE).all() and stamp_s > next(reversed(track), -1.0):
            track[stamp_s] = row
        if len(track) > MOST_POSES:
            raise MotionFileError(f"{path} holds more than {MOST_POSES} poses; record in pieces")
    return {kind: max(tracks.values(), key=len, default={}) for kind, tracks in found.items()}


def _interpolate(track: Track, grid_s: Array, size: int) -> Array | None:
    """Return the values (T, size) at times (T,); None where the recording has none."""
    if len(track) < 2:
        return None
    times_s, rows = np.array(list(track)), np.stack(list(track.values()))
    return np.stack([np.interp(grid_s, times_s, rows[:, k]) for k in range(size)], axis=1)


def _unwrapped(skeleton: Skeleton, body: npt.ArrayLike) -> Array:
    """Return angles of which none turns by half a circle from one frame to the next."""
    rows: list[Array] = []
    for pose in np.asarray(body):
        rows.append(skeleton.ball_angles(pose, rows[-1] if rows else None))
    return np.stack(rows)
