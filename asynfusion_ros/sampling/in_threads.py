"""What samplers with a thread for each branch share: how threads end, and what a failure leaves."""

from __future__ import annotations

import weakref
from concurrent.futures import Future, wait
from typing import Any

from asynfusion_ros.errors import SamplerError, StateError
from asynfusion_ros.sampling.base import WindowSampler
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.executor import BranchExecutor
from asynfusion_ros.sampling.settings import SamplerSettings


class SamplerInThreads(WindowSampler):
    """A sampler that owns branch threads; after a failure it must be reset before it goes on."""

    def __init__(self, checkpoint: Checkpoint, settings: SamplerSettings | None = None) -> None:
        """Begin without threads."""
        super().__init__(checkpoint, settings)
        self._executors: dict[str, BranchExecutor] = {}
        self._futures: list[Future[Any]] = []
        self._failed: str | None = None
        self._closed = False

    @property
    def failed(self) -> str | None:
        """Traceback of what ended the last window; None while all is well."""
        return self._failed

    def reset(self) -> None:
        """Forget the window before and any failure; raise SamplerError if a thread is stuck."""
        _, busy = wait(self._futures, self.settings.timeout_s)
        if busy:
            raise SamplerError(
                f"a branch still computes after {self.settings.timeout_s} s; close this sampler "
                "and make a new one"
            )
        super().reset()
        self._futures, self._failed = [], None

    def close(self) -> None:
        """End all threads, waiting at most `timeout_s` for each; calling it again is harmless."""
        self._closed = True
        for executor in self._executors.values():
            if executor.alive:
                executor.close(self.settings.timeout_s)
        self._futures = []
        WindowSampler.reset(self)  # not this class's, which a stuck thread would hold up
        self._runners.clear()

    def _own(self, executors: dict[str, BranchExecutor]) -> None:
        """Take the threads; those of a sampler that is never closed end by themselves."""
        self._executors = executors
        weakref.finalize(self, _end, tuple(executors.values()))

    def _check_state(self) -> None:
        if self._closed:
            raise StateError("this sampler is closed; make a new one")
        if self._failed:
            raise SamplerError(f"the sampler failed; reset it before use. It said:\n{self._failed}")


def _end(executors: tuple[BranchExecutor, ...]) -> None:
    for executor in executors:
        executor.close(timeout_s=0.0)
