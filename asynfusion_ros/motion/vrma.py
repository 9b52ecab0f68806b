"""Clips as VRM animation (VRMC_vrm_animation 1.0), for any VRM character; and read back.

A VRM stands in a T with glTF's axes, as our skeleton does, so that turns carry over as they are.
The face goes twice: as custom expressions with ARKit's names, which "perfect sync" characters have,
and as presets that all have: `aa` opens the mouth, `blinkLeft` and `blinkRight` close the eyes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.files import refuse
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES, FACE_NAMES, mouth_opening, to_arkit52
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.gltf import GltfAnimation, bone_turns, read_glb, write_glb
from asynfusion_ros.motion.gltf_tracks import Tracks, frame_times, read_tracks, rest_rotations
from asynfusion_ros.motion.rotations import compose, make_continuous, rotvec_to_quat_xyzw
from asynfusion_ros.motion.skeleton import Skeleton

Array = npt.NDArray[np.float64]

EXTENSION = "VRMC_vrm_animation"
_SPINE_M = (0.0, 0.1, 0.0)  # between bones of the trunk, where any length will do
_PARTS = {"upper_arm": "UpperArm", "forearm": "LowerArm", "hand": "Hand"}
_FINGERS = {"index": "Index", "middle": "Middle", "ring": "Ring", "pinky": "Little"}
_BONES = ("Proximal", "Intermediate", "Distal")
_THUMB = ("Metacarpal", "Proximal", "Distal")
_BLINKS = {"blinkLeft": "eyeBlinkLeft", "blinkRight": "eyeBlinkRight"}


def human_bone(name: str) -> str:
    """Return VRM's name of one of our joints, fingers or of the neck."""
    if name in ("chest", "neck", "head"):
        return name
    side, _, part = name.partition("_")
    prefix = {"l": "left", "r": "right"}[side]
    if part in _PARTS:
        return prefix + _PARTS[part]
    finger, _, number = part.partition("_")
    if finger == "thumb":
        return f"{prefix}Thumb{_THUMB[int(number) - 1]}"
    return prefix + _FINGERS[finger] + _BONES[int(number) - 1]


def write_vrma(path: Path, clip: MotionClip, skeleton: Skeleton) -> None:
    """Write body, fingers and face as a VRM animation."""
    document = _skeleton_nodes(skeleton)
    values = dict(zip(ARKIT_NAMES, to_arkit52(clip.face).T, strict=True))
    presets = {"aa": mouth_opening(clip.face)}
    presets |= {preset: values[name] for preset, name in _BLINKS.items()}
    expressions = {"preset": presets, "custom": values}
    nodes = document["nodes"]
    named: dict[str, dict[str, dict[str, int]]] = {}
    for kind, group in expressions.items():
        for name in group:
            named.setdefault(kind, {})[name] = {"node": len(nodes)}
            document["scenes"][0]["nodes"].append(len(nodes))
            nodes.append({"name": f"{kind}_{name}"})
    bones = {human_bone(n["name"]): {"node": i} for i, n in enumerate(nodes) if n.get("bone")}
    bones |= {"hips": {"node": 0}, "spine": {"node": 1}}
    for node in nodes:
        node.pop("bone", None)
    document["extensions"] = {
        EXTENSION: {
            "specVersion": "1.0",
            "humanoid": {"humanBones": bones},
            "expressions": named,
        }
    }
    animation = GltfAnimation(document, bytearray(), np.arange(len(clip)) / clip.fps_hz)
    for bone, rotvec in bone_turns(clip, skeleton).items():
        turned = rotvec_to_quat_xyzw(np.roll(rotvec, -1, axis=-1))
        animation.add("rotation", bone, turned, "VEC4")
    for kind, group in expressions.items():
        for name, weights in group.items():
            moved = np.zeros((len(clip), 3))
            moved[:, 0] = weights  # an expression's weight is its node's place along x
            animation.add("translation", f"{kind}_{name}", moved, "VEC3")
    write_glb(path, animation.finish(), bytes(animation.binary))


def read_vrma(path: Path, skeleton: Skeleton) -> MotionClip:
    """Return the clip of a VRM animation by any program; raise MotionFileError.

    Tracks with keys of their own are read at 30 Hz. Bones between ours (spine, upper chest,
    shoulders) add to the bone below them; what it lacks rests, and a face without ARKit's custom
    expressions is masked.
    """
    document, binary = read_glb(Path(path))
    with refuse(MotionFileError, f"{path} is no VRM animation that can be read here"):
        said = document["extensions"][EXTENSION]
        bones = {k: v["node"] for k, v in said["humanoid"]["humanBones"].items()}
        names = {node: name for name, node in bones.items()}
        custom = said.get("expressions", {}).get("custom", {})
        names |= {v["node"]: f"custom_{k}" for k, v in custom.items()}
        for index, node in enumerate(document["nodes"]):
            node["name"] = names.get(index, f"other_{index}")
        tracks = read_tracks(document, binary)
        times, fps_hz = frame_times(tracks.values())
        rests = {names[i]: rest for i, rest in enumerate(rest_rotations(document)) if i in names}
        body = _read_body(tracks, rests, skeleton, times)
        face, mask = np.zeros((2, len(times), len(FACE_NAMES)), np.float32)
        for column, name in enumerate(FACE_NAMES):
            if (f"custom_{name}", "translation") in tracks:
                face[:, column] = tracks[f"custom_{name}", "translation"].at(times)[:, 0]
                mask[:, column] = 1.0
    flat = make_continuous(body).reshape(len(times), -1).astype(np.float32)
    whole = bool(mask.all())
    return MotionClip(fps_hz, np.clip(face, 0.0, 1.0), flat, None if whole else mask)


_ABOVE = {"chest": ("spine", "chest", "upperChest"), "head": ("neck", "head")}


def _read_body(
    tracks: Tracks,
    rests: Mapping[str, tuple[Rotation, Rotation]],
    skeleton: Skeleton,
    times_s: Array,
) -> Array:
    body = np.zeros((len(times_s), len(skeleton.joints), 3))
    for index, name in enumerate(skeleton.joint_names):
        side = {"l": "left", "r": "right"}.get(name[0]) if name[1] == "_" else None
        above = _ABOVE.get(name, (human_bone(name),))
        if name.endswith("upper_arm"):
            above = (f"{side}Shoulder", *above)
        for bone in above:
            if (bone, "rotation") in tracks:
                turn = _from_rest(tracks[bone, "rotation"].at(times_s), *rests[bone])
                body[:, index] = compose(body[:, index], turn)
    return body


def _from_rest(quat_xyzw: Array, rest: Rotation, parent: Rotation) -> Array:
    """Return how far (T, 3) [rad] a bone has turned from its rest, in the scene's axes, as ours."""
    turned = parent * Rotation.from_quat(quat_xyzw) * rest.inv() * parent.inv()
    return np.asarray(np.roll(turned.as_rotvec(), 1, axis=-1))


def _skeleton_nodes(skeleton: Skeleton) -> dict[str, Any]:
    """Return a document whose nodes are hips, spine, and our bones in a T, parents first."""
    nodes: list[dict[str, Any]] = [
        {"name": "hips", "translation": [0.0, 0.9, 0.0], "children": [1]},
        {"name": "spine", "translation": list(_SPINE_M), "children": []},
    ]
    places = {"spine": 1}

    def add(name: str, parent: str, offset_m: npt.ArrayLike) -> None:
        nodes[places[parent]].setdefault("children", []).append(len(nodes))
        places[name] = len(nodes)
        turned = np.roll(np.asarray(offset_m, np.float64), -1)
        nodes.append({"name": name, "translation": turned.tolist(), "bone": True})

    for joint in skeleton.joints:
        if joint.parent is None:
            add(joint.name, "spine", np.roll(_SPINE_M, 1))
        elif joint.name == "head":
            add("neck", joint.parent, 0.5 * joint.offset_m)
            add("head", "neck", 0.5 * joint.offset_m)
        else:
            add(joint.name, joint.parent, joint.offset_m)
    for finger in skeleton.fingers:
        add(finger.name, finger.parent, finger.offset_m)
    return {
        "asset": {"version": "2.0", "generator": "asynfusion_ros"},
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": nodes,
        "bufferViews": [],
        "accessors": [],
    }
