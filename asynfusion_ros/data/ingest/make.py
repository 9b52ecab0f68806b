"""From tracks and sound to takes in the project's format, and a report on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.ingest.body import Body, find_body
from asynfusion_ros.data.ingest.face import calibrate_face
from asynfusion_ros.data.ingest.gaps import bridge, close_gaps, find_takes
from asynfusion_ros.data.ingest.quality import (
    SHORT,
    Report,
    Take,
    judge,
    measure_face,
    measure_sound,
)
from asynfusion_ros.data.ingest.settings import IngestSettings
from asynfusion_ros.data.ingest.sync import LEAST_SHIFT_S, find_offset, shift_sound
from asynfusion_ros.data.ingest.tracks import Array, Flags, Tracks
from asynfusion_ros.data.ingest.video import Video
from asynfusion_ros.data.recording import Recording
from asynfusion_ros.data.talk30 import JOINTS
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import mouth_opening
from asynfusion_ros.motion.clip import MotionClip

Piece = tuple[int, int]


@dataclass(frozen=True)
class Origin:
    """What the manifest says of the takes of one video; take n is called `name`-n."""

    name: str
    speaker: str
    licence: str
    split: str = "train"


def make_takes(
    tracks: Tracks, samples: Array, video: Video, origin: Origin, settings: IngestSettings
) -> tuple[list[Recording], Report]:
    """Return the takes in which a face can be believed, and the report on the whole video.

    Raises DataError, with the seconds lost by reason, where no take remains.
    """
    hz = tracks.fps_hz
    faults = judge(tracks, settings)
    usable = ~np.any(list(faults.values()), axis=0)
    split, shortest = round(settings.split_gap_s * hz), round(settings.shortest_take_s * hz)
    pieces = find_takes(usable, tracks.cuts, split, shortest)
    left_out_s = count_lost(faults, usable, pieces, hz)
    if not pieces:
        raise DataError(_why_nothing(video, tracks, left_out_s, settings))
    face, _ = calibrate_face(bridge(tracks.scores, usable), usable)
    sync = find_offset(mouth_opening(face), samples, hz, settings.largest_shift_s)
    moves = settings.move_sound and sync.confident and abs(sync.excess_s) > LEAST_SHIFT_S
    moved_s = sync.excess_s if moves else 0.0
    whole = _Whole(
        hz,
        face.astype(np.float32),
        close_gaps(usable, round(settings.face_gap_s * hz)),
        shift_sound(samples, moved_s),
    )
    bodies = [find_body(tracks.part(*piece), settings) for piece in pieces]
    takes = [
        _cut(whole, body, piece, origin, number)
        for number, (piece, body) in enumerate(zip(pieces, bodies, strict=True), 1)
    ]
    starts_s = [first / hz for first, _ in pieces]
    report = Report(
        video=video.path.name,
        seconds=len(tracks) / hz,
        expected_s=video.seconds,
        fps_hz=hz,
        size=video.size,
        face=measure_face(tracks, settings),
        joints=_average(bodies),
        sound=measure_sound(samples, hz, len(tracks)),
        sync=sync,
        moved_s=moved_s,
        takes=tuple(map(Take.of, takes, starts_s)),
        left_out_s=left_out_s,
    )
    return takes, report


@dataclass(frozen=True)
class _Whole:
    """The whole video: face (T, 51), where it was measured (T,), and sound."""

    fps_hz: float
    face: Array
    measured: Flags
    samples: Array


def count_lost(
    faults: Mapping[str, Flags], usable: Flags, pieces: Sequence[Piece], fps_hz: float
) -> dict[str, float]:
    """Return the seconds outside all pieces by reason; what is usable there was too short."""
    outside = np.ones(len(usable), bool)
    for first, end in pieces:
        outside[first:end] = False
    lost = {**faults, SHORT: usable}
    return {reason: float((flags & outside).sum() / fps_hz) for reason, flags in lost.items()}


def _cut(whole: _Whole, body: Body, piece: Piece, origin: Origin, number: int) -> Recording:
    """Return one take: its frames of the face, where it was measured, its body, its sound."""
    rows = slice(*piece)
    first, end = (round(edge / whole.fps_hz * SAMPLE_RATE_HZ) for edge in piece)
    face = whole.face[rows]
    mask = np.repeat(whole.measured[rows, None], face.shape[1], axis=1).astype(np.float32)
    return Recording(
        f"{origin.name}-{number}",
        origin.name,
        origin.licence,
        origin.split,
        MotionClip(whole.fps_hz, face, body.body, mask, body.mask),
        whole.samples[first:end],
        speaker=origin.speaker,
    )


def _average(bodies: Sequence[Body]) -> dict[str, float]:
    """Return how often each joint was seen in all bodies together, 0..1."""
    weights = [len(body.body) for body in bodies]
    return {
        joint: float(np.average([body.shares[joint] for body in bodies], weights=weights))
        for joint in JOINTS
    }


def _why_nothing(
    video: Video, tracks: Tracks, left_out_s: Mapping[str, float], settings: IngestSettings
) -> str:
    """Return what to do about a video without a take."""
    if not tracks.face_seen.any():
        return (
            f"{video.path}: no face in any of {len(tracks)} pictures; give a video of one person "
            "who looks towards the camera, the face at least a tenth of the picture's height"
        )
    reasons = ", ".join(f"{reason} {s:.1f} s" for reason, s in left_out_s.items() if s)
    return (
        f"{video.path}: nothing of {len(tracks) / tracks.fps_hz:.1f} s is left ({reasons}); a take "
        f"needs {settings.shortest_take_s:g} s in which one face looks towards the camera "
        "(docs/ingest.md has the settings)"
    )
