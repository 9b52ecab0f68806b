"""Text to speech: one small protocol, and adapters to synthesisers that run on this machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from asynfusion_ros.errors import AudioError

FloatArray = npt.NDArray[np.float32]

ESPEAK = "espeak-ng"
_ESPEAK_TIMEOUT_S = 60.0


class SpeechSynthesiser(Protocol):
    """Speaks text; give your own to `TtsSource`."""

    def sample_rate_hz(self) -> int:
        """Return the rate of the samples."""
        ...

    def speak(self, text: str) -> Iterator[FloatArray]:
        """Yield mono samples (N,) in [-1, 1], piece after piece, as soon as each is ready."""
        ...


class HibariSynthesiser:
    """A small English voice that comes with its package `hibari-tts`; nothing is downloaded."""

    def __init__(self, seed: int | None = 0) -> None:
        """Load the voice; with a `seed`, the same text gives the same samples."""
        if find_spec("hibari") is None:
            raise AudioError("the voice is not installed; run `pip install hibari-tts`")
        self._voice: Any = import_module("hibari").Hibari()
        self._seed = seed

    def sample_rate_hz(self) -> int:
        """Return the rate of the samples: 24 kHz."""
        return int(self._voice.sample_rate)

    def speak(self, text: str) -> Iterator[FloatArray]:
        """Yield the samples (N,) of each sentence."""
        for sentence in self._voice.stream(text, seed=self._seed):
            yield np.clip(np.asarray(sentence, dtype=np.float32), -1.0, 1.0)


class EspeakSynthesiser:
    """The command `espeak-ng`: robotic, in a hundred languages."""

    def __init__(self, voice: str = "en") -> None:
        """Use a voice from the list of `espeak-ng --voices`."""
        if shutil.which(ESPEAK) is None:
            raise AudioError(f"{ESPEAK} is not installed; run `apt install {ESPEAK}`")
        self._voice = voice

    def sample_rate_hz(self) -> int:
        """Return the rate of the samples: 22.05 kHz."""
        return 22_050

    def speak(self, text: str) -> Iterator[FloatArray]:
        """Yield all samples (N,) at once; raise AudioError where the command fails."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            command = [ESPEAK, "-v", self._voice, "-b", "1", "--stdin", "-w", str(path)]
            try:
                done = subprocess.run(
                    command, input=text.encode(), capture_output=True, timeout=_ESPEAK_TIMEOUT_S,
                    check=False,
                )  # fmt: skip
                samples, rate_hz = soundfile.read(path, dtype="float32")
            except (OSError, subprocess.TimeoutExpired, soundfile.SoundFileError) as error:
                raise AudioError(f"{ESPEAK} did not speak: {error}") from error
        if done.returncode or rate_hz != self.sample_rate_hz():
            said = done.stderr.decode(errors="replace").strip()
            raise AudioError(f"{ESPEAK} failed with voice {self._voice!r}: {said or rate_hz}")
        yield samples


def default_synthesiser() -> SpeechSynthesiser:
    """Return the best voice installed here; raise AudioError where there is none."""
    if find_spec("hibari") is not None:
        return HibariSynthesiser()
    if shutil.which(ESPEAK) is not None:
        return EspeakSynthesiser()
    raise AudioError(
        "no voice is installed; run `pip install hibari-tts` (natural, English) or "
        f"`apt install {ESPEAK}` (robotic, many languages)"
    )
