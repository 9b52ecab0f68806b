"""The errors that training reduces (paper eq. 12-15), masked where nothing was measured."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from asynfusion_ros.diffusion import NoiseSchedule
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES, lip_gap_slope
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.training.settings import TrainSettings


def channel_weights(mouth_weight: float) -> Tensor:
    """Return the weight of each face channel, (51,): the mouth's stand out."""
    mouth = np.isin(FACE_NAMES, MOUTH_NAMES)
    weights = np.where(mouth, mouth_weight, 1.0)
    weights[FACE_NAMES.index("jawOpen")] = 2.0 * mouth_weight
    return torch.from_numpy(weights / weights.mean()).float()


class LipClosure:
    """The error of whether lips touch: small in weights, plain to whoever watches an m.

    A closed mouth and one that shows a slit differ by little in every channel, and by the
    whole closure in the gap that the channels leave together (`motion/blendshapes.py`: `lip_gap`).
    So each frame's gap g becomes a touch, 1 / (1 + exp((g - 0.05) / 0.025)), and touches are
    compared.
    """

    HALF, WIDTH = 0.05, 0.025  # the gap of half a touch, and how fast a touch is lost

    def __init__(self, face: ChannelStatistics) -> None:
        """Keep the gap as a function of normalised channels."""
        slope = lip_gap_slope()
        self._slope = torch.from_numpy(slope * face.std)  # (51,)
        self._rest = float(slope @ face.mean)
        self._moves = torch.from_numpy(np.flatnonzero(slope))

    def touch(self, face: Tensor) -> Tensor:
        """Return how far lips touch (B, T), 0 to 1, in normalised faces (B, T, 51)."""
        gap = face @ self._slope.to(face) + self._rest  # (B, T)
        return torch.sigmoid((self.HALF - gap) / self.WIDTH)

    def error(self, x0_hat: Tensor, x0: Tensor, weights: Tensor) -> Tensor:
        """Return the mean squared error of touches; frames count as their least weighted lip."""
        lips = weights.expand_as(x0)[..., self._moves.to(x0.device)].amin(dim=-1)  # (B, T)
        wrong = (self.touch(x0_hat) - self.touch(x0)) ** 2  # (B, T)
        return (wrong * lips).sum() / lips.sum().clamp_min(1e-6)


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
