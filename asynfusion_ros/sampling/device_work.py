"""Work on a device as the graph sampler sees it: lanes that run in order, events, recorded work.

On a GPU a lane is a stream and recorded work is a CUDA graph. On the CPU the same calls run at
once, in the calling thread: the stand-in with which the sampler is tested where there is no GPU.
"""

from __future__ import annotations

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch


@dataclass(frozen=True)
class Work:
    """A fixed piece of device work: always the same operations on the same memory.

    Attributes:
        name: what it is, for timelines and errors.
        run: does it, on the lanes that it was made for.
        reads: names of the memory that it reads.
        writes: names of the memory that it writes.
    """

    name: str
    run: Callable[[], None]
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()


class Event(Protocol):
    """A point in a lane's work."""

    def synchronize(self) -> None:
        """Let the host wait until the work before it is done."""
        ...


class Lane(ABC):
    """An order of work; what is given to different lanes may run at the same time."""

    @abstractmethod
    def active(self) -> AbstractContextManager[Any]:
        """Return a context in which tensor operations of this thread go to the lane."""

    @abstractmethod
    def mark(self) -> Event:
        """Return an event that completes with the work given so far."""

    @abstractmethod
    def wait(self, event: Event) -> None:
        """Let later work of this lane wait for `event`; the host does not wait."""

    @abstractmethod
    def launch(self, recorded: Recorded) -> None:
        """Give recorded work to the lane."""

    @abstractmethod
    def run(self, work: Work) -> None:
        """Give work that was not recorded to the lane."""


class Recorded(Protocol):
    """Work that a lane can be given again and again."""

    @property
    def work(self) -> Work:
        """The work that was recorded."""
        ...


class WorkDevice(ABC):
    """Where work runs."""

    device: torch.device

    @abstractmethod
    def lane(self, urgent: bool = False) -> Lane:
        """Return a new lane; an `urgent` one goes first where the device has priorities."""

    @abstractmethod
    def caller(self) -> Lane:
        """Return the lane of the calling thread's own tensor operations."""

    @abstractmethod
    def record(self, work: Work, lane: Lane, pool: Any) -> Recorded:
        """Run `work` once, then record it; works of one `pool` never run at the same time."""

    @abstractmethod
    def pool(self) -> Any:
        """Return memory for temporaries, to be shared by works that run one after another."""

    @abstractmethod
    def seconds(self, first: Event, last: Event) -> float:
        """Return the time between two events that have completed [s]."""


def open_device(device: torch.device) -> WorkDevice:
    """Return the work device of a torch device."""
    return CudaDevice(device) if device.type == "cuda" else HostDevice(device)


class HostEvent:
    """A moment; it has completed as soon as it exists."""

    def __init__(self) -> None:
        """Take the time."""
        self.moment_s = time.perf_counter()

    def synchronize(self) -> None:
        """Do nothing: what came before has been done."""


@dataclass(frozen=True)
class Repeated:
    """Work that is simply run again."""

    work: Work


class HostLane(Lane):
    """A lane that does its work at once."""

    def active(self) -> AbstractContextManager[Any]:
        """Return a context that does nothing."""
        return nullcontext()

    def mark(self) -> HostEvent:
        """Return the present moment."""
        return HostEvent()

    def wait(self, event: Event) -> None:
        """Do nothing: events have completed."""

    def launch(self, recorded: Recorded) -> None:
        """Run the work."""
        recorded.work.run()

    def run(self, work: Work) -> None:
        """Run the work."""
        work.run()


class HostDevice(WorkDevice):
    """The CPU."""

    def __init__(self, device: torch.device) -> None:
        """Take the CPU."""
        self.device = device

    def lane(self, urgent: bool = False) -> Lane:
        """Return a lane that does its work at once."""
        return HostLane()

    def caller(self) -> Lane:
        """Return a lane that does its work at once."""
        return HostLane()

    def record(self, work: Work, lane: Lane, pool: Any) -> Recorded:
        """Run the work once and keep it as it is."""
        work.run()
        return Repeated(work)

    def pool(self) -> None:
        """Return nothing: torch keeps the memory of temporaries."""

    def seconds(self, first: Event, last: Event) -> float:
        """Return the time between two moments [s]."""
        assert isinstance(first, HostEvent)
        assert isinstance(last, HostEvent)
        return last.moment_s - first.moment_s


@dataclass(frozen=True)
class CapturedGraph:
    """Work as a CUDA graph."""

    work: Work
    graph: torch.cuda.CUDAGraph


class CudaLane(Lane):
    """A CUDA stream."""

    def __init__(self, stream: torch.cuda.Stream) -> None:
        """Take the stream."""
        self.stream = stream

    def active(self) -> AbstractContextManager[Any]:
        """Return a context in which this thread's operations go to the stream."""
        context: AbstractContextManager[Any] = torch.cuda.stream(self.stream)
        return context

    def mark(self) -> Event:
        """Record a new event."""
        timed = not torch.cuda.is_current_stream_capturing()
        event = torch.cuda.Event(enable_timing=timed)  # type: ignore[no-untyped-call]
        event.record(self.stream)
        return event

    def wait(self, event: Event) -> None:
        """Let the stream wait for an event that was recorded."""
        self.stream.wait_event(event)  # type: ignore[arg-type]

    def launch(self, recorded: Recorded) -> None:
        """Replay the graph on the stream."""
        assert isinstance(recorded, CapturedGraph)
        with torch.cuda.stream(self.stream):
            recorded.graph.replay()

    def run(self, work: Work) -> None:
        """Queue the work's operations on the stream."""
        with torch.cuda.stream(self.stream):
            work.run()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Free nothing meanwhile: what a collection happens to free could break a capture."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class CudaDevice(WorkDevice):
    """A GPU."""

    def __init__(self, device: torch.device) -> None:
        """Take a CUDA device."""
        self.device = device

    def lane(self, urgent: bool = False) -> Lane:
        """Return a new stream, of high priority where urgent."""
        priority = -1 if urgent else 0
        stream = torch.cuda.Stream(self.device, priority)  # type: ignore[no-untyped-call]
        return CudaLane(stream)

    def caller(self) -> Lane:
        """Return the calling thread's current stream."""
        return CudaLane(torch.cuda.current_stream(self.device))

    def record(self, work: Work, lane: Lane, pool: Any) -> Recorded:
        """Run the work once, so that libraries have chosen their kernels, and capture it.

        Only this thread's calls are held to the rules of capture; other threads may go on.
        """
        assert isinstance(lane, CudaLane)
        torch.cuda.synchronize(self.device)
        with torch.cuda.device(self.device):
            with lane.active():
                work.run()
            torch.cuda.synchronize(self.device)
            graph = torch.cuda.CUDAGraph()
            capture = torch.cuda.graph(
                graph, pool=pool, stream=lane.stream, capture_error_mode="thread_local"
            )
            with _no_garbage_collection(), capture:
                work.run()
        return CapturedGraph(work, graph)

    def pool(self) -> Any:
        """Return a handle to private memory of graphs."""
        return torch.cuda.graph_pool_handle()

    def seconds(self, first: Event, last: Event) -> float:
        """Return the time between two events on the device's clock [s]."""
        return 1e-3 * float(first.elapsed_time(last))  # type: ignore[attr-defined]
