"""The errors that training reduces (paper eq. 12-15), masked where nothing was measured."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from asynfusion_ros.diffusion import NoiseSchedule
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.training.settings import TrainSettings


def channel_weights(mouth_weight: float) -> Tensor:
    """Return the weight of each face channel, (51,): the mouth's stand out."""
    mouth = np.isin(FACE_NAMES, MOUTH_NAMES)
    weights = np.where(mouth, mouth_weight, 1.0)
    weights[FACE_NAMES.index("jawOpen")] = 2.0 * mouth_weight
    return torch.from_numpy(weights / weights.mean()).float()


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of values (B, T, D) under weights that broadcast to them."""
    spread = weights.expand_as(values)
    return (values * spread).sum() / spread.sum().clamp_min(1e-6)


def denoising_loss(
    x0_hat: Tensor,
    x0: Tensor,
    t: Tensor,
    weights: Tensor,
    *,
    schedule: NoiseSchedule,
    settings: TrainSettings,
) -> Tensor:
    """Return noise MSE + velocity MSE + Huber for x0_hat, x0 (B, T, D) and weights (B, T, D).

    The noise error is that of x0 times abar / (1 - abar), capped so that the nearly clean times do
    not drown the rest (Hang et al. 2023, min-SNR).
    """
    signal, sigma = schedule.levels(t, x0)
    snr = (signal / sigma) ** 2  # (B, 1 or T, 1)
    noise = weighted_mean(snr.clamp(max=settings.noise_weight_cap) * (x0_hat - x0) ** 2, weights)
    huber = weighted_mean(functional.huber_loss(x0_hat, x0, reduction="none"), weights)
    moved = (x0_hat[:, 1:] - x0_hat[:, :-1]) - (x0[:, 1:] - x0[:, :-1])  # (B, T - 1, D)
    velocity = weighted_mean(moved**2, weights[:, 1:])
    return (
        settings.noise_weight * noise
        + settings.velocity_weight * velocity
        + settings.huber_weight * huber
    )


def pseudo_huber(x: Tensor, y: Tensor, weights: Tensor, c: float) -> Tensor:
    """Return sqrt(d^2 + c^2) - c averaged under the weights (Song & Dhariwal 2023)."""
    return weighted_mean(((x - y) ** 2 + c**2).sqrt() - c, weights)
