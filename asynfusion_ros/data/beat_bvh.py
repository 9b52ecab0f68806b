"""BEAT's motion files: their true rate, our eight joints, and the 47-joint form of its metrics.

The skeleton stands in a T with all frames parallel, x to the person's left, y up, z forward.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from asynfusion_ros.data.recording import Array
from asynfusion_ros.data.retarget import to_body
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.bvh import BvhFile, read_bvh
from asynfusion_ros.motion.normalisation import ChannelStatistics

RATES_HZ = (15.0, 30.0, 60.0, 120.0)
BEAT_FPS_HZ = 15.0
"""The rate of BEAT's benchmark."""

OUR_JOINTS = {
    "chest": "Spine3",
    "head": "Head",
    "l_upper_arm": "LeftArm",
    "l_forearm": "LeftForeArm",
    "l_hand": "LeftHand",
    "r_upper_arm": "RightArm",
    "r_forearm": "RightForeArm",
    "r_hand": "RightHand",
}


def _side(side: str) -> tuple[str, ...]:
    arm = (f"{side}Shoulder", f"{side}Arm", f"{side}ForeArm", f"{side}Hand")
    fingers = [f"{side}HandMiddle{n}" for n in (1, 2, 3)]
    for finger in ("Ring", "Pinky", "Index"):
        fingers += [f"{side}Hand{finger}{n}" for n in ("", 1, 2, 3)]
    return (*arm, *fingers, *(f"{side}HandThumb{n}" for n in (1, 2, 3)))


BEAT_JOINTS: tuple[str, ...] = ("Spine", "Neck", "Neck1", *_side("Right"), *_side("Left"))
"""The 47 joints of BEAT's upper-body benchmark (`spine_neck_141`), in its order."""


def longest_gap_s(sound_s: float) -> float:
    """Return how far sound, motion and face of a BEAT take may end apart [s].

    Its three devices were stopped by hand: 2 % of the sound, at least 0.5 s and at most 2 s.
    """
    return float(np.clip(0.02 * sound_s, 0.5, 2.0))


def true_rate(path: Path, frames: int, sound_s: float) -> float:
    """Return the rate [Hz] that makes `frames` as long as the sound.

    Headers lie: files of 15 Hz keep the 120 Hz of the capture. Raises DataError where no rate of
    RATES_HZ fits.
    """
    rate_hz = min(RATES_HZ, key=lambda rate: abs(frames / rate - sound_s))
    if not abs(frames / rate_hz - sound_s) <= longest_gap_s(sound_s):
        raise DataError(
            f"{path}: {frames} frames for {sound_s:.2f} s of sound fit none of the rates "
            f"{list(RATES_HZ)} Hz within {longest_gap_s(sound_s):.2f} s; a file is cut off, or of "
            "another rate"
        )
    return rate_hz


def read_beat_bvh(path: Path) -> BvhFile:
    """Read a BVH of BEAT; raise DataError where it lacks a joint of ours."""
    bvh = read_bvh(path)
    missing = sorted(set(OUR_JOINTS.values()) - set(bvh.names))
    if missing:
        raise DataError(f"{path} lacks the joints {missing}; a BVH of BEAT has them all")
    return bvh


def bvh_body(bvh: BvhFile) -> tuple[Array, Array]:
    """Return body (T, 24) and mask of a BVH of BEAT, at the file's own rate."""
    world: list[Rotation] = []
    wanted = _ancestry(bvh)
    for index, name in enumerate(bvh.names):
        turn = Rotation.identity(len(bvh.frames))
        if index in wanted:
            turn = Rotation.from_rotvec(bvh.rotvec(name))
        parent = bvh.parents[index]
        world.append(turn if parent < 0 or index not in wanted else world[parent] * turn)
    return to_body({ours: world[bvh.names.index(theirs)] for ours, theirs in OUR_JOINTS.items()})


def read_beat_motion(
    path: Path, statistics: ChannelStatistics | None = None, fps_hz: float = BEAT_FPS_HZ
) -> Array:
    """Return a take as BEAT's benchmark sees it: (T, 141) axis-angle at 15 Hz, z-scored.

    47 joints, each turned as R = Rx Ry Rz from Euler angles in degrees. `fps_hz` is the file's
    true rate (see `true_rate`), from which every n-th frame is taken. `statistics` are those of
    `beat_statistics`, looked for beside the file where not given. Raises DataError where joints or
    statistics are missing, or the rate is no multiple of 15 Hz.
    """
    bvh = read_bvh(path)
    missing = sorted(set(BEAT_JOINTS) - set(bvh.names))
    if missing:
        raise DataError(f"{path} lacks the joints {missing}; BEAT's benchmark needs all 47")
    step = fps_hz / BEAT_FPS_HZ
    if step < 1 or step != round(step):
        raise DataError(f"{path}: {fps_hz} Hz is no multiple of {BEAT_FPS_HZ} Hz")
    motion = np.concatenate([bvh.rotvec(name)[:: round(step)] for name in BEAT_JOINTS], axis=1)
    return (statistics or beat_statistics(Path(path).parent)).normalise(motion)


def beat_statistics(folder: Path) -> ChannelStatistics:
    """Return BEAT's published mean and deviation of the 141 values [rad] from `folder`.

    Twenty channels hardly ever move (deviation below 1e-4); they are divided by 1 instead.
    """
    values = []
    for name in ("mean", "std"):
        path = Path(folder) / f"beat4_axis_angle_{name}.npy"
        try:
            values.append(np.load(path, allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"{path}: {error}; put BEAT's axis_angle_mean.npy and axis_angle_std.npy there as "
                "beat4_axis_angle_mean.npy and beat4_axis_angle_std.npy"
            ) from error
    if any(value.shape != (3 * len(BEAT_JOINTS),) for value in values):
        raise DataError(f"{folder}: BEAT's statistics have shapes {[v.shape for v in values]}")
    return ChannelStatistics(*values)


def _ancestry(bvh: BvhFile) -> set[int]:
    """Return our joints and all above them, as indices."""
    found: set[int] = set()
    for name in OUR_JOINTS.values():
        index = bvh.names.index(name)
        while index >= 0:
            found.add(index)
            index = bvh.parents[index]
    return found


def rows_at(values: npt.ArrayLike, times_s: npt.ArrayLike, wanted_s: npt.ArrayLike) -> Array:
    """Return values (T, D) at times (T,) [s] interpolated at other times (T',) [s]."""
    columns = np.asarray(values, np.float64).T
    rows = [np.interp(np.asarray(wanted_s), np.asarray(times_s), column) for column in columns]
    return np.stack(rows, axis=-1).astype(np.float32)
