"""What a training run will ask for next, made in threads while the device is busy."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Makes things by number, `depth` of them before they are asked for.

    Numbers are asked for in steps that stay the same. What comes is what `make` returns, however
    many threads there are.
    """

    def __init__(self, make: Callable[[int], T], depth: int) -> None:
        """Start `depth` threads when they are first needed; with 0, make everything when asked."""
        self._make, self._depth = make, depth
        self._last: int | None = None
        self._pending: dict[int, Future[T]] = {}
        self._pool = ThreadPoolExecutor(depth, "batch") if depth else None

    def take(self, number: int) -> T:
        """Return what `number` stands for, and begin with those after it."""
        stride = 1 if self._last is None else number - self._last
        self._last = number
        ready = self._pending.pop(number, None)
        made = self._make(number) if ready is None else ready.result()
        if self._pool is not None and stride > 0:
            for later in range(number + stride, number + (self._depth + 1) * stride, stride):
                if later not in self._pending:
                    self._pending[later] = self._pool.submit(self._make, later)
            self._pending = {n: f for n, f in self._pending.items() if n > number}
        return made
