"""Persons that nobody is: styles drawn as the people of the training takes spread in them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

MOST_DEVIATIONS = 2.0
"""No style of a drawn person is further from the mean, in standard deviations."""


def measure_correlation(styles: npt.ArrayLike) -> Array:
    """Return how styles (N, S) of takes go together, (S, S); NaN is what a take does not tell.

    Each pair is measured over the takes that tell both; the nearest valid correlation by its
    eigenvalues is returned. Styles that hardly vary, or are never told together, go with nothing.
    """
    rows = np.asarray(styles, np.float64)
    known = np.isfinite(rows).astype(np.float64)  # (N, S)
    values = np.where(known > 0, rows, 0.0)
    pairs = np.maximum(known.T @ known, 1.0)  # (S, S)
    mean = values.T @ known / pairs  # of style i where j is known as well
    spread = np.maximum((values**2).T @ known / pairs - mean**2, 0.0)
    together = values.T @ values / pairs - mean * mean.T
    scale = np.sqrt(spread * spread.T)
    matrix = np.where(scale > 0, together / np.where(scale > 0, scale, 1.0), 0.0)
    np.fill_diagonal(matrix, 1.0)
    roots, vectors = np.linalg.eigh(matrix)
    valid = (vectors * np.maximum(roots, 1e-6)) @ vectors.T
    size = np.sqrt(np.diagonal(valid))
    return np.asarray(valid / np.outer(size, size), np.float32)


def draw_style(correlation: npt.ArrayLike, seed: int) -> tuple[float, ...]:
    """Return the styles (S,) of a person, in standard deviations, as `seed` decides."""
    matrix = np.asarray(correlation, np.float64)
    roots, vectors = np.linalg.eigh(matrix)
    normal = np.random.default_rng((seed, len(matrix))).standard_normal(len(matrix))
    drawn = vectors @ (np.sqrt(np.maximum(roots, 0.0)) * normal)
    return tuple(float(v) for v in np.clip(drawn, -MOST_DEVIATIONS, MOST_DEVIATIONS))
