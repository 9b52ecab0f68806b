"""Models and windows to measure with: random where nothing else is at hand."""

from __future__ import annotations

from pathlib import Path

import torch

from asynfusion_ros.networks import MannerBatch, NetworkSettings
from asynfusion_ros.sampling import Checkpoint, untrained_checkpoint
from asynfusion_ros.sampling.window import WindowRequest


def make_request(
    sizes: NetworkSettings, batch: int, frames: int | None = None, seed: int = 0
) -> WindowRequest:
    """Return a window of random speech (B, T, A), each row of a stream of its own.

    `frames` is the longest window where None. All but a fifth of the frames are known.
    """
    generator = torch.Generator().manual_seed(seed)
    frames = frames or sizes.window_frames
    known = frames - max(1, frames // 5)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return WindowRequest(
        index=1,
        audio=draw(batch, frames, sizes.audio_dim),
        manner=MannerBatch(torch.zeros(batch, dtype=torch.long)),
        known_face=draw(batch, known, sizes.face_dim),
        known_body=draw(batch, known, sizes.body_dim),
        seed=seed,
        origins=tuple((seed + row, 1) for row in range(batch)),
    )


def open_model(folder: Path | None, config: Path | None, device: str) -> Checkpoint:
    """Return the model of a folder, or one of random weights in the size of a configuration."""
    if folder is not None:
        return Checkpoint.load(folder, device)
    sizes = NetworkSettings()
    if config is not None:
        sizes = NetworkSettings.from_yaml(config, "network").replace(styles=0, emotions=1)
    return untrained_checkpoint(sizes).to(device)
