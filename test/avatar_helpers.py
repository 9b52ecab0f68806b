"""Small avatars made for tests: a skeleton as a rig has it, one triangle, morphs by name."""

import json
import struct

import numpy as np

# name: (parent, place in the world [m]); T-pose, looking along +z.
T_POSE = {
    "hips": (None, (0, 1.0, 0)),
    "chest": ("hips", (0, 1.2, 0)),
    "neck": ("chest", (0, 1.5, 0)),
    "head": ("neck", (0, 1.6, 0)),
    "left shoulder": ("chest", (0.05, 1.45, 0)),
    "left upper arm": ("left shoulder", (0.2, 1.45, 0)),
    "left lower arm": ("left upper arm", (0.45, 1.45, 0)),
    "left hand": ("left lower arm", (0.7, 1.45, 0)),
    "right shoulder": ("chest", (-0.05, 1.45, 0)),
    "right upper arm": ("right shoulder", (-0.2, 1.45, 0)),
    "right lower arm": ("right upper arm", (-0.45, 1.45, 0)),
    "right hand": ("right lower arm", (-0.7, 1.45, 0)),
}


def a_pose(degrees=45.0):
    """The same with arms that hang."""
    places = dict(T_POSE)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    for side, sign in (("left", 1), ("right", -1)):
        for part, reach in (("lower arm", 0.25), ("hand", 0.5)):
            parent = places[f"{side} {part}"][0]
            places[f"{side} {part}"] = (parent, (sign * (0.2 + reach * c), 1.45 - reach * s, 0))
    return places


def make_avatar(path, places, names=None, morphs=("jawOpen",), extensions=None, backwards=False):
    """Write a GLB; `names` gives other names to bones, every bone's axes are turned somehow."""
    names = names or {name: name for name in places}
    order = list(places)
    turn = [0.0, np.sqrt(0.5), 0.0, np.sqrt(0.5)]  # 90 degrees about y, of the root's bones
    nodes = []
    for name in order:
        parent, place = places[name]
        offset = np.subtract(place, places[parent][1] if parent else (0, 0, 0)).astype(float)
        if backwards:
            offset = offset * [-1, 1, -1]
        node = {"name": names[name]}
        if parent is None:
            node["rotation"] = turn
        else:  # in the turned frame of the root: R(-90 about y)
            offset = np.array([-offset[2], offset[1], offset[0]])
        node["translation"] = offset.tolist()
        nodes.append(node)
    for number, name in enumerate(order):
        parent = places[name][0]
        if parent:
            nodes[order.index(parent)].setdefault("children", []).append(number)
    points = np.array([[0, 1.6, 0.1], [0.05, 1.6, 0.1], [0, 1.65, 0.1]], "<f4")
    moved = np.array([[0, -0.1, 0]] * 3, "<f4")
    joints = np.zeros((3, 4), "u1")
    weights = np.tile(np.array([1, 0, 0, 0], "<f4"), (3, 1))
    data, views, accessors = b"", [], []
    for array, kind, shape in (
        (points, 5126, "VEC3"), (joints, 5121, "VEC4"), (weights, 5126, "VEC4"),
        *((moved, 5126, "VEC3") for _ in morphs),
    ):  # fmt: skip
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": array.nbytes})
        limits = {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        accessors.append({"bufferView": len(views) - 1, "componentType": kind, "count": 3,
                          "type": shape, **(limits if shape == "VEC3" else {})})  # fmt: skip
        data += array.tobytes()
    primitive = {"attributes": {"POSITION": 0, "JOINTS_0": 1, "WEIGHTS_0": 2}}
    mesh = {"primitives": [primitive]}
    if morphs:
        primitive["targets"] = [{"POSITION": 3 + k} for k in range(len(morphs))]
        mesh["extras"] = {"targetNames": list(morphs)}
    nodes.append({"name": "body", "mesh": 0, "skin": 0})
    document = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0, len(order)]}],
        "nodes": nodes, "meshes": [mesh], "skins": [{"joints": list(range(len(order)))}],
        "accessors": accessors, "bufferViews": views, "buffers": [{"byteLength": len(data)}],
    }  # fmt: skip
    if extensions:
        document |= {"extensions": extensions, "extensionsUsed": list(extensions)}
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(data), b"BIN\0") + data
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
    return path
