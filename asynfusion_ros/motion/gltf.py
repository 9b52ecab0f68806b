"""The avatar as a GLB whose animation is a clip, for any glTF viewer; and such a clip read back.

Bones of the avatar rest unrotated with glTF's axes (x left, y up, z forward), so that a joint's
rotation vector (x forward, y left, z up) turns its bone after its components are moved on by one.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError, brief
from asynfusion_ros.files import parse_json, read_bytes, refuse
from asynfusion_ros.motion.blendshapes import FACE_NAMES, to_arkit52
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.gltf_tracks import Tracks, frame_times, read_tracks
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.rotations import (
    compose,
    make_continuous,
    quat_xyzw_to_rotvec,
    rotvec_to_quat_xyzw,
)
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.resources import find_resource

Array = npt.NDArray[np.float64]

AVATAR = "models/avatar/ada.glb"
MOST_BYTES = 512 * 1024 * 1024
_FLOAT = 5126
_TYPES = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
_JSON, _BIN = 0x4E4F534A, 0x004E4942


def write_gltf(
    path: Path, clip: MotionClip, skeleton: Skeleton, avatar: Path | None = None
) -> None:
    """Write a GLB of the avatar with the clip as its animation: body, fingers and face."""
    document, binary = read_glb(avatar or find_resource(AVATAR))
    times = np.arange(len(clip), dtype=np.float64) / clip.fps_hz
    builder = GltfAnimation(document, bytearray(binary), times)
    for bone, rotvec in bone_turns(clip, skeleton).items():
        builder.add("rotation", bone, rotvec_to_quat_xyzw(np.roll(rotvec, -1, axis=-1)), "VEC4")
    weights = dict(zip((*FACE_NAMES, "tongueOut"), to_arkit52(clip.face).T, strict=True))
    for index, node in enumerate(document["nodes"]):
        names = _target_names(document, node)
        if names:
            rows = np.array([weights.get(name, np.zeros(len(clip))) for name in names]).T
            builder.add_to(index, "weights", rows.ravel(), "SCALAR")
    write_glb(path, builder.finish(), bytes(builder.binary))


def read_gltf(path: Path, skeleton: Skeleton) -> MotionClip:
    """Read the clip of a GLB that `write_gltf` wrote; raise MotionFileError otherwise."""
    document, binary = read_glb(Path(path))
    with refuse(MotionFileError, f"{path} holds no animation of the avatar"):
        tracks = read_tracks(document, binary)
        times, fps_hz = frame_times(tracks.values())
        body = np.zeros((len(times), len(skeleton.joints), 3))
        for index, name in enumerate(skeleton.joint_names):
            turn = rotvec_at(tracks, name, times)
            above = rotvec_at(tracks, "neck", times) if name == "head" else np.zeros_like(turn)
            body[:, index] = compose(above, turn)
        face = np.zeros((len(times), len(FACE_NAMES)), np.float32)
        for node in document["nodes"]:
            names = _target_names(document, node)
            if names and (node["name"], "weights") in tracks:
                rows = tracks[node["name"], "weights"].at(times)
                for column, name in enumerate(FACE_NAMES):
                    face[:, column] = rows[:, names.index(name)]
                break
    flat = make_continuous(body).reshape(len(times), -1).astype(np.float32)
    return MotionClip(fps_hz, face, flat)


class GltfAnimation:
    """One animation, built track by track behind the buffer `binary` of a document."""

    def __init__(self, document: dict[str, Any], binary: bytearray, times: Array) -> None:
        """Begin with the times (T,) [s] that all tracks share."""
        self.binary = binary
        self._document = document
        self._nodes = {node.get("name"): i for i, node in enumerate(document["nodes"])}
        self._channels: list[dict[str, Any]] = []
        self._samplers: list[dict[str, Any]] = []
        limits = {"min": [float(times[0])], "max": [float(times[-1])]}
        self._times = self._accessor(times, "SCALAR", **limits)

    def add(self, kind: str, node: str, values: Array, shape: str) -> None:
        """Add a track for a node by name; nodes that the avatar lacks are passed over."""
        if node in self._nodes:
            self.add_to(self._nodes[node], kind, values, shape)

    def add_to(self, node: int, kind: str, values: Array, shape: str) -> None:
        """Add a track for a node by number."""
        output = self._accessor(values, shape)
        target = {"node": node, "path": kind}
        self._channels.append({"sampler": len(self._samplers), "target": target})
        self._samplers.append({"input": self._times, "output": output, "interpolation": "LINEAR"})

    def finish(self) -> dict[str, Any]:
        """Return the document with the animation."""
        animation = {"name": "speech", "channels": self._channels, "samplers": self._samplers}
        self._document["animations"] = [animation]
        self._document["buffers"] = [{"byteLength": len(self.binary)}]
        return self._document

    def _accessor(self, values: Array, shape: str, **limits: Any) -> int:
        data = np.ascontiguousarray(values, "<f4").tobytes()
        self.binary.extend(b"\0" * (-len(self.binary) % 4))
        views, accessors = self._document["bufferViews"], self._document["accessors"]
        views.append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)})
        self.binary.extend(data)
        count = np.size(values) // _TYPES[shape]
        accessors.append(
            {"bufferView": len(views) - 1, "componentType": _FLOAT, "count": count, "type": shape}
            | limits
        )
        return len(accessors) - 1


def bone_turns(clip: MotionClip, skeleton: Skeleton) -> dict[str, Array]:
    """Return rotation vectors (T, 3) by bone; the neck takes half of the head's turn."""
    bends = to_joint_positions(skeleton, clip.body, clip.fps_hz)[:, 3 * len(skeleton.joints) :]
    body = clip.body.astype(np.float64).reshape(len(clip), -1, 3)
    turns = {name: body[:, index] for index, name in enumerate(skeleton.joint_names)}
    turns["neck"] = turns["head"] = turns["head"] / 2.0
    for finger, bend in zip(skeleton.fingers, bends.T, strict=True):
        turns[finger.name] = bend[:, None] * finger.axis
    return turns


def rotvec_at(tracks: Tracks, name: str, times_s: Array) -> Array:
    """Return a node's rotation vectors (T, 3) [rad] in our axes; KeyError where it has none."""
    return np.roll(quat_xyzw_to_rotvec(tracks[name, "rotation"].at(times_s)), 1, axis=-1)


def _target_names(document: Mapping[str, Any], node: Mapping[str, Any]) -> list[str]:
    if "mesh" not in node:
        return []
    return list(document["meshes"][node["mesh"]].get("extras", {}).get("targetNames", []))


def read_glb(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the document and the binary buffer of a GLB; raise MotionFileError."""
    content = read_bytes(path, MotionFileError, MOST_BYTES)
    if content[:4] != b"glTF" or len(content) < 20:
        raise MotionFileError(
            f"{path} is no GLB; give one that `asynfusion export --to gltf` wrote"
        )
    chunks: dict[int, bytes] = {}
    place = 12
    while place + 8 <= len(content):
        size, kind = struct.unpack_from("<II", content, place)
        chunks.setdefault(kind, content[place + 8 : place + 8 + size])
        place += 8 + size
    text = chunks.get(_JSON, b"").decode("utf-8", errors="replace")
    document = parse_json(text, MotionFileError, str(path))
    if not isinstance(document, dict) or not isinstance(document.get("nodes"), list):
        raise MotionFileError(f"{path} has no nodes: {brief(document)}")
    return document, chunks.get(_BIN, b"")


def write_glb(path: Path, document: Mapping[str, Any], binary: bytes) -> None:
    """Write a document and its binary buffer as a GLB."""
    text = json.dumps(document, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    total = 12 + 8 + len(text) + 8 + len(binary)
    parts = [struct.pack("<4sII", b"glTF", 2, total), struct.pack("<II", len(text), _JSON), text]
    parts += [struct.pack("<II", len(binary), _BIN), binary]
    Path(path).write_bytes(b"".join(parts))
