"""The layers that both branches are built from."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def sinusoidal(positions: Tensor, dim: int, period: float = 10_000.0) -> Tensor:
    """Return cosines and sines (N, dim) of positions (N,) at `dim`/2 geometric frequencies."""
    half = dim // 2
    exponents = torch.arange(half, dtype=torch.float32, device=positions.device) / half
    angles = positions.float()[:, None] * torch.exp(-math.log(period) * exponents)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def layer_norm(x: Tensor) -> Tensor:
    """Normalise the last dimension to zero mean and unit variance, without learned scale."""
    return functional.layer_norm(x, x.shape[-1:])


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return LN(x) (1 + scale) + shift for x (B, T, W) and shift, scale (B, 1 or T, W)."""
    return torch.addcmul(shift, layer_norm(x), scale + 1.0)


class TimeEmbedding(nn.Module):
    """Diffusion time t in 0..999 to a vector of `width` features."""

    def __init__(self, width: int) -> None:
        """Build an MLP over `width` sinusoidal features."""
        super().__init__()
        self.width = width
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """Map t (B,) to (B, width)."""
        embedded: Tensor = self.mlp(sinusoidal(t, self.width))  # (B, W)
        return embedded


class Mlp(nn.Module):
    """Two linear maps with a SiLU between, applied to each frame."""

    def __init__(self, width: int, ratio: float, dropout: float) -> None:
        """Build with round(`width` * `ratio`) hidden features."""
        super().__init__()
        hidden = max(1, round(width * ratio))
        self.rise = nn.Linear(width, hidden)
        self.fall = nn.Linear(hidden, width)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, T, W) to (B, T, W)."""
        x = functional.silu(self.rise(x))  # (B, T, H)
        if self.training and self.dropout > 0.0:
            x = functional.dropout(x, self.dropout)  # (B, T, H)
        out: Tensor = self.fall(x)  # (B, T, W)
        return out


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Return softmax(Q K^T / sqrt d) V per head, for Q (B, T, W) and K, V (B, S, W)."""
    q, k, v = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    mixed = functional.scaled_dot_product_attention(q, k, v)  # (B, heads, T, W / heads)
    return mixed.transpose(1, 2).flatten(2)  # (B, T, W)


class SelfAttention(nn.Module):
    """Multi-head self-attention over the frames of one window."""

    def __init__(self, width: int, heads: int) -> None:
        """Build with one linear map for Q, K and V."""
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, T, W) to (B, T, W)."""
        query, key, value = self.qkv(x).chunk(3, dim=-1)  # 3 x (B, T, W)
        out: Tensor = self.out(attend(query, key, value, self.heads))  # (B, T, W)
        return out


class AudioEncoder(nn.Module):
    """Speech features to `width` features per frame; sees 3 frames to either side."""

    def __init__(self, audio_dim: int, width: int) -> None:
        """Build two temporal convolutions, over 3 and 5 frames."""
        super().__init__()
        self.first = nn.Conv1d(audio_dim, width, kernel_size=3, padding=1)
        self.second = nn.Conv1d(width, width, kernel_size=5, padding=2)

    def forward(self, audio: Tensor) -> Tensor:
        """Map audio (B, T, A) to (B, T, W)."""
        x = functional.gelu(self.first(audio.transpose(1, 2)))  # (B, W, T)
        x = x + functional.gelu(self.second(x))  # (B, W, T)
        return x.transpose(1, 2)  # (B, T, W)


class DiTBlock(nn.Module):
    """A transformer block with adaLN-zero: the identity until its gates have learned."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, dropout: float) -> None:
        """Build self-attention and an MLP."""
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.mlp = Mlp(width, mlp_ratio, dropout)

    def forward(self, x: Tensor, audio: Tensor, modulation: tuple[Tensor, ...]) -> Tensor:
        """Map x (B, T, W), audio (B, T, W), and six modulations (B, 1 or T, W) to (B, T, W)."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation
        x = x + audio  # (B, T, W)
        x = torch.addcmul(x, gate_a, self.attention(modulate(x, shift_a, scale_a)))  # (B, T, W)
        return torch.addcmul(x, gate_m, self.mlp(modulate(x, shift_m, scale_m)))  # (B, T, W)
