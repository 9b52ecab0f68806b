"""Arms that touch neither torso nor head: capsules, and how near they come.

Distances of segments after Ericson (2005), Real-Time Collision Detection, sec. 5.1.9. Torso, head
and arms all hang on the chest, so everything is measured in its frame.

A joint that turns by an angle moves what hangs on it by at most that angle times its reach. So a
pose near one that was measured, with room to spare, is clear without being measured itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.parts import Capsule
from asynfusion_ros.motion.skeleton import Skeleton

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NEAR_M = 0.01  # targets stay this far away
TOUCH_M = 0.003  # joints are stopped before they come nearer
_OBSTACLES = ("chest", "head")
_BLENDS = np.linspace(0.0, 1.0, 9)
_ROUNDS = 3
_TINY = 1e-12


class ArmGuard:
    """Keeps both arms clear of torso and head; `collisions` counts the targets taken back."""

    def __init__(self, skeleton: Skeleton) -> None:
        """Measure the capsules of a skeleton; without any it never acts."""
        self._skeleton = skeleton
        names = skeleton.joint_names
        self._rest = skeleton.ball_angles(skeleton.rest_body)
        self._obstacles = [c for c in skeleton.capsules if c.link in _OBSTACLES]
        self._arms = [[c for c in skeleton.capsules if c.link.startswith(s)] for s in ("l_", "r_")]
        self._active = bool(self._obstacles) and all(self._arms)
        self._channels = [
            np.repeat([name.startswith(side) for name in names], 3) for side in ("l_", "r_")
        ]
        self._head = np.repeat([name == "head" for name in names], 3)
        self._near_head = np.array([c.link == "head" for c in self._obstacles], np.bool_)
        self._reach_m = self._measure_reach()
        self._measured: tuple[Array, Array] | None = None  # a pose (3 J,), its arms' clearance (2,)
        self.collisions = 0

    def clearance(self, angles: npt.ArrayLike) -> Array:
        """Return how far each arm is from each obstacle (..., 2, obstacles) [m]; negative inside.

        `angles` (..., 3 J) are yaw, pitch, roll of the ball joints [rad].
        """
        turns, places = self._frames(np.asarray(angles, np.float64))
        walls = _ends(self._obstacles, turns, places)
        both = []
        for arm in self._arms:
            limbs = _ends(arm, turns, places)
            gaps = segment_distance(
                *(end[..., :, None, :] for end in limbs), *(end[..., None, :, :] for end in walls)
            )
            thick = np.add.outer([c.radius_m for c in arm], [c.radius_m for c in self._obstacles])
            both.append(np.min(gaps - thick, axis=-2))
        return np.asarray(np.stack(both, axis=-2), np.float64)

    def hold_off(self, angles: Array) -> Array:
        """Return angles (3 J,) whose arms are taken back towards rest until they are clear."""
        if not self._active or self._surely_clear(angles[None], NEAR_M):
            return angles
        near = self._measure(angles[None])[0].min(axis=-1) < NEAR_M
        if not near.any():
            return angles
        self.collisions += int(np.count_nonzero(near))
        held: Array = angles.copy()
        for side in np.flatnonzero(near):
            held = self._take_back(held, int(side))
        return held

    def veto(self, poses: Array) -> Mask:
        """Return which robot joints (N,) must stop: of arms that come too near in poses (K, N).

        An arm that is too near already may move as long as it gets no nearer.
        """
        halt = np.zeros(poses.shape[1:], np.bool_)
        if not self._active:
            return halt
        balls = len(self._head)
        if self._surely_clear(poses[:, :balls], TOUCH_M):
            return halt
        bad = self._measure(poses[:, :balls]).min(axis=0) < TOUCH_M  # (2, obstacles)
        for side in (0, 1):
            if bad[side].any():
                halt[:balls] |= self._channels[side]
                if (bad[side] & self._near_head).any():
                    halt[:balls] |= self._head
        return halt

    def _surely_clear(self, poses: Array, least_m: float) -> bool:
        """Return whether poses (N, 3 J) are so near the measured one that both arms are clear."""
        if self._measured is None:
            return False
        angles, gaps = self._measured
        return bool(np.all(gaps - np.abs(poses - angles) @ self._reach_m >= least_m))

    def _measure(self, poses: Array) -> Array:
        """Return the clearance (N, 2, obstacles) of poses (N, 3 J), and remember the first."""
        gaps = self.clearance(poses)
        self._measured = (poses[0].copy(), gaps[0].min(axis=-1))
        return gaps

    def _measure_reach(self) -> Array:
        """Return how far from a joint that may be which it moves (3 J, 2) [m], for either arm."""
        joints = self._skeleton.joints
        far = dict.fromkeys(self._skeleton.joint_names, 0.0)
        for capsule in self._skeleton.capsules:
            ends = (np.linalg.norm(capsule.from_m), np.linalg.norm(capsule.to_m))
            far[capsule.link] = max(far[capsule.link], *map(float, ends))
        for joint in reversed(joints):  # children come after their parents
            if joint.parent is not None:
                length = float(np.linalg.norm(joint.offset_m))
                far[joint.parent] = max(far[joint.parent], length + far[joint.name])
        reach = np.repeat([far[joint.name] for joint in joints], 3)
        inside = np.repeat([joint.parent is not None for joint in joints], 3)  # not the frame's own
        return np.stack([reach * (inside & (own | self._head)) for own in self._channels], axis=1)

    def _take_back(self, angles: Array, side: int) -> Array:
        low, high = 0.0, 1.0
        moved = self._channels[side]
        for _ in range(_ROUNDS):
            shares = low + (high - low) * _BLENDS
            poses = np.tile(angles, (len(shares), 1))
            way = self._rest[moved] - angles[moved]
            poses[:, moved] = angles[moved] + shares[:, None] * way
            clear = self.clearance(poses)[:, side].min(axis=-1) >= NEAR_M
            first = int(np.argmax(clear)) if clear.any() else len(shares) - 1
            low, high = shares[max(first - 1, 0)], shares[first]
        return np.asarray(poses[first])

    def _frames(self, angles: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return rotations (..., 3, 3) and places (..., 3) of the links in the chest's frame."""
        local = _matrices(angles.reshape(*angles.shape[:-1], -1, 3))
        turns: dict[str, Array] = {}
        places: dict[str, Array] = {}
        for index, joint in enumerate(self._skeleton.joints):
            if joint.parent is None:
                turns[joint.name] = np.broadcast_to(np.eye(3), local[..., index, :, :].shape)
                places[joint.name] = np.zeros((*angles.shape[:-1], 3))
                continue
            parent = turns[joint.parent]
            places[joint.name] = places[joint.parent] + parent @ joint.offset_m
            turns[joint.name] = parent @ local[..., index, :, :]
        return turns, places


def segment_distance(p: Array, q: Array, r: Array, s: Array) -> Array:
    """Return the distances (...) of segments p-q and r-s, ends (..., 3); points are segments, too.

    The nearest points of the two lines, then each clamped to its segment and the other moved to
    match.
    """
    d1, d2, w = q - p, s - r, p - r
    a, e, b = (d1 * d1).sum(-1), (d2 * d2).sum(-1), (d1 * d2).sum(-1)
    c, f = (d1 * w).sum(-1), (d2 * w).sum(-1)
    slant = a * e - b * b
    along = np.where(slant > _TINY, (b * f - c * e) / np.where(slant > _TINY, slant, 1.0), 0.0)
    along = np.clip(along, 0.0, 1.0)
    other = np.clip((b * along + f) / np.maximum(e, _TINY), 0.0, 1.0)
    along = np.clip((b * other - c) / np.maximum(a, _TINY), 0.0, 1.0)
    other = np.clip((b * along + f) / np.maximum(e, _TINY), 0.0, 1.0)
    gap = w + along[..., None] * d1 - other[..., None] * d2
    return np.asarray(np.sqrt((gap * gap).sum(-1)))


def _ends(
    capsules: list[Capsule], turns: dict[str, Array], places: dict[str, Array]
) -> tuple[Array, Array]:
    """Return both ends (..., capsules, 3) of capsules in the chest's frame."""
    begins = [places[c.link] + turns[c.link] @ c.from_m for c in capsules]
    ends = [places[c.link] + turns[c.link] @ c.to_m for c in capsules]
    return np.stack(begins, axis=-2), np.stack(ends, axis=-2)


def _matrices(zyx: Array) -> Array:
    """Return Rz(yaw) Ry(pitch) Rx(roll) (..., 3, 3) of angles (..., 3)."""
    (cz, cy, cx), (sz, sy, sx) = (np.moveaxis(f(zyx), -1, 0) for f in (np.cos, np.sin))
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
