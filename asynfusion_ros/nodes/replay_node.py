"""replay_node: sends the sound of a recording again, at the pace at which it came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.serialization import deserialize_message

from asynfusion_ros.errors import DataError
from asynfusion_ros.files import refuse
from asynfusion_ros.mcap_file import Entry, read_mcap
from asynfusion_ros.nodes.audio_adapters import open_adapter
from asynfusion_ros.nodes.conversions import to_seconds, to_time
from asynfusion_ros.nodes.interface import AUDIO, AUDIO_QOS, LISTEN_AUDIO
from asynfusion_ros.nodes.mcap_log import name_of
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.settings import ReplaySettings

_TICK_S = 0.005
_LINGER_S = 0.5  # so that the last messages leave before the process does


class ReplayNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Publishes the recorded `audio` and `listen/audio`; ends with the recording.

    Stamps are moved to the present by one constant, so that gaps, jitter and the wrong clock of
    the source stay as they were; with `restamp` false they are sent as they were recorded.
    """

    def __init__(self, **options: Any) -> None:
        """Open the recording; raise DataError or StateError; `options` go to Node."""
        super().__init__("replay", **options)
        self.exit_status: int | None = None
        declare_settings(self, ReplaySettings)
        self._settings = read_settings(self, ReplaySettings)
        self._kind = open_adapter(self._settings.audio_type).message
        path = Path(self._settings.file).expanduser()
        self._entries = sound_of(read_mcap(path), name_of(self._kind))
        self._next = next(self._entries, None)
        if self._next is None:
            raise DataError(f"{path} holds no sound of type {name_of(self._kind)}; nothing to send")
        self._senders = {
            topic: self.create_publisher(self._kind, topic, AUDIO_QOS)
            for topic in (AUDIO, LISTEN_AUDIO)
        }
        self.counts: Counter[str] = Counter()
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._made_s = self._steady_s()
        self._first_ns, self._begin_s, self._shift_s = self._next.time_ns, -1.0, 0.0
        self._end_s = 0.0
        self.create_timer(_TICK_S, self._tick, clock=self._steady)

    def close(self) -> None:
        """Say what was sent."""
        self.get_logger().info(f"sent {self.counts['sent']} messages of sound")

    def _tick(self) -> None:
        if self._begin_s < 0.0:
            if not self._is_heard():
                return
            self._begin_s = self._steady_s()
            now_s = 1e-9 * self.get_clock().now().nanoseconds
            self._shift_s = now_s - 1e-9 * self._first_ns if self._settings.restamp else 0.0
        try:
            self._play()
        except DataError as error:
            self.get_logger().error(str(error))
            self.exit_status = 2

    def _play(self) -> None:
        played_ns = 1e9 * self._settings.rate * (self._steady_s() - self._begin_s)
        while self._next is not None and self._next.time_ns - self._first_ns <= played_ns:
            self._send(self._next)
            self._next = next(self._entries, None)
        if self._next is None and not self._end_s:
            self._end_s = self._steady_s() + _LINGER_S
        if self._end_s and self._steady_s() > self._end_s:
            self.exit_status = 0

    def _send(self, entry: Entry) -> None:
        label = f"message {self.counts['sent']} of the recording makes no sense"
        with refuse(DataError, label):
            message = deserialize_message(entry.data, self._kind)
        stamp_s = to_seconds(message.header.stamp) if hasattr(message, "header") else 0.0
        if self._shift_s and stamp_s > 0.0:
            message.header.stamp = to_time(stamp_s + self._shift_s)
        self._senders[topic_of(entry)].publish(message)
        self.counts["sent"] += 1

    def _is_heard(self) -> bool:
        """Tell whether somebody listens, or has been waited for long enough."""
        waited_s = self._steady_s() - self._made_s
        heard = self._senders[AUDIO].get_subscription_count() > 0
        return heard or waited_s > self._settings.wait_s

    def _steady_s(self) -> float:
        return float(self._steady.now().nanoseconds) * 1e-9


def topic_of(entry: Entry) -> str:
    """Return which of our topics an entry is from, whatever namespace it was recorded in."""
    return LISTEN_AUDIO if entry.topic.endswith(LISTEN_AUDIO) else AUDIO


def sound_of(entries: Iterator[Entry], kind: str) -> Iterator[Entry]:
    """Yield the entries that are sound: of type `kind`, on `audio` or `listen/audio`."""
    return (e for e in entries if e.kind == kind and e.topic.endswith(AUDIO))


def main(argv: Sequence[str] | None = None) -> int:
    """Send the recording's sound; return the exit status."""
    return run_node(ReplayNode, argv)
