"""The ted15 folder: TED speakers as directions of 42 bones at 15 Hz, without faces.

Directions tell where a bone points but not its twist, so arms are swings from the T-pose; chest
and head are whole frames, from spine and shoulders, and from eyes and ears. Hands are masked: what
was tracked of them turns about. The axes of the data are x to the person's left, y down, z away
from the camera.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import minimum_filter1d

from asynfusion_ros.data.recording import (
    TED_TERMS,
    Array,
    Fault,
    Recording,
    attempt,
    check_lengths,
    read_arrays,
    read_sound,
    smooth_motion,
)
from asynfusion_ros.data.resample import FPS_HZ, frame_times, sample_rotations
from asynfusion_ros.data.retarget import frame_of, swing, to_body
from asynfusion_ros.data.talk30 import BODY_CUTOFF_HZ
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip

TED_FPS_HZ = 15.0
KEY = "human_dir_vec_15fps"

BONES = {
    "spine": 0, "l_clavicle": 1, "r_clavicle": 2,
    "l_upper_arm": 3, "l_forearm": 4, "r_upper_arm": 20, "r_forearm": 21,
    "r_eye": 38, "l_eye": 39, "r_ear": 40, "l_ear": 41,
}  # fmt: skip
"""Rows of the 42 that are used: neck to shoulders, arms, nose to eyes, eyes to ears."""

_EAR_PER_EYE = 1.8
"""Eye to ear is this much longer than nose to eye (adult heads: about 9 cm to 5 cm)."""

_LOST_RAD = 1.75
"""A chest or head this far from its mean was not turned but lost: left and right are swapped."""

_LOST_FRAMES = 4
"""Frames (30 Hz) on either side that smoothing carries such an error to."""


def scan_ted15(folder: Path) -> Iterator[Recording | Fault]:
    """Yield all takes (all of them training data) and the faults of those left out."""
    for path in sorted(Path(folder).glob("*.npz")):
        yield from attempt(path.name, partial(_read_take, path))


def directions_body(directions: npt.ArrayLike) -> tuple[Array, Array]:
    """Return body (T, 24) and mask of bone directions (T, 42, 3) in the data's axes."""
    # y down and z away from the camera become y up and z forward.
    rows = np.asarray(directions, np.float64) * np.array([1.0, -1.0, -1.0])
    bone = {name: rows[:, index] for name, index in BONES.items()}
    ears = (bone["l_eye"] + _EAR_PER_EYE * bone["l_ear"]) - (
        bone["r_eye"] + _EAR_PER_EYE * bone["r_ear"]
    )
    back = (bone["l_eye"] + bone["r_eye"]) + _EAR_PER_EYE * (bone["l_ear"] + bone["r_ear"])
    turns = {
        "chest": frame_of(bone["spine"], bone["l_clavicle"] - bone["r_clavicle"]),
        "head": frame_of(np.cross(-back, ears), ears),
    }
    for side, sign in (("l", 1.0), ("r", -1.0)):
        parent = turns["chest"]
        for part in ("upper_arm", "forearm"):
            name = f"{side}_{part}"
            local = swing(np.array([sign, 0.0, 0.0]), parent.inv().apply(bone[name]))
            turns[name] = parent = parent * local
    return to_body(turns)


def _read_take(path: Path) -> Iterator[Recording]:
    directions = read_arrays(path, KEY)[KEY]
    if directions.ndim != 2 or directions.shape[1] != 126 or len(directions) < 2:
        raise DataError(f"{path}: {KEY} has shape {directions.shape}; expected (T, 126)")
    vectors = directions.reshape(-1, 42, 3)
    lengths = np.linalg.norm(vectors, axis=-1)
    if np.abs(lengths - 1.0).max() > 0.05:
        raise DataError(f"{path}: directions of length {lengths.max():.2f}; they must be unit")
    samples = read_sound(path.with_suffix(".flac"))
    check_lengths(path, len(vectors), TED_FPS_HZ, samples)
    body, mask = directions_body(vectors)
    joints = sample_rotations(
        body.reshape(len(body), -1, 3), frame_times(len(body), TED_FPS_HZ, FPS_HZ)
    )
    smooth = smooth_motion(joints, FPS_HZ, BODY_CUTOFF_HZ).reshape(len(joints), -1)
    face = np.zeros((len(smooth), len(FACE_NAMES)), np.float32)
    trusted = np.linalg.norm(joints[:, :2], axis=-1).max(axis=1) < _LOST_RAD
    trusted = minimum_filter1d(trusted.astype(np.float32), 2 * _LOST_FRAMES + 1)
    mask = trusted[:, None] * mask[:1]
    clip = MotionClip(FPS_HZ, face, smooth, np.zeros_like(face), mask)
    yield Recording(path.stem, "TED", TED_TERMS, "train", clip, samples, speaker=path.stem[:11])
