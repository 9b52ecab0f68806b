"""A branch cut into stages at the points where features are traded.

Run from Python, a step of the small network is a hundred short operations, and two threads spend
their time handing the interpreter's lock to each other. A traced stage is one call that leaves the
lock alone: it makes two threads run side by side, and gives the same numbers bit for bit.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from asynfusion_ros.networks import Branch, BranchCondition, BranchState, Features, Known
from asynfusion_ros.networks.branch import Exchange

Modulation = tuple[Tensor, ...]

_TRACING = threading.Lock()  # torch's tracer keeps global state


class StagedBranch:
    """A branch as depth + 1 stages: a start, one between each two trades, and a finish."""

    def __init__(self, branch: Branch, traced: bool = True) -> None:
        """Wrap `branch`, whose weights are shared; stages are traced when first used."""
        self.branch = branch
        self.traced = traced
        self.depth = len(branch.blocks)
        middle = [_Advance(branch, index) for index in range(1, self.depth)]
        self._stages = [_Start(branch), *middle, _Finish(branch)]
        self._graphs: dict[tuple[int, int], Callable[..., tuple[Tensor, ...]]] = {}

    def start(
        self, x: Tensor, t: Tensor, condition: BranchCondition, known: Known | None
    ) -> tuple[Tensor, Modulation]:
        """Return the first block's features (B, T, W) and all modulations, (B, 1, W) each."""
        given = () if known is None else (known.values, known.mask)
        outputs = self._run(0, x, t, condition.manner, condition.audio[0], *given)
        return outputs[0], tuple(outputs[1:])

    def advance(
        self,
        index: int,
        own: Tensor,
        partner: Tensor | None,
        condition: BranchCondition,
        modulation: Modulation,
    ) -> Tensor:
        """Return the features (B, T, W) of block `index` >= 1 after the trade before it."""
        heard = () if partner is None else (partner,)
        six = modulation[6 * index : 6 * index + 6]
        features: Tensor = self._run(index, own, condition.audio[index], *six, *heard)[0]
        return features

    def finish(self, own: Tensor, partner: Tensor | None, modulation: Modulation) -> Tensor:
        """Return the prediction (B, T, D) after the last trade."""
        heard = () if partner is None else (partner,)
        return self._run(self.depth, own, *modulation[-2:], *heard)[0]

    def step(
        self,
        x: Tensor,
        t: Tensor,
        condition: BranchCondition,
        known: Known | None,
        exchange: Exchange,
    ) -> tuple[Tensor, Features]:
        """Do what Branch.forward does."""
        own, modulation = self.start(x, t, condition, known)
        features = [own]
        for index in range(1, self.depth):
            partner = exchange(index - 1, own)
            own = self.advance(index, own, partner, condition, modulation)  # (B, T, W)
            features.append(own)
        partner = exchange(self.depth - 1, own)
        return self.finish(own, partner, modulation), tuple(features)

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


class _Start(nn.Module):
    def __init__(self, branch: Branch) -> None:
        super().__init__()
        self.branch = branch

    def forward(
        self, x: Tensor, t: Tensor, manner: Tensor, audio: Tensor, *given: Tensor
    ) -> tuple[Tensor, ...]:
        condition = BranchCondition((audio,), manner)
        known = Known(*given) if given else None
        state = self.branch.begin(x, t, condition, known)
        return (self.branch.block(0, state, condition), *state.modulation)


class _Advance(nn.Module):
    def __init__(self, branch: Branch, index: int) -> None:
        super().__init__()
        self.block = branch.blocks[index]
        self.interaction = branch.interactions[index - 1] if branch.listens else None

    def forward(self, own: Tensor, audio: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        modulation, partner = rest[:6], rest[6:]
        if self.interaction is not None and partner:
            own = self.interaction(own, *partner)  # (B, T, W)
        return (self.block(own, audio, modulation),)  # (B, T, W)


class _Finish(nn.Module):
    def __init__(self, branch: Branch) -> None:
        super().__init__()
        self.branch = branch

    def forward(
        self, own: Tensor, shift: Tensor, scale: Tensor, *partner: Tensor
    ) -> tuple[Tensor, ...]:
        state = BranchState(own, (shift, scale))
        if partner:
            state = self.branch.interact(-1, state, own, *partner)
        return (self.branch.finish(state),)  # (B, T, D)


def _trace(stage: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[..., tuple[Tensor, ...]]:
    with _TRACING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's own deprecation, and constants it keeps
        graph: Callable[..., tuple[Tensor, ...]] = torch.jit.trace(  # type: ignore[no-untyped-call]
            stage, inputs, check_trace=False
        )
    return graph
