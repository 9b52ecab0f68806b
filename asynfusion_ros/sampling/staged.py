"""What runs a branch's steps: the interface, and torch cut into stages where features are traded.

Run from Python, a step of the small network is a hundred short operations, and two threads spend
their time handing the interpreter's lock to each other. A traced stage is one call that leaves the
lock alone: it makes two threads run side by side, and gives the same numbers bit for bit.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from asynfusion_ros.networks import (
    Branch,
    BranchCondition,
    BranchState,
    Features,
    Known,
    MannerBatch,
)

_TRACING = threading.Lock()  # torch's tracer keeps global state


@dataclass(frozen=True)
class Prepared:
    """What all steps of one branch's window share.

    Attributes:
        tokens: what frames are told beside their motion, (B or 1, T, W).
        audio: what each block hears of the speech, depth x (B, T, W).
        modulation: modulations of all blocks in each step, N x (B, 1, M W).
        features: where each step may write its features, N x depth x (B, T, W); or nothing.
        outputs: where each step may write its prediction, N x (B, T, D); or nothing.
    """

    tokens: Tensor
    audio: tuple[Tensor, ...]
    modulation: tuple[Tensor, ...]
    features: tuple[Features, ...] = ()
    outputs: tuple[Tensor, ...] = ()


class Runner(Protocol):
    """A branch as depth + 1 stages: a start, one between each two trades, and a finish."""

    @property
    def branch(self) -> Branch:
        """The branch whose weights are used."""
        ...

    @property
    def depth(self) -> int:
        """Number of blocks."""
        ...

    def prepare(
        self,
        audio: Tensor,
        manner: MannerBatch,
        given: Tensor | None,
        known: Known | None,
        times: tuple[int, ...],
    ) -> Prepared:
        """Return what the steps at diffusion `times` of a window share.

        `audio` (B, T, A) counts in rows where `given` (B,) is True, if it is said.
        """
        ...

    def start(self, x: Tensor, prepared: Prepared, step: int) -> Tensor:
        """Return the first block's features (B, T, W) of motion x (B, T, D)."""
        ...

    def advance(
        self, index: int, own: Tensor, partner: Tensor | None, prepared: Prepared, step: int
    ) -> Tensor:
        """Return the features (B, T, W) of block `index` >= 1 after the trade before it."""
        ...

    def finish(self, own: Tensor, partner: Tensor | None, prepared: Prepared, step: int) -> Tensor:
        """Return the prediction (B, T, D) after the last trade."""
        ...

    def step(
        self, x: Tensor, prepared: Prepared, step: int, partner: Features | None
    ) -> tuple[Tensor, Features]:
        """Run all stages against the partner's features; return prediction and own features."""
        ...


def modulate_all(branch: Branch, manner: Tensor, times: tuple[int, ...]) -> Tensor:
    """Return the modulations (N, B, 1, M W) of all steps, for manners (B, W)."""
    t = torch.tensor(times, device=manner.device)[:, None].expand(-1, len(manner))  # (N, B)
    return branch.modulate_at(t, manner)  # (N, B, 1, M W)


class StagedBranch:
    """A Runner on torch, wherever the branch's weights are."""

    def __init__(self, branch: Branch, traced: bool = True) -> None:
        """Wrap `branch`, whose weights are shared; stages are traced when first used."""
        self.branch = branch
        self.traced = traced
        self.depth = len(branch.blocks)
        middle = [_Advance(branch, index) for index in range(1, self.depth)]
        self._stages = [_Start(branch), *middle, _Finish(branch), _Step(branch)]
        self._graphs: dict[tuple[int, int], Callable[..., tuple[Tensor, ...]]] = {}

    def prepare(
        self,
        audio: Tensor,
        manner: MannerBatch,
        given: Tensor | None,
        known: Known | None,
        times: tuple[int, ...],
    ) -> Prepared:
        """Return what the steps of a window share; see Runner."""
        condition = self.branch.condition(audio, manner, given)
        modulation = modulate_all(self.branch, condition.manner, times)
        tokens = self.branch.place(audio.shape[1], known)
        return Prepared(tokens, condition.audio, modulation.unbind())

    def start(self, x: Tensor, prepared: Prepared, step: int) -> Tensor:
        """Return the first block's features (B, T, W) of motion x (B, T, D)."""
        return self._run(0, x, prepared.tokens, prepared.modulation[step], prepared.audio[0])[0]

    def advance(
        self, index: int, own: Tensor, partner: Tensor | None, prepared: Prepared, step: int
    ) -> Tensor:
        """Return the features (B, T, W) of block `index` >= 1 after the trade before it."""
        heard = () if partner is None else (partner,)
        modulation, audio = prepared.modulation[step], prepared.audio[index]
        return self._run(index, own, modulation, audio, *heard)[0]

    def finish(self, own: Tensor, partner: Tensor | None, prepared: Prepared, step: int) -> Tensor:
        """Return the prediction (B, T, D) after the last trade."""
        heard = () if partner is None else (partner,)
        return self._run(self.depth, own, prepared.modulation[step], *heard)[0]

    def step(
        self, x: Tensor, prepared: Prepared, step: int, partner: Features | None
    ) -> tuple[Tensor, Features]:
        """Run all stages against the partner's features; return prediction and own features."""
        given = (prepared.tokens, prepared.modulation[step], *prepared.audio, *(partner or ()))
        output, *features = self._run(self.depth + 1, x, *given)
        return output, tuple(features)

    def _run(self, index: int, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run one stage; its graph depends on how many inputs there are, not on their sizes."""
        if not self.traced:
            outputs: tuple[Tensor, ...] = self._stages[index](*inputs)
            return outputs
        key = (index, len(inputs))
        if key not in self._graphs:
            self._graphs[key] = _trace(self._stages[index], inputs)
        outputs = self._graphs[key](*inputs)
        return outputs


class _Stage(nn.Module):
    def __init__(self, branch: Branch, index: int = 0) -> None:
        super().__init__()
        self.branch, self.index = branch, index
        self.depth = len(branch.blocks)

    def state(self, tokens: Tensor, modulation: Tensor) -> BranchState:
        """Return the state of `tokens` (B, T, W) with modulations (B, 1, M W)."""
        return BranchState(tokens, torch.split(modulation, tokens.shape[-1], dim=-1))

    def enter(self, x: Tensor, given: Tensor, modulation: Tensor) -> BranchState:
        """Return the state at the beginning of a step."""
        return self.state(self.branch.embed_motion(x) + given, modulation)


class _Start(_Stage):
    def forward(
        self, x: Tensor, given: Tensor, modulation: Tensor, audio: Tensor
    ) -> tuple[Tensor, ...]:
        condition = BranchCondition((audio,), modulation)
        return (self.branch.block(0, self.enter(x, given, modulation), condition),)  # (B, T, W)


class _Advance(_Stage):
    def forward(
        self, own: Tensor, modulation: Tensor, audio: Tensor, *partner: Tensor
    ) -> tuple[Tensor, ...]:
        state = self.state(own, modulation)
        if partner:
            state = self.branch.interact(self.index - 1, state, own, *partner)
        condition = BranchCondition((audio,) * self.depth, modulation)
        return (self.branch.block(self.index, state, condition),)  # (B, T, W)


class _Finish(_Stage):
    def forward(self, own: Tensor, modulation: Tensor, *partner: Tensor) -> tuple[Tensor, ...]:
        state = self.state(own, modulation)
        if partner:
            state = self.branch.interact(-1, state, own, *partner)
        return (self.branch.finish(state),)  # (B, T, D)


class _Step(_Stage):
    def forward(
        self, x: Tensor, given: Tensor, modulation: Tensor, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        audio, partner = rest[: self.depth], rest[self.depth :]
        condition = BranchCondition(audio, modulation)
        state, features = self.enter(x, given, modulation), []
        for index in range(self.depth):
            own = self.branch.block(index, state, condition)  # (B, T, W)
            features.append(own)
            heard = partner[index] if partner else None
            state = self.branch.interact(index, state, own, heard)
        return (self.branch.finish(state), *features)  # (B, T, D), depth x (B, T, W)


def _trace(stage: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[..., tuple[Tensor, ...]]:
    with _TRACING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's own deprecation, and constants it keeps
        graph: Callable[..., tuple[Tensor, ...]] = torch.jit.trace(  # type: ignore[no-untyped-call]
            stage, inputs, check_trace=False
        )
    return graph
