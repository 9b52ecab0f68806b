"""Sound that waits for its pose: what a loudspeaker plays, given which audio time is on screen.

Poses tell by their stamps which sound belongs to them (docs/ros_interface.md, Time). So no delay
has to be known: sound of a stamp is played when the pose of that stamp comes. While both run on,
the sound is stretched by up to SLIP to stay with them, as clocks of sound cards differ.
"""

from __future__ import annotations

import threading
from bisect import insort
from collections import Counter, deque

import numpy as np

from asynfusion_ros.audio.resample import FloatArray, StreamingResampler

SLIP = 0.005
"""Sound is played so much faster or slower at most; nobody hears that."""

JUMP_S = 0.12
"""Sound that is further from its pose than this is cut, or waits."""

LATE_S = 0.1
"""Sound that begins later than this is cut, so that it is with its pose."""

_OFF_S, _THERE_S = 0.015, 0.003  # further than the first it is stretched, until it is that near
_SLIP_PER_S = 0.2
_TOUCH_S = 0.002  # sound that begins so near the end of other sound continues it
_PIECE_S = 0.1  # read and write wait for each other no longer than this takes to resample
_FADE_S = 0.002  # in which a leap of the wave fades


class PoseClock:
    """Which audio time is on screen, by the stamps and arrivals of poses."""

    WATCHED_S = 0.25
    """The least lag of so long counts: what comes late was held up on its way."""

    LEAP_S = 0.06

    def __init__(self) -> None:
        """Know of no pose."""
        self._lags: deque[tuple[float, float]] = deque()  # arrivals and lags
        self._stamp_s = 0.0

    def follow(self, stamp_s: float, now_s: float) -> None:
        """Take in that the pose of `stamp_s` came at `now_s`; stamps may leap."""
        if self._lags:
            step_s, passed_s = stamp_s - self._stamp_s, now_s - self._lags[-1][0]
            even = 0.0 <= step_s < self.LEAP_S  # and so it is if poses were held up together
            if not even and abs(step_s - passed_s) > self.LEAP_S:
                self._lags.clear()
        self._stamp_s = stamp_s
        self._lags.append((now_s, now_s - stamp_s))
        while self._lags[0][0] < now_s - self.WATCHED_S:
            self._lags.popleft()

    def time_at(self, now_s: float) -> float | None:
        """Return the audio time that is on screen at `now_s`; None before any pose."""
        return now_s - min(lag_s for _, lag_s in self._lags) if self._lags else None


class _Run:
    """Sound of one utterance without a gap, at the loudspeaker's rate."""

    def __init__(self, name: str, begin_s: float, from_hz: int, to_hz: int) -> None:
        self.name, self.from_hz = name, from_hz
        self.begin_s = begin_s  # of what has not been taken yet
        self.end_s = begin_s  # of what came
        self.whole = False  # nothing can be added
        self._rate_hz = to_hz
        self._resampler = StreamingResampler(from_hz, to_hz)
        self._pieces: deque[FloatArray] = deque()
        self._held = 0

    def add(self, samples: FloatArray) -> None:
        self.end_s += len(samples) / self.from_hz
        self._store(self._resampler.process(samples))

    def peek(self, count: int) -> FloatArray:
        """Return the next samples, fewer than `count` where there are no more."""
        if self._held < count and not self.whole:
            self._store(self._resampler.flush())
            self.whole = True
        while len(self._pieces) > 1 and len(self._pieces[0]) < count:
            first, second = self._pieces.popleft(), self._pieces.popleft()
            self._pieces.appendleft(np.concatenate([first, second]))
        return self._pieces[0][:count] if self._pieces else np.zeros(0, np.float32)

    def take(self, count: int) -> None:
        """Forget the next samples."""
        self.begin_s += count / self._rate_hz
        while count and self._pieces:
            piece = self._pieces.popleft()
            if len(piece) > count:
                self._pieces.appendleft(piece[count:])
            self._held -= min(count, len(piece))
            count -= min(count, len(piece))

    @property
    def held_s(self) -> float:
        return self._held / self._rate_hz

    def _store(self, samples: FloatArray) -> None:
        if len(samples):
            self._pieces.append(samples)
            self._held += len(samples)


class Playout:
    """Holds sound until its pose is on screen; any thread may push, one reads."""

    def __init__(self, rate_hz: int, counts: Counter[str], most_s: float = 120.0) -> None:
        """Play at `rate_hz`; hold `most_s` seconds at most, and count in `counts` what is lost.

        `late_ms` is sound whose pose was past when it came, `queue_full_ms` what found no room.
        """
        self._rate_hz, self._counts, self._most_s = rate_hz, counts, most_s
        self._lock = threading.Lock()
        self._clock = PoseClock()
        self._runs: list[_Run] = []  # in the order of their time
        self._playing = False  # the first of them
        self._slips = False
        self._phase = 0.0  # between two samples, where sound is stretched
        self._edges = [0]  # samples of a block before which the wave may leap
        self._last, self._leap = (0.0, 0.0), 0.0  # two samples, and what is left of a leap
        self.error_s = 0.0
        """How far the sound is behind its pose [s]; negative where it is ahead."""

    def follow(self, stamp_s: float, now_s: float) -> None:
        """Take in that the pose of audio time `stamp_s` is on screen at `now_s`."""
        with self._lock:
            self._clock.follow(stamp_s, now_s)

    def push(self, name: str, begin_s: float, samples: FloatArray, rate_hz: int) -> None:
        """Take sound of the utterance `name` that begins at audio time `begin_s`."""
        size = max(1, round(_PIECE_S * rate_hz))
        for first in range(0, len(samples), size):
            with self._lock:
                if self._waiting_s() > self._most_s:
                    self._counts["queue_full_ms"] += round(1e3 * (len(samples) - first) / rate_hz)
                    return
                run = self._find_run(name, begin_s + first / rate_hz, rate_hz)
                run.add(samples[first : first + size])

    def hush(self, name: str) -> None:
        """Drop all sound of the utterance `name`, what plays of it, too."""
        with self._lock:
            self._playing = self._playing and self._runs[0].name != name
            self._runs = [run for run in self._runs if run.name != name]

    @property
    def waiting_s(self) -> float:
        """Seconds of sound that are held."""
        with self._lock:
            return self._waiting_s()

    def read(self, count: int, at_s: float) -> FloatArray:
        """Return the samples (count,) to be heard from `at_s` on."""
        out = np.zeros(count, np.float32)
        with self._lock:
            time_s, done = self._clock.time_at(at_s), 0
            self._edges = [] if self._playing else [0]
            while time_s is not None and self._runs and done < count:
                error_s = time_s + done / self._rate_hz - self._runs[0].begin_s
                if not self._begins(error_s, done):
                    done += round(-error_s * self._rate_hz)
                    continue
                done += self._fill(out[done:], done)
        return self._smooth(out)

    def _find_run(self, name: str, begin_s: float, rate_hz: int) -> _Run:
        """Return the run that sound continues, the nearest one, or a new one."""
        open_runs = [
            run
            for run in self._runs
            if not run.whole and (run.name, run.from_hz) == (name, rate_hz)
        ]
        run = min(open_runs, key=lambda each: abs(each.end_s - begin_s), default=None)
        if run is None or abs(run.end_s - begin_s) > _TOUCH_S:
            run = _Run(name, begin_s, rate_hz, self._rate_hz)
            insort(self._runs, run, lo=int(self._playing), key=lambda each: each.begin_s)
        return run

    def _begins(self, error_s: float, place: int) -> bool:
        """Return whether the first run is to be heard now, being `error_s` behind its pose."""
        run = self._runs[0]
        if self._playing and abs(error_s) <= JUMP_S:
            self.error_s += 0.1 * (error_s - self.error_s)
            return True
        self._playing = False
        self._edges.append(place)
        if round(error_s * self._rate_hz) < 0:
            return False
        if error_s > LATE_S:
            self._counts["late_ms"] += round(1e3 * min(error_s, run.end_s - run.begin_s))
            run.take(round(error_s * self._rate_hz))
            error_s = 0.0
        self._playing, self._phase, self.error_s = True, 0.0, error_s
        return True

    def _fill(self, out: FloatArray, place: int) -> int:
        """Write what comes next of the first run; return how many samples there were."""
        run, want = self._runs[0], len(out)
        self._slips = abs(self.error_s) > (_THERE_S if self._slips else _OFF_S)
        slip = min(max(_SLIP_PER_S * self.error_s, -SLIP), SLIP)
        ratio = 1.0 + slip if self._slips else 1.0
        self._phase = self._phase if self._slips else 0.0
        at = self._phase + ratio * np.arange(want + 1)
        held = run.peek(int(at[-1]) + 2)
        ready = min(want, int(np.searchsorted(at, len(held) - 1, side="right")))
        if ready:
            out[:ready] = np.interp(at[:ready], np.arange(len(held)), held)
        if ready < want:
            self._end_run(run, place + ready)
            return ready
        run.take(int(at[want]))
        self._phase = float(at[want] % 1.0)
        return want

    def _end_run(self, run: _Run, place: int) -> None:
        """Go on to the next run, without a break where it touches this one."""
        self._runs.remove(run)
        follows = bool(self._runs) and abs(self._runs[0].begin_s - run.end_s) <= _TOUCH_S
        self._playing = self._playing and follows
        self._edges.append(place)

    def _waiting_s(self) -> float:
        return sum(run.held_s for run in self._runs)

    def _smooth(self, out: FloatArray) -> FloatArray:
        """Return the block with leaps of the wave faded, lest they crack."""
        fade = np.exp(-np.arange(len(out) + 1) / (_FADE_S * self._rate_hz)).astype(np.float32)
        smooth: FloatArray = out + np.float32(self._leap) * fade[1:]
        wave = np.concatenate([np.array(self._last, np.float32), smooth])
        for place in self._edges:
            if place < len(out):
                due = 2.0 * wave[place + 1] - wave[place]  # the wave, going on straight
                wave[place + 2 :] += (due - wave[place + 2]) * fade[: len(out) - place]
        smooth = wave[2:]
        if len(out):
            self._last = float(wave[-2]), float(wave[-1])
            self._leap = float(smooth[-1] - out[-1])
        return smooth
