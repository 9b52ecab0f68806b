"""One branch's window in memory that stays where it is, so that its steps can be recorded.

The same mathematics as `branch_window`, arranged for replay: what a step needs of the window is
computed once at its beginning and lies in tables by step; a step reads no number from the host and
allocates nothing that outlives it. How many frames of a row are known is a number on the device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asynfusion_ros.networks import Branch, BranchCondition, BranchState, Known, MannerBatch
from asynfusion_ros.sampling.affine import AffineSteps
from asynfusion_ros.sampling.counter_noise import draw_bursts, normal
from asynfusion_ros.sampling.noise import BURST_WINDOWS, loudness_of
from asynfusion_ros.sampling.process import Process
from asynfusion_ros.sampling.tray import Layout, Tray


@dataclass(frozen=True)
class WindowShape:
    """The sizes of a window: rows, frames, and whether emotions and noise come from the host."""

    batch: int
    frames: int
    emotion: bool
    host_noise: bool


def lay_out(branch: Branch, shape: WindowShape, draws: int) -> Layout:
    """Return what one branch takes from the host: known frames, and noise or its keys."""
    size = (shape.batch, shape.frames, branch.dim)
    noise: Layout = {
        "keys": (torch.int64, (shape.batch,)),
        "burst_keys": (torch.int64, (shape.batch, BURST_WINDOWS)),
    }
    if shape.host_noise:
        noise = {"noise": (torch.float32, (draws, *size))}
    layout = {"known": (torch.float32, size), "count": (torch.float32, (shape.batch,)), **noise}
    return {f"{branch.name}.{name}": entry for name, entry in layout.items()}


class StaticBranch:
    """One branch of one window: begin, then take each step once."""

    def __init__(
        self,
        branch: Branch,
        process: Process,
        times: tuple[int, ...],
        shape: WindowShape,
        tray: Tray,
    ) -> None:
        """Allocate all that lasts, on the tray's device.

        `branch` computes in the type of its weights; motion and features are kept in float32.
        """
        self.branch, self.process, self.shape = branch, process, shape
        self._tray = tray
        device = branch.position.device
        self._device = device
        self._steps = steps = AffineSteps.of(process, times)
        self._factors = {
            name: getattr(steps, name).to(device)
            for name in ("output", "motion", "noise", "signal", "sigma", "fades")
        }
        self._draws = torch.tensor(steps.draws, device=device)
        self._times = torch.tensor(times, device=device, dtype=torch.float32)
        self._guidance = torch.as_tensor(process.guidance.weight_of(branch.name)).to(device)
        self._noise_shape = process.noise.get(branch.name)
        if self._noise_shape is not None:
            self._spread, self._shared, self._bursts = self._noise_shape.to(device)
        batch, frames, width = shape.batch, shape.frames, branch.position.shape[1]
        size = (batch, frames, branch.dim)
        count, rows = len(times), batch * (2 if process.guided else 1)
        self._kind = branch.inject_audio.weight.dtype
        blank = torch.zeros
        self.x = blank(size, device=device)
        self._offset = blank(count, *size, device=device)
        self._gain = blank(count, batch, frames, 1, device=device)  # of the network's output
        self._keep = blank(count, batch, frames, 1, device=device)  # of the motion before
        self._tokens = blank(batch, frames, width, device=device)
        depth = len(branch.blocks)
        self._audio = blank(depth, rows, frames, width, device=device, dtype=self._kind)
        self._modulation = blank(
            count, rows, 1, branch.modulation.out_features, device=device, dtype=self._kind
        )
        self._said = BranchCondition(tuple(self._audio.unbind()), blank(0, device=device))
        per_draw = (frames + 1) * branch.dim  # the last frame's is what the others share
        self._places = torch.arange(steps.draw_count * per_draw, device=device)

    def new_slot(self) -> Tensor:
        """Return memory for the features of one step (depth, B, T, W)."""
        rows = self._audio.shape[:3]
        return torch.zeros(*rows, self.branch.position.shape[1], device=self._device)

    def begin(self, audio: Tensor, manner: MannerBatch) -> None:
        """Compute what all steps need from audio (B, T, A), manner and tray; start from noise."""
        self._condition(audio, manner)
        self._prepare_frames(audio)

    def enter(self, step: int) -> BranchState:
        """Return the state at the beginning of a step."""
        tokens = self.branch.embed_motion(self.x) + self._tokens  # (B, T, W)
        if self.process.guided:
            tokens = torch.cat([tokens, tokens])  # (2 B, T, W)
        width = tokens.shape[-1]
        return BranchState(tokens, torch.split(self._modulation[step], width, dim=-1))

    def block(self, index: int, state: BranchState) -> Tensor:
        """Return the features (B, T, W) of one block."""
        return self.branch.block(index, state, self._said)

    def leave(self, step: int, state: BranchState) -> None:
        """Take the motion to the end of a step."""
        output = self.branch.finish(state).float()  # (B, T, D)
        if self.process.guided:
            told, untold = output.chunk(2)  # (B, T, D) each
            output = untold + self._guidance * (told - untold)  # (B, T, D)
        moved = torch.addcmul(self._offset[step], self._gain[step], output)  # (B, T, D)
        torch.addcmul(moved, self._keep[step], self.x, out=self.x)

    def step(self, step: int, heard: Tensor | None, slot: Tensor | None) -> None:
        """Take a step against `heard` (depth, B, T, W); leave its features in `slot`, if any."""
        state, features = self.enter(step), []
        for index in range(len(self.branch.blocks)):
            own = self.block(index, state)  # (B, T, W)
            features.append(own)
            partner = None if heard is None else heard[index]
            state = self.branch.interact(index, state, own, partner)
        if slot is not None:
            torch.stack(features, out=slot)
        self.leave(step, state)

    def _condition(self, audio: Tensor, manner: MannerBatch) -> None:
        given = None
        if self.process.guided:
            rows = torch.arange(2 * self.shape.batch, device=self._device)
            audio, manner = torch.cat([audio, audio]), manner.and_unknown()
            given = rows < self.shape.batch  # (2 B,)
        condition = self.branch.condition(audio, manner, given)
        torch.stack(condition.audio, out=self._audio)
        times = self._times[:, None].expand(-1, condition.manner.shape[0])  # (N, B)
        self._modulation.copy_(self.branch.modulate_at(times, condition.manner))

    def _prepare_frames(self, audio: Tensor) -> None:
        """Fill the tables of the steps, and impose known frames on the first noise."""
        known = self._tray[f"{self.branch.name}.known"]  # (B, T, D)
        count = self._tray[f"{self.branch.name}.count"][:, None, None]  # (B, 1, 1)
        frame = torch.arange(self.shape.frames, device=self._device)[:, None]  # (T, 1)
        mask = (frame < count).float()  # (B, T, 1)
        self._tokens.copy_(self.branch.place(self.shape.frames, Known(known, mask)))
        risen = frame / (count - 1.0).clamp(min=1.0)  # (B, T, 1)
        ramp = (1.0 - mask) + mask * risen  # (B, T, 1)
        factor = self._factors
        weight = torch.lerp(1.0 - mask, ramp, factor["fades"])  # (N + 1, B, T, 1)
        noise = self._noise(audio)[self._draws]  # (N + 1, B, T, D)
        imposed = factor["signal"] * known + factor["sigma"] * noise  # (N + 1, B, T, D)
        offset = torch.lerp(imposed, factor["noise"] * noise, weight)  # (N + 1, B, T, D)
        self.x.copy_(offset[0])
        self._offset.copy_(offset[1:])
        self._gain.copy_((weight * factor["output"])[1:])
        self._keep.copy_((weight * factor["motion"])[1:])

    def _noise(self, audio: Tensor) -> Tensor:
        """Return all draws (draws, B, T, D) of windows that hear `audio` (B, T, A)."""
        if self.shape.host_noise:
            return self._tray[f"{self.branch.name}.noise"]  # shaped already
        flat = normal(self._tray[f"{self.branch.name}.keys"], self._places)
        shape = (-1, self._steps.draw_count, self.shape.frames + 1, self.branch.dim)
        drawn = flat.view(shape).transpose(0, 1)  # (draws, B, T + 1, D)
        noise, common = drawn[:, :, :-1], drawn[:, :, -1:]
        if self._noise_shape is None:
            return noise
        warm = self._tray[f"{self.branch.name}.count"][:, None, None] > 0  # (B, 1, 1)
        noise = noise + warm * self._shared * common  # (draws, B, T, D)
        burst = draw_bursts(self._tray[f"{self.branch.name}.burst_keys"])  # (B,)
        loudness = loudness_of(self._noise_shape, self._bursts, burst, audio)  # (B, 1 or T, D)
        loudness = torch.where(warm, loudness, 1.0)  # (B, 1 or T, D)
        return noise * loudness * self._spread  # (draws, B, T, D)


def bake(branch: Branch, precision: str) -> Branch:
    """Turn the weights of linear maps and convolutions to bf16, in place, where asked for.

    Autocast then finds them as it needs them, and no replay converts a weight.
    """
    if precision == "bf16":
        for module in branch.modules():
            if isinstance(module, (nn.Linear, nn.Conv1d)):
                module.to(torch.bfloat16)
    return branch
