"""BVH files: our skeleton written for Blender and its like, and any hierarchy read.

BVH has y up and z forward, in centimetres; our axes (x forward, y left, z up) become
(z, x, y), and yaw, pitch, roll become Yrotation, Xrotation, Zrotation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from asynfusion_ros.errors import MotionFileError, brief
from asynfusion_ros.files import read_text, refuse
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.skeleton import Skeleton

Array = npt.NDArray[np.float64]

_ROTATIONS = "Yrotation Xrotation Zrotation"
_MOST_BYTES = 512 * 1024 * 1024
_MOST_JOINTS = 1000
_ORDERS = {"".join(order) for order in permutations("XYZ")}


@dataclass(frozen=True)
class BvhFile:
    """A BVH as it stands: joint names in file order, their channels, and frames (T, channels)."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets_cm: Array
    channels: tuple[tuple[str, ...], ...]
    frames: Array
    frame_time_s: float

    def rotvec(self, name: str) -> Array:
        """Return a joint's rotation vectors (T, 3) [rad], in the file's axes."""
        if name not in self.names:
            raise MotionFileError(f"the BVH has no joint {name!r}; it has {list(self.names)}")
        index = self.names.index(name)
        first = sum(len(c) for c in self.channels[:index])
        axes = [c for c in self.channels[index] if c.endswith("rotation")]
        columns = [first + self.channels[index].index(axis) for axis in axes]
        order = "".join(axis[0] for axis in axes)
        if order not in _ORDERS:
            raise MotionFileError(f"{name} has channels {self.channels[index]}; it does not rotate")
        rotation = Rotation.from_euler(order, self.frames[:, columns], degrees=True)
        return np.asarray(rotation.as_rotvec())


def write_bvh(path: Path, clip: MotionClip, skeleton: Skeleton) -> None:
    """Write the clip's body with its fingers, within the joints' limits."""
    positions = np.degrees(to_joint_positions(skeleton, clip.body, clip.fps_hz))
    tree = _tree(skeleton)
    lines = ["HIERARCHY", *_hierarchy(tree, None, 0)]
    order = [line.split()[-1] for line in lines if line.split()[0] in ("ROOT", "JOINT")]
    columns = [_columns(skeleton, name) for name in order]
    lines += ["MOTION", f"Frames: {len(clip)}", f"Frame Time: {1.0 / clip.fps_hz:.8f}"]
    root = " ".join(f"{100.0 * value:.4f}" for value in _to_bvh(skeleton.joints[0].offset_m))
    for row in positions:
        angles = np.concatenate([_angles(row, column) for column in columns])
        lines.append(root + " " + " ".join(f"{angle:.5f}" for angle in angles))
    Path(path).write_text("\n".join(lines) + "\n", encoding="ascii")


def read_bvh(path: Path) -> BvhFile:
    """Read any BVH; raise MotionFileError with the line where it is malformed.

    `frame_time_s` is what the header says, which in BEAT's files is not true: take a known rate.
    """
    path = Path(path)
    text = read_text(path, MotionFileError, _MOST_BYTES)
    head, separator, motion = text.partition("MOTION")
    if not head.lstrip().startswith("HIERARCHY") or not separator:
        raise MotionFileError(f"{path} is no BVH: it needs HIERARCHY and MOTION")
    with refuse(MotionFileError, f"{path} is malformed"):
        names, parents, offsets, channels = _parse_hierarchy(head)
        if len(names) > _MOST_JOINTS:
            raise ValueError(f"it has {len(names)} joints, and at most {_MOST_JOINTS} are read")
        width = sum(len(c) for c in channels)
        frame_time_s, frames = _parse_motion(motion, width)
    if not (np.isfinite(offsets).all() and 0.0 < frame_time_s < float("inf")):
        raise MotionFileError(f"{path}: its offsets must be finite, its frame time above 0")
    if not frames.size or not np.isfinite(frames).all():
        raise MotionFileError(
            f"{path}: its motion has shape {frames.shape}; at least one frame of one channel is "
            "needed, and all values must be finite"
        )
    return BvhFile(names, parents, offsets, channels, frames, frame_time_s)


@dataclass(frozen=True)
class _Bone:
    name: str
    parent: str | None
    offset_m: Array
    tip_m: Array | None


def _tree(skeleton: Skeleton) -> list[_Bone]:
    balls = [_Bone(j.name, j.parent, j.offset_m, None) for j in skeleton.joints]
    return balls + [_Bone(f.name, f.parent, f.offset_m, f.tip_m) for f in skeleton.fingers]


def _to_bvh(vector: npt.ArrayLike) -> Array:
    return np.asarray(
        np.roll(np.asarray(vector, np.float64), -1)
    )  # (forward, left, up) -> (left, up, forward)


def _offset(vector: Array) -> str:
    return "OFFSET " + " ".join(f"{100.0 * value:.4f}" for value in _to_bvh(vector))


def _hierarchy(bones: list[_Bone], parent: str | None, depth: int) -> Iterator[str]:
    pad = "\t" * depth
    for bone in (b for b in bones if b.parent == parent):
        root = parent is None
        yield f"{pad}{'ROOT' if root else 'JOINT'} {bone.name}"
        yield pad + "{"
        yield f"{pad}\t{_offset(np.zeros(3) if root else bone.offset_m)}"
        places = "Xposition Yposition Zposition " if root else ""
        yield f"{pad}\tCHANNELS {6 if root else 3} {places}{_ROTATIONS}"
        yield from _hierarchy(bones, bone.name, depth + 1)
        if not any(b.parent == bone.name for b in bones):
            tip = np.array([0.0, 0.0, 0.2]) if bone.tip_m is None else bone.tip_m
            yield from (f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\t{_offset(tip)}", pad + "\t}")
        yield pad + "}"


def _columns(skeleton: Skeleton, name: str) -> tuple[int, Array | None]:
    """Return where a joint's angles begin, and its axis if it is a finger."""
    if name in skeleton.joint_names:
        return 3 * skeleton.joint_names.index(name), None
    index = [finger.name for finger in skeleton.fingers].index(name)
    return 3 * len(skeleton.joints) + index, skeleton.fingers[index].axis


def _angles(row: Array, column: tuple[int, Array | None]) -> Array:
    first, axis = column
    if axis is None:
        return row[first : first + 3]
    # A finger bends about x or z alone, so yaw, pitch, roll are its bend along that axis.
    return np.asarray(axis[::-1] * row[first])


def _parse_motion(motion: str, width: int) -> tuple[float, Array]:
    """Return the frame time [s] and the frames (T, width)."""
    frame_time_s, rows = None, []
    for line in motion.split("\n"):
        key, colon, value = line.partition(":")
        if colon:
            frame_time_s = float(value) if key.strip() == "Frame Time" else frame_time_s
        elif line.strip():
            rows.append(np.array(line.split(), dtype=np.float64))
            if len(rows[-1]) != width:
                raise ValueError(f"{brief(line)} has {len(rows[-1])} values, not {width}")
    if frame_time_s is None:
        raise ValueError("it has no 'Frame Time:'")
    return frame_time_s, np.array(rows, dtype=np.float64).reshape(-1, width)


def _channels(words: list[str], joint: int) -> tuple[str, ...]:
    if joint < 0 or len(words) != 2 + int(words[1]):
        raise ValueError(f"channels of no joint, or not as many as they say: {words}")
    return tuple(words[2:])


def _parse_hierarchy(
    head: str,
) -> tuple[tuple[str, ...], tuple[int, ...], Array, tuple[tuple[str, ...], ...]]:
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[tuple[str, ...]] = []
    open_joints: list[int] = []
    entering = -1
    for line in head.split("\n"):
        words = line.split()
        if not words:
            continue
        if words[0] in ("ROOT", "JOINT"):
            names.append(words[1])
            parents.append(open_joints[-1] if open_joints else -1)
            offsets.append([0.0, 0.0, 0.0])
            channels.append(())
            entering = len(names) - 1
        elif words[0] == "End":
            entering = -1
        elif words[0] == "{":
            open_joints.append(entering)
        elif words[0] == "}":
            open_joints.pop()
        elif words[0] == "OFFSET" and open_joints[-1] >= 0:
            offsets[open_joints[-1]] = [float(word) for word in words[1:4]]
        elif words[0] == "CHANNELS":
            channels[open_joints[-1]] = _channels(words, open_joints[-1])
    if open_joints:
        raise ValueError("a brace is not closed")
    return tuple(names), tuple(parents), np.array(offsets), tuple(channels)
