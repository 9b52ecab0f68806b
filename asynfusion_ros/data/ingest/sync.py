"""Does the sound fit the lips? Mouth opening against loudness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ

Array = npt.NDArray[np.float64]

NATURAL_LEAD_S = 0.05
"""By so much the mouth is ahead of its sound as `find_offset` sees it: the median of talk30."""
LEAST_SHIFT_S = 0.08
"""Sound that is out of step by less is left where it is: takes differ by that much in nature."""
LEAST_CORRELATION = 0.25
LEAST_SECONDS = 8.0
_SLOW_S = 1.0  # what changes slower than this is no syllable
_FLOOR_DB = -60.0


@dataclass(frozen=True)
class Offset:
    """`seconds` by which the sound comes after the lips, and how well they then fit.

    `confident` where the fit is clear and both halves of the recording agree.
    """

    seconds: float
    correlation: float
    confident: bool

    @property
    def excess_s(self) -> float:
        """How much later the sound is than in nature [s]."""
        return self.seconds - NATURAL_LEAD_S


def loudness_db(samples: npt.ArrayLike, fps_hz: float, frames: int) -> Array:
    """Return the level (T,) [dB of full scale] around each frame of a video, at least -100."""
    power = np.concatenate([[0.0], np.cumsum(np.asarray(samples, np.float64) ** 2)])
    middle = np.arange(frames) / fps_hz * SAMPLE_RATE_HZ
    half = 0.5 / fps_hz * SAMPLE_RATE_HZ
    first, end = (
        np.clip(np.round(middle + sign * half), 0, len(power) - 1).astype(int) for sign in (-1, 1)
    )
    mean = (power[end] - power[first]) / np.maximum(end - first, 1)
    return np.asarray(10.0 * np.log10(np.maximum(mean, 1e-10)))


def find_offset(
    opening: npt.ArrayLike, samples: npt.ArrayLike, fps_hz: float, largest_s: float
) -> Offset:
    """Return by how much the sound (N,) is later than the mouth's opening (T,).

    The peak of the normalised cross-correlation, refined by a parabola.
    """
    mouth = np.asarray(opening, np.float64)
    loud = np.maximum(loudness_db(samples, fps_hz, len(mouth)), _FLOOR_DB)
    reach = round(largest_s * fps_hz)
    if len(mouth) < 4 * reach:
        return Offset(0.0, 0.0, False)
    lag, peak = _peak(mouth, loud, fps_hz, reach)
    half = len(mouth) // 2
    halves = [_peak(mouth[part], loud[part], fps_hz, reach)[0]
              for part in (slice(half), slice(half, None))]  # fmt: skip
    agree = max(abs(each - lag) for each in halves) <= 1.5
    long = len(mouth) / fps_hz >= LEAST_SECONDS
    confident = bool(agree and long and peak >= LEAST_CORRELATION and abs(lag) < reach - 1)
    return Offset(float(lag / fps_hz), float(peak), confident)


def shift_sound(samples: npt.NDArray[np.float32], later_s: float) -> npt.NDArray[np.float32]:
    """Return the samples moved earlier by `later_s`, silence where nothing comes."""
    count = round(later_s * SAMPLE_RATE_HZ)
    moved = np.zeros_like(samples)
    if count >= 0:
        moved[: len(samples) - count] = samples[count:]
    else:
        moved[-count:] = samples[:count]
    return moved


def _peak(mouth: Array, loud: Array, fps_hz: float, reach: int) -> tuple[float, float]:
    first, second = (_fast(rows, fps_hz) for rows in (mouth, loud))
    lags = np.arange(-reach, reach + 1)
    inner = slice(reach, len(first) - reach)
    scores = np.array([_correlate(first[inner], np.roll(second, -lag)[inner]) for lag in lags])
    best = int(np.argmax(scores))
    lag = float(lags[best])
    if 0 < best < len(lags) - 1:
        before, top, after = scores[best - 1 : best + 2]
        bend = before - 2.0 * top + after
        lag += 0.5 * (before - after) / bend if bend < 0.0 else 0.0
    return lag, float(scores[best])


def _fast(rows: Array, fps_hz: float) -> Array:
    """Return the rows less their running mean."""
    width = max(3, round(_SLOW_S * fps_hz) | 1)
    padded = np.pad(rows, width // 2, mode="edge")
    return np.asarray(rows - np.convolve(padded, np.ones(width) / width, mode="valid"))


def _correlate(first: Array, second: Array) -> float:
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / norm) if norm > 1e-9 else 0.0
