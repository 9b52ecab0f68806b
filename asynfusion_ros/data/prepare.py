"""From recordings to training windows: features exactly as streaming computes them, in float16.

A prepared folder holds one .npy per array, memory-mapped by training, and manifest.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.features import SpeechFeatureExtractor
from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.formats import find_sets, scan_set
from asynfusion_ros.data.recording import RESEARCH_ONLY, Array, Fault, Recording, collect
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES, mouth_opening
from asynfusion_ros.settings import Settings, setting

FRAME_GRID = 3
"""Windows start on every third frame, where 30 Hz frames and 16 kHz samples coincide."""

ARRAYS = ("audio", "face", "body", "face_mask", "body_mask", "speaker", "take")
_MOUTH = np.isin(FACE_NAMES, MOUTH_NAMES)
_FADE_FRAMES = 6

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PrepareSettings(Settings):
    """How windows are cut from recordings."""

    stride_frames: int = setting(
        9, doc="Frames from one window to the next", unit="frames", minimum=FRAME_GRID
    )
    rest_share: float = setting(
        0.08,
        doc="Extra windows whose speech is muted and whose mouth rests",
        minimum=0.0,
        maximum=1,
    )
    rest_amplitude: float = setting(
        0.4, doc="Body motion left in the muted part of such windows", minimum=0.0, maximum=1.0
    )
    research_data: bool = setting(
        False, doc="Train also on takes for non-commercial research only (BEAT, BEAT2, SHOW)"
    )
    seed: int = setting(0, doc="Seed of the muted windows", minimum=0)


def read_all(*folders: Path) -> tuple[list[Recording], list[Fault]]:
    """Read every data set that `folders` hold, but for those that serve evaluation only.

    Raises DataError where a folder holds no data set, or nothing of all can be read.
    """
    sets = [found for folder in folders for found in find_sets(folder)]
    items = (item for place, kind in sets if kind.trains for item in scan_set(place, kind))
    recordings, faults = collect(items)
    recordings = [r for r in recordings if not r.evaluation_only]
    if not recordings:
        raise DataError(f"{[str(f) for f in folders]} hold no take to train on: {faults}")
    return recordings, faults


def may_train(recording: Recording, research_data: bool) -> bool:
    """Tell whether a take may make windows: never what is for tests or for evaluation only.

    Takes for non-commercial research only need `research_data`.
    """
    if recording.evaluation_only or recording.split == "test":
        return False
    return research_data or recording.licence != RESEARCH_ONLY


def speaker_ids(recordings: list[Recording]) -> dict[str, int]:
    """Number the speakers from 1, in alphabetical order; 0 stays the unknown speaker."""
    return {name: i + 1 for i, name in enumerate(sorted({r.speaker for r in recordings}))}


@dataclass(frozen=True)
class Window:
    """One training example before its features are taken."""

    face: Array
    body: Array
    samples: Array
    recording: Recording
    take: int


def cut_windows(
    recordings: list[Recording], extractor: SpeechFeatureExtractor, settings: PrepareSettings
) -> Iterator[Window]:
    """Yield the windows of all takes, and after some of them a copy in which speech stops."""
    rng = np.random.default_rng(settings.seed)
    frames = extractor.settings.window_frames
    for take, recording in enumerate(recordings):
        pad = np.zeros(extractor.samples_needed, np.float32)
        samples = np.concatenate([recording.samples, pad])
        stride = settings.stride_frames // FRAME_GRID * FRAME_GRID
        for start in range(0, len(recording.clip) - frames + 1, stride):
            first = start * SAMPLE_RATE_HZ // round(extractor.settings.fps_hz)
            window = Window(
                recording.clip.face[start : start + frames],
                recording.clip.body[start : start + frames],
                samples[first : first + extractor.samples_needed],
                recording,
                take,
            )
            yield window
            if rng.random() < settings.rest_share:
                yield _silence(window, settings, rng)


def _silence(window: Window, settings: PrepareSettings, rng: np.random.Generator) -> Window:
    """Mute a part of the window; there the mouth takes the take's closed pose, the body calms.

    The recordings hardly ever pause, so an avatar trained on them alone mumbles in silence.
    """
    frames = len(window.face)
    edge = int(rng.integers(-frames // 2, frames))  # half of them are silent throughout
    speech_first = bool(rng.random() < 0.5)
    position = (np.arange(frames) - max(edge, -_FADE_FRAMES)) / _FADE_FRAMES
    rest = np.clip(position if speech_first else 1.0 - position, 0.0, 1.0)[:, None]
    if edge < 0:
        rest = np.ones((frames, 1))
    whole = window.recording.clip.face
    opening = mouth_opening(whole)
    closed = np.median(whole[opening <= np.quantile(opening, 0.1)], axis=0)
    share = rest * _MOUTH
    face = (1.0 - share) * window.face + share * closed
    calm = 1.0 - rest * (1.0 - settings.rest_amplitude)
    body = window.body.mean(axis=0) + calm * (window.body - window.body.mean(axis=0))
    gain = np.interp(np.arange(window.samples.size) / 533.33, np.arange(frames), 1.0 - rest[:, 0])
    noise = rng.standard_normal(window.samples.size) * 10.0 ** rng.uniform(-5.0, -3.0)
    samples = (gain * window.samples + noise).astype(np.float32)
    return Window(
        face.astype(np.float32), body.astype(np.float32), samples, window.recording, window.take
    )


def prepare(
    recordings: list[Recording],
    faults: list[Fault],
    out: Path,
    settings: PrepareSettings,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the windows of all recordings that are not test takes; return the manifest."""
    usable = [r for r in recordings if may_train(r, settings.research_data)]
    extractor = SpeechFeatureExtractor()
    speakers = speaker_ids(recordings)
    windows = list(cut_windows(usable, extractor, settings))
    if not windows:
        raise DataError("no take is as long as one window of 2 s; nothing to prepare")
    columns: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ARRAYS}
    for index, window in enumerate(windows):
        clip = window.recording.clip
        row: dict[str, Any] = {
            "audio": extractor.extract(window.samples),
            "face": window.face,
            "body": window.body,
            "face_mask": np.ones(51) if clip.face_mask is None else clip.face_mask[0],
            "body_mask": np.ones(24) if clip.body_mask is None else clip.body_mask[0],
        }
        for name, value in row.items():
            columns[name].append(np.asarray(value, np.float16))
        columns["speaker"].append(np.asarray(speakers[window.recording.speaker], np.int64))
        columns["take"].append(np.asarray(window.take, np.int64))
        if progress is not None:
            progress(index + 1, len(windows))
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in columns.items():
        np.save(out / f"{name}.npy", np.stack(rows), allow_pickle=False)
    manifest = {
        "settings": settings.to_dict(),
        "features": extractor.settings.to_dict(),
        "speakers": speakers,
        "takes": [
            {
                "name": r.name, "source": r.source, "speaker": r.speaker, "licence": r.licence,
                "split": r.split, "emotion": r.emotion, "seconds": round(r.clip.duration_s, 2),
            }
            for r in usable
        ],
        "faults": [{"file": fault.file, "reason": fault.reason} for fault in faults],
        "windows": len(windows),
    }  # fmt: skip
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest
