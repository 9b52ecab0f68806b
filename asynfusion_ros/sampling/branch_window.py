"""One branch's diffusion of one window: from noise to motion, step by step.

What the steps need of the window is computed once, at its beginning, and lies in tables by step:
the modulations of all blocks, the noise, and the factors of each step's update.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from asynfusion_ros.networks import Features, Known, MannerBatch
from asynfusion_ros.networks.branch import Exchange
from asynfusion_ros.sampling.affine import AffineSteps
from asynfusion_ros.sampling.noise import WindowNoise
from asynfusion_ros.sampling.process import Process
from asynfusion_ros.sampling.staged import Runner
from asynfusion_ros.sampling.window import WindowRequest


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


class BranchWindow:
    """The state of one branch in one window: `x`, the noisy motion (B, T, D), and its times.

    Step k draws the noise of (branch, k + 1); (branch, 0) is what the motion starts from. Known
    frames are imposed at each new noise level, with the same draw that noises the other frames:
    fresh for the LCM, the first one for DDIM, whose paths have no other noise.
    """

    def __init__(
        self, runner: Runner, process: Process, times: tuple[int, ...], request: WindowRequest
    ) -> None:
        """Draw the noise and prepare the window's condition, on the branch's device."""
        self.runner, self.process, self.times, self.request = runner, process, times, request
        branch = runner.branch
        self.name, self.index = branch.name, request.index
        self._device = branch.position.device
        batch, frames, _ = request.audio.shape
        self._shape = (batch, frames, branch.dim)
        self._copies = 2 if process.guided else 1
        self._guidance = torch.as_tensor(process.guidance.weight_of(self.name)).to(self._device)
        given = request.known(self.name)
        given = None if given is None else given.to(self._device)
        self.x: Tensor
        self._offset: Tensor
        self._gain: Tensor
        self._keep: Tensor
        self._fill_tables(given)
        known = None
        if given is not None:
            known = _pad_known(given.repeat(self._copies, 1, 1), frames)
        self.prepared = runner.prepare(*self._told(), known, times)

    @property
    def steps(self) -> int:
        """Number of steps of this window."""
        return len(self.times)

    def step(self, index: int, partner: Features | None) -> Features:
        """Take step `index` against the partner's features, or without; return the own."""
        output, features = self.runner.step(self._inputs(), self.prepared, index, partner)
        self._advance(output, index)
        return features

    def trade(self, index: int, exchange: Exchange) -> Features:
        """Take step `index`, trading features block by block; return the own features."""
        own = self.start(index)
        features = [own]
        for block in range(1, self.runner.depth):
            own = self.advance(index, block, own, exchange(block - 1, own))  # (B, T, W)
            features.append(own)
        self.finish(index, own, exchange(self.runner.depth - 1, own))
        return tuple(features)

    def start(self, index: int) -> Tensor:
        """Begin step `index` and return the first block's features (B, T, W)."""
        return self.runner.start(self._inputs(), self.prepared, index)

    def advance(self, index: int, block: int, own: Tensor, partner: Tensor | None) -> Tensor:
        """Return the features (B, T, W) of a block after the trade before it."""
        return self.runner.advance(block, own, partner, self.prepared, index)

    def finish(self, index: int, own: Tensor, partner: Tensor | None) -> None:
        """End step `index` after the trade of its last features (B, T, W)."""
        self._advance(self.runner.finish(own, partner, self.prepared, index), index)

    def _inputs(self) -> Tensor:
        return self.x if self._copies == 1 else torch.cat([self.x, self.x])  # (copies B, T, D)

    def _advance(self, output: Tensor, index: int) -> None:
        """Move to the next time with the network's `output` (B, T, D) of a step (see `affine`)."""
        if self.process.guided:
            told, untold = output.chunk(2)  # (B, T, D) each
            output = untold + self._guidance * (told - untold)  # (B, T, D)
        moved = self._offset[index]  # (B, T, D), which no other step needs
        moved.addcmul_(self._gain[index], output)  # (B, T, D)
        self.x = moved.addcmul_(self._keep[index], self.x)  # (B, T, D)

    def _told(self) -> tuple[Tensor, MannerBatch, Tensor | None]:
        """Return audio, manner and which rows are given audio; guided rows come twice."""
        audio, manner = self.request.audio.to(self._device), self.request.manner.to(self._device)
        if not self.process.guided:
            return audio, manner, None
        given = torch.arange(2 * len(audio), device=self._device) < len(audio)
        return torch.cat([audio, audio]), manner.and_unknown(), given

    def _fill_tables(self, given: Tensor | None) -> None:
        """Make the tables of all steps' updates, and the motion from which they start."""
        factors = AffineSteps.of(self.process, self.times)
        own = WindowNoise(self.request, self.name, self._shape, self.process.noise.get(self.name))
        unique = [own.draw(number) for number in range(factors.draw_count)]
        noise = torch.stack([unique[draw] for draw in factors.draws])  # (N + 1, B, T, D)
        offset = factors.noise * noise  # (N + 1, B, T, D)
        gain = factors.output.expand(-1, 1, self._shape[1], 1)  # (N + 1, 1, T, 1)
        keep = factors.motion.expand(-1, 1, self._shape[1], 1)
        if given is not None:
            count = given.shape[1]
            if self.process.warm_begin < 1.0:  # the last known pose, held
                offset[0] = factors.signal[0] * given[:, -1:] + factors.sigma[0] * noise[0]
            imposed = factors.signal * given + factors.sigma * noise[:, :, :count]
            weight = factors.fades * torch.linspace(0.0, 1.0, count)[:, None]  # (N + 1, 1, K, 1)
            weight = torch.cat(
                [weight, torch.ones(len(weight), 1, self._shape[1] - count, 1)], dim=2
            )  # (N + 1, 1, T, 1)
            head = torch.lerp(imposed, offset[:, :, :count], weight[:, :, :count])
            offset[:, :, :count] = head
            gain, keep = gain * weight, keep * weight
        tables = (offset, gain, keep)
        offset, self._gain, self._keep = (table.to(self._device) for table in tables)
        self.x, self._offset = offset[0], offset[1:]
        self._gain, self._keep = self._gain[1:], self._keep[1:]


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
    f_face, f_body = face.start(index), body.start(index)
    said_face, said_body = [f_face], [f_body]
    for block in range(1, face.runner.depth):
        f_face, f_body = (
            face.advance(index, block, f_face, f_body),  # (B, T, W)
            body.advance(index, block, f_body, f_face),  # (B, T, W)
        )
        said_face.append(f_face)
        said_body.append(f_body)
    face.finish(index, f_face, f_body)
    body.finish(index, f_body, f_face)
    return tuple(said_face), tuple(said_body)
