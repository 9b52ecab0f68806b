"""Other people's skeletons onto our eight joints.

What every source can give is how its chest, head, arms and hands are turned in the world, measured
from a T-pose: x to the person's left, y up, z forward. Our body then is each part's turn in its
parent's frame, in our axes. Proportions do not matter: a bone of any length points the same way.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from asynfusion_ros.data.talk30 import JOINTS
from asynfusion_ros.motion.rotations import make_continuous

Array = npt.NDArray[np.float32]

PARENTS = {
    "head": "chest",
    "l_upper_arm": "chest",
    "l_forearm": "l_upper_arm",
    "l_hand": "l_forearm",
    "r_upper_arm": "chest",
    "r_forearm": "r_upper_arm",
    "r_hand": "r_forearm",
}
_CENTRED = ("chest", "head")


def to_body(turns: Mapping[str, Rotation]) -> tuple[Array, Array]:
    """Return body (T, 24) and its mask (T, 24) of the joints' world turns, T rotations each.

    Joints that are absent, or whose parent is, are zero and masked. Chest and head turn about
    their mean over the take, as in talk30: where the performer or the camera stood is not part of
    the gesture.
    """
    frames = len(next(iter(turns.values())))
    body = np.zeros((frames, len(JOINTS), 3))
    mask = np.zeros_like(body, dtype=np.float32)
    for index, joint in enumerate(JOINTS):
        parent = PARENTS.get(joint)
        if joint not in turns or (parent is not None and parent not in turns):
            continue
        local = turns[joint] if parent is None else turns[parent].inv() * turns[joint]
        if joint in _CENTRED:
            local = local.mean().inv() * local
        # Our axes are (forward, left, up): z, x, y of theirs.
        body[:, index] = np.roll(make_continuous(local.as_rotvec()), 1, axis=-1)
        mask[:, index] = 1.0
    return body.reshape(frames, -1).astype(np.float32), mask.reshape(frames, -1)


def chain(local: Mapping[str, Rotation], parents: Mapping[str, str | None]) -> dict[str, Rotation]:
    """Return world turns of joints from turns in the parents' frames; parents come first."""
    world: dict[str, Rotation] = {}
    for joint, turn in local.items():
        parent = parents[joint]
        world[joint] = turn if parent is None else world[parent] * turn
    return world


def swing(start: npt.ArrayLike, direction: npt.ArrayLike) -> Rotation:
    """Return the smallest turns that point `start` (3,) along directions (T, 3), both unit.

    They have no twist about the bone, which directions cannot tell.
    """
    along = np.asarray(start, np.float64)
    goal = np.asarray(direction, np.float64)
    axis = np.cross(along, goal)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (goal * along).sum(axis=-1, keepdims=True))
    # Opposite directions leave the axis open: any at right angles to the bone will do.
    spare = np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))])
    unit = np.where(sine > 1e-9, axis / np.maximum(sine, 1e-9), spare / np.linalg.norm(spare))
    return Rotation.from_rotvec(angle * unit)


def frame_of(up: npt.ArrayLike, left: npt.ArrayLike) -> Rotation:
    """Return the turns (T,) of frames whose x is nearest `left`, whose y is `up`, both (T, 3)."""
    y = _unit(up)
    z = _unit(np.cross(np.asarray(left, np.float64), y))
    return Rotation.from_matrix(np.stack([np.cross(y, z), y, z], axis=-1))


def _unit(vectors: npt.ArrayLike) -> npt.NDArray[np.float64]:
    rows = np.asarray(vectors, np.float64)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9))
