"""Gaps in what was seen: short ones are bridged, long ones are marked, lost faces end a take."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def runs(flags: npt.ArrayLike) -> list[tuple[int, int]]:
    """Return the runs of True in flags (T,) as [first, last + 1)."""
    padded = np.concatenate([[False], np.asarray(flags, bool), [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def close_gaps(seen: npt.ArrayLike, longest: int) -> Flags:
    """Return where a channel counts as measured (T,): seen, or within a gap of `longest` frames.

    A gap has sight on both sides; what lies before the first or after the last is none.
    """
    closed = np.array(seen, bool)
    for first, end in runs(~closed):
        if first > 0 and end < len(closed) and end - first <= longest:
            closed[first:end] = True
    return closed


def bridge(values: npt.ArrayLike, seen: npt.ArrayLike) -> Array:
    """Return values (T, ...) with unseen frames interpolated, the ends held; none seen: zeros."""
    rows = np.array(values, np.float64)
    known = np.flatnonzero(seen)
    if not len(known):
        return np.zeros_like(rows)
    flat = rows.reshape(len(rows), -1)
    frames = np.arange(len(rows))
    for column in range(flat.shape[1]):
        flat[:, column] = np.interp(frames, known, flat[known, column])
    return flat.reshape(rows.shape)


def bridge_turns(matrices: npt.ArrayLike, seen: npt.ArrayLike) -> Rotation:
    """Return turns (T,) of matrices (T, 3, 3), unseen frames by slerp, the ends held."""
    rows, known = np.asarray(matrices, np.float64), np.flatnonzero(seen)
    if not len(known):
        return Rotation.identity(len(rows))
    turns = Rotation.from_matrix(rows[known])
    if len(known) == 1:
        return Rotation.concatenate([turns] * len(rows))
    frames = np.clip(np.arange(len(rows)), known[0], known[-1])
    return Slerp(known, turns)(frames)


def find_takes(
    usable: npt.ArrayLike, cuts: Sequence[int], split: int, shortest: int
) -> list[tuple[int, int]]:
    """Return takes [first, last + 1): no cut inside, no gap longer than `split` frames.

    Those shorter than `shortest` frames are left out.
    """
    pieces: list[tuple[int, int]] = []
    for first, end in runs(close_gaps(usable, split)):
        pieces += pairwise([first, *(cut for cut in cuts if first < cut < end), end])
    return [(first, end) for first, end in pieces if end - first >= shortest]
