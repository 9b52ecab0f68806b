"""The small face moves the way its weights' names say."""

import numpy as np
import pytest

from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.face_mesh import build_face_mesh

MESH = build_face_mesh()


def face_with(**weights):
    face = np.zeros(51)
    for name, weight in weights.items():
        face[FACE_NAMES.index(name)] = weight
    return face


def twins():
    """The two rows of points that coincide at rest: upper and lower lip."""
    places = np.round(MESH.vertices, 9)
    _, first, counts = np.unique(places, axis=0, return_index=True, return_counts=True)
    pairs = []
    for index in first[counts == 2]:
        pairs.append(np.flatnonzero((places == places[index]).all(axis=1)))
    return np.array(pairs)  # (columns, 2): upper, lower


def lip_gap(face):
    vertices = MESH.deform(face)
    upper, lower = twins().T
    return (vertices[upper, 2] - vertices[lower, 2]).max()


def moved(**weights):
    return MESH.deform(face_with(**weights)) - MESH.vertices


def test_everything_is_finite_and_in_range():
    vertices, triangles = MESH.vertices, MESH.triangles
    assert np.isfinite(vertices).all()
    assert np.isfinite(MESH.shapes).all()
    assert MESH.shapes.shape == (51, len(vertices), 3)
    assert triangles.min() >= 0
    assert triangles.max() < len(vertices)
    assert MESH.colours.shape == (len(vertices), 3)
    assert ((MESH.colours >= 0) & (MESH.colours <= 1)).all()
    assert np.abs(vertices).max() < 0.3  # a head, in metres


def test_triangles_face_outwards():
    a, b, c = (MESH.vertices[MESH.triangles[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    real = np.linalg.norm(normals, axis=1) > 1e-9  # where the lips meet there is no area
    assert real.mean() > 0.9
    assert (normals[real, 0] > 0).mean() > 0.97  # a nose has undersides


def test_the_light_comes_from_above_and_the_left_so_that_the_mask_is_not_flat():
    skin = MESH.colours[:-4]
    places = MESH.vertices[:-4]  # the last four are the dark behind the lips
    chin = places[:, 2] < np.quantile(places[:, 2], 0.08)
    forehead = places[:, 2] > np.quantile(places[:, 2], 0.8)
    assert skin[forehead].mean() > 1.2 * skin[chin].mean()
    left = places[:, 1] > 0.04
    right = places[:, 1] < -0.04
    assert skin[left].mean() > 1.1 * skin[right].mean()
    assert np.allclose(MESH.colours[-4:], MESH.colours[-1])
    assert MESH.colours[-1].max() < 0.3


def test_the_head_of_the_urdf_does_not_hide_the_face():
    from xml.etree import ElementTree as Xml

    from asynfusion_ros.motion.skeleton import Skeleton
    from asynfusion_ros.motion.urdf import build_urdf

    visual = Xml.fromstring(build_urdf(Skeleton.load())).find("link[@name='head']/visual")
    centre = np.array([float(v) for v in visual.find("origin").get("xyz").split()])
    radius = float(visual.find("geometry/sphere").get("radius"))
    face = MESH.deform(face_with(jawOpen=1.0))
    assert (np.linalg.norm(face - centre, axis=1) > radius).all()


def test_without_weights_the_face_is_neutral():
    assert np.array_equal(MESH.deform(np.zeros(51)), MESH.vertices)
    assert lip_gap(np.zeros(51)) == 0.0


def test_weights_add_up():
    both = moved(jawOpen=0.5, mouthSmileLeft=1.0)
    np.testing.assert_allclose(both, 0.5 * moved(jawOpen=1.0) + moved(mouthSmileLeft=1.0))


def test_the_jaw_parts_the_lips_and_mouth_close_meets_them_again():
    assert lip_gap(face_with(jawOpen=1.0)) > 0.01
    assert lip_gap(face_with(jawOpen=0.5)) < lip_gap(face_with(jawOpen=1.0))
    closed = lip_gap(face_with(jawOpen=0.6, mouthClose=0.6))
    assert closed < 0.1 * lip_gap(face_with(jawOpen=0.6))


def test_the_upper_face_does_not_follow_the_jaw():
    upper = twins()[:, 0]
    assert not moved(jawOpen=1.0)[upper].any()
    forehead = MESH.vertices[:, 2] > MESH.vertices[:, 2].mean()
    assert not moved(jawOpen=1.0)[forehead].any()


@pytest.mark.parametrize(("side", "sign"), [("Left", 1), ("Right", -1)])
def test_a_smile_lifts_its_own_corner_outwards(side, sign):
    shift = moved(**{f"mouthSmile{side}": 1.0})
    corner = np.linalg.norm(shift, axis=1).argmax()
    assert sign * MESH.vertices[corner, 1] > 0.01
    assert shift[corner, 2] > 0.005
    assert sign * shift[corner, 1] > 0.005
    other = np.linalg.norm(shift[sign * MESH.vertices[:, 1] < -0.02], axis=1)
    assert other.max() < 0.2 * np.linalg.norm(shift[corner])


def test_brows_and_lids_move_as_their_names_say():
    for name, direction in (("browDown", -1), ("browOuterUp", 1), ("eyeBlink", -1)):
        for side in ("Left", "Right"):
            shift = moved(**{name + side: 1.0})[:, 2]
            assert direction * shift[np.abs(shift).argmax()] > 0.005
    assert moved(browInnerUp=1.0)[:, 2].max() > 0.005


def visible_eye(side, **weights):
    """What somebody in front sees of one eye, and where (y, z) [m], in a fine raster of points."""
    places, colours = MESH.deform(face_with(**weights)), MESH.colours
    sign = 1 if side == "Left" else -1
    y, z = np.meshgrid(np.linspace(0.020, 0.056, 37) * sign, np.linspace(0.130, 0.152, 23))
    seen, depth = np.zeros((*y.shape, 3)), np.full(y.shape, -np.inf)
    middles = places[MESH.triangles].mean(axis=1)[:, 1:] - (y.mean(), z.mean())
    for corners in MESH.triangles[np.linalg.norm(middles, axis=1) < 0.05]:
        (xa, ya, za), (xb, yb, zb), (xc, yc, zc) = places[corners]
        area = (yb - ya) * (zc - za) - (yc - ya) * (zb - za)
        if abs(area) < 1e-12:
            continue
        b = ((y - ya) * (zc - za) - (yc - ya) * (z - za)) / area
        c = ((yb - ya) * (z - za) - (y - ya) * (zb - za)) / area
        x = xa + b * (xb - xa) + c * (xc - xa)
        nearer = (b >= 0) & (c >= 0) & (b + c <= 1) & (x > depth)
        depth[nearer] = x[nearer]
        share = np.stack([1 - b - c, b, c], axis=-1)[nearer]
        seen[nearer] = share @ colours[corners]
    return seen, y, z


def iris(side, **weights):
    """The middle (y, z) [m] of what is seen of an iris, and how many points that is."""
    seen, y, z = visible_eye(side, **weights)
    blue = seen[..., 2] > 1.05 * seen[..., 0]
    return y[blue].mean(), z[blue].mean(), blue.sum()


def whites(side, **weights):
    seen, _, _ = visible_eye(side, **weights)
    return (seen.max(axis=-1) - seen.min(axis=-1) < 0.1 * seen.max(axis=-1)).sum()


@pytest.mark.parametrize("side", ["Left", "Right"])
def test_an_open_eye_shows_its_iris_and_a_shut_one_nothing(side):
    assert iris(side)[2] > 25
    assert whites(side) > 40
    seen, _, _ = visible_eye(side, **{f"eyeBlink{side}": 1.0})
    assert not (seen[..., 2] > 1.05 * seen[..., 0]).any()
    assert whites(side, **{f"eyeBlink{side}": 1.0}) == 0
    half = whites(side, **{f"eyeBlink{side}": 0.5})
    assert 0 < half < 0.8 * whites(side)
    assert whites(side, **{f"eyeWide{side}": 1.0}) > whites(side)


@pytest.mark.parametrize(("side", "sign"), [("Left", 1), ("Right", -1)])
def test_the_iris_goes_where_the_eye_looks(side, sign):
    y, z, _ = iris(side)
    assert sign * iris(side, **{f"eyeLookOut{side}": 1.0})[0] > sign * y + 0.003
    assert sign * iris(side, **{f"eyeLookIn{side}": 1.0})[0] < sign * y - 0.003
    assert iris(side, **{f"eyeLookUp{side}": 1.0})[1] > z + 0.0015
    assert iris(side, **{f"eyeLookDown{side}": 1.0})[1] < z - 0.0015


def test_the_eyes_are_each_others_mirror_and_one_leaves_the_other_alone():
    left, right = visible_eye("Left")[0], visible_eye("Right")[0]
    assert ((left[..., 2] > left[..., 0]) == (right[..., 2] > right[..., 0])).mean() > 0.97
    shift = moved(eyeBlinkLeft=1.0, eyeLookOutLeft=1.0)
    assert not shift[MESH.vertices[:, 1] < -0.02].round(6).any()
