"""Bodies as SMPL-X poses in an NPZ of the layout of AMASS and BEAT2; and read back.

SMPL-X stands in a T with all frames parallel, x to the person's left, y up, z forward, so that
turns carry over with their components moved on by one. Its expression coefficients are learned and
not ARKit's: they stay 0, and only the jaw opens with the mouth. Faces are masked when read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.files import read_arrays, refuse
from asynfusion_ros.motion.blendshapes import FACE_NAMES, mouth_opening
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.gltf import bone_turns
from asynfusion_ros.motion.rotations import compose, make_continuous
from asynfusion_ros.motion.skeleton import Skeleton

Array = npt.NDArray[np.float64]

JOINTS = 55
EXPRESSIONS = 100
JAW_OPEN_RAD = 0.35
"""How far the jaw of SMPL-X turns for a mouth that is wide open."""

_JAW = 22
_RATES = ("mocap_frame_rate", "mocap_framerate", "fps")
_WHERE = {
    "chest": (3, 6, 9), "head": (12, 15),
    "l_upper_arm": (13, 16), "l_forearm": (18,), "l_hand": (20,),
    "r_upper_arm": (14, 17), "r_forearm": (19,), "r_hand": (21,),
}  # fmt: skip
_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
_HANDS = {"l": 25, "r": 40}


def write_smplx(path: Path, clip: MotionClip, skeleton: Skeleton) -> None:
    """Write `poses` (T, 165) [rad], `expressions` (T, 100), `betas`, `trans`, and the rate."""
    poses = np.zeros((len(clip), JOINTS, 3))
    for name, turn in bone_turns(clip, skeleton).items():
        for index in _joints_of(name)[-1:]:
            poses[:, index] = np.roll(turn, -1, axis=-1)
    poses[:, _WHERE["head"][0]] = poses[:, _WHERE["head"][1]]  # the neck takes the other half
    poses[:, _JAW, 0] = JAW_OPEN_RAD * mouth_opening(clip.face)
    np.savez_compressed(
        path,
        poses=poses.reshape(len(clip), -1).astype(np.float32),
        expressions=np.zeros((len(clip), EXPRESSIONS), np.float32),
        betas=np.zeros(300, np.float32),
        trans=np.zeros((len(clip), 3), np.float32),
        gender=np.array("neutral"),
        model=np.array("smplx2020"),
        mocap_frame_rate=clip.fps_hz,
    )


def read_smplx(path: Path) -> MotionClip:
    """Return the upper body of an SMPL-X file; raise MotionFileError where it is none.

    Where the body stands and faces (the pelvis) is left out.
    """
    file = read_arrays(path, MotionFileError)
    with refuse(MotionFileError, f"{path} is no SMPL-X motion with poses and a rate"):
        poses = file["poses"].astype(np.float64)
        joints = poses.reshape(len(poses), -1, 3)
        rate_hz = float(next(file[name] for name in _RATES if name in file))
        turns = [_chain(joints, indices) for indices in _WHERE.values()]
        if not np.isfinite(poses).all() or not len(poses):
            raise ValueError(f"poses of shape {poses.shape} must be finite, and not empty")
    body = np.roll(np.stack(turns, axis=1), 1, axis=-1)
    flat = make_continuous(body).reshape(len(poses), -1).astype(np.float32)
    face = np.zeros((len(poses), len(FACE_NAMES)), np.float32)
    return MotionClip(rate_hz, face, flat, face_mask=np.zeros_like(face))


def is_smplx(path: Path) -> bool:
    """Tell whether an NPZ holds SMPL-X poses; raise MotionFileError where it is no NPZ."""
    return "poses" in read_arrays(path, MotionFileError)


def _chain(joints: Any, indices: tuple[int, ...]) -> Array:
    turn = joints[:, indices[0]]
    for index in indices[1:]:
        turn = compose(turn, joints[:, index])
    return np.asarray(turn)


def _joints_of(name: str) -> tuple[int, ...]:
    """Return SMPL-X's joints of one of ours; its thumb and our others have three each."""
    if name in _WHERE:
        return _WHERE[name]
    side, _, part = name.partition("_")
    finger, _, number = part.partition("_")
    if finger not in _FINGERS:
        return ()
    return (_HANDS[side] + 3 * _FINGERS.index(finger) + int(number) - 1,)
