"""From any audio to the system's own: mono float32 at 16 kHz."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.errors import AudioError, brief
from asynfusion_ros.files import refuse

FloatArray = npt.NDArray[np.float32]

LOWEST_RATE_HZ: Final = 8_000
HIGHEST_RATE_HZ: Final = 192_000
MOST_CHANNELS: Final = 8
MOST_MESSAGE_BYTES: Final = 64 * 1024**2
MOST_SAMPLES: Final = 2**28  # of one channel, at once: 1 GiB, 1.5 hours at 48 kHz
_BLOCK_FRAMES: Final = 2**20

# Little-endian sample type and the value of full scale, by its name in numpy and on ROS.
ENCODINGS: Final[dict[str, tuple[str, float]]] = {
    "int16": ("<i2", 2.0**15),
    "int32": ("<i4", 2.0**31),
    "float32": ("<f4", 1.0),
    "S16LE": ("<i2", 2.0**15),
    "S32LE": ("<i4", 2.0**31),
    "F32LE": ("<f4", 1.0),
}


def check_rate(rate_hz: int) -> int:
    """Return `rate_hz` if it lies in 8..192 kHz; raise AudioError if not."""
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise AudioError(
            f"the sample rate is {rate_hz} Hz; send {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz"
        )
    return int(rate_hz)


def convert_to_mono_float(
    data: bytes | bytearray | memoryview | npt.NDArray[np.uint8],
    encoding: str,
    channels: int,
    counts: Counter[str] | None = None,
) -> FloatArray:
    """Return the channels' mean (frames,) as float32 of interleaved little-endian bytes.

    Full scale of the integers becomes 1. NaN and infinite samples become 0 and are added to
    `counts["nan_samples"]`. Raises AudioError for an unknown encoding, a channel count outside
    1..8, more than 64 MiB, or a size that is no whole number of frames.
    """
    if len(data) > MOST_MESSAGE_BYTES:
        raise AudioError(
            f"{len(data)} bytes in one piece; send at most {MOST_MESSAGE_BYTES}, better 20 ms each"
        )
    if encoding not in ENCODINGS:
        raise AudioError(
            f"the audio encoding is {brief(repr(encoding))}; send one of {list(ENCODINGS)}"
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(f"the audio has {channels} channels; send 1 to {MOST_CHANNELS}")
    kind, full_scale = ENCODINGS[encoding]
    octets = np.frombuffer(data, dtype=np.uint8) if len(data) else np.zeros(0, np.uint8)
    frame_bytes = np.dtype(kind).itemsize * channels
    if octets.size % frame_bytes:
        raise AudioError(
            f"{octets.size} bytes are no whole number of frames of {frame_bytes} bytes "
            f"({channels} x {encoding}); check encoding and channels, and never split a frame"
        )
    frames = octets.view(kind).reshape(-1, channels).astype(np.float64) / full_scale
    return mix_to_mono(frames, counts)


def mix_to_mono(frames: npt.NDArray[np.floating], counts: Counter[str] | None = None) -> FloatArray:
    """Return the channels' mean (N,) of frames (N, channels); count and zero what is not finite."""
    finite = np.isfinite(frames)
    if not finite.all():
        if counts is not None:
            counts["nan_samples"] += int(finite.size - np.count_nonzero(finite))
        frames = np.where(finite, frames, 0.0)
    mono: FloatArray = frames.mean(axis=1, dtype=np.float64).astype(np.float32)
    return mono


class StreamingResampler:
    """Changes the rate of one stream, chunk by chunk; the chunks' sizes change nothing.

    The filter's delay is taken out: output sample i lies at i / to_hz after the first input
    sample. What the filter still holds comes with `flush`, after which a new stream begins.
    """

    def __init__(self, from_hz: int, to_hz: int = SAMPLE_RATE_HZ) -> None:
        """Resample from `from_hz` to `to_hz`, each 8..192 kHz; raise AudioError elsewhere."""
        self.from_hz, self.to_hz = check_rate(from_hz), check_rate(to_hz)
        self._stream = None
        if from_hz != to_hz:
            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")

    def process(self, samples: FloatArray) -> FloatArray:
        """Return what is ready (M,) after samples (N,); the filter holds back some 10 ms."""
        return self._run(samples, last=False)

    def flush(self) -> FloatArray:
        """Return the rest (M,), so that all in all N * to_hz / from_hz samples came out."""
        rest = self._run(np.zeros(0, np.float32), last=True)
        if self._stream is not None:
            self._stream.clear()
        return rest

    def _run(self, samples: FloatArray, last: bool) -> FloatArray:
        if self._stream is None:
            return np.array(samples, dtype=np.float32)
        samples = np.ascontiguousarray(samples, dtype=np.float32)
        ready: FloatArray = self._stream.resample_chunk(samples, last=last)
        return ready


def resample(samples: FloatArray, from_hz: int, to_hz: int = SAMPLE_RATE_HZ) -> FloatArray:
    """Return all of samples (N,) at `to_hz`; the same as a stream and its flush."""
    resampler = StreamingResampler(from_hz, to_hz)
    return np.concatenate([resampler.process(samples), resampler.flush()])


def open_sound(path: Path) -> soundfile.SoundFile:
    """Open a recording (wav, flac, ogg); raise AudioError where it is missing, broken or empty."""
    with refuse(AudioError, f"{path} cannot be read; give a wav or flac file"):
        if not path.is_file():
            raise AudioError(f"{path} does not exist or is no file; give a wav or flac file")
        file = soundfile.SoundFile(path)
    try:
        if file.frames <= 0:
            raise AudioError(f"{path} holds no samples; give a recording that is not empty")
        if file.channels > MOST_CHANNELS:
            raise AudioError(
                f"{path} has {file.channels} channels; mix it down to at most {MOST_CHANNELS}"
            )
        check_rate(file.samplerate)
    except AudioError:
        file.close()
        raise
    return file


def read_mono(path: Path, counts: Counter[str] | None = None) -> tuple[FloatArray, int]:
    """Return a whole recording as mono samples (N,) in [-1, 1], its rate [Hz]; raise AudioError.

    What a header promises is not believed: memory grows with what is really there.
    """
    blocks, heard = [], 0
    with open_sound(Path(path)) as file:
        rate_hz = int(file.samplerate)
        with refuse(AudioError, f"{path} is damaged; make the file again"):
            while heard < file.frames:
                frames = file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
                if not len(frames):
                    break
                heard += len(frames)
                if heard > MOST_SAMPLES:
                    raise AudioError(
                        f"{path} is longer than the {MOST_SAMPLES / rate_hz / 3600:.1f} hours that "
                        f"are read at once at {rate_hz} Hz; cut it into pieces"
                    )
                blocks.append(np.clip(mix_to_mono(frames, counts), -1.0, 1.0))
    if not blocks:
        raise AudioError(f"{path} holds no samples; give a recording that is not empty")
    return np.concatenate(blocks), rate_hz


def load_audio(path: Path, counts: Counter[str] | None = None) -> FloatArray:
    """Return a recording (N,) as mono 16 kHz within [-1, 1]; raise AudioError as `open_sound`."""
    clipped: FloatArray = np.clip(resample(*read_mono(path, counts)), -1.0, 1.0)
    return clipped
