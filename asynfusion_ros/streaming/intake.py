"""From stamped packets to one gapless 16 kHz line of samples, addressed by audio time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.resample import StreamingResampler, check_rate
from asynfusion_ros.audio.ring import AudioRing
from asynfusion_ros.errors import AudioError
from asynfusion_ros.streaming.windows import SAMPLE_RATE_HZ

Samples = npt.NDArray[np.float32]

REWIND_S = 1.0  # what lies further back is no repetition but a source that began again
_SILENCE_BLOCK_S = 1.0
_STEADY_S = 5.0  # stamps are averaged over so long before a clock is believed to be off
_OFF_TIME_S, _ON_TIME_S = 0.005, 0.001  # errors from which samples slip, and until which
_MOST_STRETCH = 0.003  # share of a packet; nobody hears it, and features do not either


@dataclass(frozen=True)
class Packet:
    """A piece of audio as it came in.

    Attributes:
        stamp_s: time of the first sample [s].
        samples: mono, (n,), in [-1, 1].
        rate_hz: sample rate [Hz].
        source: name of who sent it; empty where unknown.
        arrival_s: when it came by the engine's clock [s]; who takes it may do so later.
        utterance: name of the utterance that it belongs to; empty where there is none.
    """

    stamp_s: float
    samples: Samples
    rate_hz: int
    source: str = ""
    arrival_s: float = 0.0
    utterance: str = ""

    @property
    def duration_s(self) -> float:
        """Length of the packet [s]."""
        return len(self.samples) / self.rate_hz

    @property
    def end_s(self) -> float:
        """Time just after the last sample [s]."""
        return self.stamp_s + self.duration_s


def clean_samples(samples: npt.ArrayLike, rate_hz: int, counts: Counter[str]) -> Samples:
    """Return a finite float32 copy within [-1, 1]; count what had to be mended.

    Raises AudioError for a sample rate outside 8..192 kHz, or for anything but one channel of
    floating point samples.
    """
    check_rate(rate_hz)
    array = np.asarray(samples)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.floating):
        raise AudioError(
            f"audio has shape {array.shape} and type {array.dtype}; send one channel of floats "
            "in [-1, 1], shape (samples,)"
        )
    finite = np.isfinite(array)
    counts["nan_samples"] += int(array.size - np.count_nonzero(finite))
    counts["clipped_samples"] += int(np.count_nonzero(np.abs(array[finite]) > 1.0))
    mended = np.where(finite, array, 0.0)
    return np.clip(mended, -1.0, 1.0).astype(np.float32)


def drop(packet: Packet, cause: str, counts: Counter[str]) -> None:
    """Count a packet that nobody will hear.

    Every sample that comes in is used, dropped, or waits: `samples_in` is the sum of
    `samples_used`, `samples_dropped` and `samples_waiting`, all counted as they came.
    """
    counts[cause] += 1
    counts["samples_dropped"] += len(packet.samples)


class AudioTimeline:
    """The samples of one stream, without gaps, from the stream's first stamp on.

    Gaps between packets become silence, overlaps are cut, stamps that jitter within the tolerance
    are taken as continuous. The rate may change from packet to packet. Not thread-safe: the engine
    thread owns it.
    """

    def __init__(
        self, anchor_s: float, tolerance_s: float, capacity_samples: int, counts: Counter[str]
    ) -> None:
        """Begin a stream whose first sample belongs to `anchor_s`."""
        self.anchor_s = anchor_s
        self.filled = True  # nothing but silence since the last packet
        self.sound_end_s = anchor_s  # of the last packet
        self._tolerance_s = tolerance_s
        self._counts = counts
        self._ring = AudioRing(capacity_samples)
        self._rate_hz = SAMPLE_RATE_HZ
        self._resampler: StreamingResampler | None = None
        self._segment_s = 0.0  # where samples of the present rate begin, after the anchor
        self._segment_samples = 0  # how many of them came in
        self._error_s = 0.0  # how far stamps lie ahead of the count of samples, jitter aside
        self._slipping = False

    @property
    def head(self) -> int:
        """Samples at 16 kHz that are ready, counted from the anchor."""
        return self._ring.end

    @property
    def capacity(self) -> int:
        """How many of the last samples can be read."""
        return self._ring.capacity

    @property
    def expected_s(self) -> float:
        """The stamp that would continue the line without a gap [s]."""
        return self.anchor_s + self._segment_s + self._segment_samples / self._rate_hz

    def write(self, packet: Packet) -> float:
        """Add a packet; return how much of it [s] lay before what is there, and was cut."""
        if packet.rate_hz != self._rate_hz:
            self._change_rate(packet.rate_hz)
        samples, cut = packet.samples, 0
        error_s = packet.stamp_s - self.expected_s
        if abs(error_s) <= self._tolerance_s:
            samples = self._follow_clock(samples, error_s)
        else:
            self._error_s = 0.0
        if error_s > self._tolerance_s:
            self._counts["audio_gaps"] += 0 if self.filled else 1
            self._append_silence(round(error_s * self._rate_hz))
        if error_s < -self._tolerance_s:
            cut = min(round(-error_s * self._rate_hz), len(samples))
            self._counts["cut_samples"] += cut
        if cut < len(samples):
            self._append(samples[cut:])
            self.filled = False
            self.sound_end_s = self.expected_s
        return cut / packet.rate_hz

    def fill_to(self, sample: int) -> None:
        """Continue with silence until at least `sample` samples (16 kHz) are ready."""
        while self.head < sample:
            missing_s = (sample - self.head) / SAMPLE_RATE_HZ
            self._append_silence(int(missing_s * self._rate_hz) + 1)
        self.filled = True

    def read(self, first: int, count: int) -> Samples:
        """Return samples [first, first + count); silence before the anchor and after the head."""
        return self._ring.read(first, count)

    def _follow_clock(self, samples: Samples, error_s: float) -> Samples:
        """Return samples (N,) stretched by a few where stamps run away from their count.

        That is what happens where a source's samples do not come at the rate that they claim.
        """
        count = len(samples)
        share = min(1.0, count / self._rate_hz / _STEADY_S)
        self._error_s += share * (error_s - self._error_s)
        enough_s = _ON_TIME_S if self._slipping else _OFF_TIME_S
        self._slipping = abs(self._error_s) > enough_s
        most = round(_MOST_STRETCH * count)
        if not self._slipping or most == 0:
            return samples
        more = min(max(round(self._error_s * self._rate_hz), -most), most)
        self._error_s -= more / self._rate_hz
        self._counts["slipped_samples"] += abs(more)
        places = np.linspace(0.0, count - 1.0, count + more)
        return np.interp(places, np.arange(count), samples).astype(np.float32)

    def _append_silence(self, count: int) -> None:
        rest = round(self._ring.capacity * self._rate_hz / SAMPLE_RATE_HZ)
        if count > 2 * rest:  # a clock that leapt: what no window will read is left out
            self._skip(count - rest)
            count = rest
        block = round(_SILENCE_BLOCK_S * self._rate_hz)
        while count > 0:
            self._append(np.zeros(min(count, block), np.float32))
            count -= block

    def _skip(self, count: int) -> None:
        """Go on `count` samples of the present rate later."""
        if self._resampler is not None:
            self._ring.append(self._resampler.flush())
        self._segment_s = self.expected_s - self.anchor_s + count / self._rate_hz
        self._segment_samples = 0
        self._ring.skip_to(round(self._segment_s * SAMPLE_RATE_HZ))

    def _append(self, samples: Samples) -> None:
        self._segment_samples += len(samples)
        ready = samples if self._resampler is None else self._resampler.process(samples)
        self._ring.append(ready)

    def _change_rate(self, rate_hz: int) -> None:
        if self._segment_samples:
            self._counts["rate_changes"] += 1
        if self._resampler is not None:
            self._ring.append(self._resampler.flush())
        self._segment_s = self.expected_s - self.anchor_s
        self._segment_samples = 0
        self._rate_hz = rate_hz
        missing = round(self._segment_s * SAMPLE_RATE_HZ) - self.head
        self._ring.append(np.zeros(max(0, missing), np.float32))
        same = rate_hz == SAMPLE_RATE_HZ
        self._resampler = None if same else StreamingResampler(rate_hz, SAMPLE_RATE_HZ)
