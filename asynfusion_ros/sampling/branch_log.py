"""Where one branch's time goes in a window, and how old what it hears is."""

from __future__ import annotations

import math
import time

from asynfusion_ros.sampling.branch_window import Snapshot
from asynfusion_ros.sampling.window import BranchTimings


class BranchLog:
    """Collects the timings of one branch in one window, from its construction on."""

    def __init__(self) -> None:
        """Start the clock."""
        self._mark_s = time.perf_counter()
        self._condition_s = 0.0
        self._steps_s: list[float] = []
        self._ages_s: list[float] = []
        self._lags: list[float] = []

    def mark(self) -> None:
        """Let the next duration begin now."""
        self._mark_s = time.perf_counter()

    def opened(self) -> None:
        """Note that the window's condition is ready."""
        self._condition_s = self._lap()

    def read(self, snapshot: Snapshot | None, own_t: int) -> None:
        """Note what a step at diffusion time `own_t` hears; None in lock-step or without any."""
        if snapshot is None:
            self._ages_s.append(math.nan)
            self._lags.append(math.nan)
        else:
            self._ages_s.append(time.perf_counter() - snapshot.published_s)
            self._lags.append(float(snapshot.diffusion_t - own_t))

    def stepped(self) -> None:
        """Note that a step was published."""
        self._steps_s.append(self._lap())

    def timings(self) -> BranchTimings:
        """Return all that was noted."""
        return BranchTimings(
            self._condition_s, tuple(self._steps_s), tuple(self._ages_s), tuple(self._lags)
        )

    def _lap(self) -> float:
        now_s = time.perf_counter()
        elapsed_s, self._mark_s = now_s - self._mark_s, now_s
        return elapsed_s
