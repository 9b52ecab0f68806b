"""What the avatar hears: its own speech, and the other's, to which it listens."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.prosody import BackchannelCues, PitchTracker
from asynfusion_ros.audio.resample import StreamingResampler
from asynfusion_ros.audio.vad import VadSettings, VoiceActivityDetector
from asynfusion_ros.streaming.conversation import Conversation
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.voice import FRAME_SAMPLES, SpeechDetector
from asynfusion_ros.streaming.windows import SAMPLE_RATE_HZ

Samples = npt.NDArray[np.float32]

MOST_WAITING_S = 5.0
_PITCH_STEP_S = 256 / SAMPLE_RATE_HZ
_STEADY_S = 0.3  # packets that come no further off than this are one stream
_FOLLOW = 0.02  # share of a packet's lateness that is taken over, so that clocks may drift


class Pitch(Protocol):
    """What follows the pitch of speech: PitchTracker, or a stub in tests."""

    @property
    def delay_s(self) -> float:
        """How long after its sound the first pitch of a piece comes, at least [s]."""
        ...

    def process(self, samples: Samples) -> Samples:
        """Return the pitch [Hz] of each step of 16 ms that is known by now; 0 where unvoiced."""
        ...


@dataclass(frozen=True)
class Senses:
    """What tells speech from other sound.

    Attributes:
        own: follows what the avatar says.
        other: follows what it listens to; None where it does not listen.
        pitch: follows the pitch of that; None to nod in pauses alone.
    """

    own: SpeechDetector
    other: SpeechDetector | None = None
    pitch: Pitch | None = None

    @classmethod
    def open(cls, settings: EngineSettings) -> Senses:
        """Open the speech models that the settings ask for."""
        own = VoiceActivityDetector(VadSettings(hold_s=settings.speech_hold_s))
        if not settings.listen:
            return cls(own)
        return cls(own, VoiceActivityDetector(), PitchTracker())


class Ear:
    """Listens to the other: any thread may hand in sound, the engine thread makes sense of it."""

    def __init__(self, senses: Senses, conversation: Conversation, hold_s: float) -> None:
        """Tell `conversation` who speaks, until `hold_s` after it, and when to nod."""
        self._detector, self._pitch = senses.other, senses.pitch
        self._conversation = conversation
        self._hold_s = hold_s
        self._lock = threading.Lock()
        self._inbox: deque[tuple[Samples, int, float]] = deque()
        self._inbox_s = 0.0
        self._resampler = StreamingResampler(SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)
        self._rate_hz = SAMPLE_RATE_HZ
        self._rest = np.zeros(0, np.float32)
        self._time_s = -np.inf  # when the sample after the last came
        self._cues = BackchannelCues()
        self.counts: Counter[str] = Counter()

    def push(self, samples: Samples, rate_hz: int, arrival_s: float) -> None:
        """Take in sound whose last sample was heard at `arrival_s`; too much is dropped."""
        duration_s = len(samples) / rate_hz
        with self._lock:
            if self._inbox_s + duration_s > MOST_WAITING_S:
                self.counts["listen_full"] += 1
                return
            self._inbox.append((samples, rate_hz, arrival_s))
            self._inbox_s += duration_s

    def advance(self) -> None:
        """Hear what came."""
        with self._lock:
            packets, self._inbox_s = list(self._inbox), 0.0
            self._inbox.clear()
        for samples, rate_hz, arrival_s in packets:
            self._hear(samples, rate_hz, arrival_s)

    def _hear(self, samples: Samples, rate_hz: int, arrival_s: float) -> None:
        assert self._detector is not None
        if rate_hz != self._rate_hz:
            self._rate_hz = rate_hz
            self._resampler = StreamingResampler(rate_hz, SAMPLE_RATE_HZ)
        begin_s = arrival_s - len(samples) / rate_hz
        late_s = begin_s - self._time_s
        self._time_s += _FOLLOW * late_s if abs(late_s) < _STEADY_S else late_s
        if not np.isfinite(self._time_s):
            self._time_s = begin_s
        ready = samples if rate_hz == SAMPLE_RATE_HZ else self._resampler.process(samples)
        self._rest = np.concatenate([self._rest, ready])
        self._time_s += len(samples) / rate_hz
        while self._rest.size >= FRAME_SAMPLES:
            frame, self._rest = self._rest[:FRAME_SAMPLES], self._rest[FRAME_SAMPLES:]
            self._follow(frame, self._time_s - self._rest.size / SAMPLE_RATE_HZ)

    def _follow(self, frame: Samples, time_s: float) -> None:
        """Hear one frame that ended at `time_s`."""
        assert self._detector is not None
        self._detector.process(frame)
        speaking = self._detector.speaking
        if speaking:
            self._conversation.hear_other(time_s + self._hold_s)
        cues = [self._cues.hear(time_s, speaking)]
        if self._pitch is not None:
            pitches = self._pitch.process(frame)
            first_s = time_s - self._pitch.delay_s - len(pitches) * _PITCH_STEP_S
            for step, pitch in enumerate(pitches):
                at_s = first_s + step * _PITCH_STEP_S
                cues.append(self._cues.hear_pitch(at_s, float(pitch) if speaking else 0.0))
        for cue in cues:
            if cue is not None:
                self._conversation.cue(cue)
