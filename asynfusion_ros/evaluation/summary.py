"""Means with intervals: over takes, over sampling seeds, over takes left out one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from asynfusion_ros.evaluation.metrics import geometric_mean

Array = npt.NDArray[np.float64]

ROUNDS = 2000
_Z95 = 1.959964


@dataclass(frozen=True)
class Summary:
    """A figure's mean (of ratios the geometric one), its 95 % interval, and how many takes.

    `left_out` is the mean without the first take, without the second, and so on.
    """

    mean: float
    low: float
    high: float
    takes: int
    seeds: int = 1
    left_out: tuple[float, ...] = field(default=(), compare=False, repr=False)

    def to_dict(self) -> dict[str, float]:
        """Return mean, interval and counts as plain values."""
        return {name: getattr(self, name) for name in ("mean", "low", "high", "takes", "seeds")}


def jackknife_error(left_out: Sequence[float]) -> float:
    """Return the standard error of a mean from its values without each of the takes."""
    values = np.asarray(left_out, np.float64)
    return float(np.sqrt((len(values) - 1) * values.var()))


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
    rest = [] if takes < 2 else [np.delete(table, row, axis=0).ravel() for row in range(takes)]
    left_out = tuple(map(mean, rest))
    return Summary(mean(table.ravel()), float(low), float(high), takes, seeds, left_out)


def summarise_sets(
    figure: Callable[[Sequence[int]], Sequence[float]], takes: Sequence[int]
) -> Summary:
    """Return the Summary of a figure of whole sets: `figure(takes)` gives one value per seed.

    The variance is the jackknife's, which leaves out one take at a time, plus that over seeds.
    A bootstrap would bias a Frechet distance, since repeated windows shrink the covariance.
    """
    values = np.asarray(figure(takes), np.float64)
    variance = float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0
    left_out: list[float] = []
    if len(takes) > 2:
        left_out = [float(np.mean(figure([t for t in takes if t != out]))) for out in takes]
        variance += jackknife_error(left_out) ** 2
    reach = _Z95 * float(np.sqrt(variance))
    mean = float(values.mean())
    return Summary(mean, mean - reach, mean + reach, len(takes), len(values), tuple(left_out))


def _mean(values: Array) -> float:
    return float(values.mean())
