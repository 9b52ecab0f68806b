"""Prepared folders, one or several, as one: arrays that stay on disk and one manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.data.prepare import ARRAYS
from asynfusion_ros.errors import DataError
from asynfusion_ros.files import read_json, refuse

Rows = npt.NDArray[np.int64]


class JoinedArray:
    """Arrays (N_i, ...) on disk, read as one array of sum(N_i) rows."""

    def __init__(self, parts: Sequence[npt.NDArray[Any]]) -> None:
        """Join arrays of equal row shape."""
        self._parts = list(parts)
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self._ends[-1])

    def read(self, rows: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the rows (R,) as float32 (R, ...)."""
        wanted = np.asarray(rows, np.int64)
        values = np.empty((len(wanted), *self._parts[0].shape[1:]), np.float32)
        part_of = np.searchsorted(self._ends, wanted, side="right")
        for part in np.unique(part_of):
            here = np.flatnonzero(part_of == part)
            first = self._ends[part] - len(self._parts[part])
            values[here] = self._parts[part][wanted[here] - first]
        return values


def open_prepared(
    folders: Sequence[Path],
) -> tuple[dict[str, Any], dict[str, JoinedArray], Rows, Rows]:
    """Return manifest, arrays, and the take and the speaker of each window, of several folders.

    Takes are numbered on; speakers are numbered by name, from 1. Raises DataError where a folder is
    no prepared one, or the folders were prepared with different features.
    """
    manifests, columns = zip(*(_open(Path(folder)) for folder in folders), strict=True)
    features = [manifest["features"] for manifest in manifests]
    if any(each != features[0] for each in features):
        raise DataError(
            f"{[str(folder) for folder in folders]} were prepared with different features "
            f"{features}; prepare them again, alike"
        )
    names = sorted({name for manifest in manifests for name in manifest["speakers"]})
    numbers = {name: index + 1 for index, name in enumerate(names)}
    takes, speakers, first = [], [], 0
    for manifest, arrays in zip(manifests, columns, strict=True):
        takes.append(np.asarray(arrays["take"], np.int64) + first)
        first += len(manifest["takes"])
        speakers.append(renumber(arrays["speaker"], manifest["speakers"], numbers))
    manifest = {
        "features": features[0],
        "settings": [each["settings"] for each in manifests],
        "speakers": numbers,
        "takes": [take for each in manifests for take in each["takes"]],
    }
    wide = {
        name: JoinedArray([arrays[name] for arrays in columns])
        for name in ARRAYS
        if name not in ("take", "speaker")
    }
    return manifest, wide, np.concatenate(takes), np.concatenate(speakers)


def renumber(values: npt.ArrayLike, before: dict[str, int], after: dict[str, int]) -> Rows:
    """Return the numbers (N,) of `before` as those that `after` gives to the same names."""
    table = np.arange(max(before.values(), default=0) + 1)
    for name, number in before.items():
        table[number] = after[name]
    renumbered: Rows = table[np.asarray(values, np.int64)]
    return renumbered


def _open(folder: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    label = f"{folder} is no prepared folder; run `asynfusion prepare` first"
    if not (folder / "manifest.json").is_file():
        raise DataError(label)
    with refuse(DataError, label):
        manifest: dict[str, Any] = read_json(folder / "manifest.json", DataError)
        lacking = {"features", "settings", "speakers", "takes"} - set(manifest)
        if lacking:
            raise ValueError(f"its manifest.json lacks {sorted(lacking)}")
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ARRAYS
        }
    return manifest, arrays
