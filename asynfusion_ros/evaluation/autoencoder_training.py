"""How the autoencoder of the Fréchet distances learns: to give its windows back."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from asynfusion_ros.errors import DataError
from asynfusion_ros.evaluation.autoencoder import AutoencoderSettings, MotionAutoencoder
from asynfusion_ros.evaluation.motion_windows import MotionWindows

Progress = Callable[[int, int], None]

_BLOCK = 20
"""Windows are held in blocks, every tenth one, since neighbours overlap."""
_SLOWEST = 1e-3


def fit(
    network: MotionAutoencoder,
    windows: MotionWindows,
    settings: AutoencoderSettings,
    progress: Progress | None = None,
) -> float:
    """Train the network in place, leave it in eval mode, return its error on held windows.

    A tenth of the windows is held. The error is the mean absolute difference of z-scored channels
    that were measured. Weights and order follow from the seed alone.
    """
    is_held = np.arange(len(windows)) // min(_BLOCK, len(windows) // 2) % 10 == 1
    shown, held = np.flatnonzero(~is_held), np.flatnonzero(is_held)
    rng = np.random.default_rng(settings.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        for module in network.modules():
            if isinstance(module, nn.Conv1d | nn.Linear | nn.BatchNorm1d):
                module.reset_parameters()
    network.pace.copy_(_pace(windows))
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _cosine(step / settings.steps)
        rows = rng.choice(shown, settings.batch)
        loss = _loss(network, windows, rows, settings.velocity_weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if progress is not None:
            progress(step + 1, settings.steps)
    network.eval()
    with torch.no_grad():
        error = float(_loss(network, windows, held, 0.0))
    if not math.isfinite(error):
        raise DataError("the autoencoder's error is not finite; lower its learning_rate")
    return error


def _pace(windows: MotionWindows) -> Tensor:
    """Return the spread of each channel's steps (D,), 1 where it never moves."""
    steps = np.diff(windows.values, axis=1).astype(np.float64)  # (N, T - 1, D)
    there = np.maximum(windows.mask.mean(axis=(0, 1)), 1e-6)  # masked windows do not move
    spread = np.sqrt((steps**2).mean(axis=(0, 1)) / there)
    return torch.from_numpy(np.where(spread < _SLOWEST, 1.0, spread).astype(np.float32))


def _loss(
    network: MotionAutoencoder,
    windows: MotionWindows,
    rows: npt.NDArray[np.int64],
    velocity_weight: float,
) -> Tensor:
    values = torch.from_numpy(windows.values[rows])  # (B, T, D)
    mask = torch.from_numpy(windows.mask[rows])  # (B, 1, D)
    gap: Tensor = (network(values) - values) * mask  # (B, T, D)
    share = mask.mean().clamp(min=1e-6)
    speed = network.speed(gap).abs().mean()
    loss: Tensor = (gap.abs().mean() + velocity_weight * speed) / share
    return loss


def _cosine(done: float) -> float:
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * done))
