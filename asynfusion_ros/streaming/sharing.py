"""One generator for many streams: windows that are due at the same time are sampled together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import SamplerError, StateError
from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.streaming.chunk import GeneratorState, MotionChunk
from asynfusion_ros.streaming.generator import MotionGenerator
from asynfusion_ros.streaming.governor import Steps
from asynfusion_ros.streaming.windows import WindowPlan

Array = npt.NDArray[np.float32]
Answer = tuple[MotionChunk, GeneratorState]

PATIENCE_S = 60.0  # a window that takes longer is not slow but stuck


class _Due(NamedTuple):
    """A window that a stream waits for."""

    samples: Array
    state: GeneratorState
    steps: Steps | None
    answer: Future[Answer]

    @property
    def kind(self) -> Hashable:
        """What windows must have in common to be sampled together."""
        known = None if self.state.face is None else len(self.state.face)
        return known, self.steps


@dataclass
class SharingCounts:
    """What a SharedGenerator did.

    Attributes:
        batches: how often it sampled.
        windows: windows that came out.
        largest: most windows of one batch.
    """

    batches: int = 0
    windows: int = 0
    largest: int = 0


@dataclass
class SharedGenerator:
    """Serves the windows of many streams in the order in which they fall due.

    Each stream has an engine of its own, whose thread waits in `StreamGenerator.step` for its
    window; give each a seed of its own. While a batch is sampled, further windows fall due; the
    next batch takes the one that waits longest and all of its kind, at most `most` (continuous
    batching). A stream that is late waits for nobody and nobody waits for it; a window that fails,
    fails alone.

    Attributes:
        generator: what samples; used by one thread.
        most: most windows in one batch.
    """

    generator: MotionGenerator
    most: int = 64
    counts: SharingCounts = field(default_factory=SharingCounts)

    def __post_init__(self) -> None:
        """Start the thread."""
        self._due: deque[_Due] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="shared-generator", daemon=True)
        self._thread.start()

    def open_stream(self) -> StreamGenerator:
        """Return what one stream's engine takes for its generator."""
        return StreamGenerator(self)

    def ask(self, samples: Array, state: GeneratorState, steps: Steps | None) -> Future[Answer]:
        """Queue a window; raise StateError after `close`."""
        due = _Due(samples, state, steps, Future())
        with self._changed:
            if self._closed:
                raise StateError("the shared generator is closed; open a new one")
            self._due.append(due)
            self._changed.notify()
        return due.answer

    def close(self) -> None:
        """End the thread and the generator; windows that still wait fail with StateError."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(PATIENCE_S)
        self.generator.close()

    def _serve(self) -> None:
        while batch := self._take():
            self._answer(batch)
        for due in self._due:
            due.answer.set_exception(StateError("the shared generator was closed"))

    def _take(self) -> list[_Due]:
        """Wait for windows; return the one that waits longest and those like it, [] at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._due or self._closed)
            if self._closed:
                return []
            kind = self._due[0].kind
            batch = [due for due in self._due if due.kind == kind][: self.most]
            taken = {id(due) for due in batch}
            self._due = deque(due for due in self._due if id(due) not in taken)
            return batch

    def _answer(self, batch: list[_Due]) -> None:
        """Sample a batch; one that fails is tried window by window, to find which is at fault."""
        try:
            answers = self.generator.step_many(
                [due.samples for due in batch], [due.state for due in batch], batch[0].steps
            )
        except BaseException as error:  # a window's failure is its stream's, not this thread's
            self._recover()
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            for due in batch:
                self._answer([due])
            return
        self.counts.batches += 1
        self.counts.windows += len(batch)
        self.counts.largest = max(self.counts.largest, len(batch))
        for due, answer in zip(batch, answers, strict=True):
            due.answer.set_result(answer)

    def _recover(self) -> None:
        try:
            self.generator.reset()
        except SamplerError:
            return  # a branch is stuck: the next window fails and says so


class StreamGenerator:
    """One stream's part of a SharedGenerator: a WindowGenerator for its engine."""

    def __init__(self, shared: SharedGenerator) -> None:
        """Ask `shared` for windows."""
        self._shared = shared

    @property
    def plan(self) -> WindowPlan:
        """The grid of windows."""
        return self._shared.generator.plan

    @property
    def description(self) -> ModelDescription:
        """What the model knows."""
        return self._shared.generator.description

    def begin(self, seed: int | None = None, manner: Manner | None = None) -> GeneratorState:
        """Return the state before window 0; see MotionGenerator."""
        return self._shared.generator.begin(seed, manner)

    def step(
        self, samples: Array, state: GeneratorState, steps: Steps | None = None
    ) -> tuple[MotionChunk, GeneratorState]:
        """Return the new frames of a window and the state after it, when its turn has come.

        Raises what the generator raises, StateError when it is closed, and TimeoutError after a
        minute.
        """
        return self._shared.ask(samples, state, steps).result(PATIENCE_S)

    def reset(self) -> None:
        """Do nothing: other streams' windows are under way, and failures are mended at once."""

    def close(self) -> None:
        """Do nothing: the generator belongs to all streams."""
