"""Where packets of sound meet streams: which one each belongs to, and when a new one begins."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from asynfusion_ros.streaming.chunk import WindowGenerator
from asynfusion_ros.streaming.conversation import Conversation
from asynfusion_ros.streaming.gate import LoneGuard
from asynfusion_ros.streaming.intake import Packet, drop
from asynfusion_ros.streaming.mailbox import Mailbox
from asynfusion_ros.streaming.pace import Pace, stream_offset_s
from asynfusion_ros.streaming.prompt import PromptStart, Scene
from asynfusion_ros.streaming.queue import MotionQueue
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.stream import Stream

Array = npt.NDArray[np.float32]

PLANNED_S = 0.02  # a stamp further ahead than this says when to speak, not that it may be now
CLOCK_JUMP_S = 1.0  # a clock that goes back further than this begins a new stream


class Arrivals:
    """Owns the stream that is heard, and places packets in it or in the next; for one thread.

    Attributes:
        stream: the stream that is heard; None after a flush, until packets are received again.
    """

    def __init__(
        self,
        generator: WindowGenerator,
        settings: EngineSettings,
        *,
        now_s: float,
        pace: Pace,
        mailbox: Mailbox,
        queue: MotionQueue,
        conversation: Conversation,
        counts: Counter[str],
    ) -> None:
        """Hear nothing yet; `pace` says how late packets may be, `mailbox` opens streams.

        `generator` gives the state that a stream begins with; what is dropped goes into `counts`.
        """
        self._generator = generator
        self._settings = settings
        self._pace = pace
        self._mailbox = mailbox
        self._queue = queue
        self._conversation = conversation
        self._counts = counts
        self._lone = LoneGuard(counts)
        self._prompt = PromptStart(0.5 * settings.arrival_allowance_s, settings.max_queue_s)
        self._last_s = now_s
        self.stream: Stream | None = None

    @property
    def waiting(self) -> int:
        """Samples that came and have no place yet."""
        held = 0 if self.stream is None else self.stream.waiting
        return held + self._lone.waiting + self._prompt.waiting

    def forget(self) -> None:
        """Drop the stream, and what is held back."""
        if self.stream is not None:
            self.stream.close()
        self._drop_held()
        self.stream = None

    def receive(
        self, packets: list[Packet], epoch: int, now_s: float, compute_s: float
    ) -> Stream | None:
        """Place what came, and return the stream to go on with; None if a flush came between.

        `epoch` is the stream that was asked for; `compute_s` is what the last window took.
        """
        stream = self.stream
        went_back = now_s < self._last_s - CLOCK_JUMP_S
        self._last_s = now_s
        if stream is None or stream.epoch != epoch or went_back or stream.is_stale(now_s):
            if stream is not None:
                stream.close()
            stream = self._begin(None, now_s, epoch)
            self._drop_held()
        for packet in packets:
            for each in self._lone.admit(packet, max(now_s, _end_s(stream))):
                stream = self._greet(stream, each, now_s)
        for packet in self._lone.release(now_s):
            stream = self._take(stream, packet, now_s)
        self.stream = stream = self._start_promptly(stream, now_s, compute_s)
        return stream

    def _greet(self, stream: Stream | None, packet: Packet, now_s: float) -> Stream | None:
        """Give a packet to its stream, unless it begins an utterance that may be ahead of time."""
        if stream is not None and not self._prompt.waiting:
            packet = stream.stamp(packet)
        for each in self._prompt.admit(packet, self._may_begin(stream, packet)):
            stream = self._take(stream, each, now_s)
        return stream

    def _may_begin(self, stream: Stream | None, packet: Packet) -> bool:
        """Return whether a talkspurt begins that need not wait for the usual delay."""
        settings = self._settings
        if not (settings.prompt and packet.utterance) or settings.deterministic:
            return False
        planned = packet.stamp_s > packet.arrival_s + PLANNED_S
        if stream is None or not stream.speech:
            return not planned
        rests = stream.silent and not stream.waiting
        return rests and (not planned or stream.leaps(packet.stamp_s))

    def _start_promptly(
        self, stream: Stream | None, now_s: float, compute_s: float
    ) -> Stream | None:
        """Let in the utterance that waits, if any: at once, in a stream of its own, or as usual."""
        depth_s = self._queue.depth_s(now_s)
        scene = Scene(
            now_s,
            self._pace.usual_s,
            compute_s,
            -math.inf if stream is None else stream.sound_until_s,
            now_s + depth_s if depth_s > 0.0 else math.inf,
        )
        talkspurt = self._prompt.pick(scene)
        if talkspurt is None:
            return stream
        packets, show_s = talkspurt
        if stream is not None and show_s is not None:
            before, epoch = stream.motion_before(show_s), stream.epoch
            stream.close()
            stream = self._begin(packets[0], now_s, epoch, show_s, before)
            self._counts["prompt_starts"] += stream is not None
        for packet in packets:
            stream = self._take(stream, packet, now_s)
        return stream

    def _take(self, stream: Stream | None, packet: Packet, now_s: float) -> Stream | None:
        """Give a packet to its stream, a new one where needed; None if a flush came between."""
        if stream is None:
            drop(packet, "flushed_packets", self._counts)
            return None
        packet = stream.stamp(packet)
        foreign = stream.take(packet) if stream.speech else [packet]
        if not foreign:
            return stream
        stream.close()
        fresh = self._begin(foreign[0], now_s, stream.epoch)
        for each in foreign:
            for stranger in [each] if fresh is None else fresh.take(each):
                drop(stranger, "flushed_packets" if fresh is None else "unplaced", self._counts)
        return fresh

    def _begin(
        self,
        packet: Packet | None,
        now_s: float,
        epoch: int,
        show_s: float | None = None,
        before: tuple[Array, Array] | None = None,
    ) -> Stream | None:
        """Begin a stream at `packet`, or an idle one; return None if `epoch` has passed.

        Its first frame is shown at `show_s`, if given, and its motion goes on from `before`.
        """
        settings, plan = self._settings, self._generator.plan
        if packet is None:  # placed such that its first window is due now
            allowance_s = self._pace.delay.allowance_s
            anchor_s = now_s - plan.hop_s - plan.look_ahead_s - allowance_s
            offset_s = 0.0
        else:
            anchor_s = packet.stamp_s
            offset_s = stream_offset_s(packet.arrival_s - anchor_s, settings)
        head_start_s = 0.0
        if show_s is not None:
            offset_s, head_start_s = 0.0, anchor_s + self._pace.usual_s - show_s
        shift_s = self._pace.begin(offset_s, head_start_s).shift_s
        opened = self._mailbox.begin(epoch, anchor_s, shift_s, speech=packet is not None)
        if opened is None:
            return None
        timeline, streams = opened
        seed = settings.seed + (0 if settings.deterministic else streams)
        self._counts["streams"] += timeline.speech
        same = self._mailbox.manner or self._generator.begin(settings.seed).manner  # in all streams
        state = self._generator.begin(seed, same)
        if before is not None:
            state = replace(state, face=before[0], body=before[1])
        source = "" if packet is None else packet.source
        return Stream(
            timeline,
            source,
            state,
            plan,
            settings,
            counts=self._counts,
            conversation=self._conversation,
            pace=self._pace,
        )

    def _drop_held(self) -> None:
        """Drop what is held back."""
        self._lone.close()
        for packet in self._prompt.give_up():
            drop(packet, "flushed_packets", self._counts)


def _end_s(stream: Stream | None) -> float:
    """Return up to when speech waits; minus infinity where none does."""
    waits = stream is not None and stream.speech and not stream.silent
    return stream.expected_s if stream is not None and waits else -math.inf
