"""Latent consistency sampling (Luo et al. 2023): boundary-scaled x_0, noised again and again."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from asynfusion_ros.diffusion.schedule import NoiseSchedule, Time
from asynfusion_ros.errors import ConfigError

SIGMA_DATA = 0.5
TIMESTEP_SCALING = 10.0

CONSISTENCY, TRAJECTORY = "consistency", "trajectory"
LCM_FORMS = (CONSISTENCY, TRAJECTORY)
"""What a network was distilled to do: see the clean end of the path from anywhere on it, its motion
being noised anew for each step, or land where the path is after each step (see `jumps`)."""


def lcm_timesteps(
    count: int, origin: int = 50, steps: int = 1000, begin: float = 1.0
) -> tuple[int, ...]:
    """Return `count` falling times picked evenly from the `origin` times the model distilled.

    Four of 50 in 1000 steps gives 999, 759, 499, 259. With `begin` < 1 only the times in that
    share of the diffusion count, for motion that is known roughly. Raises ConfigError unless
    1 <= count <= begin * origin and origin <= steps.
    """
    there = round(begin * origin)
    if not 1 <= count <= there <= origin <= steps:
        raise ConfigError(
            f"{count} LCM steps from {there} of {origin} distilled times in {steps}; "
            "they must satisfy 1 <= count <= begin * origin, and origin <= steps"
        )
    stride = steps // origin
    falling = [stride * index - 1 for index in range(there, 0, -1)]
    return tuple(falling[math.floor(index * there / count)] for index in range(count))


def boundary_scalings(t: Time, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return (c_skip, c_out), broadcastable against `like`; c_skip -> 1, c_out -> 0 at t = 0."""
    time = torch.as_tensor(t, dtype=torch.float64)
    scaled = time * TIMESTEP_SCALING
    c_skip = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
    c_out = scaled / (scaled**2 + SIGMA_DATA**2).sqrt()
    if time.ndim:
        shape = (*time.shape, *[1] * (like.ndim - time.ndim))
        c_skip, c_out = c_skip.view(shape), c_out.view(shape)
    return c_skip.to(like), c_out.to(like)


def consistency(x0: Tensor, x_t: Tensor, t: Time) -> Tensor:
    """Return f(x_t, t) = c_out x_0-hat + c_skip x_t, which is x_t itself at t = 0."""
    c_skip, c_out = boundary_scalings(t, x_t)
    return c_out * x0 + c_skip * x_t


def lcm_step(
    schedule: NoiseSchedule,
    x0: Tensor,
    x_t: Tensor,
    t: Time,
    t_next: int,
    *,
    noise: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return (sample at `t_next`, denoised) from the prediction `x0` at x_t.

    `t_next` = -1 ends: the sample is the denoised itself and `noise` is not needed.
    """
    denoised = consistency(x0, x_t, t)
    if t_next < 0:
        return denoised, denoised
    if noise is None:
        raise ConfigError(
            f"lcm_step to time {t_next} needs noise; only the last step (-1) does not"
        )
    return schedule.add_noise(denoised, noise, t_next), denoised
