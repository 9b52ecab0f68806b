"""Times of several subjects, taken in turns so that what disturbs one disturbs all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Subject = Callable[[], Any]

_WARM_CALLS = 3


@dataclass(frozen=True)
class Timing:
    """How long something took, over `count` calls [s]."""

    p50_s: float
    p95_s: float
    p99_s: float
    least_s: float
    count: int

    @classmethod
    def of(cls, seconds: npt.ArrayLike) -> Timing:
        """Return the summary of single times [s]."""
        values = np.asarray(seconds, np.float64)
        p50, p95, p99 = np.percentile(values, [50.0, 95.0, 99.0])
        return cls(float(p50), float(p95), float(p99), float(values.min()), len(values))

    def to_dict(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return asdict(self)


def time_in_turns(
    subjects: Mapping[str, Subject],
    rounds: int,
    calls: int,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, list[float]]:
    """Return the times [s] of `rounds` * `calls` calls of each subject.

    In each round every subject is called `calls` times in a row, after one call that brings its
    weights back into the caches; a machine that slows down for a while slows down all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for subject in subjects.values():
        for _ in range(_WARM_CALLS):
            subject()
    for done in range(rounds):
        for name, subject in subjects.items():
            subject()
            for _ in range(calls):
                begin_s = time.perf_counter()
                subject()
                seconds[name].append(time.perf_counter() - begin_s)
        progress(done + 1)
    return seconds


@dataclass(frozen=True)
class Ratio:
    """How much longer one subject takes than another: medians over rounds, and their spread."""

    ratio: float
    low: float
    high: float

    @classmethod
    def of(cls, slow: list[float], fast: list[float], rounds: int) -> Ratio:
        """Return the median over rounds of the ratio of the rounds' medians, and its quartiles."""
        medians = [
            np.median(np.asarray(values).reshape(rounds, -1), axis=1) for values in (slow, fast)
        ]
        low, middle, high = np.percentile(medians[0] / medians[1], [25.0, 50.0, 75.0])
        return cls(float(middle), float(low), float(high))
