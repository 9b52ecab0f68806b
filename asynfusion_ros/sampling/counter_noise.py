"""Noise that a GPU draws for many streams at once, each row as if it were alone.

The generators of torch have one seed for a whole tensor. Here each number follows from its row's
key and its place by the hash of SplitMix64 (Steele, Lea and Flood 2014), and becomes normal by Box
and Muller's transform: the same numbers in any batch, on any device but for rounding.
"""

from __future__ import annotations

import hashlib
import math
import struct

import torch
from torch import Tensor

from asynfusion_ros.sampling.noise import BURST_WINDOWS
from asynfusion_ros.sampling.window import BRANCHES, WindowRequest

_WEYL = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = 2.0**-32
_BURST_PLACE = -1  # of no frame


def row_keys(request: WindowRequest, branch: str) -> Tensor:
    """Return a key (B,) int64 of each row, from its stream's seed, its window and the branch."""
    return torch.tensor([_key(seed, window, branch) for seed, window in request.rows])


def burst_keys(request: WindowRequest) -> Tensor:
    """Return the keys (B, BURST_WINDOWS) int64 of each row's burst, for both branches the same."""
    windows = range(BURST_WINDOWS)
    rows = [
        [_key(seed, index - back, BRANCHES[0]) for back in windows] for seed, index in request.rows
    ]
    return torch.tensor(rows)


def draw_bursts(keys: Tensor) -> Tensor:
    """Return how lively each window is, (B,) unit normal, of `burst_keys` (B, BURST_WINDOWS)."""
    place = torch.full((1,), _BURST_PLACE, device=keys.device)
    drawn = normal(keys.flatten(), place).view(keys.shape)  # (B, BURST_WINDOWS)
    return drawn.sum(dim=1) / math.sqrt(keys.shape[1])


def normal(keys: Tensor, places: Tensor) -> Tensor:
    """Return unit normal numbers (B, N) float32 of keys (B,) and `places` (N,), both int64."""
    word = keys[:, None] + _signed(_WEYL) * (places + 1)  # (B, N)
    word = (word ^ _shift(word, 30)) * _signed(_FIRST)  # (B, N)
    word = (word ^ _shift(word, 27)) * _signed(_SECOND)  # (B, N)
    word = word ^ _shift(word, 31)  # (B, N)
    low = (word & 0xFFFFFFFF).float().add_(0.5).mul_(_WORD)  # (B, N), in (0, 1]
    turn = _shift(word, 32).float().mul_(2.0 * torch.pi * _WORD)  # (B, N)
    return low.log_().mul_(-2.0).sqrt_().mul_(turn.cos_())  # (B, N)


def _key(seed: int, window: int, branch: str) -> int:
    text = struct.pack("<qqq", seed, window, BRANCHES.index(branch))
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little", signed=True)


def _shift(word: Tensor, bits: int) -> Tensor:
    """Return `word` shifted right by `bits`, zeros coming in from the left."""
    return (word >> bits) & ((1 << (64 - bits)) - 1)


def _signed(word: int) -> int:
    """Return the int64 with the bits of `word`."""
    return word - (1 << 64) if word >= 1 << 63 else word
