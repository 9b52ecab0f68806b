"""Steps of a sampler that lead straight along a diffusion's path, however far.

A DDIM step from time t to s is exact only for small t - s. A network that predicts, instead of x_0,
the value whose step lands where many small ones do, needs few (Salimans and Ho 2022; from time to
time of the sampler instead of halving: multistep consistency models, Heek et al. 2024).
"""

from __future__ import annotations

import torch
from torch import Tensor

from asynfusion_ros.diffusion.lcm import lcm_timesteps
from asynfusion_ros.diffusion.schedule import NoiseSchedule
from asynfusion_ros.errors import ConfigError


def plan_jumps(
    own: int, finest: int, origin: int = 50, steps: int = 1000
) -> tuple[tuple[int, int], ...]:
    """Return where each step of a sampler of `finest` steps begins, and where it should land.

    A time that a sampler of `own` steps has as well leads to the next one of those, any other to
    the next of `finest`; -1 is clean motion. Four of eight: (999, 759), (879, 759), (759, 499), ...
    Raises ConfigError where `own` exceeds `finest`, or lcm_timesteps refuses one of them.
    """
    if own > finest:
        raise ConfigError(f"{own} steps among {finest}; the first must not be more")
    mine, all_times = (lcm_timesteps(count, origin, steps) for count in (own, finest))
    jumps = []
    for begin in sorted({*mine, *all_times}, reverse=True):
        times = mine if begin in mine else all_times
        jumps.append((begin, max((time for time in times if time < begin), default=-1)))
    return tuple(jumps)


def find_landing(schedule: NoiseSchedule, x_t: Tensor, t: Tensor, x_s: Tensor, s: Tensor) -> Tensor:
    """Return the x_0 whose DDIM step leads from x_t at time `t` to x_s at the lower time `s`.

    Motion is (B, T, D), times (B,); s = -1 is clean motion, whose x_0 is x_s itself.
    """
    signal_t, sigma_t = schedule.levels(t, x_t)
    signal_s, sigma_s = schedule.levels(s, x_t)
    kept = sigma_s / sigma_t  # (B, 1, 1)
    return (x_s - kept * x_t) / (signal_s - kept * signal_t)


def split_jump(begin: Tensor, end: Tensor, parts: int) -> tuple[Tensor, ...]:
    """Return the times (B,) of `parts` even steps from `begin` to `end`, both included."""
    shares = torch.linspace(0.0, 1.0, parts + 1, dtype=torch.float64)
    return tuple((begin + (end - begin) * share).round().long() for share in shares)
