"""Known frames at the head of a window: imposed while sampling, blended in the final steps."""

from __future__ import annotations

import torch
from torch import Tensor

from asynfusion_ros.diffusion.schedule import NoiseSchedule, Time

BLEND_BELOW = 0.2
"""Known frames blend into generated ones once sqrt(1 - abar) has fallen below this."""


def impose(schedule: NoiseSchedule, x_t: Tensor, known: Tensor, noise: Tensor, t: Time) -> Tensor:
    """Return x_t (B, T, D) whose first K frames are `known` (B, K, D) noised to time t.

    The imposed frames are sqrt(abar_t) known + sqrt(1 - abar_t) noise, with noise (B, K, D).
    """
    count = known.shape[1]
    return torch.cat([schedule.add_noise(known, noise, t), x_t[:, count:]], dim=1)


def blend_weights(frames: int, like: Tensor) -> Tensor:
    """Return the generated motion's weight in each known frame, (frames, 1), rising from 0 to 1.

    The last known frame is wholly generated and the first wholly known; a single frame stays known.
    """
    return torch.linspace(0.0, 1.0, frames, dtype=like.dtype, device=like.device)[:, None]


def blend(schedule: NoiseSchedule, x_t: Tensor, known: Tensor, noise: Tensor, t: Time) -> Tensor:
    """Return x_t (B, T, D) whose first K frames fade from `known` at time t to x_t itself."""
    count = known.shape[1]
    given = schedule.add_noise(known, noise, t)
    weight = blend_weights(count, x_t)
    return torch.cat([torch.lerp(given, x_t[:, :count], weight), x_t[:, count:]], dim=1)
