"""The Fréchet distance between two sets of latents, each taken as a normal distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg

from asynfusion_ros.errors import DataError

Array = npt.NDArray[np.float64]

LARGEST_IMAGINARY = 1e-3
JITTER = 1e-6


@dataclass(frozen=True)
class Gaussian:
    """Mean (D,) and covariance (D, D) of a set of latents, in float64."""

    mean: Array
    covariance: Array

    @classmethod
    def of(cls, latents: npt.ArrayLike) -> Gaussian:
        """Return mean and unbiased covariance of latents (N, D); raise DataError below two rows."""
        rows = np.asarray(latents, np.float64)
        if rows.ndim != 2 or len(rows) < 2:
            raise DataError(f"latents of shape {rows.shape}; a distribution needs 2 rows or more")
        return cls(rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False)))


def frechet_distance(first: Gaussian, second: Gaussian) -> float:
    """Return |m1 - m2|^2 + tr(S1 + S2 - 2 sqrt(S1 S2)), with scipy's matrix root.

    As in the public evaluation code: 1e-6 is added to both diagonals if the root is not finite, and
    an imaginary part up to 1e-3 is dropped. Raises DataError where it is larger.
    """
    root = _root(first.covariance, second.covariance)
    if not np.isfinite(root).all():
        jitter = JITTER * np.eye(len(first.mean))
        root = _root(first.covariance + jitter, second.covariance + jitter)
    if np.iscomplexobj(root):
        largest = float(np.abs(np.diagonal(root).imag).max())
        if largest > LARGEST_IMAGINARY:
            raise DataError(
                f"the matrix root has an imaginary part of {largest:.3g}; more windows, or a "
                "smaller latent, make the covariances well-conditioned"
            )
        root = root.real
    gap = first.mean - second.mean
    traces = np.trace(first.covariance) + np.trace(second.covariance) - 2.0 * np.trace(root)
    return float(gap @ gap + traces)


def frechet_of_latents(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return the same distance straight from latents (N, D) and (M, D), without a matrix root.

    With A and B the centred latents over sqrt(N - 1) and sqrt(M - 1), tr sqrt(S1 S2) is the sum of
    the singular values of A B^T. Sound also where there are fewer windows than dimensions.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    gap = a.mean(axis=0) - b.mean(axis=0)
    a = (a - a.mean(axis=0)) / np.sqrt(len(a) - 1)
    b = (b - b.mean(axis=0)) / np.sqrt(len(b) - 1)
    shared = linalg.svdvals(_compact(a) @ _compact(b).T).sum()
    return float(gap @ gap + (a**2).sum() + (b**2).sum() - 2.0 * shared)


def _compact(rows: Array) -> Array:
    """Return a matrix with the same Gram matrix over columns and no more rows than columns."""
    if len(rows) <= rows.shape[1]:
        return rows
    return np.asarray(np.linalg.qr(rows, mode="r"))


def _root(first: Array, second: Array) -> Array:
    root: Array = linalg.sqrtm(first @ second)
    return root
