"""Sampling by a rolling schedule: one evaluation a hop, for frames at several noise levels at once.

An alternative to whole windows, for comparison (see docs/performance.md). The network must have
learned times that differ from frame to frame (`rolling_share` in training).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from asynfusion_ros.diffusion import consistency, lcm_timesteps
from asynfusion_ros.errors import ConfigError, SamplerError
from asynfusion_ros.networks import Known
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.noise import draw_noise
from asynfusion_ros.sampling.window import BRANCHES, WindowRequest

Motion = Mapping[str, Tensor]


@dataclass(frozen=True)
class Rolled:
    """What an evaluation gives.

    Attributes:
        done: the known frames and the block that became clean, of each branch (B, K + block, D).
        ahead: the noisy blocks that remain, (B, (levels - 1) block, D), for the next evaluation.
    """

    done: Motion
    ahead: Motion


class RollingSampler:
    """Moves a window's blocks on by one level; the branches take each evaluation in lock-step."""

    def __init__(self, checkpoint: Checkpoint, block_frames: int, levels: int = 4) -> None:
        """Take the distilled network; raise ConfigError where a window is too short."""
        about = checkpoint.description
        self.network = checkpoint.network("lcm").eval()
        self.block_frames, self.levels = block_frames, levels
        self.known_frames = about.network.window_frames - levels * block_frames
        if min(block_frames, levels) < 1 or self.known_frames < 0:
            raise ConfigError(
                f"{levels} blocks of {block_frames} frames; the model's window has "
                f"{about.network.window_frames}: take 1 level or more, and fewer where they do "
                "not fit, or a shorter hop"
            )
        self._schedule, self._prediction = about.schedule, about.prediction
        self._falling = lcm_timesteps(levels, about.lcm_origin, about.schedule.steps)
        shapes = {branch: about.noise_shape(branch) for branch in BRANCHES}
        self._spreads = {
            branch: 1.0 if shape is None else shape.to(checkpoint.device)[0]
            for branch, shape in shapes.items()
        }

    def advance(self, request: WindowRequest, before: Motion | None = None) -> Rolled:
        """Move the window of `request`, which ends with a block of noise, on by one level.

        `before` are the blocks `ahead` of the last evaluation; without them the stream begins, and
        as many evaluations as there are levels bring the first block there. Known frames are all
        those before the blocks. Raises SamplerError where frames do not add up.
        """
        known = 0 if request.known_face is None else request.known_face.shape[1]
        rolling = self.levels * self.block_frames
        if request.audio.shape[1] != known + rolling:
            raise SamplerError(
                f"a window of {request.audio.shape[1]} frames with {known} known ones; a rolling "
                f"schedule has {rolling} frames after those"
            )
        with torch.inference_mode():
            first = self.levels if before is not None else 1
            noise = self._noise(request, 0, rolling if before is None else self.block_frames)
            if before is not None:
                noise = {name: torch.cat([before[name], noise[name]], dim=1) for name in BRANCHES}
            for evaluation in range(first, self.levels):
                noise = dict(self._evaluate(request, noise, evaluation).ahead)
            return self._evaluate(request, noise, self.levels)

    def _evaluate(self, request: WindowRequest, noisy: Motion, number: int) -> Rolled:
        """Evaluate the network once: for the first block the `number`-th time, for others fewer.

        Blocks that have not begun stay noise; after its last evaluation the first block is done.
        """
        clean = self._predict(request, noisy, self._times(number))
        fresh = self._noise(request, number, self.levels * self.block_frames)
        done, ahead = {}, {}
        for name, motion in zip(BRANCHES, clean, strict=True):
            given, block = request.known(name), motion[:, : self.block_frames]  # (B, block, D)
            done[name] = block if given is None else torch.cat([given, block], dim=1)
            lower = self._schedule.add_noise(motion, fresh[name], self._times(number + 1))
            ahead[name] = lower[:, self.block_frames * (number == self.levels) :]
        return Rolled(done, ahead)

    def _times(self, number: int) -> Tensor:
        """Return the blocks' times (1, R) before the first one's `number`-th evaluation."""
        levels = range(number - 1, number - 1 - self.levels, -1)
        times = [self._falling[min(max(0, level), self.levels - 1)] for level in levels]
        device = self.network.expression.position.device
        return torch.tensor(times, device=device).repeat_interleave(self.block_frames)[None]

    def _predict(self, request: WindowRequest, noisy: Motion, times: Tensor) -> list[Tensor]:
        """Return what the network makes of the blocks of face and body, clean, (B, R, D) each."""
        condition = self.network.condition(request.audio, request.manner)
        batch, frames, _ = request.audio.shape
        whole = frames - times.shape[1]
        t = torch.cat([times.new_zeros(1, whole), times], dim=1).expand(batch, -1)  # (B, T)
        x, known = [], []
        for name in BRANCHES:
            given = request.known(name)
            parts = [noisy[name]] if given is None else [given, noisy[name]]
            x.append(torch.cat(parts, dim=1))  # (B, T, D)
            mask = (torch.arange(frames, device=t.device) < whole).float()  # (T,)
            mask = mask[None, :, None].expand(batch, -1, 1)  # (B, T, 1)
            known.append(Known(mask * x[-1], mask))
        outputs = self.network(*x, t, t, condition, *known)
        clean = []
        for output, value in zip(outputs, x, strict=True):
            x0 = self._schedule.predict_x0(self._prediction, output, value, t)  # (B, T, D)
            clean.append(consistency(x0, value, t)[:, whole:])  # (B, R, D)
        return clean

    def _noise(self, request: WindowRequest, draw: int, frames: int) -> dict[str, Tensor]:
        """Return noise (B, frames, D) of both branches that depends on window and draw alone."""
        batch, device = request.audio.shape[0], request.audio.device
        sizes = {"expression": self.network.expression.dim, "gesture": self.network.gesture.dim}
        return {
            name: draw_noise(request, name, draw, (batch, frames, size)).to(device)
            * self._spreads[name]
            for name, size in sizes.items()
        }
