"""audio_source_node: a recording, the microphone, or spoken text, as AudioChunk at its own pace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from asynfusion_ros.audio.devices import find_devices_again, read_device
from asynfusion_ros.audio.retry import RetryingSource
from asynfusion_ros.audio.sources import (
    AudioSource,
    MicSource,
    SourceChunk,
    TtsSource,
    WavSource,
)
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.msg import AudioChunk
from asynfusion_ros.nodes.conversions import make_chunk
from asynfusion_ros.nodes.interface import AUDIO, AUDIO_QOS
from asynfusion_ros.nodes.pacing import ChunkReader, ClockFollower, repeat
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.settings import AudioSourceSettings
from asynfusion_ros.resources import find_path

_TICK_S = 0.005
_LINGER_S = 0.5  # so that the last messages leave before the process does


class AudioSourceNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Publishes sound as if it were heard now; ends when the sound does.

    A chunk goes out when its last sample has been heard: its stamp is that of its first sample.
    With a `rate` above 1 chunks go out early, with the same stamps.
    """

    def __init__(self, **options: Any) -> None:
        """Open the source; raise AudioError or ConfigError; `options` go to Node."""
        super().__init__("audio_source", **options)
        self.exit_status: int | None = None
        declare_settings(self, AudioSourceSettings)
        self._settings = read_settings(self, AudioSourceSettings)
        self._source = open_source(self._settings, self.get_logger().warning)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._publisher = self.create_publisher(AudioChunk, AUDIO, AUDIO_QOS)
        self._reader: ChunkReader | None = None
        self._made_s = self._steady_s()
        self._begin_s = 0.0  # steady time of the source's second 0
        self._stamp_s = 0.0  # ROS time of the source's second 0
        self._end_s = 0.0
        self._follower = ClockFollower()
        self.create_timer(_TICK_S, self._tick, clock=self._steady)

    def close(self) -> None:
        """Release the file or the microphone."""
        if self._reader is not None:
            self._reader.close()
        self._source.close()

    def _tick(self) -> None:
        if self._reader is None:
            if self._is_heard():
                self._begin()
            return
        for chunk in self._reader.take_until(self._heard_s()):
            self._send(chunk)
        if self._reader.failure:
            self.get_logger().error(self._reader.failure)
            self.exit_status = 2
        elif self._reader.ended:
            self._finish()

    def _begin(self) -> None:
        settings = self._settings
        loop = settings.loop and settings.source != "mic"
        self._reader = ChunkReader(repeat(self._source, loop, settings.loop_pause_s))
        self._begin_s = self._steady_s()
        self._stamp_s = self._now_s()

    def _finish(self) -> None:
        if not self._end_s:
            self._end_s = self._steady_s() + _LINGER_S
            self.get_logger().info("the sound has ended")
        if self._steady_s() >= self._end_s:
            self.exit_status = 0

    def _send(self, chunk: SourceChunk) -> None:
        stamp_s = self._stamp_s + chunk.start_s
        if self._settings.source == "mic":
            duration_s = len(chunk.samples) / chunk.sample_rate_hz
            stamp_s = self._follower.follow(stamp_s, self._now_s() - duration_s, duration_s)
        name = self.get_fully_qualified_name()
        message = make_chunk(chunk.samples, chunk.sample_rate_hz, stamp_s, name)
        self._publisher.publish(message)

    def _heard_s(self) -> float:
        """Return the second of the source up to which chunks may go out."""
        if self._settings.source == "mic":
            return float("inf")
        return (self._steady_s() - self._begin_s) * self._settings.rate

    def _is_heard(self) -> bool:
        """Tell whether to begin: somebody listens, or has been waited for long enough."""
        listeners = self.get_subscriptions_info_by_topic(self._publisher.topic_name)
        names = [info.node_name for info in listeners]
        wanted = self._settings.listener
        if (wanted in names) if wanted else names:
            return True
        if self._steady_s() - self._made_s < self._settings.wait_s:
            return False
        self.get_logger().warning(
            f"nobody listens on {self._publisher.topic_name} after {self._settings.wait_s:g} s; "
            "sending all the same"
        )
        return True

    def _now_s(self) -> float:
        return float(self.get_clock().now().nanoseconds) * 1e-9

    def _steady_s(self) -> float:
        return float(self._steady.now().nanoseconds) * 1e-9


def open_source(
    settings: AudioSourceSettings, warn: Callable[[str], None] = lambda message: None
) -> AudioSource:
    """Return the source that the settings ask for; raise AudioError or ConfigError.

    A microphone that is lost is looked for again, and `warn` told so.
    """
    if settings.source == "mic":
        named = read_device(settings.microphone)
        return RetryingSource(lambda: _open_microphone(named, settings), warn)
    if settings.source == "tts":
        return TtsSource(settings.text, chunk_s=settings.chunk_s)
    if not settings.wav:
        raise ConfigError("wav is empty; give a recording, or another source")
    return WavSource(find_path(settings.wav, "or give a wav or flac file"), settings.chunk_s)


def _open_microphone(named: int | str | None, settings: AudioSourceSettings) -> AudioSource:
    find_devices_again()
    return MicSource(named, settings.microphone_rate_hz, settings.chunk_s)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the node until the sound ends or it is told to stop; return the exit status."""
    return run_node(AudioSourceNode, argv)
