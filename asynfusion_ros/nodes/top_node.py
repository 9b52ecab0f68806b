"""The command `top`: the state of a running graph in a terminal, drawn anew every second."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState

from asynfusion_ros.msg import AudioChunk, ConversationState, FaceBlendshapes
from asynfusion_ros.nodes import interface
from asynfusion_ros.nodes.diagnostics import HealthBook
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.top_screen import Meter, render_screen, to_text

_HOME, _CLEAR = "\x1b[H\x1b[J", "\x1b[?25h\n"


class TopNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Listens to the diagnostics and counts messages; draws where it is told to."""

    def __init__(self, out: TextIO, period_s: float, times: int = 0, **options: Any) -> None:
        """Draw on `out` every `period_s`, `times` times (0: until stopped)."""
        super().__init__("top", **options)
        self.exit_status: int | None = None
        self._out, self._times = out, times
        self._live = out.isatty() and not times
        self._health = HealthBook()
        self._meters: dict[str, Meter] = {}
        topics = (
            (interface.AUDIO, AudioChunk, interface.AUDIO_QOS),
            (interface.JOINT_STATES, JointState, interface.MOTION_QOS),
            (interface.BLENDSHAPES, FaceBlendshapes, interface.MOTION_QOS),
            (interface.AVATAR_STATE, ConversationState, interface.EVENTS_QOS),
        )
        for name, kind, qos in topics:
            self._meters[name] = Meter()
            self.create_subscription(kind, name, self._counter(name), qos, raw=True)
        self.create_subscription(
            DiagnosticArray, interface.DIAGNOSTICS, self._health.take, interface.MOTION_QOS
        )
        self.create_timer(period_s, self._draw, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        """Give the cursor back."""
        if self._live:
            self._out.write(_CLEAR)

    def _counter(self, name: str) -> Callable[[bytes], None]:
        return lambda _: self._meters[name].add(time.monotonic())

    def _draw(self) -> None:
        lines = render_screen(self._health.entries, self._meters, time.monotonic())
        text = to_text(lines, colour=self._out.isatty())
        self._out.write(f"{_HOME if self._live else ''}{text}\n")
        self._out.flush()
        self._times -= 1
        if self._times == 0:
            self.exit_status = 0


def run_top(arguments: argparse.Namespace) -> int:
    """Show the graph until Ctrl-C, or `--times`; return the exit status."""
    return run_node(lambda: TopNode(sys.stdout, arguments.period, arguments.times), [])
