"""Speech to motion by a rolling schedule: one evaluation a hop, for a longer look-ahead.

For comparison with whole windows; the live engine does not use it (see docs/performance.md).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asynfusion_ros.errors import AudioError
from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.rolling import RollingSampler
from asynfusion_ros.sampling.sequential import SequentialSampler
from asynfusion_ros.streaming.batch import finish_window, make_request
from asynfusion_ros.streaming.chunk import ChunkTimings, GeneratorState, MotionChunk
from asynfusion_ros.streaming.generator import Extractor, MotionGenerator
from asynfusion_ros.streaming.governor import Steps
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.windows import FPS_HZ

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RollingState(GeneratorState):
    """What an evaluation leaves to the next: known frames, and noisy blocks (blocks, D) ahead."""

    ahead: Mapping[str, Tensor] = field(default_factory=dict)


class RollingGenerator(MotionGenerator):
    """Gives a hop of motion per evaluation; what it gives lies `levels` - 1 hops before the rest.

    Its motion comes (`levels` - 1) hops later than that of whole windows of the same hop, and is
    sampled by the rolling schedule alone, whatever the settings say of steps.
    """

    def __init__(
        self, checkpoint: Checkpoint, extractor: Extractor, settings: EngineSettings, levels: int
    ) -> None:
        """Join the parts; raise ConfigError where they do not fit each other."""
        windows = SequentialSampler(checkpoint, settings.sampler_settings())
        super().__init__(checkpoint, extractor, windows, settings)
        self._rolling = RollingSampler(checkpoint, settings.hop_frames, levels)
        settled = self._rolling.known_frames + settings.hop_frames
        self._settled = replace(self.plan, window_frames=settled)

    @property
    def delay_s(self) -> float:
        """How much later than from whole windows motion comes [s]."""
        return (self._rolling.levels - 1) * self.settings.hop_frames / FPS_HZ

    @property
    def settled_frames(self) -> int:
        """Frames before the blocks that an evaluation knows once its stream is old enough."""
        return self._settled.known_frames

    def begin(self, seed: int | None = None, manner: Manner | None = None) -> RollingState:
        """Return the state before the first evaluation; see MotionGenerator."""
        state = super().begin(seed, manner)
        return RollingState(state.index, state.seed, state.manner)

    def step_many(
        self,
        samples: Sequence[Array],
        states: Sequence[GeneratorState],
        steps: Steps | None = None,
    ) -> list[tuple[MotionChunk, GeneratorState]]:
        """Return the next hop of motion of each stream; `steps` change nothing."""
        begin_s = time.perf_counter()
        if len({state.face is None for state in states}) != 1:
            raise AudioError("some streams begin and some go on; give each kind apart")
        features = [self.description.audio.normalise(self._extractor.extract(s)) for s in samples]
        feature_s = time.perf_counter() - begin_s
        known = 0 if states[0].face is None else len(states[0].face)
        ahead = self._rolling.levels * self._rolling.block_frames
        heard = np.stack(features)[:, -(known + ahead) :]
        request = make_request(self.description, self._device, heard, states)
        before = None
        if known:
            rolling = [state for state in states if isinstance(state, RollingState)]
            before = {k: torch.stack([s.ahead[k] for s in rolling]) for k in rolling[0].ahead}
        rolled = self._rolling.advance(request, before)
        total_s = time.perf_counter() - begin_s
        timings = ChunkTimings(total_s=total_s, feature_s=feature_s)
        done: list[tuple[MotionChunk, GeneratorState]] = []
        for row, state in enumerate(states):
            pair = (rolled.done["expression"][row], rolled.done["gesture"][row])
            chunk, after = finish_window(self.description, self._settled, pair, state)
            left = {name: blocks[row] for name, blocks in rolled.ahead.items()}
            done.append((replace(chunk, timings=timings), _with_blocks(after, left)))
        return done

    def _window_audio(self, samples: Array, index: int) -> Array:
        return super()._window_audio(samples, index + self._rolling.levels - 1)


def _with_blocks(state: GeneratorState, ahead: Mapping[str, Tensor]) -> RollingState:
    return RollingState(state.index, state.seed, state.manner, state.face, state.body, ahead)
