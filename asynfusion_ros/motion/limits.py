"""From body channels to robot joints that stay within their positions and speeds."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.hands import HandSynergy
from asynfusion_ros.motion.skeleton import Skeleton

Array = npt.NDArray[np.float64]

_MOST_TURN_RAD = 1e6  # beyond this, sine and cosine mean nothing


class JointLimiter:
    """Turns one body after another into robot joint positions that no limit forbids.

    `counts` tells how often it had to act: `nan`, `position`, `velocity` (joints, summed over
    frames).
    """

    def __init__(self, skeleton: Skeleton) -> None:
        """Begin at the skeleton's rest pose."""
        self._skeleton = skeleton
        self._hands = HandSynergy()
        self._balls = 3 * len(skeleton.joints)
        self._body: Array = skeleton.rest_body.astype(np.float64)
        self._wrists = self._wrist_places(self._body)
        self._positions: Array = np.concatenate(
            [skeleton.ball_angles(self._body), self._hands.advance(np.zeros(2), 0.0)]
        )
        self._positions = np.clip(self._positions, skeleton.lower_rad, skeleton.upper_rad)
        self.counts: Counter[str] = Counter()

    def advance(self, body: npt.ArrayLike, dt_s: float) -> Array:
        """Return joint positions [rad], in the order of `robot_joint_names`, `dt_s` later.

        Channels that are not finite, or beyond any rotation, keep their last value and count as
        `nan`. With dt_s = 0 (or a step that no clock makes: negative, not finite) the pose is
        taken at once; otherwise no joint moves faster than its limit.
        """
        dt_s = dt_s if 0.0 < dt_s < math.inf else 0.0
        wanted = np.asarray(body, np.float64)
        usable = np.abs(wanted) < _MOST_TURN_RAD  # False for NaN
        self.counts["nan"] += int((~usable).sum())
        self._body = np.where(usable, wanted, self._body)
        angles = self._ball_angles()
        target = np.concatenate([angles, self._hands.advance(self._speeds_m_s(dt_s), dt_s)])
        clamped = np.clip(target, self._skeleton.lower_rad, self._skeleton.upper_rad)
        self.counts["position"] += int((clamped != target).sum())
        if dt_s > 0.0:
            reach = self._skeleton.velocity_rad_s * dt_s
            slow = np.clip(clamped, self._positions - reach, self._positions + reach)
            self.counts["velocity"] += int((slow != clamped).sum())
            clamped = slow
        self._positions = clamped
        return np.array(clamped)

    def _ball_angles(self) -> Array:
        """Return the body's angles; of their whole turns the allowed one, else the nearest."""
        balls = slice(self._balls)
        lower, upper = self._skeleton.lower_rad[balls], self._skeleton.upper_rad[balls]
        angles = self._skeleton.ball_angles(self._body)  # the only turn that limits within pi allow
        near = self._skeleton.ball_angles(self._body, self._positions[balls])
        return np.where((angles >= lower) & (angles <= upper), angles, near)

    def _speeds_m_s(self, dt_s: float) -> Array:
        places = self._wrist_places(self._body)
        moved = np.linalg.norm(places - self._wrists, axis=-1)
        self._wrists = places
        return np.asarray(moved / dt_s if dt_s > 0.0 else np.zeros(2))

    def _wrist_places(self, body: Array) -> Array:
        places, _ = self._skeleton.ball_frames(body)
        return np.stack([places["l_hand"], places["r_hand"]])


def to_joint_positions(skeleton: Skeleton, body: npt.ArrayLike, fps_hz: float) -> Array:
    """Return limited joint positions (T, robot joints) of a whole clip's body (T, 3 J)."""
    limiter = JointLimiter(skeleton)
    rows = np.asarray(body, np.float64)
    return np.stack(
        [limiter.advance(row, 1.0 / fps_hz if i else 0.0) for i, row in enumerate(rows)]
    )
