"""board_node: the state of the graph and the level of the sound as markers for RViz."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Point, Vector3
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from asynfusion_ros.errors import AudioError
from asynfusion_ros.nodes.audio_adapters import open_adapter
from asynfusion_ros.nodes.board import LevelMeter, render_board
from asynfusion_ros.nodes.conversions import to_time
from asynfusion_ros.nodes.diagnostics import HealthBook
from asynfusion_ros.nodes.health import BAD, OK, WARN
from asynfusion_ros.nodes.interface import (
    AUDIO,
    AUDIO_QOS,
    BOARD,
    DIAGNOSTICS,
    MOTION_QOS,
)
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.settings import BoardSettings

Colour = tuple[float, float, float]

_COLOURS: dict[str, Colour] = {OK: (0.55, 0.9, 0.6), WARN: (1.0, 0.8, 0.3), BAD: (1.0, 0.4, 0.35)}
_LIFETIME_S = 2.0
_BACKDROP = (0.25, 0.28, 0.32)
_BAR_WIDTH = 0.15  # of its full height
_BAR_LINES = 6.0  # its full height, in letters
_LETTER, _SPACE = 0.52, 0.6  # widths, as shares of the letters' height


class BoardNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Sends a text and a bar beside the avatar, a few times a second, while anybody looks."""

    def __init__(self, **options: Any) -> None:
        """Make the topics; raise ConfigError where a parameter is out of its range."""
        super().__init__("board", **options)
        self.exit_status: int | None = None
        declare_settings(self, BoardSettings)
        self._settings = settings = read_settings(self, BoardSettings)
        adapter = open_adapter(settings.audio_type)
        self._read_audio = adapter.read
        self._health, self._meter = HealthBook(), LevelMeter()
        self._counts: Counter[str] = Counter()
        self._publisher = self.create_publisher(MarkerArray, BOARD, MOTION_QOS)
        self.create_subscription(adapter.message, AUDIO, self._take_audio, AUDIO_QOS)
        self.create_subscription(DiagnosticArray, DIAGNOSTICS, self._health.take, MOTION_QOS)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / settings.rate_hz, self._publish, clock=steady)

    def close(self) -> None:
        """Nothing is held beyond the node."""

    def _take_audio(self, message: Any) -> None:
        try:
            sound = self._read_audio(message, self._counts)
        except AudioError:
            return  # the avatar refuses it too, counts it and says why
        self._meter.add(sound.samples, time.monotonic())

    def _publish(self) -> None:
        if not self._publisher.get_subscription_count():
            return
        now_s = time.monotonic()
        text, style = render_board(self._health.entries, now_s)
        markers = [self._words(text, _COLOURS[style]), *self._bar(text, self._meter.share(now_s))]
        self._publisher.publish(MarkerArray(markers=markers))

    def _words(self, text: str, colour: Colour) -> Marker:
        letters_m = self._settings.letters_m
        words = self._marker(0, Marker.TEXT_VIEW_FACING, 0.0, colour)
        words.text, words.scale.z = text, letters_m
        words.scale.x = _SPACE * letters_m  # where it is 0, RViz's spaces are 0.6 m wide
        return words

    def _bar(self, text: str, share: float) -> list[Marker]:
        """Return the level of the sound, `share` of its full height, before a dim backdrop."""
        letters_m = self._settings.letters_m
        full_m = _BAR_LINES * letters_m
        tall_m = max(0.01, share) * full_m
        bar = self._marker(1, Marker.CUBE, 0.5 * (tall_m - full_m), _COLOURS[OK])
        bar.scale = Vector3(x=0.01 * full_m, y=_BAR_WIDTH * full_m, z=tall_m)
        back = self._marker(2, Marker.CUBE, 0.0, _BACKDROP)
        back.scale = Vector3(x=0.005 * full_m, y=1.3 * _BAR_WIDTH * full_m, z=1.03 * full_m)
        longest = max(map(len, text.splitlines()), default=0)
        beside_m = (0.5 * _LETTER * longest + 2.0) * letters_m
        for marker in (bar, back):  # to the left of the avatar, right in the picture
            marker.pose.position.y += beside_m
        back.pose.position.x -= 0.02 * full_m
        return [bar, back]

    def _marker(self, number: int, kind: int, above_m: float, colour: Colour) -> Marker:
        """Return a marker at the board's place, or above it."""
        marker = Marker(ns="board", id=number, type=kind, action=Marker.ADD)
        marker.header.frame_id = self._settings.frame_id
        marker.header.stamp = to_time(0.0)  # wherever the frame is now
        marker.lifetime.sec = int(_LIFETIME_S)
        marker.pose.position = Point(x=0.0, y=0.0, z=self._settings.height_m + above_m)
        marker.pose.orientation.w = 1.0
        marker.color = ColorRGBA(r=colour[0], g=colour[1], b=colour[2], a=1.0)
        return marker


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    return run_node(BoardNode, argv)
