"""Clips in the formats of other programs, by name: written, and read back for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.motion.arkit_json import read_arkit_json, write_arkit_json
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.bvh import read_bvh, write_bvh
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.gltf import read_gltf, write_gltf
from asynfusion_ros.motion.livelink_csv import read_livelink_csv, write_livelink_csv
from asynfusion_ros.motion.mcap import read_motion_mcap, write_motion_mcap
from asynfusion_ros.motion.npz import read_npz, write_npz
from asynfusion_ros.motion.rotations import make_continuous
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.motion.smplx_npz import is_smplx, read_smplx, write_smplx
from asynfusion_ros.motion.vrma import read_vrma, write_vrma

ENDINGS = {
    "bvh": ".bvh", "beat_json": ".json", "arkit_csv": ".csv", "gltf": ".glb", "vrma": ".vrma",
    "smplx": "_smplx.npz", "mcap": ".mcap", "npz": ".npz",
}  # fmt: skip
"""Formats and the endings of their files."""


def export_clip(clip: MotionClip, form: str, path: Path) -> None:
    """Write a clip: `bvh`, `smplx` (body), `beat_json`, `arkit_csv` (face), or both: the others."""
    if form == "bvh":
        write_bvh(path, clip, Skeleton.load())
    elif form == "beat_json":
        write_arkit_json(path, clip)
    elif form == "arkit_csv":
        write_livelink_csv(path, clip)
    elif form == "gltf":
        write_gltf(path, clip, Skeleton.load())
    elif form == "vrma":
        write_vrma(path, clip, Skeleton.load())
    elif form == "smplx":
        write_smplx(path, clip, Skeleton.load())
    elif form == "mcap":
        write_motion_mcap(path, clip, Skeleton.load())
    elif form == "npz":
        write_npz(path, clip)
    else:
        raise MotionFileError(f"there is no format {form!r}; there are {list(ENDINGS)}")


def import_clip(path: Path) -> MotionClip:
    """Read a file by its ending; masks tell which channels it holds. Raises MotionFileError."""
    path = Path(path)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise MotionFileError(f"{path}: files that can be read end in {tuple(_READERS)}")
    return read(path)


def join_clips(clips: Sequence[MotionClip]) -> MotionClip:
    """Return one clip at the first one's rate; of each channel the first clip that measured it.

    A face of one file and a body of another come together, both from their first frame; the
    shortest clip ends all.
    """
    first = clips[0]
    frames = int(min(clip.duration_s for clip in clips) * first.fps_hz + 1e-6)
    face, body = np.zeros((frames, len(FACE_NAMES)), np.float32), np.zeros((frames, 24), np.float32)
    masks = np.zeros_like(face), np.zeros_like(body)
    for clip in clips:
        moments = [clip.at(index / first.fps_hz) for index in range(frames)]
        rows = np.array([m.face for m in moments]), np.array([m.body for m in moments])
        given = clip.face_mask, clip.body_mask
        for out, mask, values, known in zip((face, body), masks, rows, given, strict=True):
            measured = np.ones(values.shape[1], bool) if known is None else known.any(axis=0)
            taken = measured & (mask.max(axis=0) == 0.0)
            out[:, taken] = values[:, taken]
            mask[:, taken] = 1.0
    return MotionClip(first.fps_hz, face, body, *masks)


def stand_unmeasured(
    clip: MotionClip, skeleton: Skeleton, truth: MotionClip | None = None
) -> MotionClip:
    """Return the clip with the rest pose in joints that were not measured in it, or in `truth`.

    So nobody stands in a T, and clips side by side differ only where there is something to compare.
    """
    mask = (truth or clip).body_mask
    if mask is None:
        return clip
    body = np.where(mask > 0.0, clip.body, skeleton.rest_body)
    return MotionClip(clip.fps_hz, clip.face, body.astype(np.float32))


def _read_json(path: Path) -> MotionClip:
    times_s, face = read_arkit_json(path)
    span_s = float(times_s[-1] - times_s[0]) if len(times_s) > 1 else 0.0
    if span_s <= 0.0:
        raise MotionFileError(
            f"{path} has {len(times_s)} frames in {span_s} s; it needs two or more"
        )
    body = np.zeros((len(face), 24), np.float32)
    fps_hz = round((len(times_s) - 1) / span_s, 3)
    return MotionClip(fps_hz, face, body, body_mask=np.zeros_like(body))


def _read_bvh(path: Path) -> MotionClip:
    skeleton = Skeleton.load()
    file = read_bvh(path)
    missing = [name for name in skeleton.joint_names if name not in file.names]
    if missing:
        raise MotionFileError(
            f"{path} has no joints {missing}; BVH of our own skeleton is read here, BEAT's by "
            f"`asynfusion data`; its joints are {list(file.names)[:12]}"
        )
    turns = [np.roll(file.rotvec(name), 1, axis=-1) for name in skeleton.joint_names]
    body = make_continuous(np.stack(turns, axis=1)).reshape(len(file.frames), -1)
    face = np.zeros((len(body), len(FACE_NAMES)), np.float32)
    fps_hz = round(1.0 / file.frame_time_s, 3)
    return MotionClip(fps_hz, face, body.astype(np.float32), face_mask=np.zeros_like(face))


def _read_npz(path: Path) -> MotionClip:
    return read_smplx(path) if is_smplx(path) else read_npz(path)


_READERS: dict[str, Callable[[Path], MotionClip]] = {
    ".bvh": _read_bvh,
    ".json": _read_json,
    ".csv": read_livelink_csv,
    ".glb": lambda path: read_gltf(path, Skeleton.load()),
    ".vrma": lambda path: read_vrma(path, Skeleton.load()),
    ".mcap": lambda path: read_motion_mcap(path, Skeleton.load())[0],
    ".npz": _read_npz,
}
