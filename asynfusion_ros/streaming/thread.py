"""The engine's thread: works until stopped, and begins anew after a failure."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable

from asynfusion_ros.errors import StateError
from asynfusion_ros.streaming.clock import Clock
from asynfusion_ros.streaming.mailbox import Mailbox
from asynfusion_ros.streaming.worker import Worker

IDLE_POLL_S = 0.02
MOST_FAILURES = 4  # within FAILURES_S: then the engine gives up
FAILURES_S = 60.0


class EngineThread:
    """Lets a worker advance on a thread of its own; only the owner starts and stops it."""

    def __init__(
        self, worker: Worker, mailbox: Mailbox, clock: Clock, warn: Callable[[str], None]
    ) -> None:
        """Take what is to be done; nothing runs yet."""
        self._worker = worker
        self._mailbox = mailbox
        self._clock = clock
        self._warn = warn
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; it ends when the mailbox is no longer `running`."""
        self._thread = threading.Thread(target=self._run, name="avatar-engine", daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for its end; raise StateError if it does not come within `timeout_s`."""
        if self._thread is None:
            return
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise StateError(
                f"the engine is still busy with a window after {timeout_s} s; wait and stop again"
            )
        self._thread = None

    def _run(self) -> None:
        """Work until stopped; after a failure begin anew, unless failures come thick and fast."""
        failures_s: deque[float] = deque(maxlen=MOST_FAILURES)
        while self._mailbox.running:
            try:
                self._work()
            except BaseException:  # the thread's end is data: consumers read it in the status
                now_s, report = self._clock.now_s(), traceback.format_exc()
                failures_s.append(now_s)
                if len(failures_s) == MOST_FAILURES and abs(now_s - failures_s[0]) < FAILURES_S:
                    self._mailbox.fail(report)
                    return
                self._mailbox.renew("restarts", restart_noise=False)
                self._warn(f"a window failed, the engine begins anew: {report}")

    def _work(self) -> None:
        self._worker.reset()
        while self._mailbox.running:
            busy = self._worker.advance()
            with self._mailbox.condition:
                if not busy and not self._mailbox.waiting and self._mailbox.running:
                    self._clock.wait(self._mailbox.condition, IDLE_POLL_S)
