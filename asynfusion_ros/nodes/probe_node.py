"""probe_node: measures the avatar from outside, as any subscriber sees it, and reports."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState

from asynfusion_ros.msg import AudioChunk, FaceBlendshapes
from asynfusion_ros.nodes.conversions import to_seconds
from asynfusion_ros.nodes.diagnostics import read_diagnostics, stolen_s
from asynfusion_ros.nodes.interface import (
    AUDIO,
    AUDIO_QOS,
    BLENDSHAPES,
    DIAGNOSTICS,
    JOINT_STATES,
    MOTION_QOS,
)
from asynfusion_ros.nodes.measures import Recording, summarise, write_report
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.priority import set_real_time
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.settings import ProbeSettings

_TICK_S = 0.1
_BYTES = {AudioChunk.ENCODING_S16LE: 2, AudioChunk.ENCODING_S32LE: 4, AudioChunk.ENCODING_F32LE: 4}


class ProbeNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Records from the first sound and pose on, for `seconds`; then writes the report and ends.

    Latency is arrival less stamp, so this clock and the source's must be the same. Without motion
    within `wait_s` it ends with status 3; without sound it measures the motion alone.
    """

    def __init__(self, **options: Any) -> None:
        """Subscribe; `options` go to Node."""
        super().__init__("probe", **options)
        declare_settings(self, ProbeSettings)
        self._settings = read_settings(self, ProbeSettings)
        self.exit_status: int | None = None
        self.recording = Recording()
        self._made_s = time.monotonic()
        self._begin_s: float | None = None
        self._stolen_s = 0.0
        self._moving = self._hearing = False
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_subscription(JointState, JOINT_STATES, self._take_joints, MOTION_QOS)
        self.create_subscription(FaceBlendshapes, BLENDSHAPES, self._take_face, MOTION_QOS)
        self.create_subscription(AudioChunk, AUDIO, self._take_audio, AUDIO_QOS)
        self.create_subscription(DiagnosticArray, DIAGNOSTICS, self._take_status, MOTION_QOS)
        self.create_timer(_TICK_S, self._tick, clock=steady)

    def close(self) -> None:
        """Report what was measured, also when stopped early."""
        if self._begin_s is None:
            lacking = (
                "motion came, but no audio; read what the audio source says"
                if self._moving
                else "no motion came; is the avatar active?"
            )
            self.get_logger().error(f"nothing was measured: {lacking}")
            self.exit_status = self.exit_status or 3
            return
        self.recording.stolen_s = stolen_s() - self._stolen_s
        report = summarise(self.recording)
        print(json.dumps(report, indent=2), flush=True)
        if self._settings.report:
            path = Path(self._settings.report).expanduser()
            write_report(path, report)
            self.get_logger().info(f"wrote {path}")

    def _tick(self) -> None:
        waited_s = time.monotonic() - self._made_s
        late = waited_s > self._settings.wait_s
        if self._begin_s is None:
            if self._moving and (self._hearing or late):
                self._begin_s, self._stolen_s = time.monotonic(), stolen_s()
            elif late:
                self.exit_status = 3
        elif 0 < self._settings.seconds <= time.monotonic() - self._begin_s:
            self.exit_status = 0

    def _now_s(self) -> float:
        return float(self.get_clock().now().nanoseconds) * 1e-9

    def _take_joints(self, message: JointState) -> None:
        self._moving = True
        if self._begin_s is not None:
            stamp_ns = _nanoseconds(message.header.stamp)
            self.recording.add_joints(self._now_s(), stamp_ns, message.name, message.position)

    def _take_face(self, message: FaceBlendshapes) -> None:
        if self._begin_s is not None:
            stamp_ns = _nanoseconds(message.header.stamp)
            self.recording.add_face(self._now_s(), stamp_ns, message.name, message.weight)

    def _take_audio(self, message: AudioChunk) -> None:
        self._hearing = True
        size = _BYTES.get(message.encoding, 0) * message.channels * message.sample_rate
        if size:
            begin_s = to_seconds(message.header.stamp)
            end_s = begin_s + len(message.data) / size
            self.recording.audio.append((begin_s, end_s, self._now_s()))

    def _take_status(self, message: DiagnosticArray) -> None:
        values = read_diagnostics(message)
        if values is not None and self._begin_s is not None:
            self.recording.diagnostics.append((self._now_s(), values))


def _nanoseconds(stamp: Any) -> int:
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, report, and return the exit status."""
    set_real_time(1)  # where that is allowed: or its own waiting for a core would be measured, too
    return run_node(ProbeNode, argv)
