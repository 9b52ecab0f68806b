"""Names, order and mirror of the face's channels."""

import numpy as np
import pytest

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.motion.blendshapes import (
    ARKIT_NAMES,
    FACE_NAMES,
    MOUTH_NAMES,
    face_index,
    lip_gap,
    lip_gap_slope,
    mirror_face,
    mouth_opening,
    to_arkit52,
)

RNG = np.random.default_rng(0)


def test_the_order_is_alphabetical_and_complete():
    assert len(FACE_NAMES) == 51
    assert len(set(FACE_NAMES)) == 51
    assert list(FACE_NAMES) == sorted(FACE_NAMES)
    assert FACE_NAMES[0] == "browDownLeft"
    assert FACE_NAMES[-1] == "noseSneerRight"
    assert (*FACE_NAMES, "tongueOut") == ARKIT_NAMES


def test_paired_channels_come_in_pairs():
    single = {"jawLeft", "jawRight", "mouthLeft", "mouthRight"}
    lefts = {n[:-4] for n in FACE_NAMES if n.endswith("Left")}
    assert lefts == {n[:-5] for n in FACE_NAMES if n.endswith("Right")}
    assert single <= set(FACE_NAMES)
    assert set(MOUTH_NAMES) < set(FACE_NAMES)
    assert "jawOpen" in MOUTH_NAMES
    assert not [n for n in MOUTH_NAMES if n.startswith(("brow", "eye", "nose"))]


def test_the_recordings_use_our_order(data_dir):
    import json

    names = json.loads((data_dir / "talk30" / "face_names.json").read_text())
    assert tuple(names) == FACE_NAMES


def test_tongue_is_appended_as_zero():
    face = RNG.random((4, 51), np.float32)
    published = to_arkit52(face)
    assert published.shape == (4, 52)
    assert np.array_equal(published[:, :51], face)
    assert not published[:, ARKIT_NAMES.index("tongueOut")].any()


def test_the_mirror_swaps_sides_and_is_its_own_inverse():
    face = RNG.random((4, 51), np.float32)
    mirrored = mirror_face(face)
    assert np.array_equal(mirror_face(mirrored), face)
    for name in FACE_NAMES:
        other = name.replace("Left", "#").replace("Right", "Left").replace("#", "Right")
        assert np.array_equal(mirrored[:, face_index(name)], face[:, face_index(other)])


def test_the_mouth_opens_with_the_jaw_unless_the_lips_close_over_it():
    face = np.zeros((3, 51), np.float32)
    face[:, face_index("jawOpen")] = (0.6, 0.6, 0.2)
    face[:, face_index("mouthClose")] = (0.0, 0.25, 0.5)
    np.testing.assert_allclose(mouth_opening(face), (0.6, 0.35, 0.0), atol=1e-6)


def test_an_unknown_name_is_refused():
    with pytest.raises(MotionFileError, match="jawOpened"):
        face_index("jawOpened")


def test_lips_that_show_teeth_over_a_shut_jaw_are_apart():
    face = np.zeros((3, 51), np.float32)
    face[1, [FACE_NAMES.index(f"mouthLowerDown{side}") for side in ("Left", "Right")]] = 0.5
    face[2, FACE_NAMES.index("mouthClose")] = 0.5  # pressed: nothing is less than shut
    np.testing.assert_allclose(mouth_opening(face), 0.0)
    np.testing.assert_allclose(lip_gap(face), (0.0, 0.11, 0.0), atol=1e-6)
    face[:, FACE_NAMES.index("jawOpen")] = 0.6
    assert (lip_gap(face) >= mouth_opening(face)).all()


def test_the_slope_of_the_gap_is_its_finite_difference():
    face = np.full(51, 0.2)
    face[FACE_NAMES.index("jawOpen")] = 0.6
    moved = face + 0.1 * np.eye(51)
    np.testing.assert_allclose((lip_gap(moved) - lip_gap(face)) / 0.1, lip_gap_slope(), atol=1e-5)
