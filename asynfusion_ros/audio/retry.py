"""A source that is opened again when its device was lost."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from asynfusion_ros.audio.sources import AudioSource, SourceChunk
from asynfusion_ros.errors import AudioError

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0


class RetryingSource:
    """Yields what a source yields; where that fails, opens another until one can be had.

    `start_s` counts on through the time without sound. `counts` holds `losses` and `retries`.
    """

    def __init__(
        self,
        make: Callable[[], AudioSource],
        warn: Callable[[str], None] = lambda message: None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the first one; raise AudioError where that cannot be had. `warn` hears of losses."""
        self.counts: Counter[str] = Counter(losses=0, retries=0)
        self._make, self._warn, self._now_s = make, warn, now_s
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._source: AudioSource | None = make()

    def __iter__(self) -> Iterator[SourceChunk]:
        """Yield chunks until closed, or until a source ends by itself."""
        begin_s, offset_s = self._now_s(), 0.0
        while (source := self._source) is not None:
            try:
                for chunk in source:
                    yield chunk._replace(start_s=offset_s + chunk.start_s)
                return
            except AudioError as error:
                self._lose(error)
            self._wait_for_another()
            offset_s = self._now_s() - begin_s

    def close(self) -> None:
        """Release the source, and stop looking for another."""
        self._closed.set()
        self._replace(None)

    def _lose(self, error: AudioError) -> None:
        self.counts["losses"] += 1
        self._warn(f"the sound was lost and is looked for again: {error}")
        self._replace(None)

    def _wait_for_another(self) -> None:
        """Try to open a source, less and less often, until there is one or this is closed."""
        pause_s = FIRST_PAUSE_S
        while not self._closed.wait(pause_s):
            self.counts["retries"] += 1
            try:
                self._replace(self._make())
            except AudioError:
                pause_s = min(2.0 * pause_s, LONGEST_PAUSE_S)
                continue
            self._warn("the sound is there again")
            return

    def _replace(self, source: AudioSource | None) -> None:
        with self._lock:
            before, self._source = self._source, source
            if self._closed.is_set() and source is not None:
                source.close()
                self._source = None
        if before is not None:
            before.close()
