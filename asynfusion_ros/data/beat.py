"""Takes of BEAT, with their own phone-captured faces: for evaluation only, never for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.recording import (
    Fault,
    Recording,
    check_face,
    read_arrays,
    read_sound,
)
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.clip import MotionClip

FPS_HZ = 30.0
PART_S = 10.0
"""Takes are cut into parts of this length, so that figures have an interval."""


def read_beat(folder: Path) -> tuple[list[Recording], list[Fault]]:
    """Return the parts of all takes of `folder` (split "test", face only) and the faults.

    A take is an npz with `arkit51_30fps` (T, 51) beside a FLAC of its name. Raises DataError where
    the folder holds no npz.
    """
    folder = Path(folder)
    files = sorted(file for file in folder.glob("*.npz") if file.with_suffix(".flac").is_file())
    if not files:
        raise DataError(f"{folder} holds no .npz with a .flac; give the folder of a BEAT take")
    recordings, faults = [], []
    for file in files:
        try:
            recordings += _read_parts(file)
        except DataError as error:
            faults.append(Fault(file.name, str(error)))
    return recordings, faults


def _read_parts(file: Path) -> list[Recording]:
    face = np.clip(read_arrays(file, "arkit51_30fps")["arkit51_30fps"], 0.0, 1.0)
    check_face(file, face)
    samples = read_sound(file.with_suffix(".flac"))
    heard = round(len(samples) / SAMPLE_RATE_HZ * FPS_HZ)  # the two devices stop one by one
    face = face[:heard]
    length = round(PART_S * FPS_HZ)
    parts = []
    for start in range(0, max(1, len(face) - length // 2 + 1), length):
        frames = face[start : start + length]
        first = round(start / FPS_HZ * SAMPLE_RATE_HZ)
        count = round(len(frames) / FPS_HZ * SAMPLE_RATE_HZ)
        body = np.zeros((len(frames), 24), np.float32)
        clip = MotionClip(FPS_HZ, frames, body, None, np.zeros_like(body))
        name = f"{file.stem}@{start / FPS_HZ:.0f}s"
        sound = samples[first : first + count]
        parts.append(Recording(name, "BEAT", "non-commercial research", "test", clip, sound))
    return parts
