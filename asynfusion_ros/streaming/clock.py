"""Clocks: the engine asks one for the time and waits by it, so tests can own time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """What the engine needs of time."""

    def now_s(self) -> float:
        """Return the present time [s]."""
        ...

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Wait, holding `condition`, until it is notified or `timeout_s` has passed."""
        ...


class SystemClock:
    """Real time, or another source of time such as a simulation's, polled while waiting."""

    def __init__(self, now_s: Callable[[], float] = time.time, poll_s: float = 0.05) -> None:
        """Read time from `now_s`; no wait lasts longer than `poll_s` of real time."""
        self._now_s = now_s
        self._poll_s = poll_s

    def now_s(self) -> float:
        """Return the present time [s]."""
        return self._now_s()

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Wait for a notification, at most `timeout_s` and at most the polling period."""
        condition.wait(max(0.0, min(timeout_s, self._poll_s)))


class FakeClock:
    """Time that moves only when a test says so."""

    def __init__(self, now_s: float = 0.0) -> None:
        """Start at `now_s`."""
        self._now_s = now_s
        self._lock = threading.Lock()

    def now_s(self) -> float:
        """Return the time that the test has set [s]."""
        with self._lock:
            return self._now_s

    def advance(self, seconds: float) -> float:
        """Move time forward (or back, where negative) and return it."""
        with self._lock:
            self._now_s += seconds
            return self._now_s

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Give other threads a moment; fake time does not pass by waiting."""
        condition.wait(0.001)
