"""What a GLB or VRM holds that an avatar needs: bones, morphs, and the names VRM gives them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from asynfusion_ros.errors import MotionFileError, brief
from asynfusion_ros.files import check_file, parse_json, refuse

MOST_BYTES: Final = 256 * 1024 * 1024
_MAGIC, _JSON = 0x46546C67, 0x4E4F534A
_UNREADABLE = ("KHR_texture_basisu",)


@dataclass(frozen=True)
class AvatarFile:
    """The names in a file.

    Attributes:
        path: the file.
        nodes: names of all nodes, in order; unnamed ones are empty.
        bones: names of the nodes that skins use.
        parents: index of each node's parent, -1 for none.
        morphs: names of all morph targets, meshes joined; unnamed ones are "#0" and so on.
        vrm: VRM version, 0 or 1; None for a plain GLB.
        humanoid: VRM's bone names to nodes.
        expressions: VRM's expression names to morphs and weights.
    """

    path: Path
    nodes: tuple[str, ...]
    bones: tuple[str, ...]
    parents: tuple[int, ...]
    morphs: tuple[str, ...]
    vrm: int | None = None
    humanoid: dict[str, str] = field(default_factory=dict)
    expressions: dict[str, dict[str, float]] = field(default_factory=dict)

    @staticmethod
    def read(path: Path) -> AvatarFile:
        """Read a GLB or VRM (0.x or 1.0); raise MotionFileError for anything else."""
        document = _read_document(path)
        with refuse(MotionFileError, f"{path} is no glTF 2.0 with nodes and meshes"):
            if lacking := set(_UNREADABLE) & set(document.get("extensionsRequired", [])):
                raise MotionFileError(
                    f"{path} needs {sorted(lacking)}, which the page cannot read; save its "
                    "pictures as PNG, JPEG or WebP (meshes may be compressed by meshopt or Draco)"
                )
            return _parse(path, document)


def _read_document(path: Path) -> dict[str, Any]:
    check_file(path, MOST_BYTES, MotionFileError)
    with refuse(MotionFileError, f"{path} cannot be read"), path.open("rb") as file:
        head = file.read(20)
        magic, version, _, length, kind = struct.unpack("<5I", head.ljust(20, b"\0"))
        if (magic, version, kind) != (_MAGIC, 2, _JSON):
            raise MotionFileError(
                f"{path} is no binary glTF 2.0 (a .glb or .vrm); export it as one, in Blender: "
                "File, Export, glTF 2.0, format glTF Binary"
            )
        text = file.read(min(length, MOST_BYTES)).decode()
    document = parse_json(text, MotionFileError, str(path))
    if not isinstance(document, dict):
        raise MotionFileError(f"{path} holds {brief(document)} in place of a glTF document")
    return document


def _parse(path: Path, document: dict[str, Any]) -> AvatarFile:
    nodes = document.get("nodes", [])
    names = tuple(str(node.get("name", "")) for node in nodes)
    parents = [-1] * len(nodes)
    for number, node in enumerate(nodes):
        for child in node.get("children", []):
            parents[child] = number
    joints = sorted({joint for skin in document.get("skins", []) for joint in skin["joints"]})
    by_mesh = [_target_names(mesh) for mesh in document.get("meshes", [])]
    morphs = tuple(dict.fromkeys(name for names_ in by_mesh for name in names_))
    extensions = document.get("extensions", {})
    file = AvatarFile(path, names, tuple(names[j] for j in joints), tuple(parents), morphs)
    if "VRMC_vrm" in extensions:
        return _with_vrm1(file, document, extensions["VRMC_vrm"], by_mesh)
    if "VRM" in extensions:
        return _with_vrm0(file, extensions["VRM"], by_mesh)
    return file


def _target_names(mesh: dict[str, Any]) -> list[str]:
    primitives = mesh.get("primitives", [])
    count = max((len(primitive.get("targets", [])) for primitive in primitives), default=0)
    extras = mesh.get("extras") or {}
    named = extras.get("targetNames") if isinstance(extras, dict) else None
    if named is None:
        inside = (primitive.get("extras") or {} for primitive in primitives)
        named = next((extra["targetNames"] for extra in inside if "targetNames" in extra), [])
    return [str(named[k]) if k < len(named) else f"#{k}" for k in range(count)]


def _with_vrm1(
    file: AvatarFile, document: dict[str, Any], vrm: dict[str, Any], by_mesh: list[list[str]]
) -> AvatarFile:
    bones = vrm["humanoid"]["humanBones"]
    humanoid = {bone: file.nodes[entry["node"]] for bone, entry in bones.items()}
    expressions = {}
    for name, expression in (vrm.get("expressions", {}).get("preset") or {}).items():
        binds = {}
        for bind in expression.get("morphTargetBinds", []):
            mesh = document["nodes"][bind["node"]]["mesh"]
            binds[by_mesh[mesh][bind["index"]]] = float(bind.get("weight", 1.0))
        expressions[name] = binds
    return AvatarFile(
        file.path, file.nodes, file.bones, file.parents, file.morphs, 1, humanoid, expressions
    )


_OLD_NAMES = {"a": "aa", "i": "ih", "u": "ou", "e": "ee", "o": "oh", "blink_l": "blinkLeft",
              "blink_r": "blinkRight", "joy": "happy", "sorrow": "sad", "fun": "relaxed",
              "lookup": "lookUp", "lookdown": "lookDown", "lookleft": "lookLeft",
              "lookright": "lookRight"}  # fmt: skip


def _with_vrm0(file: AvatarFile, vrm: dict[str, Any], by_mesh: list[list[str]]) -> AvatarFile:
    bones = vrm["humanoid"]["humanBones"]
    humanoid = {entry["bone"]: file.nodes[entry["node"]] for entry in bones}
    expressions = {}
    for group in (vrm.get("blendShapeMaster") or {}).get("blendShapeGroups", []):
        preset = str(group.get("presetName", "unknown")).lower()
        binds = {
            by_mesh[bind["mesh"]][bind["index"]]: float(bind.get("weight", 100.0)) / 100.0
            for bind in group.get("binds") or []
        }
        expressions[_OLD_NAMES.get(preset, preset)] = binds
    return AvatarFile(
        file.path, file.nodes, file.bones, file.parents, file.morphs, 0, humanoid, expressions
    )
