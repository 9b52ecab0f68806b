"""A diffusion time for every frame: clean behind, noisier from block to block ahead.

Rolling diffusion (Ruhe et al. 2024) keeps the frames to come in `levels` blocks. One evaluation of
the network moves every block on by one level: the first one becomes clean and is given out, and a
new one of pure noise joins at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rolling_shares(
    known_frames: Tensor, phase: Tensor, frames: int, block_frames: int, levels: int
) -> Tensor:
    """Return how far into the diffusion each frame is, (B, frames) in 0..1.

    Known frames (their number: (B,)) are at 0. After them follow `levels` blocks, of which the
    p-th, counted from 0, is at (p + phase) / levels, with `phase` (B,) in 0..1; all later frames
    are at 1.
    """
    frame = torch.arange(frames, device=phase.device)[None]  # (1, T)
    ahead = frame - known_frames[:, None]  # (B, T)
    block = torch.div(ahead, block_frames, rounding_mode="floor")  # (B, T)
    shares = ((block + phase[:, None]) / levels).clamp(0.0, 1.0)  # (B, T)
    return torch.where(ahead < 0, torch.zeros_like(shares), shares)  # (B, T)
