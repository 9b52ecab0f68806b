"""A network of the form and size of DiffSHEG, to be timed beside ours; random weights, our blocks.

Two branches of 155.4 M parameters in all, the gesture's told what the expression's predicts,
sampled by DDIM in 25 steps over windows of 34 frames at 15 Hz (Chen et al., CVPR 2024). Later
windows begin at the 15th-last step and go back and forth over the rest, so that they agree with the
4 frames that they share with the window before: 63 evaluations with 5 passes, 27 with the 2 of its
real-time script. Widths, layers and counts are the published ones, the code is ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from asynfusion_ros.diffusion import NoiseSchedule, ddim_timesteps
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.networks.layers import Mlp, SelfAttention, layer_norm, sinusoidal

FRAMES, OVERLAP, FPS_HZ = 34, 4, 15.0
NEW_SECONDS = (FRAMES - OVERLAP) / FPS_HZ
PASSES = {63: 5, 27: 2, 15: 1}
"""Passes over each stretch of three steps, by the evaluations that they come to."""

_FACE, _BODY, _MEL, _SPEECH, _SPEAKERS = 51, 141, 128, 1024, 30
_WIDTH, _DEPTH, _HEADS, _CONTEXT, _HEARD = 512, 8, 8, 2048, 128
_STEPS, _RESUMED, _STRETCH = 25, 15, 3
_BLEND_BELOW = 0.2


class Styled(nn.Module):
    """A residual whose scale and shift follow from the context (time and speaker)."""

    def __init__(self) -> None:
        """Build the maps of context and output."""
        super().__init__()
        self.context = nn.Linear(_CONTEXT, 2 * _WIDTH)
        self.out = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, change: Tensor, context: Tensor) -> Tensor:
        """Map a change (B, T, 512) and context (B, 2048) to what is added (B, T, 512)."""
        scale, shift = self.context(functional.silu(context))[:, None].chunk(2, dim=-1)  # (B, 1, W)
        styled: Tensor = self.out(functional.silu(layer_norm(change) * (1.0 + scale) + shift))
        return styled  # (B, T, W)


class Layer(nn.Module):
    """What is heard is mixed in, then attention over the frames, then an MLP."""

    def __init__(self, heard: int) -> None:
        """Build for `heard` channels beside the own 512."""
        super().__init__()
        self.rise = nn.Linear(_WIDTH + heard, 1024)
        self.fall = nn.Linear(1024, _WIDTH)
        self.keep = nn.Linear(_WIDTH + heard, _WIDTH)
        self.attention = SelfAttention(_WIDTH, _HEADS)
        self.mlp = Mlp(_WIDTH, 2.0, 0.0)
        self.styled = nn.ModuleList((Styled(), Styled()))

    def forward(self, x: Tensor, heard: Tensor, context: Tensor) -> Tensor:
        """Map x (B, T, 512), heard (B, T, H) and context (B, 2048) to (B, T, 512)."""
        both = torch.cat([x, heard], dim=-1)  # (B, T, W + H)
        x = self.fall(functional.silu(self.rise(layer_norm(both)))) + self.keep(both)  # (B, T, W)
        x = x + self.styled[0](self.attention(layer_norm(x)), context)  # (B, T, W)
        out: Tensor = x + self.styled[1](self.mlp(x), context)  # (B, T, W)
        return out


class ReferenceBranch(nn.Module):
    """One of the two branches: motion and what it hears to the noise."""

    def __init__(self, dim: int, told: int) -> None:
        """Build for `dim` channels that are told `told` channels of the other branch."""
        super().__init__()
        self.enter = nn.Linear(dim, _WIDTH)
        self.leave = nn.Linear(_WIDTH, dim)
        self.speaker = nn.Sequential(
            nn.Linear(_SPEAKERS, _CONTEXT), nn.SiLU(), nn.Linear(_CONTEXT, _CONTEXT)
        )
        heard = 2 * _MEL + _HEARD + told
        self.layers = nn.ModuleList(Layer(heard) for _ in range(_DEPTH))

    def forward(self, x: Tensor, heard: Tensor, time: Tensor, speaker: Tensor) -> Tensor:
        """Map x (B, T, D), heard (B, T, H), time (B, 2048), speaker (B, 30) to (B, T, D)."""
        context = time + self.speaker(speaker)  # (B, 2048)
        place = sinusoidal(torch.arange(x.shape[1], device=x.device), _WIDTH)  # (T, W)
        x = self.enter(x) + place  # (B, T, W)
        for layer in self.layers:
            x = layer(x, heard, context)  # (B, T, W)
        noise: Tensor = self.leave(x)  # (B, T, D)
        return noise


class ReferenceNetwork(nn.Module):
    """Both branches, the layers for sound, and the embedding of the diffusion time."""

    def __init__(self) -> None:
        """Build it; weights are torch's random ones."""
        super().__init__()
        self.time = nn.Sequential(
            nn.Linear(_WIDTH, _CONTEXT), nn.SiLU(), nn.Linear(_CONTEXT, _CONTEXT)
        )
        self.mel_attention = SelfAttention(_MEL, 8)
        self.mel_mlp = Mlp(_MEL, 8.0, 0.0)
        self.mel_context = nn.Linear(_CONTEXT, 2 * _MEL)
        self.mel_out = nn.Linear(2 * _MEL, 2 * _MEL)
        self.speech = nn.Sequential(
            nn.Conv1d(_SPEECH, _HEARD, 3, padding=1, bias=False),
            nn.BatchNorm1d(_HEARD),
            nn.GELU(),
            nn.Conv1d(_HEARD, _HEARD, 3, padding=1),
        )
        self.expression = ReferenceBranch(_FACE, 0)
        self.gesture = ReferenceBranch(_BODY, _FACE)

    def forward(
        self,
        face: Tensor,
        body: Tensor,
        t: Tensor,
        levels: tuple[float, float],
        sound: dict[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return the noise in face (B, T, 51) and body (B, T, 141) at times t (B,).

        `levels` are sqrt(abar) and sqrt(1 - abar); `sound` has mel (B, T, 128), speech
        (B, T, 1024) and speaker (B, 30).
        """
        time = self.time(sinusoidal(t, _WIDTH))  # (B, 2048)
        mel = sound["mel"]
        scale, shift = self.mel_context(functional.silu(time))[:, None].chunk(2, dim=-1)
        heard = mel + self.mel_attention(layer_norm(mel) * (1.0 + scale) + shift)  # (B, T, 128)
        heard = heard + self.mel_mlp(layer_norm(heard))  # (B, T, 128)
        heard = self.mel_out(torch.cat([mel, heard], dim=-1))  # (B, T, 256)
        speech = self.speech(sound["speech"].transpose(1, 2)).transpose(1, 2)  # (B, T, 128)
        heard = torch.cat([heard, speech], dim=-1)  # (B, T, 384)
        noise_face = self.expression(face, heard, time, sound["speaker"])  # (B, T, 51)
        clean_face = (face - levels[1] * noise_face) / levels[0]  # (B, T, 51)
        told = torch.cat([heard, clean_face], dim=-1)  # (B, T, 435)
        return noise_face, self.gesture(body, told, time, sound["speaker"])  # (B, T, 141)


@dataclass(frozen=True)
class Move:
    """A step of the sampling, from one DDIM step to another; -1 is clean motion."""

    start: int
    end: int

    @property
    def evaluates(self) -> bool:
        """Whether the network is asked: towards less noise, not back."""
        return self.end < self.start


def moves(passes: int, first: int = _RESUMED) -> Iterator[Move]:
    """Yield the moves of a window that begins `first` steps before the end.

    Each stretch of three steps, but for the first of all, is gone over `passes` times in all.
    """
    left = dict.fromkeys(range(0, first - _STRETCH, _STRETCH), passes - 1)
    at = first - 1
    while at >= 0:
        if left.get(at, 0) > 0:
            left[at] -= 1
            for _ in range(_STRETCH):
                yield Move(at, at + 1)
                at += 1
        yield Move(at, at - 1)
        at -= 1


class Reference:
    """Samples windows one after another; each adds `NEW_SECONDS` of motion to what is there."""

    def __init__(
        self, device: torch.device, evaluations: int = 63, batch: int = 1, seed: int = 0
    ) -> None:
        """Draw weights and sound; raise ConfigError for evaluations that no passes come to."""
        if evaluations not in PASSES:
            raise ConfigError(f"{evaluations} evaluations per window; choose one of {list(PASSES)}")
        torch.manual_seed(seed)
        self.network = ReferenceNetwork().to(device).eval()
        self.evaluations = 0
        self._device, self._batch = device, batch
        self._moves = tuple(moves(PASSES[evaluations]))
        self._times = ddim_timesteps(_STEPS)[::-1]  # rising
        table = NoiseSchedule.linear().alphas_cumprod.tolist()
        kept = [*(table[t] for t in self._times), 1.0]  # the last, number -1, is clean motion
        self._levels = [(math.sqrt(abar), math.sqrt(1.0 - abar)) for abar in kept]
        self._fade = torch.linspace(0.0, 1.0, OVERLAP, device=device)[:, None]
        draw = {"mel": _MEL, "speech": _SPEECH}
        self._sound = {n: torch.randn(batch, FRAMES, d, device=device) for n, d in draw.items()}
        self._sound["speaker"] = torch.zeros(batch, _SPEAKERS, device=device)
        self._sound["speaker"][:, 1] = 1.0
        self._known = [torch.zeros(batch, OVERLAP, dim, device=device) for dim in (_FACE, _BODY)]
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self) -> tuple[Tensor, Tensor]:
        """Sample the next window, and wait for it: face (B, 34, 51), body (B, 34, 141)."""
        with torch.inference_mode():
            face, body = self._noise(_FACE), self._noise(_BODY)
            for move in self._moves:
                if move.evaluates:
                    face, body = self._fall(face, body, move)
                else:
                    face, body = self._rise(face, move), self._rise(body, move)
            self._known = [face[:, -OVERLAP:], body[:, -OVERLAP:]]
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return face, body

    def _fall(self, face: Tensor, body: Tensor, move: Move) -> tuple[Tensor, Tensor]:
        self.evaluations += 1
        (signal, sigma), (less, rest) = self._levels[move.start], self._levels[move.end]
        times = torch.full((self._batch,), float(self._times[move.start]), device=self._device)
        noises = self.network(face, body, times, (signal, sigma), self._sound)
        moved = []
        for x, noise, known in zip((face, body), noises, self._known, strict=True):
            x_next = less * (x - sigma * noise) / signal + rest * noise  # (B, T, D)
            given = less * known + rest * self._noise(x.shape[-1])[:, :OVERLAP]  # (B, K, D)
            if rest < _BLEND_BELOW:
                given = torch.lerp(given, x_next[:, :OVERLAP], self._fade)  # (B, K, D)
            moved.append(torch.cat([given, x_next[:, OVERLAP:]], dim=1))  # (B, T, D)
        return moved[0], moved[1]

    def _rise(self, x: Tensor, move: Move) -> Tensor:
        """Add the noise that lies between two steps."""
        factor = self._levels[move.end][0] / self._levels[move.start][0]
        return factor * x + math.sqrt(1.0 - factor**2) * self._noise(x.shape[-1])  # (B, T, D)

    def _noise(self, dim: int) -> Tensor:
        shape = (self._batch, FRAMES, dim)
        return torch.randn(shape, generator=self._generator, device=self._device)


def build_reference(
    device: torch.device, evaluations: int = 63, batch: int = 1, seed: int = 0
) -> Reference:
    """Return a callable that samples a window of the reference; it counts `evaluations`.

    `evaluations` per window are 63, 27 or 15. Raises ConfigError for others.
    """
    return Reference(device, evaluations, batch, seed)
