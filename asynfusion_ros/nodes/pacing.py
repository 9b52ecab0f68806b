"""A source of sound read on a thread of its own, and given out at its own pace."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from asynfusion_ros.audio.sources import AudioSource, SourceChunk
from asynfusion_ros.errors import AudioError

_PUT_POLL_S = 0.1
_READY_CHUNKS = 64


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
