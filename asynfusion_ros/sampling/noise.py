"""The noise that windows start from: white, as loud as each channel needs, and in part shared.

Where a window continues known frames, white noise keeps it near to where they end: of brows, eyes
and head, fast movement comes out as people's, slow movement a quarter to a half of it. A part of
the noise that all frames of a window share takes them along together (the mixed noise of Ge et
al., "Preserve Your Own Correlation", 2023). Arms go far enough without.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asynfusion_ros.motion.blendshapes import EYE_NAMES, FACE_NAMES, LID_NAMES, MOUTH_NAMES
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.sampling.window import BRANCHES, WindowRequest

Array = npt.NDArray[np.float32]

GROUPS = {"mouth": MOUTH_NAMES, "eyes": EYE_NAMES, "lids": LID_NAMES}  # lids are of the eyes
"""The channels of the face that have a temperature."""

_SLOW_FACE, _SLOW_BODY = ("brow", "eyeLook"), ("chest", "head")
_SHARED_DRAWS = 1 << 20  # the first draw of what frames share, beyond any step's


@dataclass(frozen=True)
class NoiseShape:
    """What the noise of a branch is where it is not white.

    Attributes:
        spread: factors of each channel's noise (D,).
        shared: how much noise all frames of a window share, in units of their own, by channel (D,).
    """

    spread: Array
    shared: Array

    def to(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return spread and shared (D,) on a device."""
        return torch.from_numpy(self.spread).to(device), torch.from_numpy(self.shared).to(device)


def shape_noise(
    branch: str, temperatures: Mapping[str, float], shared: float = 0.0
) -> NoiseShape | None:
    """Return the noise of a branch at temperatures by group of the face; None where it is white.

    `shared` is how much noise the frames of a window share in brows, gaze, chest and head.
    """
    face = branch == BRANCHES[0]
    if not shared and not (face and temperatures):
        return None
    slow = _slow_face() if face else _slow_body()
    spread = np.ones_like(slow)
    for group, names in GROUPS.items() if face else ():
        if group in temperatures:
            spread[[FACE_NAMES.index(name) for name in names]] = temperatures[group]
    return NoiseShape(spread, np.float32(shared) * slow)


def _slow_face() -> Array:
    return np.array([name.startswith(_SLOW_FACE) for name in FACE_NAMES], np.float32)


@cache
def _slow_body() -> Array:
    joints = Skeleton.load().joint_names
    return np.repeat(np.isin(joints, _SLOW_BODY), 3).astype(np.float32)


def draw_noise(request: WindowRequest, branch: str, step: int, shape: tuple[int, ...]) -> Tensor:
    """Return unit noise on the CPU that depends on nothing but (seed, window, branch, step).

    Where rows have origins of their own, each row draws as if it were alone.
    """
    if not request.origins:
        return _draw(request.seed, request.index, branch, step, shape)
    alone = (1, *shape[1:])
    return torch.cat([_draw(*origin, branch, step, alone) for origin in request.origins])


def draw_shared(request: WindowRequest, branch: str, step: int, shape: tuple[int, ...]) -> Tensor:
    """Return what the frames of a window share of the noise `draw_noise` gives: (B, 1, D)."""
    return draw_noise(request, branch, _SHARED_DRAWS + step, (shape[0], 1, shape[2]))


def draw_shaped(
    request: WindowRequest,
    branch: str,
    step: int,
    shape: tuple[int, ...],
    noise: NoiseShape | None,
) -> Tensor:
    """Return the noise (B, T, D) of a step on the CPU, as `noise` has it."""
    white = draw_noise(request, branch, step, shape)  # (B, T, D)
    if noise is None:
        return white
    spread, shared = noise.to(white.device)
    if noise.shared.any() and request.known(branch) is not None:
        white = white + shared * draw_shared(request, branch, step, shape)  # (B, T, D)
    return white * spread


def _draw(seed: int, window: int, branch: str, step: int, shape: tuple[int, ...]) -> Tensor:
    key = struct.pack("<qqqq", seed, window, BRANCHES.index(branch), step)
    number = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")
    return torch.randn(shape, generator=torch.Generator().manual_seed(number))
