"""How varied motion is, and how close joints come: Div, L1div, PCK, SRGR."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import ConfigError, DataError

Array = npt.NDArray[np.float64]

GROUP = 50
REDUCTIONS = ("mean", "sum")
SRGR_BASE = 0.165


def diversity(
    sequences: npt.ArrayLike, reduction: str = "mean", group: int = GROUP, seed: int = 0
) -> float:
    """Return Div of z-scored sequences (N, ...): the mean over pairs of |xi - xj|.

    Sequences are shuffled by `seed` and cut into groups of `group` (a last group of one joins no
    pair); within each, 2 / (B (B - 1)) sum over i < j of the mean (or, as eq. 17 writes it, the
    sum) of absolute differences. The paper's 0.5 to 0.8 fit the mean.
    """
    if reduction not in REDUCTIONS:
        raise ConfigError(f"reduction {reduction!r}; choose one of {list(REDUCTIONS)}")
    rows = np.asarray(sequences, np.float64)
    if len(rows) < 2:
        raise DataError(f"{len(rows)} sequences; diversity needs pairs")
    rows = rows.reshape(len(rows), -1)
    rows = rows[np.random.default_rng(seed).permutation(len(rows))]
    groups = [rows[start : start + group] for start in range(0, len(rows), group)]
    means = [_pair_mean(rows) for rows in groups if len(rows) > 1]
    scale = rows.shape[1] if reduction == "sum" else 1
    return float(np.mean(means) * scale)


def _pair_mean(rows: Array) -> float:
    """Return the mean over pairs and channels of |xi - xj|, channel by channel from sorted rows."""
    count = len(rows)
    signs = 2.0 * np.arange(count) - (count - 1)
    total = (signs[:, None] * np.sort(rows, axis=0)).sum(axis=0)  # sum over pairs of differences
    return float(total.mean() * 2.0 / (count * (count - 1)))


def l1_diversity(values: npt.ArrayLike) -> float:
    """Return L1div of one take (T, D): mean over frames of the summed |x - mean over the take|."""
    rows = np.asarray(values, np.float64)
    return float(np.abs(rows - rows.mean(axis=0)).sum(axis=1).mean())


def correct_keypoints(joints: npt.ArrayLike, truth: npt.ArrayLike, threshold: float = 0.5) -> float:
    """Return PCK of joints (T, J, 3): the share whose distance to the truth is below `threshold`.

    In the units of the joints, which are rotation vectors [rad] in BEAT's use.
    """
    gap = np.linalg.norm(np.asarray(joints, np.float64) - np.asarray(truth, np.float64), axis=-1)
    return float((gap < threshold).mean())


def semantic_recall(
    joints: npt.ArrayLike, truth: npt.ArrayLike, semantic: npt.ArrayLike, threshold: float = 0.1
) -> float:
    """Return SRGR of joints (T, J, 3): hits weighted by how much each frame's gesture means.

    A joint hits where the sum of absolute differences over its three channels is below
    `threshold`; `semantic` (T,) in 0..1 is divided by BEAT's mean of 0.165.
    """
    gap = np.abs(np.asarray(joints, np.float64) - np.asarray(truth, np.float64)).sum(axis=-1)
    weights = np.asarray(semantic, np.float64) / SRGR_BASE
    return float(((gap < threshold) * weights[:, None]).mean())
