"""Single takes of BEAT in the form of `beat_take`: for evaluation only, never for training."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.beat_bvh import bvh_body, read_beat_bvh, true_rate
from asynfusion_ros.data.recording import (
    RESEARCH_ONLY,
    Array,
    Fault,
    Recording,
    attempt,
    check_face,
    collect,
    read_arrays,
    read_sound,
)
from asynfusion_ros.data.resample import FPS_HZ, frame_times, sample_rotations
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.clip import MotionClip

PART_S = 10.0
"""Takes are cut into parts of this length, so that figures have an interval."""


def read_beat(folder: Path) -> tuple[list[Recording], list[Fault]]:
    """Return the parts of all takes of `folder` (split "test") and the faults.

    A take is an npz with `arkit51_30fps` (T, 51) beside a FLAC of its name; a BVH of that name
    gives the body, which is masked without one. Raises DataError where the folder holds no npz.
    """
    folder = Path(folder)
    files = sorted(file for file in folder.glob("*.npz") if file.with_suffix(".flac").is_file())
    if not files:
        raise DataError(f"{folder} holds no .npz with a .flac; give the folder of a BEAT take")
    return collect(part for file in files for part in attempt(file.name, partial(_parts, file)))


def _parts(file: Path) -> Iterator[Recording]:
    face = np.clip(read_arrays(file, "arkit51_30fps")["arkit51_30fps"], 0.0, 1.0)
    check_face(file, face)
    samples = read_sound(file.with_suffix(".flac"))
    body, mask = np.zeros((len(face), 24), np.float32), np.zeros((len(face), 24), np.float32)
    if file.with_suffix(".bvh").is_file():
        body, mask = _body(file.with_suffix(".bvh"), len(samples) / SAMPLE_RATE_HZ)
    heard = round(len(samples) / SAMPLE_RATE_HZ * FPS_HZ)  # the devices stop one by one
    frames = min(len(face), len(body), heard)
    length = round(PART_S * FPS_HZ)
    for start in range(0, max(1, frames - length // 2 + 1), length):
        rows = slice(start, min(start + length, frames))
        clip = MotionClip(FPS_HZ, face[rows], body[rows], None, mask[rows])
        first = round(start / FPS_HZ * SAMPLE_RATE_HZ)
        sound = samples[first : first + round(clip.duration_s * SAMPLE_RATE_HZ)]
        name = f"{file.stem}@{start / FPS_HZ:.0f}s"
        speaker = " ".join(file.stem.split("_")[:2])
        yield Recording(
            name, "BEAT", RESEARCH_ONLY, "test", clip, sound, speaker, evaluation_only=True
        )


def _body(path: Path, sound_s: float) -> tuple[Array, Array]:
    """Return body and mask at 30 Hz, whatever the header says."""
    body, mask = bvh_body(read_beat_bvh(path))
    position = frame_times(len(body), true_rate(path, len(body), sound_s), FPS_HZ)
    joints = sample_rotations(body.reshape(len(body), -1, 3), position)
    return joints.reshape(len(joints), -1), np.broadcast_to(mask[0], (len(joints), 24))
