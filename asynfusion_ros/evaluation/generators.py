"""Generators for measuring: features are computed once per window of sound, however often used."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.streaming.generator import (
    Extractor,
    MotionGenerator,
    open_extractor,
    open_sampler,
)
from asynfusion_ros.streaming.rolling import RollingGenerator
from asynfusion_ros.streaming.settings import EngineSettings

Array = npt.NDArray[np.float32]


class RememberingExtractor:
    """Features of a window of sound, kept for the next time that the same window comes."""

    def __init__(self, extractor: Extractor) -> None:
        """Begin with nothing remembered."""
        self._extractor = extractor
        self._known: dict[bytes, Array] = {}

    @property
    def samples_needed(self) -> int:
        """Samples of one window, look-ahead included."""
        return self._extractor.samples_needed

    def extract(self, samples: Array) -> Array:
        """Return features (60, dim) of `samples` (samples_needed,)."""
        key = hashlib.blake2b(samples.tobytes(), digest_size=16).digest()
        if key not in self._known:
            self._known[key] = self._extractor.extract(samples)
        return self._known[key]


def open_generator(
    checkpoint: Checkpoint,
    settings: EngineSettings,
    sampler: SamplerSettings | None = None,
    extractor: Extractor | None = None,
) -> MotionGenerator:
    """Return a generator whose extractor remembers; `sampler` replaces what the settings say."""
    return MotionGenerator(
        checkpoint,
        extractor or RememberingExtractor(open_extractor(checkpoint.description)),
        open_sampler(checkpoint, sampler or settings.sampler_settings()),
        settings,
    )


def open_rolling_generator(
    checkpoint: Checkpoint, settings: EngineSettings, levels: int
) -> RollingGenerator:
    """Return a generator by a rolling schedule of `levels`, whose extractor remembers."""
    extractor = RememberingExtractor(open_extractor(checkpoint.description))
    return RollingGenerator(checkpoint, extractor, settings, levels)
