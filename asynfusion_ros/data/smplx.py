"""Recordings as SMPL-X parameters: SHOW (npz made of its pickles) and BEAT2, both at 30 Hz.

SMPL-X stands in a T with all frames parallel, x to the person's left, y up, z forward. Its arms
are taken to lie along x, which its template does to about 6 degrees. Its expression coefficients
are not ARKit's, so faces are masked. Both sets are for non-commercial research only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.beat_release import official_split
from asynfusion_ros.data.recording import (
    RESEARCH_ONLY,
    SPLITS,
    Array,
    Fault,
    Recording,
    attempt,
    check_lengths,
    load_npz,
    read_any_sound,
)
from asynfusion_ros.data.resample import FPS_HZ, frame_times, sample_rotations
from asynfusion_ros.data.retarget import chain, to_body
from asynfusion_ros.errors import DataError
from asynfusion_ros.files import read_text, refuse
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip

POSE_DIM = 165
"""55 joints: pelvis, 21 of the body, jaw, two eyes, 15 of each hand."""

_PARENTS: dict[str, str | None] = {
    "pelvis": None, "spine1": "pelvis", "spine2": "spine1", "chest": "spine2",
    "neck": "chest", "head": "neck",
    "l_collar": "chest", "l_upper_arm": "l_collar",
    "l_forearm": "l_upper_arm", "l_hand": "l_forearm",
    "r_collar": "chest", "r_upper_arm": "r_collar",
    "r_forearm": "r_upper_arm", "r_hand": "r_forearm",
}  # fmt: skip
_INDEX = {
    "pelvis": 0, "spine1": 3, "spine2": 6, "chest": 9, "neck": 12, "head": 15,
    "l_collar": 13, "l_upper_arm": 16, "l_forearm": 18, "l_hand": 20,
    "r_collar": 14, "r_upper_arm": 17, "r_forearm": 19, "r_hand": 21,
}  # fmt: skip


def smplx_body(poses: npt.ArrayLike) -> tuple[Array, Array]:
    """Return body (T, 24) and its mask of SMPL-X poses (T, 66 or more) [rad], pelvis first."""
    joints = np.asarray(poses, np.float64).reshape(len(np.asarray(poses)), -1, 3)
    local = {name: Rotation.from_rotvec(joints[:, _INDEX[name]]) for name in _PARENTS}
    world = chain(local, _PARENTS)
    return to_body({name: world[name] for name in world if "spine" not in name})


def scan_beat2(folder: Path) -> Iterator[Recording | Fault]:
    """Yield the takes of a BEAT2 language folder: smplxflame_30/*.npz beside wave16k/*.wav.

    The split is that of train_test_split.csv (id,type; its "additional" takes are training takes),
    or BEAT's rule where there is no such file.
    """
    folder = Path(folder)
    splits = _read_splits(folder / "train_test_split.csv")
    for path in sorted((folder / "smplxflame_30").glob("*.npz")):
        name = str(path.relative_to(folder))
        yield from attempt(name, partial(_read_beat2, folder, path, splits))


def scan_show(folder: Path) -> Iterator[Recording | Fault]:
    """Yield the takes of SHOW: SPEAKER/VIDEO/SPLIT/CLIP/CLIP.npz beside CLIP.wav.

    SHOW comes as pickles, which can run code when they are loaded and are never opened here; each
    that has no npz beside it is a fault. docs/data.md says how to convert them.
    """
    folder = Path(folder)
    for sound in find_show(folder):
        yield from attempt(str(sound.relative_to(folder)), partial(_read_show, folder, sound))


def find_show(folder: Path) -> list[Path]:
    """Return the sounds that lie as SHOW's do: SPEAKER/VIDEO/SPLIT/CLIP/CLIP.wav."""
    found = Path(folder).glob("*/*/*/*/*.wav")
    return sorted(p for p in found if p.stem == p.parent.name and p.parents[1].name in SPLITS)


def _read_beat2(folder: Path, path: Path, splits: dict[str, str]) -> Iterator[Recording]:
    arrays = load_npz(path)
    poses = _numbers(path, arrays, "poses", POSE_DIM)
    rate_hz = float(arrays.get("mocap_frame_rate", np.array(FPS_HZ)))
    split = splits.get(path.stem) if splits else official_split(path.stem)
    if split is None:
        raise DataError(f"{path.stem} does not stand in {folder / 'train_test_split.csv'}")
    samples = read_any_sound(folder / "wave16k" / f"{path.stem}.wav")
    speaker = " ".join(path.stem.split("_")[:2])
    yield _recording(path, path.stem, "BEAT2", speaker, split, poses, rate_hz, samples)


def _read_show(folder: Path, sound: Path) -> Iterator[Recording]:
    path = sound.with_suffix(".npz")
    if not path.is_file():
        raise DataError(
            f"{path} is missing; a .pkl can run code when it is loaded and is never opened here: "
            "convert it to npz as docs/data.md says"
        )
    arrays = load_npz(path)
    pelvis = _numbers(path, arrays, "global_orient", 3)
    poses = np.concatenate([pelvis, _numbers(path, arrays, "body_pose_axis", 63)], axis=1)
    speaker, video, split = sound.relative_to(folder).parts[:3]
    name = f"{speaker}.{video}.{sound.stem}"
    samples = read_any_sound(sound)
    yield _recording(path, name, "SHOW", speaker, split, poses, FPS_HZ, samples)


def _recording(
    path: Path,
    name: str,
    source: str,
    speaker: str,
    split: str,
    poses: Array,
    rate_hz: float,
    samples: Array,
) -> Recording:
    check_lengths(path, len(poses), rate_hz, samples)
    body, mask = smplx_body(poses)
    if rate_hz != FPS_HZ:
        position = frame_times(len(body), rate_hz, FPS_HZ)
        body = sample_rotations(body.reshape(len(body), -1, 3), position).reshape(-1, 24)
        mask = mask[:1].repeat(len(body), 0)
    frames = min(len(body), int(len(samples) / SAMPLE_RATE_HZ * FPS_HZ))
    face = np.zeros((frames, len(FACE_NAMES)), np.float32)
    clip = MotionClip(FPS_HZ, face, body[:frames], np.zeros_like(face), mask[:frames])
    return Recording(name, source, RESEARCH_ONLY, split, clip, samples, speaker)


def _numbers(
    path: Path, arrays: dict[str, npt.NDArray[np.generic]], name: str, width: int
) -> Array:
    """Return an array (T, width) of finite numbers; raise DataError if it is not there."""
    values = arrays.get(name)
    if values is None or values.dtype.kind not in "fiu":
        raise DataError(f"{path} needs the numbers {name!r}; it holds {sorted(arrays)}")
    rows = values.reshape(len(values), -1) if values.ndim else values
    if rows.ndim != 2 or rows.shape[1] != width or not len(rows):
        raise DataError(f"{path}: {name} has shape {values.shape}; expected (T, {width})")
    if not np.isfinite(rows).all():
        raise DataError(f"{path}: {name} holds NaN or infinite values")
    return np.asarray(rows, np.float32)


def _read_splits(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = read_text(path, DataError).splitlines(keepends=True)
    with refuse(DataError, f"{path} needs the columns id and type"):
        rows = [(row["id"], row["type"]) for row in csv.DictReader(lines)]
    return {name: "train" if split == "additional" else split for name, split in rows}
