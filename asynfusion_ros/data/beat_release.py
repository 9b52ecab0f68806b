"""BEAT as it is published: speaker folders with wav, BVH, face JSON, emotion csv and semantics txt.

Non-commercial research only. The official split goes by the take's number, `SPEAKER_NAME_KIND_
FIRST_LAST`: kind 0 is speech, 1 conversation.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.beat_bvh import bvh_body, longest_gap_s, read_beat_bvh, rows_at, true_rate
from asynfusion_ros.data.recording import (
    RESEARCH_ONLY,
    Array,
    Fault,
    Recording,
    attempt,
    read_any_sound,
)
from asynfusion_ros.data.resample import FPS_HZ, frame_times, sample_rotations
from asynfusion_ros.errors import DataError
from asynfusion_ros.files import read_text, refuse
from asynfusion_ros.motion.arkit_json import read_arkit_json
from asynfusion_ros.motion.clip import MotionClip

LONGEST_S = 1e6
TAKE = re.compile(r"(\d+)_([a-z]+)_([01])_(\d+)_(\w+)")
EMOTIONS = (
    "neutral", "happiness", "anger", "sadness", "contempt", "surprise", "fear", "disgust",
)  # fmt: skip
"""BEAT's emotion numbers 0 to 7."""

_TEST = {f"0_{n}" for n in (*range(1, 9), 65, 73, 81, 87, 95, 103, 111)} | {"1_1"}
_VAL = {f"0_{n}" for n in (*range(57, 65), 72, 80, 86, 94, 102, 110, 118)} | {"1_12"}


def official_split(name: str) -> str:
    """Return the split of a take by BEAT's own rule; raise DataError if it is no name of BEAT."""
    match = TAKE.fullmatch(name)
    if match is None:
        raise DataError(f"{name!r} is no name of a BEAT take, such as 2_scott_0_1_1")
    number = f"{match[3]}_{match[4]}"
    return "test" if number in _TEST else "val" if number in _VAL else "train"


def find_takes(folder: Path) -> list[Path]:
    """Return the BVHs of a folder and its speakers' folders that are named like BEAT's takes."""
    files = [*Path(folder).glob("*.bvh"), *Path(folder).glob("*/*.bvh")]
    return sorted(file for file in files if TAKE.fullmatch(file.stem))


def scan_beat(folder: Path) -> Iterator[Recording | Fault]:
    """Yield the takes of BEAT's published layout, and the faults of those that cannot be used.

    A take needs .wav, .bvh and .json; .csv (emotion) and .txt (semantics) are read where present.
    """
    for path in find_takes(folder):
        yield from attempt(str(path.relative_to(folder)), partial(_read_take, path))


def _read_take(path: Path) -> Iterator[Recording]:
    samples = read_any_sound(path.with_suffix(".wav"))
    sound_s = len(samples) / SAMPLE_RATE_HZ
    body, mask = bvh_body(read_beat_bvh(path))
    rate_hz = true_rate(path, len(body), sound_s)
    times_s, weights = read_arkit_json(path.with_suffix(".json"))
    _check_face(path.with_suffix(".json"), times_s, weights, sound_s)
    ends_s = (sound_s, len(body) / rate_hz, float(times_s[-1]))
    frames = int(min(ends_s) * FPS_HZ)
    position = frame_times(len(body), rate_hz, FPS_HZ)[:frames]
    joints = sample_rotations(body.reshape(len(body), -1, 3), position)
    face = np.clip(rows_at(weights, times_s, np.arange(frames) / FPS_HZ), 0.0, 1.0)
    # A channel that never leaves 0 was not captured, or stands not in the file.
    given = np.tile(weights.any(axis=0).astype(np.float32), (frames, 1))
    body = joints.reshape(frames, -1)
    clip = MotionClip(FPS_HZ, face, body, given, mask[:1].repeat(frames, 0))
    emotion, moods = _read_emotion(path.with_suffix(".csv"), frames)
    number, name = path.stem.split("_")[:2]
    yield Recording(
        path.stem,
        "BEAT",
        RESEARCH_ONLY,
        official_split(path.stem),
        clip,
        samples[: round(frames / FPS_HZ * SAMPLE_RATE_HZ)],
        speaker=f"{number} {name}",
        emotion=emotion,
        frame_emotion=moods,
        semantic=_read_semantic(path.with_suffix(".txt"), frames),
    )


def _check_face(path: Path, times_s: Array, weights: Array, sound_s: float) -> None:
    if len(times_s) < 2 or not (np.diff(times_s) > 0).all():
        raise DataError(f"{path}: its {len(times_s)} frames need times that increase")
    if weights.min() < -0.01 or weights.max() > 1.5:
        raise DataError(f"{path}: weights up to {weights.max():.2f}; ARKit's lie in 0..1")
    if abs(float(times_s[-1]) - sound_s) > longest_gap_s(sound_s):
        raise DataError(
            f"{path} ends at {times_s[-1]:.2f} s, its sound at {sound_s:.2f} s; they may differ by "
            f"{longest_gap_s(sound_s):.2f} s: a file is cut off, or its times are of another rate"
        )


def _read_emotion(path: Path, frames: int) -> tuple[str | None, npt.NDArray[np.str_] | None]:
    """Return the commonest emotion and that of each frame, of name,start,end,duration,number."""
    if not path.is_file():
        return None, None
    moods = np.full(frames, EMOTIONS[0], dtype="U16")
    for start_s, end_s, value in _read_spans(path, ","):
        if value not in range(len(EMOTIONS)):
            raise DataError(f"{path}: emotion {value}; BEAT numbers them 0 to 7")
        moods[_frames(start_s, end_s)] = EMOTIONS[int(value)]
    return Counter(moods.tolist()).most_common(1)[0][0], moods


def _read_semantic(path: Path, frames: int) -> Array | None:
    """Return the score of each frame (T,) in 0..1, 0 between spans."""
    if not path.is_file():
        return None
    scores = np.zeros(frames, np.float32)
    for start_s, end_s, value in _read_spans(path, "\t"):
        scores[_frames(start_s, end_s)] = np.clip(value, 0.0, 1.0)
    return scores


def _read_spans(path: Path, delimiter: str) -> list[tuple[float, float, float]]:
    """Return (start, end, value) of each line `name, start, end, duration, value, ...`."""
    lines = read_text(path, DataError).splitlines(keepends=True)
    with refuse(DataError, f"{path} is no list of name, start, end, duration, value"):
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
        spans = [(float(row[1]), float(row[2]), float(row[4])) for row in rows]
    if not (np.abs(np.array(spans)) < LONGEST_S).all():
        raise DataError(f"{path} holds NaN, or times beyond {LONGEST_S:g} s")
    return spans


def _frames(start_s: float, end_s: float) -> slice:
    return slice(max(0, int(np.ceil(start_s * FPS_HZ))), max(0, int(np.ceil(end_s * FPS_HZ))))
