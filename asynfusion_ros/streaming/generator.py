"""Speech to motion, window by window: the one path that files and live streams both take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from asynfusion_ros.audio.features import FeatureSettings, SpeechFeatureExtractor
from asynfusion_ros.errors import AudioError, CheckpointError, ConfigError
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.motion.smoothing import low_pass
from asynfusion_ros.networks import MannerBatch
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.sampling.sequential import SequentialSampler
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.sampling.threaded import ThreadedSampler
from asynfusion_ros.sampling.window import WindowRequest, WindowResult
from asynfusion_ros.streaming.chunk import ChunkTimings, GeneratorState, MotionChunk
from asynfusion_ros.streaming.governor import Steps
from asynfusion_ros.streaming.seam import BODY_FADE_FRAMES, FACE_FADE_FRAMES, join
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

    def begin(self, seed: int | None = None, manner: Manner | None = None) -> GeneratorState:
        """Return the state before window 0 of a stream; defaults come from the settings.

        Raises ConfigError where the model does not know the manner.
        """
        settings = self.settings
        if manner is None:
            manner = self.description.choose_manner(
                settings.speaker, settings.style, settings.emotion
            )
        self.description.check_manner(manner)
        return GeneratorState(0, settings.seed if seed is None else seed, manner)

    def step(
        self, samples: Array, state: GeneratorState, steps: Steps | None = None
    ) -> tuple[MotionChunk, GeneratorState]:
        """Return the new frames of window `state.index` and the state after it.

        `samples` (sample_count,) are the window's audio at 16 kHz in [-1, 1]. Same samples and
        state give the same motion. Raises AudioError for a wrong number of samples.
        """
        if samples.shape != (self.plan.sample_count,):
            raise AudioError(
                f"window audio has shape {samples.shape}; expected ({self.plan.sample_count},)"
            )
        begin_s = time.perf_counter()
        features = self.description.audio.normalise(self._extractor.extract(samples))
        feature_s = time.perf_counter() - begin_s
        if steps is not None and steps != self._steps:
            self._sampler.set_steps(steps.expression, steps.gesture)
            self._steps = steps
        result = self._sampler.sample_window(self._request(np.asarray(features, np.float32), state))
        face, face_nan = _mend(_to_numpy(result.face), state.face)
        body, body_nan = _mend(_to_numpy(result.body), state.body)
        body = low_pass(body, FPS_HZ, self.description.body_cutoff_hz)
        face = join(state.face, face, FACE_FADE_FRAMES)
        body = join(state.body, body, BODY_FADE_FRAMES)
        chunk = self._chunk(face, body, state.index, int(np.count_nonzero(face_nan | body_nan)))
        known = self.plan.known_frames
        after = replace(
            state,
            index=state.index + 1,
            face=face[-known:] if known else None,
            body=body[-known:] if known else None,
        )
        timings = _timings(time.perf_counter() - begin_s, feature_s, result)
        return replace(chunk, timings=timings), after

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
        if samples.ndim != 1 or samples.size == 0:
            raise AudioError(f"audio has shape {samples.shape}; give one channel that is not empty")
        frames = -(-len(samples) * FPS_HZ // SAMPLE_RATE_HZ)
        windows = -(-frames // self.plan.hop_frames)
        state, faces, bodies = self.begin(seed), [], []
        for index in range(windows):
            chunk, state = self.step(self._window_audio(samples, index), state)
            faces.append(chunk.face)
            bodies.append(chunk.body)
            if progress is not None:
                progress(index + 1, windows)
        face, body = np.concatenate(faces)[:frames], np.concatenate(bodies)[:frames]
        return MotionClip(float(FPS_HZ), face, body)

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

    def _window_audio(self, samples: Array, index: int) -> Array:
        window = np.zeros(self.plan.sample_count, np.float32)
        first = self.plan.first_sample(index)
        begin, end = max(first, 0), min(first + len(window), len(samples))
        if end > begin:
            window[begin - first : end - first] = samples[begin:end]
        return window

    def _request(self, features: Array, state: GeneratorState) -> WindowRequest:
        def known(frames: Array | None) -> torch.Tensor | None:
            return None if frames is None else torch.from_numpy(frames)[None].to(self._device)

        return WindowRequest(
            index=state.index,
            audio=torch.from_numpy(features)[None].to(self._device),
            manner=self._manner(state.manner),
            known_face=known(state.face),
            known_body=known(state.body),
            seed=state.seed,
        )

    def _manner(self, manner: Manner) -> MannerBatch:
        device = self._device
        return MannerBatch(
            torch.tensor([manner.speaker], device=device),
            torch.tensor([manner.style], device=device) if manner.style else None,
            torch.tensor([manner.emotion], device=device) if manner.emotion else None,
        )

    def _chunk(self, face: Array, body: Array, index: int, nan_frames: int) -> MotionChunk:
        hop = self.plan.hop_frames
        weights = np.clip(self.description.face.unnormalise(face[-hop:]), 0.0, 1.0)
        rotations = self.description.body.unnormalise(body[-hop:])
        return MotionChunk(
            first_frame=self.plan.new_frames(index).start,
            face=weights.astype(np.float32),
            body=rotations.astype(np.float32),
            timings=ChunkTimings(),
            nan_frames=nan_frames,
        )


def open_sampler(checkpoint: Checkpoint, settings: SamplerSettings) -> Sampler:
    """Return the sampler that `settings.execution` names."""
    kind = ThreadedSampler if settings.execution == "threaded" else SequentialSampler
    return kind(checkpoint, settings)


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


def _to_numpy(motion: torch.Tensor) -> Array:
    return motion[0].detach().cpu().numpy().astype(np.float32)


def _mend(frames: Array, known: Array | None) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Replace frames that are not finite by the one before; return them and where they were."""
    broken = np.array([not np.isfinite(frame).all() for frame in frames], np.bool_)
    mended = frames.copy()
    last = np.zeros_like(frames[0]) if known is None else known[0]
    for index in np.flatnonzero(broken):
        mended[index] = mended[index - 1] if index else last
    return mended, broken


def _timings(total_s: float, feature_s: float, result: WindowResult) -> ChunkTimings:
    ages = np.array(
        [*result.timings.expression.partner_age_s, *result.timings.gesture.partner_age_s]
    )
    ages = ages[np.isfinite(ages)]
    return ChunkTimings(
        total_s=total_s,
        feature_s=feature_s,
        expression_s=result.timings.expression.total_s,
        gesture_s=result.timings.gesture.total_s,
        partner_age_s=float(ages.mean()) if ages.size else 0.0,
    )
