"""What the engine's callers and its thread share: one lock, one inbox, one epoch."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.streaming.intake import Packet, drop
from asynfusion_ros.streaming.queue import MotionQueue, Timeline


class Mailbox:
    """Guards all that is shared with one condition.

    Lock order: `condition`, then the motion queue's own lock; never the other way round. The epoch
    is the number of the present stream; raising it and clearing inbox and queue is one critical
    section, so nothing of a stream that ended can come out afterwards.
    """

    def __init__(self, queue: MotionQueue, limit_s: float) -> None:
        """Keep at most `limit_s` seconds of audio; `queue` is cleared with each renewal."""
        self.condition = threading.Condition()
        self.running = False
        self.failure = ""
        self._queue = queue
        self._limit_s = limit_s
        self._inbox: deque[Packet] = deque()
        self._inbox_s = 0.0
        self._epoch = 0
        self._streams = 0
        self._manner: Manner | None = None
        self._counts: Counter[str] = Counter()
        self._report: dict[str, Any] = {}

    def post(self, packets: Iterable[Packet], counts: Counter[str]) -> None:
        """Take packets in, as many as fit, and add `counts`; wake the engine thread."""
        with self.condition:
            self._counts.update(counts)
            for packet in packets:
                if self._inbox_s + packet.duration_s > self._limit_s:
                    drop(packet, "inbox_full", self._counts)
                    continue
                self._inbox.append(packet)
                self._inbox_s += packet.duration_s
            self.condition.notify_all()

    def count(self, event: str, times: int = 1) -> None:
        """Count an event of the callers."""
        with self.condition:
            self._counts[event] += times

    def collect(self) -> tuple[list[Packet], int]:
        """Return and remove all packets; return the epoch as well."""
        with self.condition:
            packets = list(self._inbox)
            self._clear_inbox()
            return packets, self._epoch

    @property
    def waiting(self) -> bool:
        """Whether packets wait; call it holding the condition."""
        return bool(self._inbox)

    def renew(self, event: str, restart_noise: bool) -> None:
        """End the present stream: drop its audio and motion, count `event`."""
        with self.condition:
            self._epoch += 1
            self._counts[event] += 1
            self._streams = 0 if restart_noise else self._streams
            for packet in self._inbox:
                drop(packet, "flushed_packets", self._counts)
            self._clear_inbox()
            self._queue.clear()
            self.condition.notify_all()

    def begin(
        self, epoch: int, anchor_s: float, shift_s: float, speech: bool
    ) -> tuple[Timeline, int] | None:
        """Open a new epoch after `epoch`; return None if that one has passed already.

        Returns the stream's timeline and how many streams of speech came before.
        """
        with self.condition:
            if epoch != self._epoch:
                return None
            self._epoch += 1
            timeline = Timeline(self._epoch, anchor_s, shift_s, speech)
            self._queue.begin(timeline)
            before = self._streams
            self._streams += speech
            return timeline, before

    def set_manner(self, manner: Manner) -> None:
        """Keep the manner of the windows to come."""
        with self.condition:
            self._manner = manner

    @property
    def manner(self) -> Manner | None:
        """The manner asked for last; None where nobody asked."""
        with self.condition:
            return self._manner

    def fail(self, failure: str) -> None:
        """Keep the traceback of the engine thread, drop all motion."""
        with self.condition:
            self.failure = failure
            self._queue.clear()

    def publish(self, report: Mapping[str, Any]) -> Counter[str]:
        """Keep the engine thread's report; return the callers' counts."""
        with self.condition:
            self._report = dict(report)
            return Counter(self._counts)

    def read(self) -> tuple[dict[str, Any], Counter[str], int]:
        """Return the newest report, the callers' counts and the epoch."""
        with self.condition:
            counts = Counter(self._counts)
            counts["samples_waiting"] = sum(len(packet.samples) for packet in self._inbox)
            return dict(self._report), counts, self._epoch

    def _clear_inbox(self) -> None:
        self._inbox.clear()
        self._inbox_s = 0.0
