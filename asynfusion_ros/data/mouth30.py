"""The mouth30 folder: Mandarin speech with hand-animated mouth channels, and no body."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asynfusion_ros.data.recording import (
    Fault,
    Recording,
    check_face,
    check_lengths,
    read_arrays,
    read_sound,
)
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.clip import MotionClip

FPS_HZ = 30.0
ACTIVE_STD = 0.01
"""Channels that vary less over the whole folder were never animated, and teach nothing."""


def read_mouth30(folder: Path) -> tuple[list[Recording], list[Fault]]:
    """Return all takes (all of them training data) and the faults of those left out."""
    folder = Path(folder)
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise DataError(f"{folder} holds no .npz files; give the folder that holds mouth30")
    takes, faults = {}, []
    for file in files:
        try:
            face = read_arrays(file, "arkit51_30fps")["arkit51_30fps"]
            check_face(file, face)
            samples = read_sound(file.with_suffix(".flac"))
            check_lengths(file, len(face), FPS_HZ, samples)
            takes[file.stem] = (face, samples)
        except DataError as error:
            faults.append(Fault(file.name, str(error)))
    if not takes:
        return [], faults
    active = np.concatenate([face for face, _ in takes.values()]).std(axis=0) > ACTIVE_STD
    recordings = []
    for name, (face, samples) in takes.items():
        body = np.zeros((len(face), 24), np.float32)
        mask = np.broadcast_to(active.astype(np.float32), face.shape)
        clip = MotionClip(FPS_HZ, np.clip(face, 0.0, 1.0), body, mask, np.zeros_like(body))
        recordings.append(Recording(name, "mouth30", "MIT", "train", clip, samples))
    return recordings, faults
