"""The engine thread's work: packets into streams, streams into windows, windows into motion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from asynfusion_ros.streaming.arrivals import Arrivals
from asynfusion_ros.streaming.chunk import WindowGenerator
from asynfusion_ros.streaming.clock import Clock
from asynfusion_ros.streaming.conversation import Conversation
from asynfusion_ros.streaming.ear import Ear
from asynfusion_ros.streaming.governor import StepGovernor, Steps
from asynfusion_ros.streaming.mailbox import Mailbox
from asynfusion_ros.streaming.pace import Pace
from asynfusion_ros.streaming.queue import MotionQueue
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.status import WARNINGS, WindowMeter
from asynfusion_ros.streaming.stream import Stream
from asynfusion_ros.streaming.voice import Voice

MOST_COMPUTE_S = 2.0  # what is expected of a window at most, however long the last one took
_HOPE = 0.8  # share of that which is expected after windows were left out for it


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
        self._arrivals = Arrivals(
            generator,
            settings,
            now_s=clock.now_s(),
            pace=self._pace,
            mailbox=mailbox,
            queue=queue,
            conversation=conversation,
            counts=self._counts,
        )

    def reset(self) -> None:
        """Make ready to go on after a failure."""
        self._arrivals.forget()
        self._generator.reset()

    def advance(self) -> bool:
        """Take in what came and compute at most one window; return whether one was computed."""
        now_s = self._clock.now_s()
        packets, epoch = self._mailbox.collect()
        stream = self._arrivals.receive(packets, epoch, now_s, self._compute_s)
        self._shift(stream, self._pace.advance(now_s).shift_s)
        if self._voice is not None and stream is not None and stream.speech:
            self._voice.follow(stream.epoch, stream.line)
        if self._ear is not None:
            self._ear.advance()
        busy = stream is not None and self._compute(stream, now_s)
        self._report()
        return busy

    def _shift(self, stream: Stream | None, shift_s: float) -> None:
        """Show a stream `shift_s` after audio time from now on."""
        if stream is not None and shift_s != stream.timeline.shift_s:
            stream.shift(shift_s)
            self._queue.shift(stream.epoch, shift_s)

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
        late_s = self._clock.now_s() - stream.timeline.frame_due_s(0)
        if chunk.first_frame == 0 and late_s > 0.0 and self._pace.delay.head_start_s > 0.0:
            self._shift(stream, self._pace.hold_up(late_s).shift_s)  # lest its first lips be lost
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
        stream = self._arrivals.stream
        self._counts["samples_waiting"] = self._arrivals.waiting
        report = {
            "counts": Counter(self._counts),
            "expression_steps": steps.expression,
            "gesture_steps": steps.gesture,
            "overlap_frames": self._overlap_frames(),
            "pose_stride": steps.pose_stride,
            **self._measures,
            **({} if stream is None else stream.report()),
        }
        counts = self._mailbox.publish(report)
        counts.update(self._counts)
        for cause in WARNINGS.keys() - self._warned:
            if counts[cause] > 0:
                self._warned.add(cause)
                self._warn(WARNINGS[cause])
