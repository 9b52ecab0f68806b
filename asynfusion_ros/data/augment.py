"""More from the same takes: other paces, sizes of movement, rooms, noises and levels.

Each function takes arrays and numbers that the caller drew, and changes nothing in place.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr
from scipy.signal import fftconvolve

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.recording import Array
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.rotations import compose, invert, mean_rotation

ROOM_TAIL_S = 0.6
"""Length of an impulse response; also how much earlier sound a window needs to sound in a room."""

_QUIET_RMS = 1e-4
_LIVELY = np.array(
    [name.startswith(("jaw", "mouth", "cheek", "brow", "nose")) for name in FACE_NAMES]
)


def change_pace(samples: npt.ArrayLike, pace: float, count: int) -> Array:
    """Return `count` samples that play `samples` (16 kHz) `pace` times as fast, pitch and all."""
    played = soxr.resample(
        np.asarray(samples, np.float32), SAMPLE_RATE_HZ * pace, SAMPLE_RATE_HZ, quality="HQ"
    )
    fitted = np.zeros(count, np.float32)
    fitted[: len(played)] = played[:count]
    return fitted


def add_noise(
    samples: npt.ArrayLike, snr_db: float, tilt: float, rng: np.random.Generator
) -> Array:
    """Return samples under noise whose power falls as frequency to the -`tilt` (1 is pink).

    The level is relative to the samples' own; where they are silent, to -80 dB of full scale.
    """
    sound = np.asarray(samples, np.float64)
    spectrum = np.fft.rfft(rng.standard_normal(sound.size))
    spectrum /= np.maximum(np.arange(spectrum.size), 1.0) ** (tilt / 2.0)
    noise = np.fft.irfft(spectrum, sound.size)
    level = max(_rms(sound), _QUIET_RMS) * 10.0 ** (-snr_db / 20.0)
    return np.asarray(sound + noise * level / max(_rms(noise), 1e-12), np.float32)


def room_response(decay_s: float, wet: float, rng: np.random.Generator) -> Array:
    """Return the impulse response of a plain room, its direct sound first and 1.

    Reflections are noise that falls by 60 dB in `decay_s`, after a first delay of up to 20 ms, with
    `wet` times the energy of the direct sound (Moorer 1979).
    """
    seconds = np.arange(round(ROOM_TAIL_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(seconds.size) * 10.0 ** (-3.0 * seconds / decay_s)
    tail[: 1 + round(rng.uniform(0.002, 0.02) * SAMPLE_RATE_HZ)] = 0.0
    tail *= np.sqrt(wet / max(float(np.square(tail).sum()), 1e-12))
    tail[0] = 1.0
    return tail.astype(np.float32)


def play_in_room(samples: npt.ArrayLike, response: npt.ArrayLike, count: int) -> Array:
    """Return the last `count` of `samples` as heard in a room, no louder than they were.

    What comes before them, ROOM_TAIL_S of it, still rings in the room.
    """
    sound = np.asarray(samples, np.float64)
    heard = fftconvolve(sound, np.asarray(response, np.float64))[: sound.size][-count:]
    scale = _rms(sound[-count:]) / max(_rms(heard), 1e-9)
    return np.asarray(heard * min(1.0, scale), np.float32)


def change_gain(samples: npt.ArrayLike, gain_db: float) -> Array:
    """Return samples at another level, clipped to [-1, 1] as a microphone would."""
    louder = np.asarray(samples, np.float32) * np.float32(10.0 ** (gain_db / 20.0))
    return np.asarray(np.clip(louder, -1.0, 1.0), np.float32)


def scale_face(face: npt.ArrayLike, factor: float) -> Array:
    """Return weights (T, 51) with mouth, cheeks, nose and brows moving `factor` times as far.

    They scale from the neutral face and not from a mean, so that closed lips stay closed; eyes stay
    as they are, or blinks would no longer shut them.
    """
    weights = np.asarray(face, np.float32)
    return np.where(_LIVELY, np.clip(factor * weights, 0.0, 1.0), weights).astype(np.float32)


def scale_body(body: npt.ArrayLike, centre: npt.ArrayLike, factor: float) -> Array:
    """Return bodies (T, 24) whose joints turn `factor` times as far from `centre` (24,)."""
    joints = np.asarray(body, np.float64).reshape(len(np.asarray(body)), -1, 3)
    middle = np.broadcast_to(np.asarray(centre, np.float64).reshape(-1, 3), joints.shape)
    scaled = compose(middle, factor * compose(invert(middle), joints))
    return scaled.reshape(len(joints), -1).astype(np.float32)


def mean_body(body: npt.ArrayLike) -> Array:
    """Return the mean pose (24,) of bodies (T, 24)."""
    joints = np.asarray(body, np.float64).reshape(len(np.asarray(body)), -1, 3)
    means = [mean_rotation(joints[:, joint]) for joint in range(joints.shape[1])]
    return np.concatenate(means).astype(np.float32)


def _rms(samples: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(samples).mean())) if samples.size else 0.0
