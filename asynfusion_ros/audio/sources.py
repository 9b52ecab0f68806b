"""Where sound comes from: a recording, the microphone, or text that is spoken."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.devices import import_portaudio
from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.audio.resample import check_rate, mix_to_mono, open_sound
from asynfusion_ros.audio.tts import SpeechSynthesiser, default_synthesiser
from asynfusion_ros.errors import AudioError
from asynfusion_ros.files import refuse

FloatArray = npt.NDArray[np.float32]

_POLL_S = 0.1
_GONE_POLLS = 30  # even silence comes as samples


class SourceChunk(NamedTuple):
    """Mono samples (N,) in [-1, 1], their rate, and the time of the first since the start [s]."""

    samples: FloatArray
    sample_rate_hz: int
    start_s: float


class AudioSource(Protocol):
    """Yields chunks in order of time; whoever iterates sets the pace."""

    def __iter__(self) -> Iterator[SourceChunk]:
        """Yield chunks until the source ends or is closed."""
        ...

    def close(self) -> None:
        """Release the file or the device; may be called twice and from any thread."""
        ...


class WavSource:
    """A recording (wav, flac, ogg), from its beginning each time it is iterated."""

    def __init__(self, path: Path, chunk_s: float = 0.02) -> None:
        """Open `path`, to be read in chunks of `chunk_s`; raise AudioError if that is no sound."""
        self.path = Path(path)
        self.counts: Counter[str] = Counter(nan_samples=0)
        self._file = open_sound(self.path)
        self.sample_rate_hz: int = self._file.samplerate
        self.duration_s: float = self._file.frames / self.sample_rate_hz
        self._chunk_samples = _chunk_samples(chunk_s, self.sample_rate_hz)

    def __iter__(self) -> Iterator[SourceChunk]:
        """Yield the recording's chunks; raise AudioError where it is damaged half-way."""
        heard = 0
        while not self._file.closed:
            at_s = heard / self.sample_rate_hz
            with refuse(AudioError, f"{self.path} is damaged after {at_s:.2f} s; make it again"):
                self._file.seek(heard)
                frames = self._file.read(self._chunk_samples, dtype="float32", always_2d=True)
            if not len(frames):
                return
            samples = np.clip(mix_to_mono(frames, self.counts), -1.0, 1.0)
            yield SourceChunk(samples, self.sample_rate_hz, heard / self.sample_rate_hz)
            heard += len(frames)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TtsSource:
    """Text, spoken by a synthesiser, faster than real time: whoever iterates sets the pace."""

    def __init__(
        self, text: str, synthesiser: SpeechSynthesiser | None = None, chunk_s: float = 0.02
    ) -> None:
        """Speak `text` with the given or the best installed voice; raise AudioError without."""
        if not text.strip():
            raise AudioError("there is no text to speak; give at least one word")
        self.text = text
        self._synthesiser = synthesiser or default_synthesiser()
        self.sample_rate_hz = check_rate(self._synthesiser.sample_rate_hz())
        self._chunk_samples = _chunk_samples(chunk_s, self.sample_rate_hz)
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[SourceChunk]:
        """Yield the speech in chunks, each sentence as soon as it is spoken."""
        heard = 0
        for piece in self._synthesiser.speak(self.text):
            for first in range(0, len(piece), self._chunk_samples):
                if self._closed.is_set():
                    return
                samples = piece[first : first + self._chunk_samples]
                yield SourceChunk(samples, self.sample_rate_hz, heard / self.sample_rate_hz)
                heard += len(samples)

    def close(self) -> None:
        """Stop speaking after the present chunk."""
        self._closed.set()


class MicSource:
    """A microphone. Chunks nobody takes in time are dropped, oldest first, and counted.

    `counts` holds `dropped_chunks` (our queue was full) and `overflows` (the device's was);
    `start_s` goes on over what our queue dropped, so that a gap is heard as a gap.
    """

    def __init__(
        self,
        device: int | str | None = None,
        sample_rate_hz: int = SAMPLE_RATE_HZ,
        chunk_s: float = 0.02,
        queue_s: float = 2.0,
    ) -> None:
        """Open a device (default: the system's); raise AudioError without PortAudio or card."""
        self.sample_rate_hz = check_rate(sample_rate_hz)
        self.counts: Counter[str] = Counter(dropped_chunks=0, overflows=0, nan_samples=0)
        self._heard = 0
        self._closed = threading.Event()
        self._queue: queue.Queue[SourceChunk] = queue.Queue(max(1, round(queue_s / chunk_s)))
        portaudio = import_portaudio()
        try:
            self._stream = portaudio.InputStream(
                device=device, samplerate=self.sample_rate_hz, channels=1, dtype="float32",
                blocksize=_chunk_samples(chunk_s, self.sample_rate_hz), callback=self._receive,
            )  # fmt: skip
            self._stream.start()
        except (portaudio.PortAudioError, ValueError) as error:
            named = "the default microphone" if device is None else f"microphone {device!r}"
            raise AudioError(
                f"{named} cannot be opened at {sample_rate_hz} Hz ({error}); "
                "`python -m sounddevice` lists the devices, or use a recording instead"
            ) from error

    def _receive(self, frames: FloatArray, _count: int, _times: Any, status: Any) -> None:
        """Take a block (N, 1) from the device's thread; never wait."""
        self.counts["overflows"] += bool(status.input_overflow)
        samples = np.clip(mix_to_mono(frames, self.counts), -1.0, 1.0)
        chunk = SourceChunk(samples, self.sample_rate_hz, self._heard / self.sample_rate_hz)
        self._heard += len(samples)
        while True:
            try:
                self._queue.put_nowait(chunk)
                return
            except queue.Full:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        try:
            self._queue.get_nowait()
        except queue.Empty:  # the reader was faster: there is room now
            return
        self.counts["dropped_chunks"] += 1

    def __iter__(self) -> Iterator[SourceChunk]:
        """Yield chunks as they are heard, until closed; what was heard before that comes still.

        Raises AudioError where the device falls silent altogether: it was unplugged.
        """
        polls = 0
        while polls < _GONE_POLLS:
            try:
                yield self._queue.get(timeout=_POLL_S)
                polls = 0
            except queue.Empty:
                if self._closed.is_set():
                    return
                polls += 1
        raise AudioError(
            f"the microphone gave nothing for {_GONE_POLLS * _POLL_S:g} s; plug it in again, then "
            "start this again"
        )

    def close(self) -> None:
        """Stop listening."""
        if not self._closed.is_set():
            self._closed.set()
            self._stream.close()


def _chunk_samples(chunk_s: float, rate_hz: int) -> int:
    if not 0.001 <= chunk_s <= 10.0:
        raise AudioError(f"a chunk of {chunk_s} s is not possible; choose 0.001 to 10 s")
    return round(chunk_s * rate_hz)
