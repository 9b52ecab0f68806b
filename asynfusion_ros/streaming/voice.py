"""Where in a stream somebody speaks: found ahead of playback, told by audio time."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asynfusion_ros.streaming.conversation import Conversation
from asynfusion_ros.streaming.intake import AudioTimeline
from asynfusion_ros.streaming.windows import SAMPLE_RATE_HZ

FRAME_SAMPLES = 512
_FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
_FRAMES_AT_ONCE = 32  # about a second of sound: the engine thread has windows to make
_AFTER_LEAP_S = 10.0  # a line that leapt ahead is heard from so far before its head


class SpeechDetector(Protocol):
    """What tells speech from other sound: VoiceActivityDetector, or a stub in tests."""

    speaking: bool

    def process(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Hear the next 16 kHz samples; `speaking` tells the state after them."""
        ...

    def reset(self) -> None:
        """Forget the stream."""
        ...


class Voice:
    """Follows the line of the present stream, and tells the conversation where there is speech.

    The detector says that speech ended `hold_s` after it did; the end is put back by as much.
    """

    def __init__(self, detector: SpeechDetector, hold_s: float, conversation: Conversation) -> None:
        """Begin before any stream."""
        self._detector = detector
        self._hold_s = (round(hold_s / _FRAME_S) + 1) * _FRAME_S
        self._conversation = conversation
        self._epoch = -1
        self._at = 0
        self._begin_s: float | None = None

    def follow(self, epoch: int, line: AudioTimeline) -> None:
        """Hear what is new of the line of stream `epoch`, a second at most."""
        if epoch != self._epoch:
            self._epoch, self._at, self._begin_s = epoch, 0, None
            self._detector.reset()
        if line.head - self._at > line.capacity:
            self._at = line.head - round(_AFTER_LEAP_S * SAMPLE_RATE_HZ)
        for _ in range(_FRAMES_AT_ONCE):
            if line.head < self._at + FRAME_SAMPLES:
                return
            self._detector.process(line.read(self._at, FRAME_SAMPLES))
            self._at += FRAME_SAMPLES
            self._tell(line.anchor_s + self._at / SAMPLE_RATE_HZ)

    def _tell(self, end_s: float) -> None:
        """Take in the detector's state at the end of a frame."""
        speaking = self._detector.speaking
        if speaking and self._begin_s is None:
            self._begin_s = end_s - _FRAME_S
            self._conversation.hear(self._epoch, self._begin_s, math.inf)
        elif not speaking and self._begin_s is not None:
            end_s = max(self._begin_s, end_s - self._hold_s)
            self._conversation.hear(self._epoch, self._begin_s, end_s)
            self._begin_s = None
