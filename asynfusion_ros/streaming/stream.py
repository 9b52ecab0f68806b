"""One stream of audio and the windows it is turned into; the engine thread owns it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.streaming.chunk import GeneratorState
from asynfusion_ros.streaming.conversation import Conversation
from asynfusion_ros.streaming.gate import SourceGate
from asynfusion_ros.streaming.intake import REWIND_S, AudioTimeline, Packet, drop
from asynfusion_ros.streaming.pace import Pace
from asynfusion_ros.streaming.queue import Timeline
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.windows import FPS_HZ, SAMPLE_RATE_HZ, WindowPlan

Array = npt.NDArray[np.float32]

MAX_LEAD_S = 1.0  # motion is made at most this long before it is shown, plus one hop
RELOCATE_S = 0.5  # after this much late audio the stream is placed anew
STALE_S = 10.0  # a line of silence that lags more than this (suspend, clock jump) is given up
_FORGIVEN_LATENESS = 0.05  # share of audio that may come too late for ever


@dataclass(frozen=True)
class Job:
    """One window to compute: its audio and the state before it.

    `provisional` windows hear silence where audio may still come; they are shown, but a later
    packet has them computed again from the last settled state.
    """

    state: GeneratorState
    samples: Array
    provisional: bool


class Stream:
    """Audio by audio time, which window is next, and when silence is taken for granted."""

    def __init__(
        self,
        timeline: Timeline,
        source: str,
        state: GeneratorState,
        plan: WindowPlan,
        settings: EngineSettings,
        *,
        counts: Counter[str],
        conversation: Conversation,
        pace: Pace,
    ) -> None:
        """Begin at `timeline.anchor_s` with the generator's initial `state`.

        `pace` is told how packets come, and says how late they may; `conversation` is told where
        utterances lie.
        """
        self._pace = pace
        self.timeline = timeline
        self._conversation = conversation
        capacity = plan.sample_count + round((settings.max_queue_s + STALE_S) * SAMPLE_RATE_HZ)
        tolerance_s = settings.stamp_tolerance_s
        self.line = AudioTimeline(timeline.anchor_s, tolerance_s, capacity, counts)
        self._gate = SourceGate(source, tolerance_s, counts)
        self._plan = plan
        self._settings = settings
        self._counts = counts
        self._state = state
        self._provisional: list[GeneratorState] = []
        self._late_s = 0.0
        self._utterance = ""  # of the last sound

    @property
    def _allowance_s(self) -> float:
        return self._pace.delay.allowance_s

    @property
    def _offset_s(self) -> float:
        return self._pace.delay.offset_s

    @property
    def _lag_s(self) -> float:
        """How long after its stamp sound is looked for [s]; negative where it comes ahead."""
        return self._pace.delay.offset_s - self._pace.delay.head_start_s

    @property
    def _patience_s(self) -> float:
        settings = self._settings
        patience_s = settings.deterministic_patience_s if settings.deterministic else 0.0
        return max(self._allowance_s, patience_s)

    @property
    def epoch(self) -> int:
        """Number of the stream."""
        return self.timeline.epoch

    @property
    def speech(self) -> bool:
        """Whether it follows a source, rather than idling before the first one."""
        return self.timeline.speech

    @property
    def silent(self) -> bool:
        """Whether nothing but silence has come since the last packet."""
        return self.line.filled

    @property
    def waiting(self) -> int:
        """Samples that were taken and have no place yet."""
        return self._gate.waiting

    def close(self) -> None:
        """End: what has no place yet is dropped."""
        self._gate.close()

    @property
    def sound_until_s(self) -> float:
        """When the last sound has been shown [s of the clock]; minus infinity without any."""
        return self.line.sound_end_s + self.timeline.shift_s if self.speech else -math.inf

    @property
    def expected_s(self) -> float:
        """The stamp that would continue the audio without a gap [s]."""
        return self.line.expected_s

    def report(self) -> dict[str, Any]:
        """Return the EngineStatus fields that the stream knows, and whether it is silent."""
        ahead = self.line.head - self._plan.end_sample(self._state.index)
        return {
            "silent": self.silent,
            "audio_ahead_s": max(0.0, ahead / SAMPLE_RATE_HZ),
            "stream_offset_s": self._offset_s,
            "arrival_allowance_s": self._allowance_s,
            "output_delay_s": self.timeline.shift_s - self._offset_s,
        }

    def shift(self, shift_s: float) -> None:
        """Be shown `shift_s` after audio time from now on."""
        if shift_s != self.timeline.shift_s:
            self.timeline = replace(self.timeline, shift_s=shift_s)

    def stamp(self, packet: Packet) -> Packet:
        """Return the packet with a stamp: its own, or where its sound goes on, or its arrival."""
        if not math.isnan(packet.stamp_s):
            return packet
        stray, end_s = self._gate.stray, self.line.sound_end_s
        name, end_s = (self._utterance, end_s) if stray is None else (stray.utterance, stray.end_s)
        in_time = packet.arrival_s - self._offset_s < end_s + self._allowance_s
        goes_on = self.speech and in_time and packet.utterance == name
        return replace(packet, stamp_s=end_s if goes_on else packet.arrival_s)

    def motion_before(self, show_s: float) -> tuple[Array, Array] | None:
        """Return the face and body that a window knows whose first new frame is shown at `show_s`.

        As many frames as ever: where the last ones come too late for that, they are left out, and
        the first one is held. None where there is no such motion.
        """
        state = self._provisional[-1] if self._provisional else self._state
        if state.face is None or state.body is None:
            return None
        made = self._plan.new_frames(state.index).start
        shown = math.floor((show_s - self.timeline.frame_due_s(0)) * FPS_HZ + 1e-6)
        late = max(0, made - shown)
        if late >= len(state.face):
            return None
        face, body = (np.roll(known, late, axis=0) for known in (state.face, state.body))
        face[:late], body[:late] = state.face[0], state.body[0]
        return face, body

    def take(self, packet: Packet) -> list[Packet]:
        """Add a packet where it belongs; return those that belong to a new stream instead."""
        admitted = self._gate.admit(packet, self.line)
        while admitted:
            if self.leaps(admitted[0].stamp_s) or not self._write(admitted[0]):
                return admitted
            admitted = admitted[1:]
        return []

    def leaps(self, stamp_s: float) -> bool:
        """Return whether sound of `stamp_s` needs a stream of its own."""
        jump_s, settings = stamp_s - self.line.expected_s, self._settings
        if self.line.filled:  # silence reaches ahead of the clock where sound had a head start
            ahead = self._pace.delay.head_start_s > 0.0
            back = ahead and jump_s < -settings.stamp_tolerance_s
        else:
            back = jump_s < -REWIND_S
        return back or jump_s > settings.max_queue_s

    def next_job(self, now_s: float, compute_s: float = 0.0) -> Job | None:
        """Return the next window that can and should be computed at `now_s`.

        `compute_s` is how long it will take: windows that would be past by then are left out.
        """
        stray = self._gate.release(self._due_s(now_s), self.line)
        if stray is not None and not self._write(stray):
            drop(stray, "unplaced", self._counts)  # the next stream hears what comes after it
        self._skip_what_is_past(now_s + compute_s)
        while True:
            end = self._plan.end_sample(self._state.index)
            if self.line.head < end and self._overdue_s(now_s, end) >= self._patience_s:
                self._counts["source_stops"] += not self.line.filled
                self.line.fill_to(end)
            if self.line.head < end or not self._provisional:
                break
            self._state = self._provisional.pop(0)  # the silence came true
        state = self._provisional[-1] if self._provisional else self._state
        end = self._plan.end_sample(state.index)
        known = self.line.head >= end
        due = self._overdue_s(now_s, end) >= self._allowance_s
        if self._lead_s(now_s, state.index) > MAX_LEAD_S or not (known or due):
            return None
        first, count = self._plan.first_sample(state.index), self._plan.sample_count
        return Job(state, self.line.read(first, count), provisional=not known)

    def finish(self, job: Job, after: GeneratorState) -> None:
        """Go on from the state `after` a job."""
        if job.provisional:
            self._provisional.append(after)
        else:
            self._state = after

    def is_stale(self, now_s: float) -> bool:
        """Whether the line lags so far behind the clock that it is better begun anew."""
        head_s = self.line.anchor_s + self.line.head / SAMPLE_RATE_HZ
        lag_s = now_s - self._offset_s - head_s
        return self.silent and lag_s > self._patience_s + STALE_S

    def _write(self, packet: Packet) -> bool:
        """Write unless too far ahead; return False when the stream must be placed anew."""
        end = self._plan.end_sample(self._state.index)
        ahead_s = packet.end_s - (self.line.anchor_s + end / SAMPLE_RATE_HZ)
        if ahead_s > self._settings.max_queue_s:
            drop(packet, "queue_full", self._counts)
            return True
        self._pace.hear(packet.stamp_s, packet.duration_s, packet.arrival_s)
        cut_s = self.line.write(packet)
        if cut_s:
            self._counts["late_packets"] += 1
        if cut_s < packet.duration_s:
            self._provisional.clear()
            self._utterance = packet.utterance
        forgiven_s = _FORGIVEN_LATENESS * packet.duration_s
        self._late_s = max(0.0, self._late_s + cut_s - forgiven_s)
        if self._late_s >= RELOCATE_S:  # it is heard in the next stream
            return False
        cut = round(cut_s * packet.rate_hz)
        self._counts["samples_dropped"] += cut
        self._counts["samples_used"] += len(packet.samples) - cut
        if packet.utterance and cut < len(packet.samples):
            end_s = self.line.expected_s
            begin_s = end_s - packet.duration_s + cut_s
            self._conversation.place(packet.utterance, self.epoch, begin_s, end_s)
        return True

    def _skip_what_is_past(self, ready_s: float) -> None:
        """Leave out windows whose every frame should have been shown by `ready_s`."""
        if self._settings.deterministic:
            return
        frame = int((ready_s - self.timeline.frame_due_s(0)) * FPS_HZ) + 1
        needed = self._plan.window_of_frame(max(0, frame))
        if needed > self._state.index:
            self._counts["windows_skipped"] += needed - self._state.index
            self._state = self._state.skip_to(needed)

    def _lead_s(self, now_s: float, index: int) -> float:
        first = self._plan.new_frames(index).start
        return self.timeline.frame_due_s(first) - now_s - self._plan.hop_s

    def _due_s(self, now_s: float) -> float:
        """Return the audio time from which on a packet may still come."""
        return now_s - self._lag_s - self._allowance_s

    def _overdue_s(self, now_s: float, sample: int) -> float:
        """Return how long ago `sample` should have come."""
        return now_s - self._lag_s - (self.line.anchor_s + sample / SAMPLE_RATE_HZ)
