"""Faces as JSON in BEAT's layout: names once, then a frame of weights and its time each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.files import read_json, refuse
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip

Array = npt.NDArray[np.float32]


def write_arkit_json(path: Path, clip: MotionClip) -> None:
    """Write {"names": [51], "frames": [{"weights": [51], "time": s, "rotation": []}, ...]}."""
    frames = [
        {
            "weights": [round(float(weight), 5) for weight in weights],
            "time": round(index / clip.fps_hz, 6),
            "rotation": [],
        }
        for index, weights in enumerate(clip.face)
    ]
    text = json.dumps({"names": list(FACE_NAMES), "frames": frames})
    Path(path).write_text(text + "\n", encoding="utf-8")


def read_arkit_json(path: Path) -> tuple[Array, Array]:
    """Return times (T,) [s] and weights (T, 51) in our order; absent channels are 0.

    Raises MotionFileError where the file is not of that layout or its values are not finite.
    """
    document = read_json(path, MotionFileError)
    with refuse(MotionFileError, f"{path} is no ARKit JSON in BEAT's layout"):
        names = list(document["names"])
        given = np.array([frame["weights"] for frame in document["frames"]], np.float32)
        times_s = np.array([frame["time"] for frame in document["frames"]], np.float32)
        given = given.reshape(len(times_s), len(names))
    if not (np.isfinite(given).all() and np.isfinite(times_s).all()):
        raise MotionFileError(f"{path} holds NaN or infinite values")
    face = np.zeros((len(times_s), len(FACE_NAMES)), np.float32)
    for index, name in enumerate(FACE_NAMES):
        if name in names:
            face[:, index] = given[:, names.index(name)]
    return times_s, face
