"""The project's own folder of recordings: manifest.jsonl, and per take ID.flac and ID.npz.

A compact folder has ID.ogg (Opus) instead of ID.flac, and motion in half precision.

A line of the manifest describes one take; docs/data.md has the layout. `ProjectWriter` makes such
folders take by take, `read_project` reads them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.recording import (
    SPLITS,
    TAKE_NAME,
    Array,
    Fault,
    Recording,
    check_face,
    check_lengths,
    collect,
    load_npz,
    read_sound,
)
from asynfusion_ros.data.resample import FPS_HZ, frame_times, resample_clip, sample_weights
from asynfusion_ros.errors import DataError, brief
from asynfusion_ros.files import read_lines, read_text, refuse
from asynfusion_ros.motion.clip import MotionClip

MANIFEST = "manifest.jsonl"
BODY_DIM = 24
_OWN = ("face", "body", "face_mask", "body_mask", "semantic", "frame_emotion")
_RATES_HZ = (5.0, 240.0)
_OPUS_LEVEL = 0.9  # of 0 to 1: about 31 kbit/s


class ProjectWriter:
    """Adds takes to a project folder; a folder that was interrupted is continued.

    >>> writer = ProjectWriter(folder)
    >>> for recording in recordings:
    ...     if recording.name not in writer:
    ...         writer.add(recording)
    """

    def __init__(self, folder: Path, compact: bool = False) -> None:
        """Create the folder, or continue it; a torn last line of its manifest is dropped.

        A `compact` one is a quarter of the size, to be sent elsewhere: lossy, but fit for training.
        """
        self.folder, self._compact = Path(folder), compact
        self.folder.mkdir(parents=True, exist_ok=True)
        self._manifest = self.folder / MANIFEST
        text = read_text(self._manifest, DataError) if self._manifest.is_file() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self._manifest.write_text(whole, encoding="utf-8")
        self._names = {read_row(line)["id"] for line in whole.splitlines() if line.strip()}

    def __contains__(self, name: object) -> bool:
        """Tell whether a take of this name is complete."""
        return name in self._names

    def __len__(self) -> int:
        """Return the number of complete takes."""
        return len(self._names)

    def add(self, recording: Recording) -> None:
        """Write one take, whole or not at all: its line in the manifest comes last.

        Raises DataError where the name is taken or unfit for a file, or the take is not valid.
        """
        name = recording.name
        if not TAKE_NAME.fullmatch(name):
            raise DataError(f"{name!r} cannot name a file; use letters, digits and _ . @ + -")
        if name in self._names:
            raise DataError(f"{self.folder} already holds a take {name!r}; give another name")
        arrays = _arrays_of(recording)
        ends = (".ogg" if self._compact else ".flac", ".npz")
        sound, motion = (self.folder / f"{name}{end}" for end in ends)
        check_face(motion, recording.clip.face)
        check_lengths(motion, len(recording.clip), recording.clip.fps_hz, recording.samples)
        samples = np.clip(recording.samples, -1.0, 1.0)
        fresh = self.folder / f".{name}.part"
        label = f"{self.folder} takes no more; free space on the disk, then add {name} again"
        try:
            with refuse(DataError, label):
                self._write_sound(fresh, samples)
                fresh.replace(sound)
                if self._compact:
                    arrays |= {k: arrays[k].astype(np.float16) for k in ("face", "body")}
                with fresh.open("wb") as file:
                    np.savez_compressed(file, **arrays)
                fresh.replace(motion)
                self._append(json.dumps(_row_of(recording), ensure_ascii=False) + "\n")
        finally:
            fresh.unlink(missing_ok=True)
        self._names.add(name)

    def _write_sound(self, path: Path, samples: Array) -> None:
        if not self._compact:
            soundfile.write(path, samples, SAMPLE_RATE_HZ, subtype="PCM_16", format="FLAC")
            return
        settings = {"subtype": "OPUS", "format": "OGG", "compression_level": _OPUS_LEVEL}
        soundfile.write(path, samples, SAMPLE_RATE_HZ, **settings)

    def _append(self, row: str) -> None:
        """Add a line to the manifest, whole or not at all."""
        size = self._manifest.stat().st_size if self._manifest.is_file() else 0
        try:
            with self._manifest.open("a", encoding="utf-8") as manifest:
                manifest.write(row)
                manifest.flush()
                os.fsync(manifest.fileno())
        except OSError:
            if self._manifest.is_file():
                os.truncate(self._manifest, size)
            raise


def read_project(folder: Path) -> tuple[list[Recording], list[Fault]]:
    """Return all takes of a project folder at 30 Hz, and the faults of those left out.

    Raises DataError where the folder has no manifest.
    """
    return collect(scan_project(folder))


def scan_project(folder: Path) -> Iterator[Recording | Fault]:
    """Yield what `read_project` returns, one take at a time."""
    manifest = Path(folder) / MANIFEST
    if not manifest.is_file():
        raise DataError(f"{manifest} does not exist; give a folder in the project's format")
    seen: set[str] = set()
    for number, line in enumerate(read_lines(manifest, DataError), 1):
        name = f"{MANIFEST}:{number}"
        try:
            if not line.strip():
                continue
            row = read_row(line)
            name = row["id"]
            if name in seen:
                raise DataError(f"{name} stands twice in {manifest}; remove one line")
            seen.add(name)
            yield _read_take(Path(folder), row)
        except DataError as error:
            yield Fault(name, str(error))


def read_row(line: str) -> dict[str, Any]:
    """Return one line of a manifest; raise DataError unless it describes a take."""
    with refuse(DataError, f"{brief(line)} describes no take"):
        row = dict(json.loads(line))
        texts = [row[key] for key in ("id", "source", "licence", "split")]
        texts += [row.get("speaker") or "", row.get("emotion") or ""]
        valid = all(isinstance(text, str) for text in texts)
        fps_hz = float(row["fps_hz"])
    if not (valid and TAKE_NAME.fullmatch(row["id"]) and row["split"] in SPLITS):
        raise DataError(
            f"{brief(line)}: id (a file name), source, licence, speaker and emotion must be texts "
            f"and split one of {list(SPLITS)}"
        )
    if not _RATES_HZ[0] <= fps_hz <= _RATES_HZ[1]:
        raise DataError(f"{row['id']}: fps_hz is {fps_hz}; it must lie in {list(_RATES_HZ)}")
    return row


def _row_of(recording: Recording) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": recording.name,
        "source": recording.source,
        "speaker": recording.speaker,
        "licence": recording.licence,
        "split": recording.split,
        "fps_hz": recording.clip.fps_hz,
        "frames": len(recording.clip),
        "seconds": round(recording.clip.duration_s, 3),
    }
    if recording.emotion is not None:
        row["emotion"] = recording.emotion
    if recording.evaluation_only:
        row["evaluation_only"] = True
    return row


def _arrays_of(recording: Recording) -> dict[str, Any]:
    """Return what the npz holds; masks that never change lose their first dimension."""
    clip = recording.clip
    reserved = sorted(set(recording.extras) & {*_OWN, "file", "allow_pickle"})
    if reserved:
        raise DataError(f"{recording.name}: extras {reserved} have names that the format uses")
    arrays: dict[str, Any] = {"face": clip.face, "body": clip.body}
    for name, mask in (("face_mask", clip.face_mask), ("body_mask", clip.body_mask)):
        if mask is not None:
            arrays[name] = mask[0] if (mask == mask[0]).all() else mask
    if recording.semantic is not None:
        arrays["semantic"] = recording.semantic
    if recording.frame_emotion is not None:
        arrays["frame_emotion"] = recording.frame_emotion
    arrays |= {name: np.asarray(values) for name, values in recording.extras.items()}
    for name, values in arrays.items():
        if values.dtype.hasobject:
            raise DataError(f"{recording.name}: {name} holds Python objects; give plain arrays")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataError(f"{recording.name}: {name} holds NaN or infinite values")
    return arrays


def _read_take(folder: Path, row: Mapping[str, Any]) -> Recording:
    path = folder / f"{row['id']}.npz"
    arrays = load_npz(path)
    face, body = _frames(path, arrays, "face"), _frames(path, arrays, "body")
    check_face(path, face)
    if body.shape != (len(face), BODY_DIM):
        raise DataError(f"{path}: body has shape {body.shape}; expected ({len(face)}, {BODY_DIM})")
    if face.min() < -0.01 or face.max() > 1.01:
        raise DataError(
            f"{path}: face lies in {face.min():.2f}..{face.max():.2f}; scale it to 0..1"
        )
    fps_hz = float(row["fps_hz"])
    masks = [_mask(path, arrays, name, face if "face" in name else body) for name in _OWN[2:4]]
    clip = resample_clip(MotionClip(fps_hz, np.clip(face, 0.0, 1.0), body, *masks))
    flac, opus = (folder / f"{row['id']}{end}" for end in (".flac", ".ogg"))
    samples = read_sound(opus if opus.is_file() and not flac.is_file() else flac)
    check_lengths(path, len(clip), FPS_HZ, samples)
    position = frame_times(len(face), fps_hz, FPS_HZ)
    semantic, moods = arrays.get("semantic"), arrays.get("frame_emotion")
    for label in (semantic, moods):
        if label is not None and label.shape != (len(face),):
            raise DataError(f"{path}: a label has shape {label.shape}; expected ({len(face)},)")
    return Recording(
        row["id"],
        row["source"],
        row["licence"],
        row["split"],
        clip,
        samples,
        speaker=row.get("speaker") or "",
        emotion=row.get("emotion"),
        frame_emotion=None if moods is None else moods[np.round(position).astype(int)].astype(str),
        semantic=None if semantic is None else sample_weights(semantic, position),
        extras={name: values for name, values in arrays.items() if name not in _OWN},
        evaluation_only=bool(row.get("evaluation_only", False)),
    )


def _frames(path: Path, arrays: Mapping[str, npt.NDArray[Any]], name: str) -> Array:
    if name not in arrays or arrays[name].dtype.kind not in "fiu":
        raise DataError(f"{path} needs the numbers {name!r}; it holds {sorted(arrays)}")
    values = np.asarray(arrays[name], np.float32)
    if not np.isfinite(values).all():
        raise DataError(f"{path}: {name} holds NaN or infinite values")
    return values


def _mask(
    path: Path, arrays: Mapping[str, npt.NDArray[Any]], name: str, values: Array
) -> Array | None:
    if name not in arrays:
        return None
    mask = _frames(path, arrays, name)
    if mask.shape not in (values.shape, values.shape[1:]) or not np.isin(mask, (0, 1)).all():
        raise DataError(
            f"{path}: {name} has shape {mask.shape}; it needs {values.shape[1:]} or "
            f"{values.shape}, of zeros and ones"
        )
    return np.array(np.broadcast_to(mask, values.shape))
