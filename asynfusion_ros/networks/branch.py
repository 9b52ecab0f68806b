"""One branch of the network: a DiT over the frames of one window that can hear a partner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from asynfusion_ros.networks.interaction import Interaction, build_interaction, listens
from asynfusion_ros.networks.layers import (
    AudioEncoder,
    DiTBlock,
    TimeEmbedding,
    modulate,
    sinusoidal,
)
from asynfusion_ros.networks.manner import MannerBatch, StyleEmbedding
from asynfusion_ros.networks.settings import NetworkSettings

Features = tuple[Tensor, ...]
"""The output of each block before the interaction: `depth` tensors (B, T, W)."""

Exchange = Callable[[int, Tensor], "Tensor | None"]
"""Gives the partner's features (B, T, W) of block i, having been told the own ones."""

_PER_BLOCK = 6  # shift, scale, gate of attention and of MLP
_FINAL = 2  # shift, scale before the output


@dataclass(frozen=True)
class Known:
    """Frames whose motion is given: `values` (B, T, D), `mask` (B, T, 1), 1 where known."""

    values: Tensor
    mask: Tensor


@dataclass(frozen=True)
class BranchCondition:
    """What one window's speech and manner say to one branch.

    `audio` holds `depth` tensors (B, T, W), one for each block; `manner` is (B, W).
    """

    audio: tuple[Tensor, ...]
    manner: Tensor


@dataclass(frozen=True)
class BranchState:
    """A step under way: `tokens` (B, T, W) and all blocks' `modulation`, (B, 1 or T, W) each."""

    tokens: Tensor
    modulation: tuple[Tensor, ...]


class Branch(nn.Module):
    """A diffusion transformer with adaLN-zero and an interaction after each block (eq. 8-10)."""

    def __init__(self, settings: NetworkSettings, name: str) -> None:
        """Build the branch `name`, 'expression' or 'gesture'."""
        super().__init__()
        width, depth = settings.width, settings.depth
        self.name = name
        self.dim = settings.face_dim if name == "expression" else settings.body_dim
        self.listens = listens(settings, name)
        self.embed_motion = nn.Linear(self.dim, width)
        self.embed_known = nn.Linear(self.dim + 1, width, bias=False)
        self.position = nn.Parameter(sinusoidal(torch.arange(settings.window_frames), width))
        self.embed_time = TimeEmbedding(width)
        self.embed_speaker = nn.Embedding(settings.speakers, width)
        self.embed_style = StyleEmbedding(settings) if settings.styles else None
        self.embed_emotion = (
            nn.Embedding(settings.emotions, width) if settings.emotions > 1 else None
        )
        self.encode_audio = AudioEncoder(settings.audio_dim, width)
        self.null_audio = nn.Parameter(torch.zeros(width))
        self.inject_audio = nn.Linear(width, depth * width)
        self.modulation = nn.Linear(width, (_PER_BLOCK * depth + _FINAL) * width)
        self.blocks = nn.ModuleList(
            DiTBlock(width, settings.heads, settings.mlp_ratio, settings.dropout)
            for _ in range(depth)
        )
        heard = depth if self.listens else 0
        self.interactions = nn.ModuleList(build_interaction(settings) for _ in range(heard))
        self.out = nn.Linear(width, self.dim)
        self.initialise()

    def initialise(self) -> None:
        """Draw all weights; every gate, the audio's entry, interactions and output start at 0."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.embed_speaker.weight, std=0.02)
        if self.embed_emotion is not None:
            nn.init.normal_(self.embed_emotion.weight, std=0.02)
        nn.init.normal_(self.null_audio, std=0.02)
        for linear in (self.inject_audio, self.modulation, self.out):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        for interaction in self.interactions:
            assert isinstance(interaction, Interaction)
            interaction.start_silent()

    def condition(
        self, audio: Tensor, manner: MannerBatch, audio_given: Tensor | None = None
    ) -> BranchCondition:
        """Encode one window's audio (B, T, A) and manner, once for all its steps.

        Where `audio_given` (B,) is False a learned null takes the audio's place (for guidance).
        """
        encoded = self.encode_audio(audio)  # (B, T, W)
        if audio_given is not None:
            encoded = torch.where(audio_given[:, None, None], encoded, self.null_audio)  # (B, T, W)
        width = encoded.shape[-1]
        injected = self.inject_audio(encoded).split(width, dim=-1)  # depth x (B, T, W)
        return BranchCondition(tuple(injected), self.embed_manner(manner))

    def embed_manner(self, manner: MannerBatch) -> Tensor:
        """Return what all blocks are told of speaker, style and emotion, (B, W)."""
        embedded: Tensor = self.embed_speaker(manner.speaker)  # (B, W)
        if self.embed_style is not None and manner.style is not None:
            embedded = embedded + self.embed_style(manner.style)  # (B, W)
        if self.embed_emotion is not None and manner.emotion is not None:
            embedded = embedded + self.embed_emotion(manner.emotion)  # (B, W)
        return embedded

    def begin(
        self, x: Tensor, t: Tensor, condition: BranchCondition, known: Known | None
    ) -> BranchState:
        """Embed noisy motion x (B, T, D) at diffusion times t (B,), or (B, T) frame by frame."""
        tokens = self.embed_motion(x) + self.place(x.shape[1], known)  # (B, T, W)
        modulate_all = self.modulate_at if t.ndim == 1 else self.modulate_frames
        modulation = modulate_all(t, condition.manner)  # (B, 1 or T, M W)
        return BranchState(tokens, torch.split(modulation, tokens.shape[-1], dim=-1))

    def place(self, frames: int, known: Known | None) -> Tensor:
        """Return what a window's frames are told beside their motion, (B or 1, T, W)."""
        position = self.position[:frames][None]  # (1, T, W)
        if known is None:
            return position
        given = torch.cat([known.mask * known.values, known.mask], dim=-1)  # (B, T, D + 1)
        placed: Tensor = position + self.embed_known(given)  # (B, T, W)
        return placed

    def modulate_at(self, t: Tensor, manner: Tensor) -> Tensor:
        """Return all blocks' modulations (..., 1, M W) at times t (...) of manner (..., W)."""
        embedded = self.embed_time(t.flatten()).view(*t.shape, -1)  # (..., W)
        context = functional.silu(embedded + manner)  # (..., W)
        modulation: Tensor = self.modulation(context)[..., None, :]  # (..., 1, M W)
        return modulation

    def modulate_frames(self, t: Tensor, manner: Tensor) -> Tensor:
        """Return all blocks' modulations (B, T, M W) at the frames' times t (B, T), 0 or more.

        Frames of a window that share a time share the work.
        """
        most = int(t.max()) + 1
        row = torch.arange(len(t), device=t.device)[:, None]  # (B, 1)
        pairs, frame = torch.unique(row * most + t, return_inverse=True)  # (U,), (B, T)
        modulation = self.modulate_at(pairs % most, manner[pairs // most])[:, 0]  # (U, M W)
        return functional.embedding(frame, modulation)  # whose gradient is a fast sum

    def block(self, index: int, state: BranchState, condition: BranchCondition) -> Tensor:
        """Run block `index` and return its features F_i (B, T, W), before any interaction."""
        first = _PER_BLOCK * index
        modulation = state.modulation[first : first + _PER_BLOCK]
        features: Tensor = self.blocks[index](state.tokens, condition.audio[index], modulation)
        return features

    def interact(
        self, index: int, state: BranchState, own: Tensor, partner: Tensor | None
    ) -> BranchState:
        """Continue from `own` features (B, T, W), mixed with the partner's if there are any."""
        if self.listens and partner is not None:
            own = self.interactions[index](own, partner)  # (B, T, W)
        return BranchState(own, state.modulation)

    def finish(self, state: BranchState) -> Tensor:
        """Return the prediction (B, T, D)."""
        shift, scale = state.modulation[-_FINAL:]
        out: Tensor = self.out(modulate(state.tokens, shift, scale))  # (B, T, D)
        return out

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        condition: BranchCondition,
        known: Known | None,
        exchange: Exchange,
    ) -> tuple[Tensor, Features]:
        """Run all blocks; after each, `exchange` trades the own features for the partner's.

        Returns the prediction (B, T, D) and the own features of every block.
        """
        state = self.begin(x, t, condition, known)
        features = []
        for index in range(len(self.blocks)):
            own = self.block(index, state, condition)  # (B, T, W)
            features.append(own)
            state = self.interact(index, state, own, exchange(index, own))
        return self.finish(state), tuple(features)

    def forward_with_partner(
        self,
        x: Tensor,
        t: Tensor,
        condition: BranchCondition,
        known: Known | None,
        partner: Features | None,
    ) -> tuple[Tensor, Features]:
        """Run one step against a snapshot of the partner's features; None skips the interaction."""

        def read(index: int, _: Tensor) -> Tensor | None:
            return None if partner is None else partner[index]

        result: tuple[Tensor, Features] = self(x, t, condition, known, read)
        return result
