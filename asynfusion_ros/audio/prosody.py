"""When a listener would nod: cues in the pitch and the pauses of another's speech.

Two rules. After a region of low pitch, listeners give feedback (Ward and Tsukahara 2000, for
English): pitch below its 26th percentile for 110 ms, after at least 0.7 s of speech, and no
feedback in the last 0.8 s; it comes 0.7 s later. And they nod where phrases end (Dittmann and
Llewellyn 1968): here, where a pause of 0.2 s follows at least 1 s of speech.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.features import PITCH_HZ, PITCH_MODEL
from asynfusion_ros.audio.models import open_session

FloatArray = npt.NDArray[np.float32]

LOW_PERCENTILE = 26.0
LOW_S = 0.11
WAIT_S = 0.7
SPEECH_S = 0.7
BETWEEN_S = 0.8
PHRASE_S = 1.0
PAUSE_S = 0.2

_HOP = round(16000 / PITCH_HZ)
_CONTEXT_HOPS = 24  # heard again with each piece, since a pitch needs its surroundings
_STEP_HOPS = 8  # new ones per piece: 0.13 s
_RANGE_HZ = (60.0, 500.0)
_VOICED = 0.8  # confidence
_MEMORY_HOPS = 1900  # some 30 s of voice
_LEAST_HOPS = 60  # of voice, before low can be told from high


class PitchTracker:
    """Follows the pitch of one stream of 16 kHz samples, in steps of 16 ms; not thread-safe."""

    def __init__(self, threads: int = 1) -> None:
        """Open the pitch model on `threads` CPU threads."""
        self._session = open_session(PITCH_MODEL, threads)
        self._limits = [np.asarray(limit, np.float32) for limit in _RANGE_HZ]
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._line = np.zeros(_CONTEXT_HOPS * _HOP, np.float32)

    def process(self, samples: FloatArray) -> FloatArray:
        """Return the pitch [Hz] of each step that samples (N,) complete; 0 where unvoiced.

        It comes in pieces of 0.13 s, and as much later.
        """
        self._line = np.concatenate([self._line, np.asarray(samples, np.float32)])
        found = [np.zeros(0, np.float32)]
        length = (_CONTEXT_HOPS + _STEP_HOPS) * _HOP
        while self._line.size >= length:
            found.append(self._track(self._line[:length]))
            self._line = self._line[_STEP_HOPS * _HOP :]
        return np.concatenate(found)

    def _track(self, samples: FloatArray) -> FloatArray:
        low, high = self._limits
        hertz, confidence = self._session.run(
            ["pitch", "confidence"], {"audio": samples[None], "fmin": low, "fmax": high}
        )
        # the newest steps lack what follows: those before them are taken
        middle = slice(_CONTEXT_HOPS - _STEP_HOPS, _CONTEXT_HOPS)
        voiced = confidence[0, middle] >= _VOICED
        pitch: FloatArray = np.where(voiced, hertz[0, middle], 0.0).astype(np.float32)
        return pitch

    @property
    def delay_s(self) -> float:
        """How long after its sound the first pitch of a piece comes, at least [s]."""
        return 2 * _STEP_HOPS / PITCH_HZ


class BackchannelCues:
    """Finds the moments at which a listener would give a sign, from pitch and pauses."""

    def __init__(self) -> None:
        """Know nothing of the speaker yet."""
        self._voice: deque[float] = deque(maxlen=_MEMORY_HOPS)
        self._threshold_hz = 0.0
        self._low_hops = 0
        self._begin_s: float | None = None  # of the present phrase
        self._end_s = 0.0  # of its last speech
        self._last_s = -np.inf  # the last cue

    def hear(self, time_s: float, speech: bool) -> float | None:
        """Take in whether there is speech at `time_s`; return when to give a sign, if to."""
        if speech:
            self._begin_s = time_s if self._begin_s is None else self._begin_s
            self._end_s = time_s
            return None
        begin_s = self._begin_s
        if begin_s is None or time_s - self._end_s < PAUSE_S:
            return None
        self._begin_s = None
        return self._give(time_s) if self._end_s - begin_s >= PHRASE_S else None

    def hear_pitch(self, time_s: float, pitch_hz: float) -> float | None:
        """Take in the pitch of a step of 16 ms (0: unvoiced); return when to give a sign, if to."""
        if pitch_hz <= 0.0:
            self._low_hops = 0
            return None
        self._voice.append(pitch_hz)
        if len(self._voice) % _LEAST_HOPS == 0 or len(self._voice) == _MEMORY_HOPS:
            self._threshold_hz = float(np.percentile(self._voice, LOW_PERCENTILE))
        self._low_hops = self._low_hops + 1 if pitch_hz < self._threshold_hz else 0
        if self._low_hops != round(LOW_S * PITCH_HZ) or self._begin_s is None:
            return None
        return self._give(time_s + WAIT_S) if time_s - self._begin_s >= SPEECH_S else None

    def _give(self, time_s: float) -> float | None:
        if time_s - self._last_s < BETWEEN_S:
            return None
        self._last_s = time_s
        return time_s
