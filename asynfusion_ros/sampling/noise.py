"""The noise that windows start from: as loud as each channel needs, in part shared, in bursts.

Where a window continues known frames, white noise keeps it near to where they end: of brows, eyes
and head, fast movement comes out as people's, slow movement a quarter to a half of it. A part of
the noise that all frames of a window share takes them along together (the mixed noise of Ge et
al., "Preserve Your Own Correlation", 2023). Arms go far enough without.

People move in bursts: head, brows, eyes and arms move much or little at the same time, and more
while the voice rises. Branches that learned from little hear next to nothing of that from each
other, so bursts are in the noise: one number of the window, which each branch draws for itself and
leads by the voice that both hear, makes both louder or both quieter.
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
from asynfusion_ros.sampling.voice_rise import VoiceRise
from asynfusion_ros.sampling.window import BRANCHES, WindowRequest

Array = npt.NDArray[np.float32]

GROUPS = {"mouth": MOUTH_NAMES, "eyes": EYE_NAMES, "lids": LID_NAMES}  # lids are of the eyes
"""The channels of the face that have a temperature."""

BURST_WINDOWS = 2
"""How many windows' draws make one burst."""

BURST_LIMIT = 2.0
"""The farthest that a burst's number goes: no window is much louder than motion was seen with."""

_SLOW_FACE, _SLOW_BODY = ("brow", "eyeLook"), ("chest", "head")
_BURST_FACE, _BURST_BODY = ("brow",), ("head",)  # which burst wholly, and lids; eyes and body half
_SHARED_DRAWS = 1 << 20  # the first draw of what frames share, beyond any step's
_BURST_DRAW = 1 << 21


@dataclass(frozen=True)
class NoiseShape:
    """What the noise of a branch is where it is not white.

    Attributes:
        spread: factors of each channel's noise (D,).
        shared: how much noise all frames of a window share, in units of their own, by channel (D,).
        bursts: standard deviation of the loudness' logarithm between windows, by channel (D,).
        voice: how bursts follow the voice; None where they do not.
    """

    spread: Array
    shared: Array
    bursts: Array
    voice: VoiceRise | None = None

    def to(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Return spread, shared and bursts (D,) on a device."""
        spread, shared, bursts = map(torch.from_numpy, (self.spread, self.shared, self.bursts))
        return spread.to(device), shared.to(device), bursts.to(device)


def shape_noise(
    branch: str,
    temperatures: Mapping[str, float],
    shared: float = 0.0,
    bursts: float = 0.0,
    voice: VoiceRise | None = None,
) -> NoiseShape | None:
    """Return the noise of a branch at temperatures by group of the face; None where it is white.

    `shared` is how much noise the frames of a window share in brows, gaze, chest and head; `bursts`
    how much brows, lids and head become louder and quieter together, gaze and the rest of the body
    half as much, and `voice` how that follows the voice.
    """
    face = branch == BRANCHES[0]
    if not shared and not bursts and not (face and temperatures):
        return None
    slow = _slow_face() if face else _slow_body()
    spread = np.ones_like(slow)
    for group, names in GROUPS.items() if face else ():
        if group in temperatures:
            spread[[FACE_NAMES.index(name) for name in names]] = temperatures[group]
    burst = _burst_face() if face else _burst_body()
    return NoiseShape(spread, np.float32(shared) * slow, np.float32(bursts) * burst, voice)


def _slow_face() -> Array:
    return np.array([name.startswith(_SLOW_FACE) for name in FACE_NAMES], np.float32)


@cache
def _slow_body() -> Array:
    joints = Skeleton.load().joint_names
    return np.repeat(np.isin(joints, _SLOW_BODY), 3).astype(np.float32)


@cache
def _burst_face() -> Array:
    whole = np.array([n.startswith(_BURST_FACE) or n in LID_NAMES for n in FACE_NAMES])
    return np.where(whole, 1.0, np.where(np.isin(FACE_NAMES, EYE_NAMES), 0.5, 0.0)).astype(
        np.float32
    )


@cache
def _burst_body() -> Array:
    whole = np.isin(Skeleton.load().joint_names, _BURST_BODY)
    return np.repeat(np.where(whole, 1.0, 0.5), 3).astype(np.float32)


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


def draw_burst(request: WindowRequest) -> Tensor:
    """Return how lively each window is, (B,) unit normal on the CPU: for both branches the same.

    It depends on nothing but (seed, window), and half of it on the window before, so that a
    burst lasts about two hops.
    """
    number = torch.empty(len(request.rows))
    for row, (seed, window) in enumerate(request.rows):
        draws = [
            _draw(seed, window - back, BRANCHES[0], _BURST_DRAW, ())
            for back in range(BURST_WINDOWS)
        ]
        number[row] = torch.stack(draws).sum() / BURST_WINDOWS**0.5
    return number


def loudness_of(noise: NoiseShape, bursts: Tensor, burst: Tensor, audio: Tensor) -> Tensor:
    """Return factors (B, 1 or T, D), about 1 on average, of windows that hear `audio` (B, T, A).

    `bursts` (D,), on the device, is the noise's own; `burst` (B,) what was drawn, unit normal. What
    comes of both goes no farther than `BURST_LIMIT`.
    """
    voice = noise.voice
    number = burst[:, None] if voice is None else voice.lead(audio, burst)  # (B, 1 or T)
    number = number.clamp(-BURST_LIMIT, BURST_LIMIT)[..., None]  # (B, 1 or T, 1)
    return torch.exp(bursts * number - bursts**2 / 2)  # (B, 1 or T, D)


class WindowNoise:
    """The noise of one branch in one window, on the CPU, as its shape has it."""

    def __init__(
        self, request: WindowRequest, branch: str, size: tuple[int, ...], noise: NoiseShape | None
    ) -> None:
        """Prepare draws of `size` (B, T, D); white noise where `noise` is None."""
        self._request, self._branch, self._size = request, branch, size
        self._shared: Tensor | None = None
        self._factors: Tensor | None = None  # (D,) or (B, 1 or T, D)
        if noise is None:
            return
        spread, shared, bursts = noise.to(torch.device("cpu"))
        self._factors = spread
        if request.known(branch) is None:
            return
        if noise.shared.any():
            self._shared = shared
        if noise.bursts.any():
            loudness = loudness_of(noise, bursts, draw_burst(request), request.audio.cpu())
            self._factors = spread * loudness

    def draw(self, step: int) -> Tensor:
        """Return the noise (B, T, D) of a step."""
        noise = draw_noise(self._request, self._branch, step, self._size)  # (B, T, D)
        if self._shared is not None:
            common = draw_shared(self._request, self._branch, step, self._size)  # (B, 1, D)
            noise = noise + self._shared * common  # (B, T, D)
        return noise if self._factors is None else noise * self._factors  # (B, T, D)


def _draw(seed: int, window: int, branch: str, step: int, shape: tuple[int, ...]) -> Tensor:
    key = struct.pack("<qqqq", seed, window, BRANCHES.index(branch), step)
    number = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")
    return torch.randn(shape, generator=torch.Generator().manual_seed(number))
