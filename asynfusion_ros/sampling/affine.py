"""A step of the diffusion as two numbers per frame, known before the window begins.

Whatever the network predicts and whatever the method, the motion after a step is linear in the
network's output, the motion before it and the noise; known frames are linear in theirs. So a step
is

    x' = (1 - w) (s y + r z) + w (a out + b x + c z)

with y the known frames, z the noise, and w the weight of what is generated: 1 where nothing is
known, 0 where known frames are imposed, rising from 0 to 1 over them where they fade.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from asynfusion_ros.diffusion import boundary_scalings
from asynfusion_ros.sampling.process import Process


@dataclass(frozen=True)
class AffineSteps:
    """The factors of all steps of a branch, each (N, 1, 1, 1) float32.

    Entry n >= 1 is the step that ends at the n-th time of the window (N - 1: clean motion); entry 0
    is the start, which has no step before it and only imposes known frames on the first noise.

    Attributes:
        output, motion, noise: factors a, b, c of the network's output, the motion and the noise.
        signal, sigma: factors s, r of known frames and of their noise.
        fades: whether known frames fade, 1 or 0.
        draws: which draw of noise each entry uses.
    """

    output: Tensor
    motion: Tensor
    noise: Tensor
    signal: Tensor
    sigma: Tensor
    fades: Tensor
    draws: tuple[int, ...]

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, process: Process, times: tuple[int, ...]) -> AffineSteps:
        """Return the factors of the steps at falling diffusion `times`."""
        ends = (*times[1:], -1)
        rows = [(0.0, 0.0, 1.0, *_given(process, times[0]))]
        rows += [
            (*_step(process, t, end), *_given(process, end))
            for t, end in zip(times, ends, strict=True)
        ]
        columns = torch.tensor(rows, dtype=torch.float64).float().T[..., None, None, None].unbind()
        draws = (0,) * len(rows)
        if process.renoises:  # fresh noise in each step but the last, which needs none
            draws = (*range(len(times)), 0)
        output, motion, noise, signal, sigma, fades = columns
        return cls(output, motion, noise, signal, sigma, fades, draws)

    @property
    def draw_count(self) -> int:
        """Number of draws of noise in a window."""
        return max(self.draws) + 1


def _step(process: Process, t: int, t_next: int) -> tuple[float, float, float]:
    """Return the factors of output, motion and noise of the step from `t` to `t_next`."""
    signal, sigma = _levels(process, t)
    # The clean motion is x0_out * output + x0_x * x, the noise that it leaves e_out, e_x.
    x0_out, x0_x, e_out, e_x = {
        "sample": (1.0, 0.0, -signal / sigma, 1.0 / sigma),
        "epsilon": (-sigma / signal, 1.0 / signal, 1.0, 0.0),
        "v_prediction": (-sigma, signal, signal, sigma),
    }[process.prediction]
    signal_next, sigma_next = _levels(process, t_next)
    if not process.renoises:
        return (
            signal_next * x0_out + sigma_next * e_out,
            signal_next * x0_x + sigma_next * e_x,
            0.0,
        )
    c_skip, c_out = (float(c) for c in boundary_scalings(t, torch.zeros((), dtype=torch.float64)))
    return (
        signal_next * c_out * x0_out,
        signal_next * (c_out * x0_x + c_skip),
        sigma_next,
    )


def _given(process: Process, t: int) -> tuple[float, float, float]:
    """Return the factors of known frames and of their noise at `t`, and 1 where they fade."""
    fades = process.schedule.noise_level(t) < process.blend_below
    return (*_levels(process, t), float(fades))


def _levels(process: Process, t: int) -> tuple[float, float]:
    levels = process.schedule.levels(t, torch.zeros((), dtype=torch.float64))
    return float(levels[0]), float(levels[1])
