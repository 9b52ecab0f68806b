"""How the voice rises: what people's heads, arms, brows and eyes move with.

They move most while it grows louder, a little ahead of the loud syllable, and rest while it fades
(`benchmarks/coordination.py`). A model of few people's motion learns half of that, so it is in
the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from asynfusion_ros.audio.features import SpeechFeatureExtractor

QUIETEST_DB = -60.0
"""Below this all is silence, and does not rise."""

_ABOUT_S, _STEP_S, _SPOKEN_S = 0.3, 0.1, 2.0
_USUAL, _SPREAD = 5.5, 3.0  # of the root of what `rises_of` averages, in speech of videos
_SPOKEN_DB_S = 16.0  # speech rises by more within two seconds, 95 times in 100; a room by 1
_NAMES = tuple(SpeechFeatureExtractor.groups)
_SIZES = tuple(SpeechFeatureExtractor.groups.values())
FEATURES = sum(_SIZES)
"""How many channels the features have that it is read from."""
LEVEL = sum(_SIZES[: _NAMES.index("level")])
"""Which of them is the level."""


@dataclass(frozen=True)
class VoiceRise:
    """How bursts follow the voice.

    Attributes:
        share: correlation of a burst's number with the voice's rise, 0 to 1.
        mean_db, std_db: what the features' level was normalised with.
        fps_hz: frames per second.
    """

    share: float
    mean_db: float
    std_db: float
    fps_hz: float

    def lead(self, audio: Tensor, burst: Tensor) -> Tensor:
        """Return numbers (B, T) like `burst` (B,), led by normalised features (B, T, FEATURES)."""
        level_db = audio[..., LEVEL].float() * self.std_db + self.mean_db  # (B, T)
        rise = rises_of(level_db, self.fps_hz)  # (B, T)
        return self.share * rise + math.sqrt(1.0 - self.share**2) * burst[:, None]  # (B, T)


def rises_of(level_db: Tensor, fps_hz: float) -> Tensor:
    """Return how much the voice rises around each frame, from levels (B, T) in dB: (B, T).

    The root of the mean rise [dB/s] within 0.15 s, as far as it is heard; in speech its mean is 0
    and its standard deviation 1. Where nobody speaks for a second before and after, it is 0 too.
    """
    step = _odd(_STEP_S * fps_hz)
    level = level_db.clamp(min=QUIETEST_DB)[:, None]  # (B, 1, T)
    level = pad(level, (step // 2, step // 2), mode="replicate")  # (B, 1, T + step - 1)
    level = avg_pool1d(level, step, 1)  # (B, 1, T)
    steps = pad(level.diff(dim=2).clamp(min=0.0) * fps_hz, (1, 0))  # (B, 1, T)
    near, wide = (_mean(steps, _odd(s * fps_hz)) for s in (_ABOUT_S, _SPOKEN_S))  # (B, T)
    spoken = (wide / _SPOKEN_DB_S).clamp(max=1.0)  # (B, T)
    return spoken * (near.sqrt() - _USUAL) / _SPREAD  # (B, T)


def _mean(values: Tensor, frames: int) -> Tensor:
    """Return the mean (B, T) of values (B, 1, T) about each frame, of what is there of them."""
    mean: Tensor = avg_pool1d(values, frames, 1, frames // 2, count_include_pad=False)  # (B, 1, T)
    return mean[:, 0]


def _odd(frames: float) -> int:
    return 2 * int(frames / 2) + 1
