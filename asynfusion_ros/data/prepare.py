"""From recordings to training windows: features exactly as streaming computes them, in float16.

A prepared folder holds one .npy per array, memory-mapped by training, and manifest.json.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from asynfusion_ros.audio.features import SpeechFeatureExtractor
from asynfusion_ros.data.formats import find_sets, scan_set
from asynfusion_ros.data.linear_mouth import replace_mouths
from asynfusion_ros.data.recording import RESTRICTED, Fault, Recording, collect
from asynfusion_ros.data.windows import (
    CHANGES,
    Plan,
    PrepareSettings,
    Window,
    make_window,
    plan_windows,
)
from asynfusion_ros.errors import DataError

ARRAYS = ("audio", "face", "body", "face_mask", "body_mask", "speaker", "take")
Progress = Callable[[int, int], None]

_MOST_WORKERS = 16  # each opens the speech models anew
_AHEAD = 16  # windows for each worker before those that are ready are written


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


def may_train(recording: Recording, restricted_data: bool) -> bool:
    """Tell whether a take may make windows: never what is for tests or for evaluation only.

    Takes under licences that a model would inherit need `restricted_data`.
    """
    if recording.evaluation_only or recording.split == "test":
        return False
    return restricted_data or recording.licence not in RESTRICTED


def speaker_ids(recordings: list[Recording]) -> dict[str, int]:
    """Number the speakers from 1, in alphabetical order; 0 stays the unknown speaker."""
    return {name: i + 1 for i, name in enumerate(sorted({r.speaker for r in recordings}))}


def prepare(
    recordings: list[Recording],
    faults: list[Fault],
    out: Path,
    settings: PrepareSettings,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the windows of all takes that may train (see `may_train`); return the manifest.

    The manifest comes last, so that a folder that was interrupted is not taken for a whole one.
    """
    usable = [r for r in recordings if may_train(r, settings.restricted_data)]
    workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    extractors = [SpeechFeatureExtractor() for _ in range(workers)]
    extractor = extractors[0]
    shapes = _shapes(extractor)
    window_mb = sum(2 * math.prod(shape) for shape in shapes.values()) / 1e6
    plans = plan_windows(usable, extractor.settings.window_frames, settings, window_mb)
    if not plans:
        raise DataError(
            "no take that may train is as long as one window of 2 s; nothing to prepare (BEAT, "
            "BEAT2, SHOW and ted15 need --set restricted_data=true)"
        )
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "manifest.json").unlink(missing_ok=True)
    arrays = {name: _create(out, name, len(plans), shape) for name, shape in shapes.items()}
    speakers = speaker_ids(usable)
    for index, row in enumerate(_make_rows(usable, plans, extractors, settings, speakers)):
        for name, values in row.items():
            arrays[name][index] = values
        if progress is not None:
            progress(index + 1, len(plans))
    tracked = [_is_tracked(plan, usable[plan.take]) for plan in plans]
    replace_mouths(
        arrays["audio"], arrays["face"], np.flatnonzero(tracked), settings.linear_mouth_share
    )
    for array in arrays.values():
        array.flush()
    changes = Counter(plan.change for plan in plans)
    manifest = {
        "settings": settings.to_dict(),
        "features": extractor.settings.to_dict(),
        "speakers": speakers,
        "takes": [_describe(recording) for recording in usable],
        "faults": [{"file": fault.file, "reason": fault.reason} for fault in faults],
        "windows": len(plans),
        "windows_by_change": {change: changes[change] for change in CHANGES if changes[change]},
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def _make_rows(
    usable: list[Recording],
    plans: list[Plan],
    extractors: list[SpeechFeatureExtractor],
    settings: PrepareSettings,
    speakers: dict[str, int],
) -> Iterator[dict[str, Any]]:
    """Yield the arrays of each plan's window, in order; each extractor has a thread of its own."""

    def make(plan: Plan, extractor: SpeechFeatureExtractor) -> dict[str, Any]:
        return _row(make_window(usable[plan.take], plan, extractor, settings), extractor, speakers)

    ahead = _AHEAD * len(extractors)
    with ThreadPoolExecutor(len(extractors), "windows") as pool:
        for first in range(0, len(plans), ahead):
            yield from pool.map(make, plans[first : first + ahead], cycle(extractors))


def _is_tracked(plan: Plan, recording: Recording) -> bool:
    """Tell whether a window trains and shows a whole face that speaks, as a camera saw it."""
    mask = recording.clip.face_mask
    whole = mask is None or bool(np.all(mask))
    return whole and recording.split == "train" and plan.change != "rest"


def _shapes(extractor: SpeechFeatureExtractor) -> dict[str, tuple[int, ...]]:
    """Return the shape of one window in each array."""
    frames = extractor.settings.window_frames
    wide = {"audio": (frames, extractor.dim), "face": (frames, 51), "body": (frames, 24)}
    return {**wide, "face_mask": (51,), "body_mask": (24,), "speaker": (), "take": ()}


def _row(
    window: Window, extractor: SpeechFeatureExtractor, speakers: dict[str, int]
) -> dict[str, Any]:
    return {
        "audio": extractor.extract(window.samples),
        "face": window.face,
        "body": window.body,
        "face_mask": window.face_mask,
        "body_mask": window.body_mask,
        "speaker": speakers[window.recording.speaker],
        "take": window.take,
    }


def _create(out: Path, name: str, windows: int, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """Create one array on disk; whole numbers where there is one value to a window."""
    kind = np.float16 if shape else np.int64
    return np.lib.format.open_memmap(
        out / f"{name}.npy", mode="w+", dtype=kind, shape=(windows, *shape)
    )


def _describe(recording: Recording) -> dict[str, Any]:
    return {
        "name": recording.name,
        "source": recording.source,
        "speaker": recording.speaker,
        "licence": recording.licence,
        "split": recording.split,
        "emotion": recording.emotion,
        "seconds": round(recording.clip.duration_s, 2),
    }
