"""The talk30 folder: people talking on video, face and swing rotations by landmark tracking."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.data.recording import (
    SPLITS,
    TAKE_NAME,
    Array,
    Fault,
    Recording,
    check_face,
    check_lengths,
    read_arrays,
    read_sound,
    smooth_motion,
)
from asynfusion_ros.errors import DataError, brief
from asynfusion_ros.files import read_json, read_lines, refuse
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.rotations import compose, invert, make_continuous, mean_rotation

FPS_HZ = 30.0
BODY_CUTOFF_HZ = 6.0
"""Landmarks jitter above this; gestures do not."""

JOINTS = (
    "chest",
    "head",
    "l_upper_arm",
    "l_forearm",
    "l_hand",
    "r_upper_arm",
    "r_forearm",
    "r_hand",
)
_MEASURED = {"A": JOINTS, "B": tuple(j for j in JOINTS if "hand" not in j), "F": ("head",)}


def read_talk30(folder: Path) -> tuple[list[Recording], list[Fault]]:
    """Return all takes that can be used and the faults of those that cannot.

    Raises DataError where the folder itself is not one.
    """
    folder = Path(folder)
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        raise DataError(f"{manifest} does not exist; give the folder that holds talk30")
    if tuple(_read_json(folder / "face_names.json")) != FACE_NAMES:
        raise DataError(f"{folder / 'face_names.json'} names other channels than ours")
    recordings, faults = [], []
    for number, line in enumerate(read_lines(manifest, DataError), 1):
        name = f"{manifest.name}:{number}"
        try:
            row = _read_row(line)
            name = row["id"]
            recordings.append(_read_take(folder, row))
        except DataError as error:
            faults.append(Fault(name, str(error)))
    return recordings, faults


def _read_json(path: Path) -> Any:
    return read_json(path, DataError)


def _read_row(line: str) -> Mapping[str, Any]:
    """Return one line of the manifest; raise DataError unless it describes a take."""
    with refuse(DataError, f"{brief(line)} describes no take"):
        row = json.loads(line)
        allowed = row["tier"] in _MEASURED and row["split"] in SPLITS
        texts = all(isinstance(row[key], str) for key in ("id", "source", "licence"))
        texts = texts and TAKE_NAME.fullmatch(row["id"]) is not None
    if not (allowed and texts):
        raise DataError(
            f"{brief(line)}: tier must be one of {list(_MEASURED)}, split one of {list(SPLITS)}, "
            "id a file name, source and licence texts"
        )
    return dict(row)


def _read_take(folder: Path, row: Mapping[str, Any]) -> Recording:
    path = folder / f"{row['id']}.npz"
    measured = _MEASURED[row["tier"]]
    if row["tier"] == "F":
        arrays = read_arrays(path, "face", "head_camera")
        rotations = {"head": arrays["head_camera"]}
    else:
        arrays = read_arrays(path, "face", *(f"rot_{joint}" for joint in measured))
        rotations = {joint: arrays[f"rot_{joint}"] for joint in measured}
    check_face(path, arrays["face"])
    sound = read_sound(folder / f"{row['id']}.flac")
    check_lengths(path, len(arrays["face"]), FPS_HZ, sound)
    body = np.zeros((len(arrays["face"]), len(JOINTS), 3), np.float32)
    mask = np.zeros_like(body)
    for index, joint in enumerate(JOINTS):
        if joint in measured:
            body[:, index] = _clean(rotations[joint], centre=joint in ("chest", "head"))
            mask[:, index] = 1.0
    clip = MotionClip(
        fps_hz=FPS_HZ,
        face=np.clip(arrays["face"], 0.0, 1.0),
        body=body.reshape(len(body), -1),
        body_mask=mask.reshape(len(mask), -1),
    )
    return Recording(row["id"], row["source"], row["licence"], row["split"], clip, sound)


def _clean(rotvec: npt.ArrayLike, centre: bool) -> Array:
    """Turn axes to x forward, y left, z up, smooth, and remove the camera's own pose.

    Chest and head are measured against the camera; only their motion about the take's mean pose
    is the person's.
    """
    turned = np.roll(np.asarray(rotvec, np.float64), 1, axis=-1)  # (x, y, z) -> (z, x, y)
    if centre:
        mean = np.broadcast_to(mean_rotation(turned), turned.shape)
        turned = compose(invert(mean), turned)
    return smooth_motion(make_continuous(turned), FPS_HZ, BODY_CUTOFF_HZ)


def mirror_body(body: npt.ArrayLike) -> Array:
    """Return bodies (..., 24) seen in a mirror: left and right swapped, reflected across y."""
    joints = np.asarray(body, np.float32).reshape(*np.shape(body)[:-1], len(JOINTS), 3)
    order = [JOINTS.index(_other_side(joint)) for joint in JOINTS]
    mirrored = joints[..., order, :] * np.array([-1.0, 1.0, -1.0], np.float32)
    return mirrored.reshape(np.shape(body))


def _other_side(joint: str) -> str:
    swap = {"l_": "r_", "r_": "l_"}
    return swap.get(joint[:2], joint[:2]) + joint[2:]
