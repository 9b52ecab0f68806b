"""Which data set a folder holds, and how to read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from asynfusion_ros.data.beat import read_beat
from asynfusion_ros.data.beat_release import TAKE, find_takes, scan_beat
from asynfusion_ros.data.mouth30 import read_mouth30
from asynfusion_ros.data.project import MANIFEST, scan_project
from asynfusion_ros.data.recording import Fault, Recording, attempt
from asynfusion_ros.data.smplx import find_show, scan_beat2, scan_show
from asynfusion_ros.data.talk30 import read_talk30
from asynfusion_ros.data.ted15 import KEY, scan_ted15
from asynfusion_ros.errors import DataError
from asynfusion_ros.files import read_lines

Found = Iterator[Recording | Fault]
DEEPEST = 2
"""Data sets are looked for this many folders below the one that is named."""


@dataclass(frozen=True)
class Format:
    """A layout: how a folder is known to have it, and a generator over its takes and faults.

    `trains` is False for what exists for evaluation alone.
    """

    name: str
    matches: Callable[[Path], bool]
    scan: Callable[[Path], Found]
    trains: bool = True


def _whole(read: Callable[[Path], tuple[list[Recording], list[Fault]]]) -> Callable[[Path], Found]:
    """Return a scan of a reader that returns everything at once."""

    def scan(folder: Path) -> Found:
        recordings, faults = read(folder)
        yield from recordings
        yield from faults

    return scan


def _is_project(folder: Path) -> bool:
    return any("fps_hz" in row for row in _manifest_rows(folder))


def _is_talk30(folder: Path) -> bool:
    return (folder / MANIFEST).is_file() and (folder / "face_names.json").is_file()


def _is_beat_take(folder: Path) -> bool:
    named = [path for path in folder.glob("*.npz") if TAKE.fullmatch(path.stem)]
    return any("arkit51_30fps" in _keys(path) for path in named)


def _is_mouth30(folder: Path) -> bool:
    return "arkit51_30fps" in _common_keys(folder) and not _is_beat_take(folder)


def _is_beat(folder: Path) -> bool:
    ends = (".wav", ".json")
    return any(p.with_suffix(end).is_file() for p in find_takes(folder) for end in ends)


FORMATS: tuple[Format, ...] = (
    Format("project", _is_project, scan_project),
    Format("talk30", _is_talk30, _whole(read_talk30)),
    Format("beat_take", _is_beat_take, _whole(read_beat), trains=False),
    Format("mouth30", _is_mouth30, _whole(read_mouth30)),
    Format("ted15", lambda folder: KEY in _common_keys(folder), scan_ted15),
    Format("BEAT2", lambda folder: (folder / "smplxflame_30").is_dir(), scan_beat2),
    Format("BEAT", _is_beat, scan_beat),
    Format("SHOW", lambda folder: bool(find_show(folder)), scan_show),
)


def detect(folder: Path) -> Format | None:
    """Return the format of a folder, or None where it is no data set of ours."""
    return next((kind for kind in FORMATS if kind.matches(Path(folder))), None)


def find_sets(folder: Path) -> list[tuple[Path, Format]]:
    """Return the data sets in `folder`: itself, or else those at most DEEPEST folders below.

    Raises DataError where there is no such folder or it holds none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give one that holds data sets")
    found = list(_search(folder, DEEPEST))
    if not found:
        known = ", ".join(kind.name for kind in FORMATS)
        raise DataError(f"{folder} holds no data set of a known layout ({known}); see docs/data.md")
    return found


def scan_set(folder: Path, kind: Format) -> Found:
    """Yield the takes and faults of one data set; a folder that cannot be read is one fault."""
    for item in attempt(folder.name, lambda: kind.scan(folder)):
        yield (
            item
            if isinstance(item, Recording)
            else Fault(f"{folder.name}/{item.file}", item.reason)
        )


def _search(folder: Path, depth: int) -> Iterator[tuple[Path, Format]]:
    kind = detect(folder)
    if kind is not None:
        yield folder, kind
    elif depth:
        for below in sorted(folder.iterdir()):
            if below.is_dir() and not below.name.startswith("."):
                yield from _search(below, depth - 1)


def _manifest_rows(folder: Path) -> Iterator[dict[str, object]]:
    path = folder / MANIFEST
    if path.is_file():
        for line in read_lines(path, DataError):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue  # reading it will report the line
            if isinstance(row, dict):
                yield row


def _common_keys(folder: Path) -> set[str]:
    """Return the arrays of the first npz of a folder that can be opened."""
    for path in sorted(folder.glob("*.npz")):
        if keys := _keys(path):
            return keys
    return set()


def _keys(path: Path) -> set[str]:
    try:
        with ZipFile(path) as file:
            return {name.removesuffix(".npy") for name in file.namelist()}
    except (OSError, BadZipFile):
        return set()  # reading it will report the file
