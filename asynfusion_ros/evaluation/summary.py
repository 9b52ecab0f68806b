"""Means with intervals: over takes, over sampling seeds, over takes left out one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.evaluation.metrics import geometric_mean

Array = npt.NDArray[np.float64]

ROUNDS = 2000
_Z95 = 1.959964


@dataclass(frozen=True)
class Summary:
    """A figure's mean (of ratios the geometric one), its 95 % interval, and how many takes."""

    mean: float
    low: float
    high: float
    takes: int
    seeds: int = 1


def summarise_takes(name: str, values: Sequence[Sequence[float]], seed: int = 0) -> Summary:
    """Return the Summary of a figure measured on every take under every seed (takes, seeds).

    The interval is a bootstrap of takes and, within each drawn take, of seeds: 2000 draws.
    """
    table = np.asarray(values, np.float64)
    mean = geometric_mean if name.endswith("_ratio") else _mean
    rng = np.random.default_rng(seed)
    takes, seeds = table.shape
    rows = rng.integers(0, takes, (ROUNDS, takes, 1))
    columns = rng.integers(0, seeds, (ROUNDS, takes, seeds))
    means = [mean(draw.ravel()) for draw in table[rows, columns]]
    low, high = np.percentile(means, [2.5, 97.5])
    return Summary(mean(table.ravel()), float(low), float(high), takes, seeds)


def summarise_sets(
    figure: Callable[[Sequence[int]], Sequence[float]], takes: Sequence[int]
) -> Summary:
    """Return the Summary of a figure of whole sets: `figure(takes)` gives one value per seed.

    The variance is the jackknife's, which leaves out one take at a time, plus that over seeds.
    A bootstrap would bias a Frechet distance, since repeated windows shrink the covariance.
    """
    values = np.asarray(figure(takes), np.float64)
    variance = float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0
    if len(takes) > 2:
        left_out = np.array([np.mean(figure([t for t in takes if t != out])) for out in takes])
        count = len(takes)
        variance += float((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum())
    reach = _Z95 * float(np.sqrt(variance))
    mean = float(values.mean())
    return Summary(mean, mean - reach, mean + reach, len(takes), len(values))


def _mean(values: Array) -> float:
    return float(values.mean())
