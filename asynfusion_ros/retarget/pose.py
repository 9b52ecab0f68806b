"""The avatar's pose as robots need it: how each part is turned in the chest, and named values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.blendshapes import mirror_face
from asynfusion_ros.motion.rotations import rotvec_to_matrix, zyx_to_rotvec
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.retarget.angles import turn

Array = npt.NDArray[np.float64]


class AvatarPose:
    """Reads joint positions and faces of the avatar, as they are or in a mirror."""

    def __init__(self, skeleton: Skeleton, mirrored: bool = False) -> None:
        """Read poses of `skeleton`; `mirrored` swaps left and right."""
        self._skeleton = skeleton
        self._mirrored = mirrored
        names = [joint.name for joint in skeleton.joints]
        self._balls = [names.index(_other(name) if mirrored else name) for name in names]
        fingers = [finger.name for finger in skeleton.fingers]
        self._fingers = [fingers.index(_other(name) if mirrored else name) for name in fingers]
        # A mirror across y turns yaw and roll around and leaves pitch.
        self._signs = np.array([-1.0, 1.0, -1.0]) if mirrored else np.ones(3)

    def positions(self, positions: npt.ArrayLike) -> Array:
        """Return joint positions (54,) [rad] in the order of the skeleton, mirrored if asked."""
        values = np.asarray(positions, np.float64)
        balls, fingers = np.split(values, [3 * len(self._balls)])
        turned = balls.reshape(-1, 3)[self._balls] * self._signs
        return np.concatenate([turned.ravel(), fingers[self._fingers]])

    def face(self, face: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return a face (51,), mirrored if asked."""
        return mirror_face(face) if self._mirrored else np.asarray(face, np.float32)

    def turns(self, positions: Array) -> dict[str, Array]:
        """Return how each part is turned (3, 3): the chest in the world, others in the chest.

        positions (54,) as `positions` returns them.
        """
        balls = positions[: 3 * len(self._balls)].reshape(-1, 3)
        local = rotvec_to_matrix(zyx_to_rotvec(balls))
        turns: dict[str, Array] = {}
        for joint, matrix in zip(self._skeleton.joints, local, strict=True):
            above = joint.parent
            first = above is None or self._is_root(above)
            turns[joint.name] = matrix if first else turns[str(above)] @ matrix
        return turns

    def _is_root(self, name: str) -> bool:
        return any(joint.name == name and joint.parent is None for joint in self._skeleton.joints)


def _other(name: str) -> str:
    return {"l_": "r_", "r_": "l_"}.get(name[:2], name[:2]) + name[2:]


def zero_alignments(zero_pose: Mapping[str, tuple[float, ...]]) -> dict[str, Array]:
    """Return how each part of the avatar is turned (3, 3) where all the robot's joints are at 0.

    `zero_pose` says where arms' parts point then; absent ones point as the part above them does.
    Each turns from there by the smallest turn, so that palms keep facing as they would in a T.
    """
    aligned = {"chest": np.eye(3), "head": np.eye(3)}
    for side in "lr":
        along, turned = rest_direction(f"{side}_hand"), np.eye(3)
        for part in (f"{side}_upper_arm", f"{side}_forearm", f"{side}_hand"):
            now = turned @ along
            turned = _swing(now, np.asarray(zero_pose.get(part, now), np.float64)) @ turned
            aligned[part] = turned
    return aligned


def rest_direction(part: str) -> Array:
    """Return where a part of an arm points in the T-pose: out to its side."""
    return np.array([0.0, 1.0 if part.startswith("l_") else -1.0, 0.0])


def _swing(start: Array, goal: Array) -> Array:
    """Return the smallest turn (3, 3) of one unit vector to another."""
    axis = np.cross(start, goal)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-9:
        if start @ goal > 0.0:
            return np.eye(3)
        axis, sine = np.cross(start, np.eye(3)[int(np.argmin(np.abs(start)))]), 0.0
        return turn(axis / np.linalg.norm(axis), np.pi)
    return turn(axis / sine, float(np.arctan2(sine, start @ goal)))
