"""The autoencoder whose latents the Fréchet distances compare: convolutions over a motion window.

`diffsheg` is the form of DiffSHEG's evaluation network (width 300, latent 300). `ours` is the same
stack with fewer channels, and a latent of 32, of which a small test set gives a covariance; it
is shown speeds beside poses, because a network that only sees poses smooths trembling away and
finds noise close to people.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.settings import Settings, setting

ARCHITECTURES = ("ours", "diffsheg", "emage")


@dataclass(frozen=True)
class AutoencoderSettings(Settings):
    """Architecture, windows and training; part of the identity of every distance."""

    architecture: str = setting("ours", doc="Form of the network", choices=ARCHITECTURES)
    width: int = setting(64, doc="Channels of the first convolution", minimum=4)
    latent: int = setting(32, doc="Numbers per window that are compared", minimum=1)
    fps_hz: float = setting(15.0, doc="Rate of its windows", unit="Hz", minimum=1.0, maximum=240.0)
    window_frames: int = setting(34, doc="Length of a window", unit="frames", minimum=12)
    stride_frames: int = setting(
        10, doc="From one window to the next, when measured", unit="frames", minimum=1
    )
    train_stride_frames: int = setting(
        5, doc="From one window to the next, when trained", unit="frames", minimum=1
    )
    most_windows: int = setting(20_000, doc="Windows that training keeps at most", minimum=1)
    steps: int = setting(1500, doc="Optimiser steps", minimum=1)
    batch: int = setting(64, doc="Windows per step", minimum=2)
    learning_rate: float = setting(1e-3, doc="Peak rate of Adam", minimum=0.0, maximum=1.0)
    velocity_weight: float = setting(1.0, doc="Weight of the error of differences", minimum=0.0)
    seed: int = setting(0, doc="Seed of weights and order", minimum=0)

    @classmethod
    def of(cls, architecture: str, **changes: int | float) -> AutoencoderSettings:
        """Return the settings of an architecture; raise ConfigError for one that we cannot build.

        DiffSHEG measures on windows that do not overlap.
        """
        if architecture == "emage":
            raise ConfigError(
                "the EMAGE form means EMAGE's published weights on 55 SMPL-X joints, which may not "
                "be passed on and do not fit this skeleton; choose 'ours' or 'diffsheg'"
            )
        sizes: dict[str, int | float] = {}
        if architecture == "diffsheg":
            sizes = {"width": 300, "latent": 300, "stride_frames": 34, "train_stride_frames": 10}
        return cls.from_dict({"architecture": architecture, **sizes, **changes})


class MotionAutoencoder(nn.Module):
    """Windows (B, T, D) of z-scored motion to latents (B, latent) and back."""

    pace: Tensor

    def __init__(self, settings: AutoencoderSettings, channels: int) -> None:
        """Build encoder and decoder for windows of `channels` channels."""
        super().__init__()
        w, frames = settings.width, settings.window_frames
        slope = 1.0 if settings.architecture == "diffsheg" else 0.2  # theirs is the identity
        self.sees_speed = settings.architecture == "ours"
        self.register_buffer("pace", torch.ones(channels))
        after = ((frames - 4) - 4) // 2 + 1 - 2
        self.convolutions = nn.Sequential(
            *_convolution(2 * channels if self.sees_speed else channels, w, 3),
            *_convolution(w, 2 * w, 3),
            *_convolution(2 * w, 2 * w, 4, stride=2),
            nn.Conv1d(2 * w, w, 3),
            nn.Flatten(),
        )
        self.to_latent = nn.Sequential(
            *_linear(after * w, 4 * w, slope),
            *_linear(4 * w, 2 * w, slope),
            nn.Linear(2 * w, w),
            nn.Linear(w, settings.latent),
        )
        self.from_latent = nn.Sequential(
            *_linear(settings.latent, 2 * w, 0.2),
            nn.Linear(2 * w, 8 * frames),
            nn.Unflatten(1, (8, frames)),
            *_convolution(8, w, 3, padding=1),
            *_convolution(w, w, 3, padding=1),
            nn.Conv1d(w, channels, 3, padding=1),
        )

    def encode(self, windows: Tensor) -> Tensor:
        """Return the latents (B, latent) of windows (B, T, D)."""
        seen = windows
        if self.sees_speed:
            seen = torch.cat([windows, self.speed(windows)], dim=2)  # (B, T, 2 D)
        features = self.convolutions(seen.transpose(1, 2))  # (B, after * width)
        latents: Tensor = self.to_latent(features)  # (B, latent)
        return latents

    def speed(self, windows: Tensor) -> Tensor:
        """Return the steps (B, T, D) that lead to each frame, over `pace`, that of people (D,)."""
        steps = torch.diff(windows, dim=1, prepend=windows[:, :1])  # (B, T, D)
        return steps / self.pace

    def forward(self, windows: Tensor) -> Tensor:
        """Return the windows (B, T, D) as the latents tell them."""
        decoded: Tensor = self.from_latent(self.encode(windows))  # (B, D, T)
        return decoded.transpose(1, 2)  # (B, T, D)


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0
) -> tuple[nn.Module, ...]:
    convolution = nn.Conv1d(inputs, outputs, kernel, stride, padding)
    return convolution, nn.BatchNorm1d(outputs), nn.LeakyReLU(0.2)


def _linear(inputs: int, outputs: int, slope: float) -> tuple[nn.Module, ...]:
    return nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.LeakyReLU(slope)
