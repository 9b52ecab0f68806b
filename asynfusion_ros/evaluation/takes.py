"""Which takes are measured, and which train the autoencoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from asynfusion_ros.data.beat import read_beat
from asynfusion_ros.data.prepare import read_all
from asynfusion_ros.data.recording import Recording
from asynfusion_ros.errors import DataError
from asynfusion_ros.evaluation.autoencoder import AutoencoderSettings
from asynfusion_ros.evaluation.embedding import Embedding, TooFewWindowsError, open_embedding
from asynfusion_ros.evaluation.motion_windows import KINDS

Progress = Callable[[str, int, int], None]


def read_takes(folders: Sequence[Path]) -> list[Recording]:
    """Return every take of the folders' data sets, printing what had to be left out."""
    recordings, faults = read_all(*folders)
    for fault in faults:
        print(fault)
    return recordings


def read_held_out(
    folders: Sequence[Path], split: str, recordings: Sequence[Recording] | None = None
) -> list[Recording]:
    """Return the takes of a split: "test", "val", or "beat" for what `beat_take` holds.

    `recordings` spares reading the folders again. Raises DataError where there is none.
    """
    if split == "beat":
        places = [folder / "beat_take" for folder in folders if (folder / "beat_take").is_dir()]
        found, faults = read_beat(places[0] if places else folders[0])
        for fault in faults:
            print(fault)
    else:
        takes = read_takes(folders) if recordings is None else recordings
        found = [recording for recording in takes if recording.split == split]
    if not found:
        names = ", ".join(str(folder) for folder in folders)
        raise DataError(f"{names} holds no take of the split {split!r}")
    return found


def open_embeddings(
    recordings: Sequence[Recording],
    settings: AutoencoderSettings,
    cache: Path,
    progress: Progress | None = None,
) -> tuple[Embedding, ...]:
    """Return the autoencoders of all kinds of motion that enough training takes have.

    Each comes from the cache, or is trained into it; `progress(kind, done, steps)` follows that.
    """
    found = []
    for kind in KINDS:
        follow = None if progress is None else _bound(progress, kind)
        try:
            found.append(open_embedding(recordings, kind, settings, cache, follow))
        except TooFewWindowsError as error:
            print(f"{error}; its distance is left out")
    return tuple(found)


def _bound(progress: Progress, kind: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(kind, done, total)
