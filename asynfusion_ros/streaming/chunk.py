"""What one window gives, and what it leaves to the next."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.streaming.governor import Steps
from asynfusion_ros.streaming.windows import WindowPlan

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class GeneratorState:
    """All that one window leaves to the next.

    Attributes:
        index: the window to come.
        seed: seed of the stream's noise.
        manner: whose manner, which style, which emotion.
        face: normalised face of the frames that window knows already, (K, 51); None at the start.
        body: normalised body of the same frames, (K, 24).
    """

    index: int = 0
    seed: int = 0
    manner: Manner = field(default_factory=Manner)
    face: Array | None = None
    body: Array | None = None

    def skip_to(self, index: int) -> GeneratorState:
        """Return a state that goes on at window `index` with nothing known."""
        return replace(self, index=index, face=None, body=None)


@dataclass(frozen=True)
class ChunkTimings:
    """Where the time of one window went, and how old a branch's view of its partner was [s]."""

    total_s: float = 0.0
    feature_s: float = 0.0
    expression_s: float = 0.0
    gesture_s: float = 0.0
    partner_age_s: float = 0.0


@dataclass(frozen=True)
class MotionChunk:
    """The new frames of one window.

    Attributes:
        first_frame: number of the first one in the stream.
        face: (hop, 51) weights in 0..1.
        body: (hop, 24) rotation vectors [rad].
        timings: where the time went.
        nan_frames: frames of the window that were not finite and repeat the one before.
    """

    first_frame: int
    face: Array
    body: Array
    timings: ChunkTimings
    nan_frames: int = 0


class WindowGenerator(Protocol):
    """What makes motion of a window of audio: MotionGenerator, or a stub in tests."""

    @property
    def plan(self) -> WindowPlan:
        """The grid of windows."""
        ...

    @property
    def description(self) -> ModelDescription:
        """What the model knows: speakers, styles, emotions."""
        ...

    def begin(self, seed: int | None = None, manner: Manner | None = None) -> GeneratorState:
        """Return the state before window 0."""
        ...

    def step(
        self, samples: Array, state: GeneratorState, steps: Steps | None = None
    ) -> tuple[MotionChunk, GeneratorState]:
        """Return the new frames of a window and the state after it."""
        ...

    def reset(self) -> None:
        """Forget a failure."""
        ...

    def close(self) -> None:
        """Free threads and memory."""
        ...


def shorten(state: GeneratorState, overlap: int) -> GeneratorState:
    """Return a state that knows only the last `overlap` frames."""
    if state.face is None or state.body is None or overlap == len(state.face):
        return state
    if overlap == 0:
        return replace(state, face=None, body=None)
    return replace(state, face=state.face[-overlap:], body=state.body[-overlap:])


def remember(state: GeneratorState, after: GeneratorState, known: int, hop: int) -> GeneratorState:
    """Return the state `after` a window with all that was known before it."""
    if state.face is None or state.body is None or after.face is None or after.body is None:
        return after
    if len(after.face) >= known:
        return after
    face = np.concatenate([state.face, after.face[-hop:]])[-known:]
    body = np.concatenate([state.body, after.body[-hop:]])[-known:]
    return replace(after, face=face, body=body)
