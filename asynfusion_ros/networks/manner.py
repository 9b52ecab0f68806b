"""Whose manner, which style, which emotion: what a branch is told beside the speech."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asynfusion_ros.networks.settings import NetworkSettings


@dataclass(frozen=True)
class MannerBatch:
    """The manner of each window of a batch.

    Attributes:
        speaker: identities (B,), int64, 0 for unknown.
        style: standardised styles (B, S), NaN where open; None where all are.
        emotion: emotions (B,), int64, 0 for unknown; None where all are.
    """

    speaker: Tensor
    style: Tensor | None = None
    emotion: Tensor | None = None

    def to(self, device: torch.device) -> MannerBatch:
        """Return the same on `device`."""
        style = None if self.style is None else self.style.to(device)
        emotion = None if self.emotion is None else self.emotion.to(device)
        return MannerBatch(self.speaker.to(device), style, emotion)

    def and_unknown(self) -> MannerBatch:
        """Return these manners and as many unknown ones, (2 B,): both halves of guidance."""
        style, emotion = self.style, self.emotion
        return MannerBatch(
            torch.cat([self.speaker, torch.zeros_like(self.speaker)]),
            None if style is None else torch.cat([style, torch.full_like(style, torch.nan)]),
            None if emotion is None else torch.cat([emotion, torch.zeros_like(emotion)]),
        )


class StyleEmbedding(nn.Module):
    """Styles, each of which may be open, to `width` features; nothing given gives zeros."""

    def __init__(self, settings: NetworkSettings) -> None:
        """Build one linear map of the given values and of which are given."""
        super().__init__()
        self.out = nn.Linear(2 * settings.styles, settings.width, bias=False)

    def forward(self, style: Tensor) -> Tensor:
        """Map style (B, S), NaN where open, to (B, W)."""
        known = style.isfinite()  # (B, S)
        values = torch.where(known, style, torch.zeros_like(style))  # (B, S)
        out: Tensor = self.out(torch.cat([values, known.to(values.dtype)], dim=-1))  # (B, W)
        return out
