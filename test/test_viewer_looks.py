"""The people that come with the package: valid accessors, our bones, ARKit's morphs, small."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from asynfusion_ros import viewer
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.resources import find_resource
from asynfusion_ros.viewer.looks import LOOKS

KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
MOST_BYTES = 12_000_000


class Glb:
    """A file's document and its numbers."""

    def __init__(self, name):
        content = find_resource(f"models/avatar/{name}.glb").read_bytes()
        length = struct.unpack_from("<I", content, 12)[0]
        self.size = len(content)
        self.document = json.loads(content[20 : 20 + length])
        self.binary = content[28 + length :]

    def read(self, number):
        """Return an accessor's values, sparse ones filled in."""
        accessor = self.document["accessors"][number]
        width = WIDTHS[accessor["type"]]
        if "bufferView" in accessor:
            values = self._view(accessor["bufferView"], accessor["componentType"])
        else:
            values = np.zeros(accessor["count"] * width, KINDS[accessor["componentType"]])
        values = values[: accessor["count"] * width].reshape(-1, width)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            rows = self._view(sparse["indices"]["bufferView"], sparse["indices"]["componentType"])
            filling = self._view(sparse["values"]["bufferView"], accessor["componentType"])
            assert np.all(np.diff(rows[: sparse["count"]].astype(int)) > 0)
            values = values.copy()
            values[rows[: sparse["count"]]] = filling.reshape(-1, width)
        return values

    def _view(self, number, kind):
        view = self.document["bufferViews"][number]
        start = view.get("byteOffset", 0)
        return np.frombuffer(self.binary[start : start + view["byteLength"]], KINDS[kind])


@pytest.fixture(scope="module", params=LOOKS)
def glb(request):
    return Glb(request.param)


def test_bounds_are_those_of_the_values(glb):
    checked = 0
    for number, accessor in enumerate(glb.document["accessors"]):
        if "min" in accessor:
            values = glb.read(number)
            assert values.min(axis=0).tolist() == accessor["min"], number
            assert values.max(axis=0).tolist() == accessor["max"], number
            checked += 1
    assert checked > 52


def test_weights_sum_to_one_and_triangles_name_vertices_that_exist(glb):
    for mesh in glb.document["meshes"]:
        for primitive in mesh["primitives"]:
            attributes = primitive["attributes"]
            count = glb.document["accessors"][attributes["POSITION"]]["count"]
            assert glb.read(primitive["indices"]).max() < count
            assert np.all(glb.read(attributes["WEIGHTS_0"]).astype(int).sum(axis=1) == 255)
            assert np.isfinite(glb.read(attributes["NORMAL"])).all()


def test_bones_and_morphs_have_our_names(glb):
    names = {node["name"] for node in glb.document["nodes"]}
    skeleton = Skeleton.load()
    assert {*skeleton.joint_names, *(finger.name for finger in skeleton.fingers)} <= names
    assert {"neck", "l_eye", "r_eye"} <= names
    morphs = {mesh["name"]: mesh["extras"]["targetNames"] for mesh in glb.document["meshes"]
              if "extras" in mesh}  # fmt: skip
    assert set(morphs["skin"]) == set(ARKIT_NAMES)
    assert "jawOpen" in morphs["teeth"]
    assert "eyeBlinkLeft" in morphs["lashes"]


def test_page_and_person_are_small(glb):
    page = Path(viewer.__file__).parent / "web" / "dist"
    assert glb.size + sum(file.stat().st_size for file in page.iterdir()) < MOST_BYTES
