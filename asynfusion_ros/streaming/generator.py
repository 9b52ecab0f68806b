"""Speech to motion, window by window: the one path that files and live streams both take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.features import FeatureSettings, SpeechFeatureExtractor
from asynfusion_ros.errors import AudioError, CheckpointError, ConfigError
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.sampling import build_sampler
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.sampling.window import WindowRequest, WindowResult
from asynfusion_ros.streaming.batch import (
    finish_window,
    join_chunks,
    make_request,
    measure_times,
)
from asynfusion_ros.streaming.chunk import GeneratorState, MotionChunk, remember, shorten
from asynfusion_ros.streaming.governor import Steps
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.windows import FPS_HZ, SAMPLE_RATE_HZ, WindowPlan

Array = npt.NDArray[np.float32]

_CHANNELS = (len(FACE_NAMES), 24)


class Extractor(Protocol):
    """What turns a window's audio into features."""

    @property
    def samples_needed(self) -> int:
        """Samples of one window, look-ahead included."""
        ...

    def extract(self, samples: Array) -> Array:
        """Return features (60, dim) of `samples` (samples_needed,)."""
        ...


class Sampler(Protocol):
    """What turns features into normalised motion."""

    def sample_window(self, request: WindowRequest) -> WindowResult:
        """Return one window of face and body."""
        ...

    def set_steps(self, expression: int, gesture: int) -> None:
        """Change the step counts from the next window on."""
        ...

    def reset(self) -> None:
        """Forget the window before and any failure."""
        ...

    def close(self) -> None:
        """End the sampler's threads."""
        ...


class MotionGenerator:
    """Audio windows -> normalised features -> sampler -> motion in physical units."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        extractor: Extractor,
        sampler: Sampler,
        settings: EngineSettings,
    ) -> None:
        """Join the parts; raise ConfigError where they do not fit each other."""
        self.settings = settings
        self.description = checkpoint.description
        look_ahead = round(self.description.look_ahead_s * SAMPLE_RATE_HZ)
        frames = self.description.network.window_frames
        self.plan = WindowPlan(settings.hop_frames, frames, look_ahead)
        network = self.description.network
        if (network.face_dim, network.body_dim) != _CHANNELS:
            raise ConfigError(
                f"the model moves {network.face_dim} and {network.body_dim} channels of face and "
                f"body; the avatar has {_CHANNELS}: take a model that was made for it"
            )
        if round(self.description.fps_hz) != FPS_HZ:
            raise ConfigError(
                f"the model has {self.description.fps_hz} frames per second; expected {FPS_HZ}"
            )
        if extractor.samples_needed != self.plan.sample_count:
            raise ConfigError(
                f"the features need {extractor.samples_needed} samples per window, the model's "
                f"window has {self.plan.sample_count}; use the features that it was trained with"
            )
        self._device = checkpoint.device
        self._extractor = extractor
        self._sampler = sampler
        self._steps = Steps(settings.expression_steps, settings.gesture_steps)

    @classmethod
    def open(
        cls, checkpoint: Checkpoint, settings: EngineSettings | None = None
    ) -> MotionGenerator:
        """Return a generator with the features that the model was trained with."""
        settings = settings or EngineSettings()
        extractor = open_extractor(checkpoint.description)
        sampler = open_sampler(checkpoint, settings.sampler_settings())
        return cls(checkpoint, extractor, sampler, settings)

    @property
    def settled_frames(self) -> int:
        """Frames before the new ones that a window knows once its stream is old enough."""
        return self.plan.known_frames

    def begin(self, seed: int | None = None, manner: Manner | None = None) -> GeneratorState:
        """Return the state before window 0 of a stream; defaults come from the settings.

        Raises ConfigError where the model does not know the manner.
        """
        settings = self.settings
        seed = settings.seed if seed is None else seed
        if manner is None:
            manner = self.description.choose_manner(
                settings.speaker, settings.style, settings.emotion, seed
            )
        self.description.check_manner(manner)
        return GeneratorState(0, seed, manner)

    def step(
        self, samples: Array, state: GeneratorState, steps: Steps | None = None
    ) -> tuple[MotionChunk, GeneratorState]:
        """Return the new frames of window `state.index` and the state after it.

        `samples` (sample_count,) are the window's audio at 16 kHz in [-1, 1]. Same samples and
        state give the same motion. Raises AudioError for a wrong number of samples.
        """
        return self.step_many([samples], [state], steps)[0]

    def step_many(
        self,
        samples: Sequence[Array],
        states: Sequence[GeneratorState],
        steps: Steps | None = None,
    ) -> list[tuple[MotionChunk, GeneratorState]]:
        """Return what `step` returns for windows of several streams, sampled together.

        Each stream moves as it would alone, but for rounding. Streams either all begin (their
        states hold no motion) or all go on; raises AudioError where they do not.
        """
        begin_s = time.perf_counter()
        for sound in samples:
            if sound.shape != (self.plan.sample_count,):
                raise AudioError(
                    f"window audio has shape {sound.shape}; expected ({self.plan.sample_count},)"
                )
        if len({state.face is None for state in states}) != 1 or len(samples) != len(states):
            raise AudioError(
                f"{len(samples)} windows of {len(states)} streams, of which only some begin; "
                "give one window for each, and windows that begin a stream apart from others"
            )
        features = [self.description.audio.normalise(self._extractor.extract(s)) for s in samples]
        feature_s = time.perf_counter() - begin_s
        if steps is not None and steps != self._steps:
            self._sampler.set_steps(steps.expression, steps.gesture)
            self._steps = steps
        overlap = min(self._overlap(state, steps) for state in states)
        heard = np.stack(features)[:, -(self.plan.hop_frames + overlap) :]
        near = [shorten(state, overlap) for state in states]
        request = make_request(self.description, self._device, heard, near)
        result = self._sampler.sample_window(request)
        done = [
            finish_window(self.description, self.plan, (face, body), state)
            for face, body, state in zip(result.face, result.body, near, strict=True)
        ]
        timings = measure_times(time.perf_counter() - begin_s, feature_s, result)
        return [
            (
                replace(chunk, timings=timings),
                remember(state, after, self.plan.known_frames, self.plan.hop_frames),
            )
            for (chunk, after), state in zip(done, states, strict=True)
        ]

    def generate(
        self,
        samples: Array,
        progress: Callable[[int, int], None] | None = None,
        seed: int | None = None,
    ) -> MotionClip:
        """Return the motion of a whole recording (n,) at 16 kHz, however long.

        The audio is surrounded by silence, as in a stream. `progress(done, all)` is called after
        each window; `seed` replaces that of the settings. The clip's last frame begins before the
        recording ends.
        """
        frames, windows = self._extent(samples)
        state, chunks = self.begin(seed), []
        for index in range(windows):
            chunk, state = self.step(self._window_audio(samples, index), state)
            chunks.append(chunk)
            if progress is not None:
                progress(index + 1, windows)
        return join_chunks(chunks, frames)

    def generate_many(
        self,
        recordings: Sequence[Array],
        seeds: Sequence[int | None] | None = None,
        manners: Sequence[Manner | None] | None = None,
    ) -> list[MotionClip]:
        """Return the motion of several recordings, window by window together: faster than in turn.

        Each clip is what `generate` returns for it, but for rounding. `seeds` and `manners` give
        each its own.
        """
        nothing = [None] * len(recordings)
        extents = [self._extent(samples) for samples in recordings]
        states = [
            self.begin(seed, manner)
            for seed, manner in zip(seeds or nothing, manners or nothing, strict=True)
        ]
        chunks: list[list[MotionChunk]] = [[] for _ in recordings]
        for index in range(max((windows for _, windows in extents), default=0)):
            rows = [row for row, (_, windows) in enumerate(extents) if index < windows]
            sounds = [self._window_audio(recordings[row], index) for row in rows]
            done = self.step_many(sounds, [states[row] for row in rows])
            for row, (chunk, after) in zip(rows, done, strict=True):
                chunks[row].append(chunk)
                states[row] = after
        return [join_chunks(own, frames) for own, (frames, _) in zip(chunks, extents, strict=True)]

    def warm_up(self, windows: int = 3) -> float:
        """Compute windows of silence, so that later ones are fast; return the last's time [s].

        The generator keeps nothing of them.
        """
        silence, state = np.zeros(self.plan.sample_count, np.float32), self.begin()
        for _ in range(windows):
            chunk, state = self.step(silence, state)
        return chunk.timings.total_s

    def reset(self) -> None:
        """Forget a failure of the sampler; raise SamplerError where it cannot go on."""
        self._sampler.reset()

    def close(self) -> None:
        """End the sampler's threads; the generator cannot be used afterwards."""
        self._sampler.close()

    def _overlap(self, state: GeneratorState, steps: Steps | None) -> int:
        """Return how many frames before the new ones a window spans."""
        known = min(self.plan.known_frames, self.settings.overlap_frames)
        wanted = None if steps is None else steps.overlap_frames
        there = known if state.face is None else len(state.face)
        return min(known, there, known if wanted is None else wanted)

    def _window_audio(self, samples: Array, index: int) -> Array:
        window = np.zeros(self.plan.sample_count, np.float32)
        first = self.plan.first_sample(index)
        begin, end = max(first, 0), min(first + len(window), len(samples))
        if end > begin:
            window[begin - first : end - first] = samples[begin:end]
        return window

    def _extent(self, samples: Array) -> tuple[int, int]:
        """Return the frames and windows of a recording; raise AudioError where there is none."""
        if samples.ndim != 1 or samples.size == 0:
            raise AudioError(f"audio has shape {samples.shape}; give one channel that is not empty")
        frames = -(-len(samples) * FPS_HZ // SAMPLE_RATE_HZ)
        return frames, -(-frames // self.plan.hop_frames)


def open_sampler(checkpoint: Checkpoint, settings: SamplerSettings) -> Sampler:
    """Return the sampler that fits the settings and the device."""
    return build_sampler(checkpoint, settings)


def open_extractor(description: ModelDescription) -> SpeechFeatureExtractor:
    """Return the features that a model was trained with; raise CheckpointError if it knew others.

    A model without a record of its features (random weights, for tests) takes today's.
    """
    settings = FeatureSettings.from_dict(description.features)
    if description.features_sha256 not in ("", settings.identity):
        raise CheckpointError(
            "this model was trained on other speech features than this version computes "
            f"(identity {description.features_sha256[:12]}, ours {settings.identity[:12]}): "
            "train it again, or install the version that it was trained with"
        )
    return SpeechFeatureExtractor(settings)
