"""The last seconds of a stream of samples, addressed by their number since the stream began."""

from __future__ import annotations

import mmap
import threading
from collections import Counter

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import AudioError

FloatArray = npt.NDArray[np.float32]


class AudioRing:
    """Holds the newest `capacity` samples of a stream; any thread may write or read.

    Sample 0 is the stream's first. What was never written, and what is no longer held, reads as
    silence. `counts` tells what was mended: `gap_samples` filled with silence and `late_samples`
    that came after their place was taken, and were dropped.
    """

    def __init__(self, capacity: int) -> None:
        """Reserve memory for `capacity` samples; raise AudioError where it is below 1."""
        if capacity < 1:
            raise AudioError(f"the ring's capacity is {capacity} samples; it must be at least 1")
        self.counts: Counter[str] = Counter(gap_samples=0, late_samples=0)
        # Pages of its own: given out as sound comes, and back when the ring goes. The allocator
        # keeps a heap for each thread that ever made one, and megabytes would stay in each.
        self._data = np.frombuffer(mmap.mmap(-1, 4 * capacity), np.float32)
        self._end = 0
        self._lock = threading.Lock()

    @property
    def capacity(self) -> int:
        """Most samples held."""
        return self._data.size

    @property
    def end(self) -> int:
        """Number of the sample that comes next: all before it were written or are silence."""
        return self._end

    def append(self, samples: FloatArray) -> None:
        """Write samples (N,) at the end."""
        samples = _line_of(samples)
        with self._lock:
            self._put(samples)

    def write(self, start: int, samples: FloatArray) -> None:
        """Write samples (N,) whose first has number `start`.

        Silence fills the gap before `start`; samples before `end` are dropped: first come stays.
        """
        samples = _line_of(samples)
        with self._lock:
            gap = start - self._end
            if gap > 0 and samples.size:
                self.counts["gap_samples"] += gap
                self._end += max(0, gap - self.capacity)
                self._put(np.zeros(min(gap, self.capacity), np.float32))
            late = min(max(0, -gap), samples.size)
            self.counts["late_samples"] += late
            self._put(samples[late:])

    def skip_to(self, number: int) -> None:
        """Let the next sample be `number`, with silence before it; does nothing to go back."""
        with self._lock:
            gap = number - self._end
            if gap > 0:
                self._end += max(0, gap - self.capacity)
                self._put(np.zeros(min(gap, self.capacity), np.float32))

    def read(self, start: int, count: int) -> FloatArray:
        """Return samples [start, start + count), silence where there is nothing."""
        if count < 0:
            raise AudioError(f"cannot read {count} samples; ask for 0 or more")
        samples = np.zeros(count, np.float32)
        with self._lock:
            low = max(start, self._end - self.capacity, 0)
            high = min(start + count, self._end)
            if high > low:
                samples[low - start : high - start] = self._data[self._slots(low, high)]
        return samples

    def clear(self) -> None:
        """Begin a new stream at sample 0; the counts stay."""
        with self._lock:
            self._end = 0

    def _put(self, samples: FloatArray) -> None:
        """Place samples at the end; the lock is held."""
        end = self._end + samples.size
        kept = samples[-self.capacity :] if samples.size > self.capacity else samples
        self._data[self._slots(end - kept.size, end)] = kept
        self._end = end

    def _slots(self, low: int, high: int) -> npt.NDArray[np.int64]:
        return np.arange(low, high, dtype=np.int64) % self.capacity


def _line_of(samples: FloatArray) -> FloatArray:
    line = np.asarray(samples, dtype=np.float32)
    if line.ndim != 1:
        raise AudioError(f"samples have shape {line.shape}; write one channel, shape (samples,)")
    return line
