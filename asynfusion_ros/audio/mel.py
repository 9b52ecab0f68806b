"""Whisper's log-mel spectrogram (Radford et al. 2022), in numpy.

librosa gives the same numbers but compiles for seconds at first use; a test compares the two.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16_000
FFT_SAMPLES = 400
HOP_SAMPLES = 160
MEL_BANDS = 80

FloatArray = npt.NDArray[np.float32]

_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_LOG_START_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    start = _LOG_START_HZ / _LINEAR_HZ_PER_MEL
    logarithmic = _LOG_START_HZ * np.exp(_LOG_STEP * (mel - start))
    return np.where(mel < start, _LINEAR_HZ_PER_MEL * mel, logarithmic)


@cache
def mel_filters() -> FloatArray:
    """Return the (80, 201) triangles of unit area, evenly spaced on Slaney's mel scale."""
    top = _LOG_START_HZ / _LINEAR_HZ_PER_MEL + np.log(8000.0 / _LOG_START_HZ) / _LOG_STEP
    corners = _mel_to_hz(np.linspace(0.0, top, MEL_BANDS + 2))
    bins = np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    rise = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    fall = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    area = 2.0 / (corners[2:] - corners[:-2])
    filters = np.maximum(0.0, np.minimum(rise, fall)) * area[:, None]
    return filters.astype(np.float32)


@cache
def _window() -> FloatArray:
    n = np.arange(FFT_SAMPLES)
    return (0.5 - 0.5 * np.cos(2.0 * np.pi * n / FFT_SAMPLES)).astype(np.float32)


def log_mel(samples: FloatArray) -> FloatArray:
    """Return Whisper's scaled log-mel (80, N // 160) of samples (N,), N >= 201, at 100 Hz.

    Column i is centred on sample 160 i; the edges are reflected. The dynamic range is 8 decades
    below the loudest entry, and the result is (log10 + 4) / 4.
    """
    padded = np.pad(samples, FFT_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(frames[: samples.size // HOP_SAMPLES] * _window(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    mel = np.log10(np.maximum(mel_filters() @ power.T, 1e-10))
    scaled: FloatArray = (np.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0
    return scaled.astype(np.float32)
