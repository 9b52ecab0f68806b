"""When poses are shown: the delay of a stream, its drift, and what the network needs.

Three things move the time from an audio stamp to its pose, all slowly enough for nobody to see:

- *drift*: stamps of a source whose clock is off run away from ours. The least lag of its packets
  behind their stamps, within each DRIFT_WINDOW_S, tells how far; delays of the network only add to
  a lag, so its minimum is that of the clocks (as in Mills 1991, the clock filter of NTP). Where all
  packets come nearly too late the stream is shifted as at its begin;
- *lateness*: the arrival allowance grows to what late packets need, where that is asked for, and
  shrinks slowly when they need it no more (Ramjee et al. 1994, playout delay adjustment);
- the shift in force follows both, at most GROW_S_S and SHRINK_S_S seconds per second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.windows import WindowPlan

DRIFT_WINDOW_S = 10.0
MOST_DRIFT = 1e-3
"""Clocks that differ by more than this [s/s] do not drift but jump, and are not followed."""

GROW_S_S = 0.1
"""Motion is slowed down by a tenth at most, while the delay grows."""

SHRINK_S_S = 0.002
MARGIN_S = 0.03
"""Packets should come this much earlier than they must."""

_LATE, _SPARE = 0.75, 0.5  # shares of the allowance: where all packets lag so much, what to leave
_LONGEST_PAUSE_S = 600.0  # after so long without packets nothing is known about drift
_NEED_WINDOW_S = 30.0


@dataclass(frozen=True)
class Delay:
    """The delay that is wanted, and the one that is in force.

    Attributes:
        allowance_s: audio later than this counts as silence.
        offset_s: how far the source's stamps lag the clock.
        shift_s: time from a stamp to its pose, in force.
        head_start_s: how far the source's sound comes ahead of its time, and is shown sooner.
    """

    allowance_s: float
    offset_s: float
    shift_s: float
    head_start_s: float = 0.0


class Pace:
    """Measures how packets arrive, and says how long after its stamp a pose is shown."""

    def __init__(self, plan: WindowPlan, settings: EngineSettings) -> None:
        """Begin with the delay of the settings."""
        self._plan = plan
        self._settings = settings
        self._most_s = max(settings.arrival_allowance_s, settings.most_arrival_allowance_s)
        self._clock_s = -math.inf
        self.delay = Delay(settings.arrival_allowance_s, 0.0, 0.0)
        self._forget()
        self.begin(0.0)

    def begin(self, offset_s: float, head_start_s: float = 0.0) -> Delay:
        """Begin a stream whose stamps lag the clock by `offset_s`; the allowance stays.

        Its sound comes `head_start_s` sooner than live sound would, and is shown as much sooner.
        """
        self._forget()
        self.delay = replace(self.delay, offset_s=offset_s, head_start_s=head_start_s)
        self.delay = replace(self.delay, shift_s=self._wanted_s)
        return self.delay

    def hold_up(self, late_s: float) -> Delay:
        """Show a stream that nobody has seen yet `late_s` later."""
        head_start_s = self.delay.head_start_s - late_s
        self.delay = replace(self.delay, head_start_s=head_start_s)
        self.delay = replace(self.delay, shift_s=self._wanted_s)
        return self.delay

    @property
    def usual_s(self) -> float:
        """Time from a stamp to its pose where the source neither lags nor leads."""
        return output_delay_s(self._plan, self._settings, self.delay.allowance_s)

    def hear(self, stamp_s: float, duration_s: float, arrival_s: float) -> None:
        """Take in when a packet of the stream came."""
        settings = self._settings
        if settings.deterministic:
            return
        self._follow_drift(arrival_s - stamp_s - duration_s, arrival_s)
        if settings.adaptive_arrival:
            self._follow_need(arrival_s - stamp_s - self.delay.offset_s, arrival_s)

    def advance(self, now_s: float) -> Delay:
        """Return the delay at `now_s`, a little nearer to the one that is wanted."""
        passed_s = min(max(0.0, now_s - self._clock_s), 1.0)
        self._clock_s = now_s
        if self._settings.adaptive_arrival:
            spare_s = self.delay.allowance_s - MARGIN_S - max(self._needs_s)
            least_s = self.delay.allowance_s - self._settings.arrival_allowance_s
            less_s = min(SHRINK_S_S * passed_s, spare_s, least_s)
            if less_s > 0.0:
                self.delay = replace(self.delay, allowance_s=self.delay.allowance_s - less_s)
        missing_s = self._wanted_s - self.delay.shift_s
        step_s = min(max(missing_s, -SHRINK_S_S * passed_s), GROW_S_S * passed_s)
        if step_s:
            self.delay = replace(self.delay, shift_s=self.delay.shift_s + step_s)
        return self.delay

    @property
    def _wanted_s(self) -> float:
        return self.usual_s + self.delay.offset_s - self.delay.head_start_s

    def _forget(self) -> None:
        """Know nothing of the source."""
        self._least_s, self._since_s = math.inf, math.nan  # of the present window
        self._before_s, self._before_at_s = math.nan, math.nan  # of the window before
        self._needs_s = [0.0, 0.0]  # most that was needed in the window before and in this one
        self._need_since_s = math.nan

    def _follow_drift(self, lag_s: float, now_s: float) -> None:
        if not now_s - self._since_s < DRIFT_WINDOW_S:  # a window ends, or none has begun
            passed_s = self._since_s - self._before_at_s
            drift_s = self._least_s - self._before_s
            offset_s, allowance_s = self.delay.offset_s, self.delay.allowance_s
            if passed_s < _LONGEST_PAUSE_S and abs(drift_s) <= MOST_DRIFT * passed_s:
                self.delay = replace(self.delay, offset_s=offset_s + drift_s)
            elif _LATE * allowance_s < self._least_s - offset_s < math.inf:
                self.delay = replace(self.delay, offset_s=self._least_s - _SPARE * allowance_s)
            self._before_s, self._before_at_s = self._least_s, self._since_s
            self._least_s, self._since_s = math.inf, now_s
        self._least_s = min(self._least_s, lag_s)

    def _follow_need(self, need_s: float, now_s: float) -> None:
        if not now_s - self._need_since_s < _NEED_WINDOW_S:
            self._needs_s = [self._needs_s[1], 0.0]
            self._need_since_s = now_s
        if need_s > self._most_s:  # a stop, not lateness: nothing would help
            return
        self._needs_s[1] = max(self._needs_s[1], need_s)
        wanted_s = min(need_s + MARGIN_S, self._most_s)
        if wanted_s > self.delay.allowance_s:
            self.delay = replace(self.delay, allowance_s=wanted_s)


def output_delay_s(
    plan: WindowPlan, settings: EngineSettings, allowance_s: float | None = None
) -> float:
    """Return the time from an audio stamp to the pose that belongs to it [s].

    `allowance_s` for late audio is that of the settings unless given.
    """
    if allowance_s is None:
        allowance_s = settings.arrival_allowance_s
    return plan.hop_s + plan.look_ahead_s + allowance_s + settings.compute_allowance_s


def stream_offset_s(delay_s: float, settings: EngineSettings) -> float:
    """Return by how much to shift a stream whose first packet came `delay_s` after its stamp.

    Zero for a source on the same clock (live, or ahead of time within the queue); otherwise such
    that further packets come with half the arrival allowance to spare.
    """
    if -settings.max_queue_s <= delay_s <= _LATE * settings.arrival_allowance_s:
        return 0.0
    return delay_s - _SPARE * settings.arrival_allowance_s
