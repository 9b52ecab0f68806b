"""Speech features of one window: a pure function of its samples, so streamed equals offline.

The window's audio is the 2 s of its motion plus the look-ahead. Motion frame k of the window lies
at k / fps seconds after the first sample, and every feature is sampled at that time.
"""

from __future__ import annotations

import hashlib
import json
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.mel import HOP_SAMPLES, MEL_BANDS, SAMPLE_RATE_HZ, log_mel
from asynfusion_ros.audio.models import open_session, read_manifest
from asynfusion_ros.errors import AudioError, ConfigError
from asynfusion_ros.settings import Settings, setting

FloatArray = npt.NDArray[np.float32]

WHISPER_MODEL, PITCH_MODEL = "whisper_tiny_en.onnx", "swift_f0.onnx"
WHISPER_HZ = 50.0
MEL_HZ = SAMPLE_RATE_HZ / HOP_SAMPLES
PITCH_HZ = SAMPLE_RATE_HZ / 256
WHISPER_CHANNELS = 384
_SILENCE_DB = -80.0
_SILENCE_PEAK = 1e-3
_PITCH_CENTRE_HZ = 150.0
_PITCH_RANGE_HZ = (60.0, 500.0)
_MOST_SECONDS = 3.9  # the encoder file keeps 200 positions of 20 ms


@dataclass(frozen=True)
class FeatureSettings(Settings):
    """What is extracted from a window of speech; stored in every checkpoint."""

    fps_hz: float = setting(30.0, doc="Motion frame rate", unit="Hz", minimum=1.0, maximum=120.0)
    window_frames: int = setting(60, doc="Frames of one window", unit="frames", minimum=1)
    look_ahead_s: float = setting(
        0.1, doc="Audio heard beyond the window's end", unit="s", minimum=0.0, maximum=1.0
    )

    def __post_init__(self) -> None:
        """Check ranges, and that the window is not longer than the speech encoder allows."""
        super().__post_init__()
        seconds = self.window_frames / self.fps_hz + self.look_ahead_s
        if seconds > _MOST_SECONDS:
            raise ConfigError(
                f"window and look-ahead last {seconds:.2f} s; at most {_MOST_SECONDS} s fit"
            )

    @property
    def samples_needed(self) -> int:
        """Samples of one window and its look-ahead, at 16 kHz."""
        return round((self.window_frames / self.fps_hz + self.look_ahead_s) * SAMPLE_RATE_HZ)

    @property
    def identity(self) -> str:
        """SHA-256 of these settings and of the speech models: other features, other identity."""
        manifest = read_manifest()
        models = {name: manifest[name]["sha256"] for name in (WHISPER_MODEL, PITCH_MODEL)}
        text = json.dumps({"settings": self.to_dict(), "models": models}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def sample_at(values: FloatArray, rate_hz: float, times_s: npt.NDArray[np.float64]) -> FloatArray:
    """Return values (N, C), whose row i lies at i / rate_hz, at `times_s` (T,) by linear rule."""
    position = np.clip(times_s * rate_hz, 0.0, len(values) - 1)
    left = position.astype(np.int64)
    right = np.minimum(left + 1, len(values) - 1)
    weight = (position - left).astype(np.float32)[:, None]
    sampled: FloatArray = values[left] * (1.0 - weight) + values[right] * weight
    return sampled


class SpeechFeatureExtractor:
    """Extracts (frames, dim) features from the samples of one window.

    The groups, in order, are listed in `groups`: Whisper's tiny.en encoder run on this window
    alone, log-mel, level in dB, onset strength, and pitch (octaves about 150 Hz where voiced, and
    voicing 0..1).
    """

    groups: ClassVar[dict[str, int]] = {
        "whisper": WHISPER_CHANNELS,
        "log_mel": MEL_BANDS,
        "level": 1,
        "onset": 1,
        "pitch": 2,
    }

    def __init__(
        self, settings: FeatureSettings | None = None, threads: int = 1, allow_gpu: bool = False
    ) -> None:
        """Open the speech models on `threads` CPU threads, or CUDA where allowed and present."""
        self.settings = settings or FeatureSettings()
        self._whisper = open_session(WHISPER_MODEL, threads, allow_gpu)
        self._pitch = open_session(PITCH_MODEL, threads)
        self._beside = ThreadPoolExecutor(1, "pitch")  # half of the work, beside the other half
        weakref.finalize(self, self._beside.shutdown, wait=False)
        self._check_length()
        self._times_s = np.arange(self.settings.window_frames) / self.settings.fps_hz

    @property
    def dim(self) -> int:
        """Channels of the features: 468."""
        return sum(self.groups.values())

    @property
    def samples_needed(self) -> int:
        """Samples that `extract` takes: the window and its look-ahead."""
        return self.settings.samples_needed

    def extract(self, samples: FloatArray) -> FloatArray:
        """Return features (frames, dim) of `samples` (samples_needed,), 16 kHz mono in [-1, 1].

        Raises AudioError on a wrong length or on values that are not finite.
        """
        samples = np.asarray(samples, dtype=np.float32)
        if samples.shape != (self.samples_needed,):
            raise AudioError(f"a window has {self.samples_needed} samples, got {samples.shape}")
        if not np.isfinite(samples).all():
            raise AudioError("the window holds NaN or infinite samples; replace them by zeros")
        pitch = self._beside.submit(self._track_pitch, samples)
        mel = np.ascontiguousarray(log_mel(samples))
        groups = (
            self._encode(mel),
            sample_at(_smooth(mel.T), MEL_HZ, self._times_s),
            self._level_db(samples),
            sample_at(_onset_strength(mel), MEL_HZ, self._times_s),
            pitch.result(),
        )
        return np.concatenate(groups, axis=1)

    def _check_length(self) -> None:
        """Raise ConfigError unless the encoder file takes windows as long as the settings say."""
        columns = self._whisper.get_inputs()[0].shape[2]
        wanted = self.samples_needed // HOP_SAMPLES // 2 * 2
        if isinstance(columns, int) and columns != wanted:
            raise ConfigError(
                f"window and look-ahead make {wanted} log-mel columns; the speech encoder takes "
                f"{columns}: let window_frames / fps_hz + look_ahead_s be {columns / MEL_HZ} s"
            )

    def _encode(self, mel: FloatArray) -> FloatArray:
        even = mel[:, : mel.shape[1] // 2 * 2]
        (encoded,) = self._whisper.run(None, {"mel": even[None]})
        return sample_at(encoded[0], WHISPER_HZ, self._times_s)

    def _level_db(self, samples: FloatArray) -> FloatArray:
        """Return the level (frames, 1) in dB of full scale around each frame, at least -80."""
        half = round(SAMPLE_RATE_HZ / self.settings.fps_hz)
        power = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
        centre = np.rint(self._times_s * SAMPLE_RATE_HZ).astype(np.int64)
        low, high = np.maximum(centre - half, 0), np.minimum(centre + half, samples.size)
        mean = (power[high] - power[low]) / (high - low)
        level = 10.0 * np.log10(np.maximum(mean, 10.0 ** (_SILENCE_DB / 10.0)))
        rows: FloatArray = level.astype(np.float32)[:, None]
        return rows

    def _track_pitch(self, samples: FloatArray) -> FloatArray:
        low, high = (np.asarray(bound, dtype=np.float32) for bound in _PITCH_RANGE_HZ)
        hertz, voicing = self._pitch.run(
            ["pitch", "confidence"], {"audio": samples[None], "fmin": low, "fmax": high}
        )
        hertz, voicing = hertz[0], voicing[0]
        hops = samples[: voicing.size * 256]
        peaks = np.abs(np.pad(hops, (0, voicing.size * 256 - hops.size))).reshape(-1, 256).max(1)
        voicing = np.where(peaks < _SILENCE_PEAK, 0.0, voicing)  # the tracker guesses in silence
        octaves = np.log2(np.maximum(hertz, 1.0) / _PITCH_CENTRE_HZ) * (voicing >= 0.5)
        track = np.stack([octaves, voicing], axis=1).astype(np.float32)
        return sample_at(track, PITCH_HZ, self._times_s)


def _smooth(values: FloatArray) -> FloatArray:
    """Average three rows of (N, C), so that sampling at 30 Hz skips none of the 100 Hz."""
    padded = np.pad(values, ((1, 1), (0, 0)), mode="edge")
    smoothed: FloatArray = (padded[:-2] + padded[1:-1] + padded[2:]) / np.float32(3.0)
    return smoothed


def _onset_strength(mel: FloatArray) -> FloatArray:
    """Return the mean rise (N, 1) of log-mel (80, N) from one column to the next, smoothed."""
    rise = np.maximum(np.diff(mel, axis=1, prepend=mel[:, :1]), 0.0).mean(axis=0)
    return _smooth(rise.astype(np.float32)[:, None])
