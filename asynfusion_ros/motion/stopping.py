"""How a joint comes to rest as soon as its limits of acceleration and jerk allow.

The quickest stop has at most three phases of constant jerk: turn the acceleration against the
velocity, hold it, release it (Kröger 2010, On-Line Trajectory Generation in Robotic Systems, ch. 3;
the double-S profile of Biagiotti and Melchiorri 2008, sec. 3.4). All functions work on many joints
at once, exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Kinematics(NamedTuple):
    """Positions [rad], velocities [rad/s] and accelerations [rad/s^2] of joints, each (N,)."""

    p: Array
    v: Array
    a: Array

    def at(self, chosen: npt.NDArray[np.bool_]) -> Kinematics:
        """Return those of some joints."""
        return Kinematics(*(each[chosen] for each in self))


class Stop(NamedTuple):
    """A stop: jerk (N,) of its first phase, and how long its three phases last [s], each (N,)."""

    start: Kinematics
    jerk: Array
    turn_s: Array
    hold_s: Array
    release_s: Array

    @property
    def duration_s(self) -> Array:
        """Time to rest [s]."""
        return self.turn_s + self.hold_s + self.release_s

    def after(self, time_s: npt.ArrayLike) -> Kinematics:
        """Return the joints `time_s` into the stop; at rest once it has ended."""
        left = np.broadcast_to(np.asarray(time_s, np.float64), self.jerk.shape)
        state, ended = self.start, left >= self.duration_s
        for jerk, phase_s in (
            (self.jerk, self.turn_s),
            (np.zeros_like(self.jerk), self.hold_s),
            (-self.jerk, self.release_s),
        ):
            spent = np.minimum(left, phase_s)
            state, left = move(state, jerk, spent), left - spent
        return Kinematics(state.p, np.where(ended, 0.0, state.v), np.where(ended, 0.0, state.a))

    def poses(self, count: int) -> Array:
        """Return positions (count, N), 2 or more, evenly in time from the start to rest."""
        longest_s = float(self.duration_s.max())
        times_s = np.linspace(0.0, longest_s, count)[1:-1]
        return np.stack([self.start.p, *(self.after(t).p for t in times_s), self.end()])

    def end(self) -> Array:
        """Return the positions (N,) at rest."""
        return self.after(np.inf).p

    def reach(self) -> tuple[Array, Array]:
        """Return the lowest and highest position (N,) from now on, the present one included."""
        begin, end = self.start.p, self.end()
        v, a, jerk = self.start.v, self.start.a, self.jerk
        # A velocity that is being cancelled by the acceleration already may pass zero on the way.
        root = np.sqrt(np.maximum(a * a - 2.0 * jerk * v, 0.0))
        turning = (v * a < 0.0) & (v * jerk > 0.0)
        safe = np.where(turning, -a + np.sign(a) * -root, 1.0)
        zero_s = np.where(turning, 2.0 * v / safe, 0.0)
        turned = move(self.start, jerk, np.clip(zero_s, 0.0, self.turn_s)).p
        return np.minimum(np.minimum(begin, end), turned), np.maximum(
            np.maximum(begin, end), turned
        )


def move(state: Kinematics, jerk: Array, time_s: npt.ArrayLike) -> Kinematics:
    """Return the joints after `time_s` of constant `jerk` [rad/s^3]."""
    t = np.asarray(time_s, np.float64)
    a = state.a + jerk * t
    v = state.v + t * (state.a + jerk * t / 2.0)
    p = state.p + t * (state.v + t * (state.a / 2.0 + jerk * t / 6.0))
    return Kinematics(p, v, a)


def plan_stop(state: Kinematics, acceleration: Array, jerk: Array) -> Stop:
    """Return the quickest stop within limits (N,) of |acceleration| and |jerk|.

    Bringing the acceleration to zero first leaves v + a |a| / (2 J), whose sign says which way to
    push; the push peaks at sqrt(-J d v + a^2 / 2), or at the limit, and is then held.
    """
    _, v, a = state
    rest = v + a * np.abs(a) / (2.0 * jerk)
    way = np.where(rest != 0.0, -np.sign(rest), -np.sign(a))
    push = way * a  # acceleration in the direction of the push; negative where it points away
    change = -way * v  # velocity to be gained in that direction
    peak = np.sqrt(np.maximum(jerk * change + push * push / 2.0, 0.0))
    peak = np.maximum(np.minimum(peak, np.maximum(acceleration, push)), np.maximum(push, 0.0))
    gained = (2.0 * peak * peak - push * push) / (2.0 * jerk)
    held = np.maximum(change - gained, 0.0)
    hold_s = np.divide(held, peak, out=np.zeros_like(peak), where=peak > 0.0)
    return Stop(state, way * jerk, (peak - push) / jerk, hold_s, peak / jerk)
