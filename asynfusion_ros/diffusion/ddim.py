"""Deterministic DDIM sampling (Song et al. 2021, eq. 12 with eta = 0)."""

from __future__ import annotations

from torch import Tensor

from asynfusion_ros.diffusion.schedule import NoiseSchedule, Time
from asynfusion_ros.errors import ConfigError


def ddim_timesteps(count: int, steps: int = 1000) -> tuple[int, ...]:
    """Return `count` evenly spaced times, falling to 0; 25 of 1000 gives 960, 920, ..., 0.

    Raises ConfigError unless 1 <= count <= steps.
    """
    if not 1 <= count <= steps:
        raise ConfigError(f"{count} DDIM steps; choose 1 to {steps}")
    stride = steps // count
    return tuple(stride * index for index in reversed(range(count)))


def ddim_step(schedule: NoiseSchedule, x0: Tensor, noise: Tensor, t_next: Time) -> Tensor:
    """Return the sample at the less noisy time `t_next` (-1: clean) from predicted x_0 and e."""
    return schedule.add_noise(x0, noise, t_next)
