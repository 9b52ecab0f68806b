"""Smooth noise in space, from a lattice of random numbers that repeats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

Array = npt.NDArray[np.float64]

_LATTICE = np.random.default_rng(5).standard_normal((64, 64, 64)).astype(np.float32)


def noise(points: Array, size_m: float, seed: float = 0.0) -> Array:
    """Return noise (N,) of deviation about 0.5, whose lumps have the given size."""
    place = (points / size_m + 7.3 * seed).T.astype(np.float32)
    return np.asarray(map_coordinates(_LATTICE, place, order=1, mode="grid-wrap", prefilter=False))


def octaves(points: Array, size_m: float, count: int = 3, seed: float = 0.0) -> Array:
    """Return noise of several sizes, each half as large and as strong as the one before."""
    parts = (0.5**k * noise(points, size_m * 0.5**k, seed + 1.7 * k) for k in range(count))
    return np.asarray(sum(parts))
