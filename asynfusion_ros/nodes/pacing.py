"""Keeping time: poses on an even grid, and a source of sound at its own pace."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Iterator

from asynfusion_ros.audio.sources import AudioSource, SourceChunk
from asynfusion_ros.errors import AudioError

_PUT_POLL_S = 0.1
_READY_CHUNKS = 64
_LONGEST_CATCH_UP = 6
_STEADY_S = 5.0  # over which errors of a microphone's clock are averaged
_LEAP_S = 0.5


class EvenGrid:
    """Moments `1 / rate_hz` apart, however unevenly a timer asks for them.

    A timer that comes late gets the moments that it missed, so that on a busy machine, too, poses
    keep their rate and their even stamps; after a longer pause they are given up and counted.
    """

    def __init__(self, rate_hz: float) -> None:
        """Begin at the first moment asked for."""
        self._rate_hz = rate_hz
        self._begin_s: float | None = None
        self._given = 0
        self.skipped = 0

    def due(self, now_s: float) -> list[float]:
        """Return the moments, in order, that are due by `now_s` and half a period, and no more."""
        if self._begin_s is None or self._count(now_s) < self._given - _LONGEST_CATCH_UP:
            self._begin_s, self._given = now_s, 0  # the first moment, or a clock that went back
        missing = self._count(now_s) - self._given
        if missing > _LONGEST_CATCH_UP:
            self.skipped += missing - 1
            self._given += missing - 1
        first, self._given = self._given, max(self._given, self._count(now_s))
        return [self._begin_s + k / self._rate_hz for k in range(first, self._given)]

    def _count(self, now_s: float) -> int:
        """Return how many moments have come by `now_s` and half a period."""
        assert self._begin_s is not None
        return math.floor((now_s - self._begin_s) * self._rate_hz + 0.5) + 1


class ClockFollower:
    """Keeps stamps that count a microphone's samples near our clock, whose rate is another.

    How far they are off is averaged, since single chunks come late now and then; a large error,
    after a device that paused, is mended at once.
    """

    def __init__(self) -> None:
        """Begin with the first chunk."""
        self._shift_s: float | None = None

    def follow(self, counted_s: float, heard_s: float, duration_s: float) -> float:
        """Return the stamp of a chunk whose samples count to `counted_s` and came at `heard_s`."""
        shift_s = heard_s - counted_s
        if self._shift_s is None or abs(shift_s - self._shift_s) > _LEAP_S:
            self._shift_s = shift_s
        self._shift_s += min(1.0, duration_s / _STEADY_S) * (shift_s - self._shift_s)
        return counted_s + self._shift_s


def repeat(source: AudioSource, loop: bool, pause_s: float) -> Iterator[SourceChunk]:
    """Yield the chunks of a source; with `loop`, again and again, `pause_s` apart."""
    offset_s = 0.0
    while True:
        end_s = offset_s
        for chunk in source:
            begin_s = offset_s + chunk.start_s
            end_s = begin_s + len(chunk.samples) / chunk.sample_rate_hz
            yield chunk._replace(start_s=begin_s)
        if not loop or end_s == offset_s:
            return
        offset_s = end_s + pause_s


class ChunkReader:
    """Reads chunks ahead on a thread, so that a slow disk or voice never holds up a node.

    `failure` says what broke the source; `ended` tells that all chunks were taken.
    """

    def __init__(self, chunks: Iterator[SourceChunk]) -> None:
        """Begin to read."""
        self.failure = ""
        self._closed = threading.Event()
        self._done = threading.Event()
        self._queue: queue.Queue[SourceChunk] = queue.Queue(_READY_CHUNKS)
        self._next: SourceChunk | None = None
        self._thread = threading.Thread(
            target=self._read, args=(chunks,), name="audio-reader", daemon=True
        )
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the source has ended and every chunk was taken."""
        return self._done.is_set() and self._next is None and self._queue.empty()

    def take_until(self, end_s: float) -> Iterator[SourceChunk]:
        """Yield the chunks, read so far, that end by `end_s` of the source's time."""
        while (chunk := self._peek()) is not None:
            if chunk.start_s + len(chunk.samples) / chunk.sample_rate_hz > end_s:
                return
            self._next = None
            yield chunk

    def _peek(self) -> SourceChunk | None:
        if self._next is None:
            try:
                self._next = self._queue.get_nowait()
            except queue.Empty:
                return None
        return self._next

    def close(self) -> None:
        """Stop reading; the source itself is its owner's to close."""
        self._closed.set()

    def _read(self, chunks: Iterator[SourceChunk]) -> None:
        try:
            for chunk in chunks:
                if not self._put(chunk):
                    return
        except AudioError as error:
            self.failure = str(error)
        finally:
            self._done.set()

    def _put(self, chunk: SourceChunk) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(chunk, timeout=_PUT_POLL_S)
                return True
            except queue.Full:
                continue
        return False
