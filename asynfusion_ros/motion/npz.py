"""Motion clips as NPZ: `fps_hz`, `face`, `body` and `face_names`, loaded without pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.files import read_arrays, refuse
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip


def write_npz(path: Path, clip: MotionClip) -> None:
    """Write the clip; masks are left out."""
    np.savez_compressed(
        path, fps_hz=clip.fps_hz, face=clip.face, body=clip.body, face_names=np.array(FACE_NAMES)
    )


def read_npz(path: Path) -> MotionClip:
    """Read what `write_npz` wrote; raise MotionFileError otherwise."""
    file = read_arrays(path, MotionFileError)
    with refuse(MotionFileError, f"{path} is no motion clip with face, body, face_names, fps_hz"):
        names = file["face_names"].astype(str).ravel()[: len(FACE_NAMES) + 1].tolist()
        face, body = file["face"].astype(np.float32), file["body"].astype(np.float32)
        fps_hz = float(file["fps_hz"])
    if face.shape[1:] != (len(FACE_NAMES),):
        raise MotionFileError(f"{path}: face has shape {face.shape}; expected (T, 51)")
    if tuple(names) != FACE_NAMES or not (np.isfinite(face).all() and np.isfinite(body).all()):
        raise MotionFileError(f"{path} has other face channels than ours, or values not finite")
    return MotionClip(fps_hz, face, body)
