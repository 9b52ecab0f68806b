"""A thread that owns one branch, and the device stream on which it works."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor


class BranchExecutor:
    """A persistent thread that runs one job after another; what a job raises lies in its future.

    Its jobs run in inference mode, with `threads` threads inside their tensor operations.
    """

    def __init__(self, name: str, threads: int) -> None:
        """Start the thread."""
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()
        before = torch.get_num_threads()
        self.submit(partial(_use_tensor_threads, threads)).result()
        torch.set_num_threads(before)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """Queue `job`; its result or exception comes in the future."""
        future: Future[Any] = Future()
        self._jobs.put((future, job))
        return future

    def close(self, timeout_s: float) -> bool:
        """Let the thread end after the jobs queued so far; return whether it did in time."""
        self._jobs.put(None)
        self._thread.join(timeout_s)
        return not self.alive

    def _work(self) -> None:
        with torch.inference_mode():
            while (item := self._jobs.get()) is not None:
                future, job = item
                try:
                    future.set_result(job())
                except BaseException as error:  # any death of a job is its result
                    future.set_exception(error)
                del item, future, job  # or the last window's tensors live until the next


@contextmanager
def tensor_threads(count: int) -> Iterator[None]:
    """Let the calling thread use `count` threads inside tensor operations within the context."""
    before = torch.get_num_threads()
    _use_tensor_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _use_tensor_threads(count: int) -> None:
    """Set the number for the calling thread.

    torch keeps it per thread, but a thread that asks for the first time takes the number that was
    set last anywhere. So ask first, then set; whoever sets it for another thread sets it back.
    """
    torch.get_num_threads()
    torch.set_num_threads(count)


class DeviceLane:
    """One branch's order of device work: a CUDA stream, or nothing at all on the CPU."""

    def __init__(self, device: torch.device) -> None:
        """Make a stream where `device` has streams."""
        self._stream: Any = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def active(self) -> AbstractContextManager[Any]:
        """Return a context in which tensor work goes to this lane."""
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def mark(self) -> Any:
        """Return an event that completes with the work queued so far; None on the CPU."""
        return None if self._stream is None else self._stream.record_event()

    def receive(self, tensors: Iterable[Tensor], event: Any) -> None:
        """Let this lane's next work wait for `event`, and keep `tensors` until it has used them."""
        if self._stream is None or event is None:
            return
        self._stream.wait_event(event)
        for tensor in tensors:
            tensor.record_stream(self._stream)
