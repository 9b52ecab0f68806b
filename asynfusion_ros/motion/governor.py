"""Joints that follow a target within limits of position, velocity, acceleration and jerk.

The target is smoothed by a uniform cubic B-spline, whose jerk is constant from tick to tick. Where
that spline is allowed it is followed exactly, one tick late. Where it is not, the joint leaves it
and later returns to it without overshoot: in coordinates relative to the spline it takes, every
tick, the jerk after which stopping at once would end on the spline, as time-optimal followers do
(Zanasi, Guarino Lo Bianco and Tonielli 2000; Kröger 2010).

Nothing is taken that could not be undone: every new state is one from which the joint can stop
within all limits (a backup trajectory, as in Kiemel and Kröger 2021), else it stops.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.stopping import Kinematics, Stop, move, plan_stop

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Veto = Callable[[Array], Mask]

COUNTED = ("position", "velocity", "acceleration", "jerk", "stops", "vetoes")
LONGEST_TICK_S = 0.02
MOST_TICKS = 5  # per step: those of a long one are longer, or who is late would never catch up
LONGEST_STEP_S = 0.5  # after a longer pause joints go on as after this
_KEPT = 0.999  # of the limits, so that rounding never shows
_RETURN = 0.9  # share of acceleration and jerk for the way back to the target
_HINT = 0.5  # of the acceleration of a target that cannot be followed, the largest share believed
_SAME_TICK_S = 1e-4
_ON_TARGET_RAD = 1e-7
_TOLERANCE = 1e-9
_SOLVER_STEPS = 12
_LOOKS = 5  # at the way to a stop, both ends included


class Limits(NamedTuple):
    """Limits of joints, each (N,): [rad], [rad], [rad/s], [rad/s^2], [rad/s^3]."""

    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array
    jerk: Array


class _Step(NamedTuple):
    """Where a tick leads, and the largest |acceleration| and |jerk| on the way, each (N,)."""

    end: Kinematics
    strongest: Array
    hardest: Array


class JointGovernor:
    """Holds the joints' motion; `counts` tells how often targets asked for more than is allowed.

    Counted are, summed over joints and ticks: `position`, `velocity`, `acceleration`, `jerk` of
    targets; `stops`, where only stopping was safe; and `vetoes`.
    """

    def __init__(self, limits: Limits, position: Array) -> None:
        """Begin at rest at `position` (N,), or at the limit nearest to it."""
        v, a, j = (_KEPT * each for each in limits[2:])
        self._limits = Limits(limits.lower, limits.upper, v, a, j)
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
        self.place(position)

    def place(self, position: Array) -> None:
        """Be at rest at `position` at once; for the first pose only."""
        start = np.clip(position, self._limits.lower, self._limits.upper)
        zeros = np.zeros_like(start)
        self.state = Kinematics(start, zeros, zeros)
        self._forget()

    def follow(self, target: Array, dt_s: float, veto: Veto | None = None) -> Array:
        """Return the positions (N,) `dt_s` later, on the way to `target` (N,).

        `veto(poses)` may name joints that must stop: those for which one of the poses (K, N), the
        next and those on the way to a stop from there, is not wanted. Without time nothing moves.
        """
        clamped = np.clip(target, self._limits.lower, self._limits.upper)
        self.counts["position"] += int(np.count_nonzero(clamped != target))
        ticks, tick_s = self._divide(dt_s)
        before = self._targets[0]
        for k in range(1, ticks + 1):
            self._tick(before + (clamped - before) * (k / ticks), tick_s, veto)
        return np.clip(self.state.p, self._limits.lower, self._limits.upper)

    def brake(self, dt_s: float) -> Array:
        """Return the positions `dt_s` later when all joints stop as soon as they may."""
        ticks, tick_s = self._divide(dt_s)
        self.state = self._stop(self.state, ticks * tick_s)
        self._forget()
        return np.clip(self.state.p, self._limits.lower, self._limits.upper)

    def _forget(self) -> None:
        self._targets = [self.state.p] * 2
        self._pull = np.zeros_like(self.state.p)
        self._tick_s = 0.0

    def _divide(self, dt_s: float) -> tuple[int, float]:
        if not 0.0 < dt_s < math.inf:
            return 0, 0.0
        dt_s = min(dt_s, LONGEST_STEP_S)
        ticks = min(MOST_TICKS, math.ceil(dt_s / LONGEST_TICK_S - _TOLERANCE))
        return ticks, dt_s / ticks

    def _tick(self, target: Array, tick_s: float, veto: Veto | None) -> None:
        if abs(tick_s - self._tick_s) < _SAME_TICK_S:
            tick_s = self._tick_s  # stamps are rounded; even ticks keep the spline exact
        self._tick_s = tick_s
        goal, jerk = self._spline(target, tick_s)
        step = self._return(goal, jerk, tick_s)
        wanted, fine = step.end, self._check(step, tick_s)
        if not fine.all():
            wanted = self._constrain(wanted, tick_s, ~fine)
        if veto is not None:
            stops = veto(self._plan(wanted).poses(_LOOKS))
            if stops.any():
                self.counts["vetoes"] += int(np.count_nonzero(stops))
                wanted = _choose(~stops, wanted, self._stop(self.state, tick_s))
        self.state = wanted

    def _spline(self, target: Array, h: float) -> tuple[Kinematics, Array]:
        """Return the target's spline at this tick and its jerk since the last one."""
        last, older = self._targets
        p = (older + 4.0 * last + target) / 6.0
        v = (target - older) / (2.0 * h)
        a = (target - 2.0 * last + older) / (h * h)
        jerk = (a - self._pull) / h
        limits, fine = self._limits, np.ones(p.shape, np.bool_)
        for name, value in (("velocity", v), ("acceleration", a), ("jerk", jerk)):
            allowed = np.abs(value) <= getattr(limits, name)
            self.counts[name] += int(np.count_nonzero(~allowed))
            fine &= allowed
        steady = np.clip(_agree((target - last) / h, (last - older) / h), *_both(limits.velocity))
        pull = np.clip(_agree(a, self._pull), *_both(_HINT * limits.acceleration))
        self._targets, self._pull = [target, last], a
        goal = Kinematics(p, np.where(fine, v, steady), np.where(fine, a, pull))
        return goal, np.where(fine, jerk, 0.0)

    def _return(self, goal: Kinematics, jerk: Array, h: float) -> _Step:
        """Return the next step: on the spline, or on the way to it."""
        before = move(goal, jerk, -h)
        off = Kinematics(*(s - g for s, g in zip(self.state, before, strict=True)))
        away = np.abs(off.p) + h * (np.abs(off.v) + h * np.abs(off.a)) > _ON_TARGET_RAD
        strongest = np.maximum(np.abs(before.a), np.abs(goal.a))
        hardest = np.abs(jerk)
        if not away.any():
            return _Step(goal, strongest, hardest)
        near, straight, push = self._approach(off.at(away), h, away)
        end = Kinematics(*(each.copy() for each in goal))
        for whole, part in zip(end, near.end, strict=True):
            whole[away] += part
        ends = np.maximum(np.abs(self.state.a), np.abs(end.a))
        strongest[away] = np.where(straight, ends[away], strongest[away] + near.strongest)
        pushed = np.abs(jerk[away] + push)
        hardest[away] = np.where(straight, pushed, hardest[away] + near.hardest)
        return _Step(end, strongest, hardest)

    def _approach(self, off: Kinematics, h: float, chosen: Mask) -> tuple[_Step, Mask, Array]:
        """Return relative steps, which of them have a constant jerk, and that jerk."""
        acceleration = _RETURN * self._limits.acceleration[chosen]
        jerk = _RETURN * self._limits.jerk[chosen]
        stop = plan_stop(off, acceleration, jerk)
        arrives = np.abs(stop.end()) < _ON_TARGET_RAD
        low = np.clip((-acceleration - off.a) / h, -jerk, jerk)
        high = np.clip((acceleration - off.a) / h, -jerk, jerk)

        def miss(push: Array) -> Array:
            return plan_stop(move(off, push, h), acceleration, jerk).end()

        push = low if arrives.all() else _solve(miss, low, high)
        after = _choose(arrives, stop.after(h), move(off, push, h))
        there = arrives & (stop.duration_s <= h)
        after = _choose(there, Kinematics(*np.zeros((3, len(low)))), after)
        return _Step(after, np.maximum(np.abs(off.a), acceleration), jerk), ~arrives, push

    def _check(self, step: _Step, h: float) -> Mask:
        """Return which joints may take a step."""
        limits = self._limits
        fastest = np.maximum(np.abs(self.state.v), np.abs(step.end.v)) + step.hardest * h * h / 8.0
        easy = (step.strongest <= limits.acceleration) & (fastest <= limits.velocity)
        above, below = np.split(_may_be(*_both_ways(step.end, limits)), 2)
        return easy & (step.hardest <= limits.jerk) & above & below

    def _constrain(self, wanted: Kinematics, h: float, chosen: Mask) -> Kinematics:
        """Return next states of the chosen joints, as near to the wanted ones as is safe."""
        state, limits = self.state.at(chosen), Limits(*(each[chosen] for each in self._limits))
        high, low = np.split(_highest_jerk(*_both_ways(state, limits), h), 2)
        low = -low
        push = np.clip((wanted.a[chosen] - state.a) / h, low, high)
        stop = plan_stop(state, limits.acceleration, limits.jerk).after(h)
        near = _choose(low <= high, move(state, push, h), stop)
        self.counts["stops"] += int(np.count_nonzero(low > high))
        whole = Kinematics(*(each.copy() for each in wanted))
        for each, part in zip(whole, near, strict=True):
            each[chosen] = part
        return whole

    def _plan(self, state: Kinematics) -> Stop:
        return plan_stop(state, self._limits.acceleration, self._limits.jerk)

    def _stop(self, state: Kinematics, time_s: float) -> Kinematics:
        return self._plan(state).after(time_s)


def _may_be(state: Kinematics, limits: Limits) -> Mask:
    """Return whether joints can still stop below their upper limits, and are not too fast."""
    peak = state.v + np.maximum(state.a, 0.0) ** 2 / (2.0 * limits.jerk)
    _, highest = plan_stop(state, limits.acceleration, limits.jerk).reach()
    slow = (peak <= limits.velocity + _TOLERANCE) & (state.a <= limits.acceleration + _TOLERANCE)
    return np.asarray(slow & (highest <= limits.upper + _TOLERANCE))


def _highest_jerk(state: Kinematics, limits: Limits, h: float) -> Array:
    """Return the largest jerk for a tick after which joints can stop below their upper limits.

    Minus infinity where there is none; found by halving, from the safe side.
    """

    def safe(jerk: Array) -> Mask:
        after = move(state, jerk, h)
        turns = (state.a > 0.0) & (after.a < 0.0)
        peak = state.v - np.where(turns, state.a**2 / (2.0 * np.where(turns, jerk, 1.0)), 0.0)
        return _may_be(after, limits) & (peak <= limits.velocity + _TOLERANCE)

    low, high = -limits.jerk, limits.jerk.copy()
    none, all_ = ~safe(low), safe(high)
    for _ in range(_SOLVER_STEPS):
        middle = (low + high) / 2.0
        fine = safe(middle)
        low, high = np.where(fine, middle, low), np.where(fine, high, middle)
    return np.where(none, -np.inf, np.where(all_, limits.jerk, low))


def _solve(miss: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Return where `miss`, which grows, is zero between `low` and `high`; else the nearer end.

    Regula falsi in the Illinois form (Dowell and Jarratt 1971).
    """
    below, above = miss(low), miss(high)
    at_low, at_high = below >= 0.0, above <= 0.0
    a, b = low.copy(), high.copy()
    guess, side = a, np.zeros_like(a)
    for _ in range(_SOLVER_STEPS):
        span = above - below
        guess = np.where(span > 0.0, b - above * (b - a) / np.where(span > 0.0, span, 1.0), a)
        error = miss(guess)
        right = error > 0.0
        below = np.where(right, np.where(side > 0.0, below / 2.0, below), error)
        above = np.where(right, error, np.where(side < 0.0, above / 2.0, above))
        a, b = np.where(right, a, guess), np.where(right, guess, b)
        side = np.where(right, 1.0, -1.0)
    return np.where(at_low, low, np.where(at_high, high, guess))


def _agree(one: Array, other: Array) -> Array:
    """Return the smaller of two values of one sign, else 0: what a single step does not fool."""
    least = np.minimum(np.abs(one), np.abs(other))
    return np.asarray(np.where(one * other > 0.0, np.sign(one) * least, 0.0))


def _both(limit: Array) -> tuple[Array, Array]:
    return -limit, limit


def _both_ways(state: Kinematics, limits: Limits) -> tuple[Kinematics, Limits]:
    """Return joints (2 N,): as they are, and mirrored, so that lower limits become upper ones."""
    mirrored = limits._replace(lower=-limits.upper, upper=-limits.lower)
    states = (np.concatenate([each, -each]) for each in state)
    ends = (np.concatenate(pair) for pair in zip(limits, mirrored, strict=True))
    return Kinematics(*states), Limits(*ends)


def _choose(first: Mask, one: Kinematics, other: Kinematics) -> Kinematics:
    return Kinematics(*(np.where(first, a, b) for a, b in zip(one, other, strict=True)))
