"""recorder_node: sound, motion, face, conversation, diagnostics and log into an MCAP file."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import Log
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState

from asynfusion_ros.mcap_file import Entry
from asynfusion_ros.msg import ConversationState, FaceBlendshapes
from asynfusion_ros.nodes import interface
from asynfusion_ros.nodes.audio_adapters import open_adapter
from asynfusion_ros.nodes.conversions import to_time
from asynfusion_ros.nodes.mcap_log import McapLog, definition_of, name_of
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.settings import RecorderSettings

STATUS_NAME = "asynfusion: recorder"
_WAITING = 4000  # messages: some twenty seconds of everything
_STATUS_S = 1.0
_POLL_S = 0.2


class Topic(NamedTuple):
    """A topic that is recorded."""

    name: str
    kind: type[Any]
    qos: QoSProfile


class RecorderNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Writes what it hears, as it comes, on a thread of its own; lives on when it cannot write."""

    def __init__(self, **options: Any) -> None:
        """Subscribe and begin; raise StateError where mcap is missing. `options` go to Node."""
        super().__init__("recorder", **options)
        self.exit_status: int | None = None
        declare_settings(self, RecorderSettings)
        settings = read_settings(self, RecorderSettings)
        path = Path(settings.file).expanduser()
        self.log = McapLog(path, settings.max_mb, settings.most_files)
        self._queue: queue.Queue[Entry] = queue.Queue(_WAITING)
        self._ending = threading.Event()
        self._told = ""
        for topic in topics_to_record(settings.audio_type):
            self.create_subscription(
                topic.kind, topic.name, self._taker(topic), topic.qos, raw=True
            )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = self.create_publisher(
            DiagnosticArray, interface.DIAGNOSTICS, interface.MOTION_QOS
        )
        self.create_timer(_STATUS_S, self._report, clock=steady)
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()
        self.get_logger().info(f"recording to {path}; at most {settings.max_mb:g} MB a file")

    def close(self) -> None:
        """Write what waits, and end the file."""
        self._ending.set()
        self._thread.join(10.0)
        self.log.close()
        counts = self.log.counts
        self.get_logger().info(f"{counts['written']} messages recorded, {counts['lost']} lost")

    def _taker(self, topic: Topic) -> Callable[[bytes], None]:
        name = self.resolve_topic_name(topic.name)
        kind, definition = name_of(topic.kind), definition_of(topic.kind)

        def take(data: bytes) -> None:
            time_ns = int(self.get_clock().now().nanoseconds)
            entry = Entry(name, kind, time_ns, bytes(data), definition)
            try:
                self._queue.put_nowait(entry)
            except queue.Full:
                self.log.counts["lost"] += 1

        return take

    def _write(self) -> None:
        while not (self._ending.is_set() and self._queue.empty()):
            try:
                entry = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            self.log.write(entry, time.monotonic())

    def _report(self) -> None:
        log = self.log
        if log.failure and log.failure != self._told:
            self.get_logger().error(
                f"cannot record: {log.failure}. What cannot be written is counted as lost; free "
                "some space, a new file is tried every few seconds"
            )
        self._told = log.failure
        entry = DiagnosticStatus(name=STATUS_NAME, level=DiagnosticStatus.OK)
        entry.message = f"{log.paths[-1]}, {log.size_mb:.1f} MB" if log.paths else "nothing yet"
        if log.counts["lost"]:
            entry.level = DiagnosticStatus.WARN
            entry.message = f"{log.counts['lost']} messages lost: {log.failure or 'disk too slow'}"
        entry.values = [KeyValue(key=k, value=str(v)) for k, v in sorted(log.counts.items())]
        message = DiagnosticArray(status=[entry])
        message.header.stamp = to_time(1e-9 * self.get_clock().now().nanoseconds)
        self._diagnostics.publish(message)


def topics_to_record(audio_type: str) -> list[Topic]:
    """Return what a report of a fault needs: what came in, what went out, and what was said."""
    sound = open_adapter(audio_type).message
    motion = interface.MOTION_QOS
    return [
        Topic(interface.AUDIO, sound, interface.AUDIO_QOS),
        Topic(interface.LISTEN_AUDIO, sound, interface.AUDIO_QOS),
        Topic(interface.JOINT_STATES, JointState, motion),
        Topic(interface.ROBOT_JOINT_STATES, JointState, motion),
        Topic(interface.BLENDSHAPES, FaceBlendshapes, motion),
        Topic(interface.AVATAR_STATE, ConversationState, interface.EVENTS_QOS),
        Topic(interface.DIAGNOSTICS, DiagnosticArray, motion),
        Topic("/rosout", Log, motion),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Record until told to stop; return the exit status."""
    return run_node(RecorderNode, argv)
