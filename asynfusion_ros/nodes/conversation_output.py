"""The state of the conversation on a topic, for dialogue managers."""

from __future__ import annotations

from rclpy.node import Node

from asynfusion_ros.msg import ConversationState
from asynfusion_ros.nodes.conversions import to_time
from asynfusion_ros.nodes.interface import CONVERSATION_STATE, EVENTS_QOS
from asynfusion_ros.streaming.conversation import Change
from asynfusion_ros.streaming.engine import AvatarEngine
from asynfusion_ros.streaming.playback import PlaybackFrame

DELAY_STEP_S = 0.005
"""The delay is told anew when it has changed by more than this."""


class ConversationOutput:
    """Publishes ~/state at every change, latched."""

    def __init__(self, node: Node, frame_id: str) -> None:
        """Create the publisher."""
        self._node = node
        self._frame_id = frame_id
        self._told = False
        self._delay_s = 0.0
        self._publisher = node.create_publisher(ConversationState, CONVERSATION_STATE, EVENTS_QOS)

    def publish(self, engine: AvatarEngine, frame: PlaybackFrame, clock_s: float) -> None:
        """Send what has changed since the last call, by the frame shown at `clock_s`."""
        changes = engine.take_changes()
        if self._told and not changes and self._is_late(engine.delay_s):
            changes = [engine.restate(clock_s, frame.audio_time_s)]
        for change in changes:
            self._publisher.publish(self._message(change, engine.delay_s))
            self._told, self._delay_s = True, engine.delay_s

    def _is_late(self, delay_s: float) -> bool:
        """Return whether the delay is another than was told."""
        return abs(delay_s - self._delay_s) > DELAY_STEP_S

    def _message(self, change: Change, output_delay_s: float) -> ConversationState:
        message = ConversationState(
            state=change.state,
            event=change.event,
            utterance=change.utterance,
            played_s=change.played_s,
            output_delay_s=output_delay_s,
        )
        message.header.frame_id = self._frame_id
        message.header.stamp = to_time(change.clock_s)
        message.audio_stamp = to_time(change.audio_time_s)
        return message

    def close(self) -> None:
        """Take the topic off the graph."""
        self._node.destroy_publisher(self._publisher)
