"""The engine thread's work: packets into streams, streams into windows, windows into motion."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.streaming.chunk import GeneratorState, MotionChunk
from asynfusion_ros.streaming.clock import Clock
from asynfusion_ros.streaming.conversation import Conversation
from asynfusion_ros.streaming.ear import Ear
from asynfusion_ros.streaming.gate import LoneGuard
from asynfusion_ros.streaming.governor import StepGovernor, Steps
from asynfusion_ros.streaming.intake import Packet, drop
from asynfusion_ros.streaming.mailbox import Mailbox
from asynfusion_ros.streaming.pace import Pace, stream_offset_s
from asynfusion_ros.streaming.queue import MotionQueue
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.status import WARNINGS, WindowMeter
from asynfusion_ros.streaming.stream import Stream
from asynfusion_ros.streaming.voice import Voice
from asynfusion_ros.streaming.windows import WindowPlan

Array = npt.NDArray[np.float32]

MOST_COMPUTE_S = 2.0  # what is expected of a window at most, however long the last one took
_HOPE = 0.8  # share of that which is expected after windows were left out for it
CLOCK_JUMP_S = 1.0  # a clock that goes back further than this begins a new stream


class WindowGenerator(Protocol):
    """What makes motion of a window of audio: MotionGenerator, or a stub in tests."""

    @property
    def plan(self) -> WindowPlan:
        """The grid of windows."""
        ...

    @property
    def description(self) -> ModelDescription:
        """What the model knows: speakers, styles, emotions."""
        ...

    def begin(self, seed: int | None = None, manner: Manner | None = None) -> GeneratorState:
        """Return the state before window 0."""
        ...

    def step(
        self, samples: Array, state: GeneratorState, steps: Steps | None = None
    ) -> tuple[MotionChunk, GeneratorState]:
        """Return the new frames of a window and the state after it."""
        ...

    def reset(self) -> None:
        """Forget a failure."""
        ...

    def close(self) -> None:
        """Free threads and memory."""
        ...


class Worker:
    """Owns the stream, the generator and their measures; used by one thread."""

    def __init__(
        self,
        generator: WindowGenerator,
        settings: EngineSettings,
        *,
        clock: Clock,
        mailbox: Mailbox,
        queue: MotionQueue,
        conversation: Conversation,
        voice: Voice | None,
        ear: Ear | None,
        warn: Callable[[str], None],
    ) -> None:
        """Read packets from `mailbox`, write motion to `queue`, tell `warn` of trouble once.

        `conversation` is told where utterances lie; `voice` and `ear` tell it who speaks.
        """
        self._conversation = conversation
        self._voice, self._ear = voice, ear
        self._generator = generator
        self._settings = settings
        self._clock = clock
        self._mailbox = mailbox
        self._queue = queue
        self._warn = warn
        self._warned: set[str] = set()
        self._counts: Counter[str] = Counter()
        full = Steps(settings.expression_steps, settings.gesture_steps)
        self._governor = StepGovernor(full, settings.shed_load and not settings.deterministic)
        self._pace = Pace(generator.plan, settings)
        self._meter = WindowMeter(generator.plan.hop_s)
        self._measures: dict[str, Any] = {}
        self._compute_s = 0.0  # of the last window
        self._lone = LoneGuard(self._counts)
        self._stream: Stream | None = None
        self._last_s = clock.now_s()

    def reset(self) -> None:
        """Make ready to go on after a failure."""
        if self._stream is not None:
            self._stream.close()
        self._lone.close()
        self._stream = None
        self._generator.reset()

    def advance(self) -> bool:
        """Take in what came and compute at most one window; return whether one was computed."""
        now_s = self._clock.now_s()
        packets, epoch = self._mailbox.collect()
        stream = self._stream
        went_back = now_s < self._last_s - CLOCK_JUMP_S
        self._last_s = now_s
        if stream is None or stream.epoch != epoch or went_back or stream.is_stale(now_s):
            if stream is not None:
                stream.close()
            stream = self._begin(None, now_s, epoch)
            self._lone.close()
        for packet in packets:
            for each in self._lone.admit(packet, max(now_s, self._end_s(stream))):
                stream = self._take(stream, each, now_s)
        for packet in self._lone.release(now_s):
            stream = self._take(stream, packet, now_s)
        self._stream = stream
        shift_s = self._pace.advance(now_s).shift_s
        if stream is not None and shift_s != stream.timeline.shift_s:
            stream.shift(shift_s)
            self._queue.shift(stream.epoch, shift_s)
        if self._voice is not None and stream is not None and stream.speech:
            self._voice.follow(stream.epoch, stream.line)
        if self._ear is not None:
            self._ear.advance()
        busy = stream is not None and self._compute(stream, now_s)
        self._report()
        return busy

    def _end_s(self, stream: Stream | None) -> float:
        """Return up to when speech waits; minus infinity where none does."""
        waits = stream is not None and stream.speech and not stream.silent
        return stream.expected_s if stream is not None and waits else -math.inf

    def _take(self, stream: Stream | None, packet: Packet, now_s: float) -> Stream | None:
        """Give a packet to its stream, a new one where needed; None if a flush came between."""
        if stream is None:
            drop(packet, "flushed_packets", self._counts)
            return None
        if np.isnan(packet.stamp_s):
            stamp_s = stream.expected_s if stream.continues(packet) else packet.arrival_s
            packet = replace(packet, stamp_s=stamp_s)
        foreign = stream.take(packet) if stream.speech else [packet]
        if not foreign:
            return stream
        stream.close()
        fresh = self._begin(foreign[0], now_s, stream.epoch)
        for each in foreign:
            for stranger in [each] if fresh is None else fresh.take(each):
                drop(stranger, "flushed_packets" if fresh is None else "unplaced", self._counts)
        return fresh

    def _begin(self, packet: Packet | None, now_s: float, epoch: int) -> Stream | None:
        """Begin a stream at `packet`, or an idle one; return None if `epoch` has passed."""
        settings, plan = self._settings, self._generator.plan
        if packet is None:  # placed such that its first window is due now
            allowance_s = self._pace.delay.allowance_s
            anchor_s = now_s - plan.hop_s - plan.look_ahead_s - allowance_s
            offset_s = 0.0
        else:
            anchor_s = packet.stamp_s
            offset_s = stream_offset_s(packet.arrival_s - anchor_s, settings)
        shift_s = self._pace.begin(offset_s).shift_s
        opened = self._mailbox.begin(epoch, anchor_s, shift_s, speech=packet is not None)
        if opened is None:
            return None
        timeline, streams = opened
        seed = settings.seed + (0 if settings.deterministic else streams)
        self._counts["streams"] += timeline.speech
        same = self._mailbox.manner or self._generator.begin(settings.seed).manner  # in all streams
        state = self._generator.begin(seed, same)
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

    def _compute(self, stream: Stream, now_s: float) -> bool:
        skipped = self._counts["windows_skipped"]
        job = stream.next_job(now_s, self._compute_s)
        if self._counts["windows_skipped"] > skipped:  # one slow window must not end them all
            self._compute_s = _HOPE * min(self._compute_s, MOST_COMPUTE_S)
        if job is None:
            return False
        manner = self._mailbox.manner
        state = job.state if manner is None else replace(job.state, manner=manner)
        chunk, after = self._generator.step(job.samples, state, self._governor.steps)
        if not self._queue.push(stream.epoch, chunk.first_frame, chunk.face, chunk.body):
            self._counts["windows_discarded"] += 1
            return True
        stream.finish(job, after)
        self._compute_s = chunk.timings.total_s
        self._meter.add(chunk.timings)
        self._measures = self._meter.report()
        self._counts["windows"] += 1
        self._counts["nan_frames"] += chunk.nan_frames
        missed = self._clock.now_s() > stream.timeline.frame_due_s(chunk.first_frame)
        self._counts["deadline_misses"] += missed
        load = chunk.timings.total_s / self._generator.plan.hop_s
        change = self._governor.observe(load, missed)
        self._counts["steps_shed"] += change < 0
        self._counts["steps_regained"] += change > 0
        return True

    def _overlap_frames(self) -> int:
        known, most = self._generator.plan.known_frames, self._governor.steps.overlap_frames
        return known if most is None else min(known, most)

    def _report(self) -> None:
        steps = self._governor.steps
        held = 0 if self._stream is None else self._stream.waiting
        self._counts["samples_waiting"] = held + self._lone.waiting
        report = {
            "counts": Counter(self._counts),
            "expression_steps": steps.expression,
            "gesture_steps": steps.gesture,
            "overlap_frames": self._overlap_frames(),
            "pose_stride": steps.pose_stride,
            **self._measures,
            **({} if self._stream is None else self._stream.report()),
        }
        counts = self._mailbox.publish(report)
        counts.update(self._counts)
        for cause in WARNINGS.keys() - self._warned:
            if counts[cause] > 0:
                self._warned.add(cause)
                self._warn(WARNINGS[cause])
