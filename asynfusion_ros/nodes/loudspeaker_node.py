"""loudspeaker_node: plays the sound of the avatar with its poses, on this machine's loudspeaker."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from asynfusion_ros.audio.devices import read_device
from asynfusion_ros.audio.loudspeaker import Loudspeaker
from asynfusion_ros.audio.playout import Playout
from asynfusion_ros.audio.resample import check_rate
from asynfusion_ros.audio.stamps import Stamper
from asynfusion_ros.errors import AudioError
from asynfusion_ros.msg import ConversationState, FaceBlendshapes
from asynfusion_ros.nodes import interface
from asynfusion_ros.nodes.audio_adapters import open_adapter
from asynfusion_ros.nodes.conversions import to_seconds, to_time
from asynfusion_ros.nodes.health import PREFIX
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.settings import LoudspeakerSettings

STATUS_NAME = f"{PREFIX}loudspeaker"
_STATUS_S = 1.0
_QUIET_S = 2.0  # sound that waits so long without any pose is worth a warning

Open = Callable[[int | str | None], Loudspeaker]


class LoudspeakerNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Holds sound until the pose of its stamp comes, and plays it then."""

    def __init__(self, make_speaker: Open = Loudspeaker, **options: Any) -> None:
        """Open the loudspeaker; raise AudioError where there is none. `options` go to Node."""
        super().__init__("loudspeaker", **options)
        self.exit_status: int | None = None
        declare_settings(self, LoudspeakerSettings)
        self._settings = settings = read_settings(self, LoudspeakerSettings)
        adapter = open_adapter(settings.audio_type)
        self._read_audio = adapter.read
        self._counts: Counter[str] = Counter()
        self._stamper = Stamper()
        self._pose_s, self._told = time.monotonic(), False
        self.speaker = make_speaker(read_device(settings.device))
        self.playout = Playout(self.speaker.rate_hz, self._counts)
        self.speaker.start(self.playout.read)
        self.create_subscription(
            FaceBlendshapes, interface.BLENDSHAPES, self._take_face, interface.MOTION_QOS
        )
        self.create_subscription(
            adapter.message, interface.AUDIO, self._take_audio, interface.AUDIO_QOS
        )
        self.create_subscription(
            ConversationState, interface.AVATAR_STATE, self._take_state, interface.EVENTS_QOS
        )
        self._diagnostics = self.create_publisher(
            DiagnosticArray, interface.DIAGNOSTICS, interface.MOTION_QOS
        )
        self.create_timer(_STATUS_S, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"playing at {self.speaker.rate_hz} Hz, with the poses")

    def close(self) -> None:
        """Fall silent."""
        self.speaker.close()

    def _take_face(self, message: FaceBlendshapes) -> None:
        self._pose_s = time.monotonic()
        shown_s = self._pose_s + self._settings.delay_s
        self.playout.follow(to_seconds(message.header.stamp), shown_s)

    def _take_audio(self, message: Any) -> None:
        try:
            sound = self._read_audio(message, self._counts)
            check_rate(sound.rate_hz)
        except AudioError:
            self._counts["refused_messages"] += 1  # the avatar says why
            return
        duration_s = len(sound.samples) / sound.rate_hz
        now_s = 1e-9 * self.get_clock().now().nanoseconds
        begin_s = self._stamper.stamp(sound.utterance, sound.stamp_s, duration_s, now_s)
        self.playout.push(sound.utterance, begin_s, sound.samples, sound.rate_hz)

    def _take_state(self, message: ConversationState) -> None:
        if message.event == ConversationState.EVENT_INTERRUPTED:
            self._stamper.interrupt(message.utterance)
            self.playout.hush(message.utterance)

    def _report(self) -> None:
        if news := self.speaker.watch():
            self.get_logger().warning(news)
        poseless = time.monotonic() - self._pose_s > _QUIET_S and self.playout.waiting_s > 0.0
        if poseless and not self._told:
            self.get_logger().warning("sound waits for poses, and none come; is the avatar active?")
        self._told = poseless
        values = {
            "waiting_s": f"{self.playout.waiting_s:.2f}",
            "sound_behind_pose_ms": f"{1e3 * self.playout.error_s:.1f}",
            **{name: str(count) for name, count in (self._counts + self.speaker.counts).items()},
        }
        entry = DiagnosticStatus(name=STATUS_NAME, level=DiagnosticStatus.OK, message="playing")
        if not self.speaker.playing:
            entry.level, entry.message = DiagnosticStatus.ERROR, "the loudspeaker is lost"
        elif poseless:
            entry.level, entry.message = DiagnosticStatus.WARN, "sound waits for poses"
        entry.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        message = DiagnosticArray(status=[entry])
        message.header.stamp = to_time(1e-9 * self.get_clock().now().nanoseconds)
        self._diagnostics.publish(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Play until told to stop; return the exit status."""
    return run_node(LoudspeakerNode, argv)
