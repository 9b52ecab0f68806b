"""One branch's diffusion of one window: from noise to motion, step by step."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asynfusion_ros.diffusion import (
    NoiseSchedule,
    blend,
    ddim_step,
    ddim_timesteps,
    impose,
    lcm_step,
    lcm_timesteps,
)
from asynfusion_ros.networks import BranchCondition, Features, Known
from asynfusion_ros.networks.branch import Exchange
from asynfusion_ros.sampling.staged import Modulation, StagedBranch
from asynfusion_ros.sampling.window import BRANCHES, WindowRequest


@dataclass(frozen=True)
class Snapshot:
    """What a branch last published: its features of one step, never half of them.

    Attributes:
        window, step: the step that computed the features.
        diffusion_t: noise level at which they were computed, 0..999.
        features: one tensor (B, T, W) per block.
        published_s: moment of publication on the performance counter [s].
        event: device event to wait for before the tensors are read; None on the CPU.
    """

    window: int
    step: int
    diffusion_t: int
    features: Features
    published_s: float
    event: Any = None


@dataclass(frozen=True)
class Process:
    """The diffusion that both branches of a sampler share.

    Attributes:
        method: lcm or ddim.
        prediction: what the network's output means.
        schedule: the noise schedule.
        lcm_origin: number of times that the LCM was distilled at.
        blend_below: noise level sqrt(1 - abar) under which known frames are blended.
        guidance: weight w of classifier-free guidance, u + w (c - u); 1 samples without.
        spread: factors of each branch's noise by channel (D,), where they are not 1.
    """

    method: str
    prediction: str
    schedule: NoiseSchedule
    lcm_origin: int
    blend_below: float
    guidance: float = 1.0
    spread: Mapping[str, npt.NDArray[np.float32] | None] = field(default_factory=dict)

    @property
    def guided(self) -> bool:
        """Whether each step also asks what the network would do without speech and manner."""
        return self.guidance != 1.0

    def times(self, count: int) -> tuple[int, ...]:
        """Return the falling diffusion times of `count` steps; raise ConfigError if impossible."""
        if self.method == "ddim":
            return ddim_timesteps(count, self.schedule.steps)
        return lcm_timesteps(count, self.lcm_origin, self.schedule.steps)


def draw_noise(request: WindowRequest, branch: str, step: int, shape: tuple[int, ...]) -> Tensor:
    """Return unit noise on the CPU that depends on nothing but (seed, window, branch, step).

    Where rows have origins of their own, each row draws as if it were alone.
    """
    if not request.origins:
        return _draw(request.seed, request.index, branch, step, shape)
    alone = (1, *shape[1:])
    return torch.cat([_draw(*origin, branch, step, alone) for origin in request.origins])


def _draw(seed: int, window: int, branch: str, step: int, shape: tuple[int, ...]) -> Tensor:
    key = struct.pack("<qqqq", seed, window, BRANCHES.index(branch), step)
    number = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")
    return torch.randn(shape, generator=torch.Generator().manual_seed(number))


class BranchWindow:
    """The state of one branch in one window: `x`, the noisy motion (B, T, D), and its times.

    Step k draws the noise of (branch, k + 1); (branch, 0) is what the motion starts from. Known
    frames are imposed at each new noise level, with the same draw that noises the other frames:
    fresh for the LCM, the first one for DDIM, whose paths have no other noise.
    """

    def __init__(
        self, stages: StagedBranch, process: Process, times: tuple[int, ...], request: WindowRequest
    ) -> None:
        """Draw the first noise and encode the window's audio, on the branch's device."""
        self.stages, self.process, self.times, self.request = stages, process, times, request
        branch = stages.branch
        self.name, self.index = branch.name, request.index
        self.device = branch.position.device
        batch, frames, _ = request.audio.shape
        audio, manner = request.audio.to(self.device), request.manner.to(self.device)
        self._copies = 2 if process.guided else 1
        given = None
        if process.guided:
            audio, manner = torch.cat([audio, audio]), manner.and_unknown()
            given = torch.arange(2 * batch, device=self.device) < batch
        self.condition: BranchCondition = branch.condition(audio, manner, given)
        self._shape = (batch, frames, branch.dim)
        spread = process.spread.get(self.name)
        self._spread = None if spread is None else torch.from_numpy(spread)  # (D,)
        self._first_noise = self._draw(0)
        self.x = self._first_noise
        known = request.known(self.name)
        self._given: Tensor | None = None if known is None else known.to(self.device)
        self._known = None
        if self._given is not None:
            self._known = _pad_known(self._given.repeat(self._copies, 1, 1), frames)
        if self._given is not None:
            self.x = self._overlap(self.x, times[0], self._first_noise)

    @property
    def steps(self) -> int:
        """Number of steps of this window."""
        return len(self.times)

    def step(self, index: int, exchange: Exchange) -> Features:
        """Take step `index`, trading features with the partner; return the own features."""
        output, features = self.stages.step(
            self._inputs(), self._time(index), self.condition, self._known, exchange
        )
        self.x = self._advance(output, index)
        return features

    def start(self, index: int) -> tuple[Tensor, Modulation]:
        """Begin step `index` and return the first block's features and the modulations."""
        return self.stages.start(self._inputs(), self._time(index), self.condition, self._known)

    def finish(self, index: int, own: Tensor, partner: Tensor, modulation: Modulation) -> None:
        """End step `index` after the trade of its last features (B, T, W)."""
        self.x = self._advance(self.stages.finish(own, partner, modulation), index)

    def _time(self, index: int) -> Tensor:
        rows = self._copies * self._shape[0]
        return torch.full((rows,), self.times[index], device=self.device)  # (copies B,)

    def _inputs(self) -> Tensor:
        return self.x if self._copies == 1 else torch.cat([self.x, self.x])  # (copies B, T, D)

    def _advance(self, output: Tensor, index: int) -> Tensor:
        """Return the motion at the next time from the network's `output` (B, T, D) of a step."""
        process, schedule = self.process, self.process.schedule
        t = self.times[index]
        t_next = self.times[index + 1] if index + 1 < self.steps else -1
        if process.guided:
            told, untold = output.chunk(2)  # (B, T, D) each
            output = untold + process.guidance * (told - untold)  # (B, T, D)
        x0 = schedule.predict_x0(process.prediction, output, self.x, t)  # (B, T, D)
        noise = self._first_noise
        if process.method == "ddim":
            guess = schedule.predict_noise(process.prediction, output, self.x, t)
            x = ddim_step(schedule, x0, guess, t_next)  # (B, T, D)
        else:
            if t_next >= 0:
                noise = self._draw(index + 1)
            x, _ = lcm_step(schedule, x0, self.x, t, t_next, noise=noise)  # (B, T, D)
        return x if self._given is None else self._overlap(x, t_next, noise)

    def _overlap(self, x: Tensor, t: int, noise: Tensor) -> Tensor:
        """Impose the known frames on x (B, T, D) at time t, or blend them in the final steps."""
        assert self._given is not None
        schedule = self.process.schedule
        fade = schedule.noise_level(t) < self.process.blend_below
        join = blend if fade else impose
        return join(schedule, x, self._given, noise[:, : self._given.shape[1]], t)

    def _draw(self, step: int) -> Tensor:
        noise = draw_noise(self.request, self.name, step, self._shape)  # (B, T, D)
        return (noise if self._spread is None else noise * self._spread).to(self.device)


def _pad_known(given: Tensor, frames: int) -> Known:
    """Return the known frames (B, K, D) as values and mask over all `frames`."""
    batch, count, dim = given.shape
    values = given.new_zeros(batch, frames, dim)
    values[:, :count] = given
    mask = given.new_zeros(batch, frames, 1)
    mask[:, :count] = 1.0
    return Known(values, mask)


def joint_step(face: BranchWindow, body: BranchWindow, index: int) -> tuple[Features, Features]:
    """Take step `index` of both branches in one thread, as DualBranchDiT.forward does."""
    (f_face, mod_face), (f_body, mod_body) = face.start(index), body.start(index)
    said_face, said_body = [f_face], [f_body]
    for block in range(1, face.stages.depth):
        f_face, f_body = (
            face.stages.advance(block, f_face, f_body, face.condition, mod_face),  # (B, T, W)
            body.stages.advance(block, f_body, f_face, body.condition, mod_body),  # (B, T, W)
        )
        said_face.append(f_face)
        said_body.append(f_body)
    face.finish(index, f_face, f_body, mod_face)
    body.finish(index, f_body, f_face, mod_body)
    return tuple(said_face), tuple(said_body)


def read_snapshot(snapshot: Snapshot | None) -> Exchange:
    """Return the exchange that answers every block from `snapshot`; with None, with silence."""

    def exchange(index: int, _: Tensor) -> Tensor | None:
        return None if snapshot is None else snapshot.features[index]

    return exchange
