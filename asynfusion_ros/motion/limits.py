"""From body channels to robot joints that no limit forbids, whatever the body does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.collision import ArmGuard
from asynfusion_ros.motion.governor import JointGovernor, Limits
from asynfusion_ros.motion.hands import HandSynergy
from asynfusion_ros.motion.skeleton import Skeleton

Array = npt.NDArray[np.float64]

RELEASE_S = 1.0
"""After a halt joints come back to the motion within this time."""

_MOST_TURN_RAD = 1e6  # beyond this, sine and cosine mean nothing


class JointTargets:
    """Turns one body after another into the robot joint positions that it asks for.

    Channels that are not finite, or beyond any rotation, keep their last value and count in `nan`.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        """Begin at the skeleton's rest pose."""
        self._skeleton = skeleton
        self._balls = slice(3 * len(skeleton.joints))
        self._hands = HandSynergy()
        self._body: Array = skeleton.rest_body.astype(np.float64)
        self._wrists = self._wrist_places(self._body)
        self.nan = 0

    def advance(self, body: npt.ArrayLike, dt_s: float, near: Array | None = None) -> Array:
        """Return joint positions (N,) [rad] that may lie beyond the limits, `dt_s` later.

        Of their whole turns those within the limits are taken, else those next to `near` (N,).
        """
        wanted = np.asarray(body, np.float64)
        usable = np.abs(wanted) < _MOST_TURN_RAD  # False for NaN
        self.nan += int((~usable).sum())
        self._body = np.where(usable, wanted, self._body)
        bends = self._hands.advance(self._speeds_m_s(dt_s), dt_s)
        return np.concatenate([self._ball_angles(near), bends])

    def _ball_angles(self, near: Array | None) -> Array:
        lower, upper = (self._skeleton.lower_rad, self._skeleton.upper_rad)
        angles = self._skeleton.ball_angles(self._body)  # the only turn that limits within pi allow
        if near is None:
            return angles
        inside = (angles >= lower[self._balls]) & (angles <= upper[self._balls])
        return np.where(inside, angles, self._skeleton.ball_angles(self._body, near[self._balls]))

    def _speeds_m_s(self, dt_s: float) -> Array:
        places = self._wrist_places(self._body)
        moved = np.linalg.norm(places - self._wrists, axis=-1)
        self._wrists = places
        return np.asarray(moved / dt_s if dt_s > 0.0 else np.zeros(2))

    def _wrist_places(self, body: Array) -> Array:
        places, _ = self._skeleton.ball_frames(body)
        return np.stack([places["l_hand"], places["r_hand"]])


class JointLimiter:
    """Turns one body after another into robot joint positions that no limit forbids.

    Positions, velocities, accelerations and jerks stay within the skeleton's limits, and arms clear
    of torso and head; what is allowed passes unchanged, one step late (see JointGovernor and
    ArmGuard).
    """

    def __init__(self, skeleton: Skeleton) -> None:
        """Begin at the skeleton's rest pose; the first body is taken at once."""
        self._balls = 3 * len(skeleton.joints)
        self._targets = JointTargets(skeleton)
        self._guard = ArmGuard(skeleton)
        limits = Limits(
            skeleton.lower_rad,
            skeleton.upper_rad,
            skeleton.velocity_rad_s,
            skeleton.acceleration_rad_s2,
            skeleton.jerk_rad_s3,
        )
        self._governor = JointGovernor(limits, self._targets.advance(skeleton.rest_body, 0.0))
        self._first = True
        self._held: Array | None = None  # where the joints were halted
        self._free_s = 0.0  # since they were released

    @property
    def counts(self) -> Counter[str]:
        """How often it acted, summed over channels or joints, and steps.

        `nan` channels; targets beyond `position`, `velocity`, `acceleration` or `jerk`;
        `collision` (targets taken back), `vetoes` (joints stopped short of touching) and `stops`
        (joints for which only a stop was safe).
        """
        counts = Counter(self._governor.counts)
        counts.update(nan=self._targets.nan, collision=self._guard.collisions)
        return counts

    def advance(self, body: npt.ArrayLike, dt_s: float) -> Array:
        """Return joint positions [rad], in the order of `robot_joint_names`, `dt_s` later.

        Without time (zero, negative, not finite) nothing moves. After a halt the joints come back
        to the motion within RELEASE_S.
        """
        dt_s = dt_s if 0.0 < dt_s < math.inf else 0.0
        target = self._targets.advance(body, dt_s, self._governor.state.p)
        target[: self._balls] = self._guard.hold_off(target[: self._balls])
        if self._first:
            self._first = False
            self._governor.place(target)
        if self._held is not None:
            self._free_s += dt_s
            share = min(1.0, self._free_s / RELEASE_S)
            share = share**3 * (10.0 - 15.0 * share + 6.0 * share**2)  # at rest at both ends
            target = self._held + share * (target - self._held)
            self._held = self._held if share < 1.0 else None
        return self._governor.follow(target, dt_s, self._guard.veto)

    def resume(self, positions: npt.ArrayLike) -> None:
        """Be at rest at joint `positions` [rad] at once, and come to the motion from there.

        For joints that stand there already, as after a restart; as after a halt it takes RELEASE_S.
        """
        self._governor.place(np.asarray(positions, np.float64))
        self._held, self._free_s, self._first = np.array(self._governor.state.p), 0.0, False

    def halt(self, dt_s: float) -> Array:
        """Return joint positions `dt_s` later, on the quickest way to a stop within the limits."""
        self._held, self._free_s, self._first = self._governor.brake(dt_s), 0.0, False
        return np.array(self._held)


def to_joint_positions(skeleton: Skeleton, body: npt.ArrayLike, fps_hz: float) -> Array:
    """Return joint positions (T, robot joints) of a clip's body (T, 3 J), for files and pictures.

    They stay within the positions that are allowed; how fast they change is as in the clip.
    """
    return np.stack([allowed for _, allowed in _follow(skeleton, body, fps_hz)])


def share_beyond_limits(skeleton: Skeleton, body: npt.ArrayLike, fps_hz: float) -> float:
    """Return which share (0 to 1) of a clip's body (T, 3 J) is beyond what its joints can do."""
    beyond = [wanted != allowed for wanted, allowed in _follow(skeleton, body, fps_hz)]
    return float(np.mean([row[: 3 * len(skeleton.joints)] for row in beyond]))


def _follow(
    skeleton: Skeleton, body: npt.ArrayLike, fps_hz: float
) -> Iterator[tuple[Array, Array]]:
    """Yield the positions (N,) that each body of a clip asks for, and the nearest allowed ones."""
    targets, near = JointTargets(skeleton), None
    for index, row in enumerate(np.asarray(body, np.float64)):
        wanted = targets.advance(row, 1.0 / fps_hz if index else 0.0, near)
        near = np.clip(wanted, skeleton.lower_rad, skeleton.upper_rad)
        yield wanted, near
