"""Rotations obey the group's laws, and every representation says the same rotation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynfusion_ros.motion import rotations as rot

FEW = settings(max_examples=25, deadline=None)
ANGLE = st.floats(-1.7, 1.7)
VECTORS = st.tuples(ANGLE, ANGLE, ANGLE).map(np.array)  # shorter than pi: one vector a rotation
ZYX = st.tuples(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(-3.1, 3.1)).map(np.array)


def close(one, other, tolerance=1e-7):
    np.testing.assert_allclose(one, other, atol=tolerance)


@FEW
@given(VECTORS)
def test_round_trips(vector):
    close(rot.matrix_to_rotvec(rot.rotvec_to_matrix(vector)), vector)
    close(rot.quat_xyzw_to_rotvec(rot.rotvec_to_quat_xyzw(vector)), vector)
    close(rot.six_to_rotvec(rot.rotvec_to_six(vector)), vector)


@FEW
@given(VECTORS)
def test_matrices_are_rotations(vector):
    matrix = rot.rotvec_to_matrix(vector)
    close(matrix @ matrix.T, np.eye(3))
    assert np.linalg.det(matrix) == pytest.approx(1.0)
    close(matrix @ vector, vector)  # the axis stays


@FEW
@given(VECTORS)
def test_quaternions_are_unit_with_a_scalar_last_that_is_not_negative(vector):
    quaternion = rot.rotvec_to_quat_xyzw(vector)
    assert np.linalg.norm(quaternion) == pytest.approx(1.0)
    assert quaternion[3] >= 0.0
    assert quaternion[3] == pytest.approx(np.cos(np.linalg.norm(vector) / 2))
    close(rot.quat_xyzw_to_rotvec(3.0 * quaternion), vector)


@FEW
@given(ZYX)
def test_angles_are_yaw_then_pitch_then_roll(zyx):
    about = [rot.rotvec_to_matrix(np.eye(3)[axis] * zyx[2 - axis]) for axis in range(3)]
    vector = rot.zyx_to_rotvec(zyx)
    close(rot.rotvec_to_matrix(vector), about[2] @ about[1] @ about[0])
    close(rot.rotvec_to_zyx(vector), zyx, 1e-6)


@FEW
@given(VECTORS)
def test_angles_of_a_vector_lead_back(vector):
    close(
        rot.rotvec_to_matrix(rot.zyx_to_rotvec(rot.rotvec_to_zyx(vector))),
        rot.rotvec_to_matrix(vector),
        1e-6,
    )


@FEW
@given(VECTORS, VECTORS, VECTORS)
def test_composition_is_a_group(a, b, c):
    matrices = rot.rotvec_to_matrix(a) @ rot.rotvec_to_matrix(b)
    close(rot.rotvec_to_matrix(rot.compose(a, b)), matrices)
    left = rot.compose(rot.compose(a, b), c)
    right = rot.compose(a, rot.compose(b, c))
    close(rot.rotvec_to_matrix(left), rot.rotvec_to_matrix(right))
    close(rot.compose(a, rot.invert(a)), np.zeros(3))
    close(rot.rotvec_to_matrix(rot.compose(a, np.zeros(3))), rot.rotvec_to_matrix(a))


@FEW
@given(VECTORS, VECTORS, VECTORS)
def test_the_geodesic_angle_is_a_distance(a, b, c):
    angle = rot.geodesic_angle_rad
    assert angle(a, a) == pytest.approx(0.0, abs=1e-6)
    assert 0.0 <= angle(a, b) <= np.pi + 1e-9
    assert angle(a, b) == pytest.approx(angle(b, a), abs=1e-6)
    assert angle(a, c) <= angle(a, b) + angle(b, c) + 1e-6
    assert angle(np.zeros(3), a) == pytest.approx(np.linalg.norm(a), abs=1e-6)


@FEW
@given(VECTORS, VECTORS, st.floats(0.0, 1.0))
def test_slerp_meets_its_ends_and_goes_at_an_even_pace(a, b, weight):
    same = rot.geodesic_angle_rad
    assert same(rot.slerp(a, b, 0.0), a) == pytest.approx(0.0, abs=1e-6)
    assert same(rot.slerp(a, b, 1.0), b) == pytest.approx(0.0, abs=1e-6)
    assert same(a, rot.slerp(a, b, weight)) == pytest.approx(weight * same(a, b), abs=1e-6)


def test_leading_dimensions_are_kept():
    vectors = np.random.default_rng(0).uniform(-1, 1, (2, 3, 3))
    for there, back, tail in (
        (rot.rotvec_to_matrix, rot.matrix_to_rotvec, (3, 3)),
        (rot.rotvec_to_quat_xyzw, rot.quat_xyzw_to_rotvec, (4,)),
        (rot.rotvec_to_six, rot.six_to_rotvec, (6,)),
        (rot.rotvec_to_zyx, rot.zyx_to_rotvec, (3,)),
    ):
        values = there(vectors)
        assert values.shape == (2, 3, *tail)
        close(values[1, 2], there(vectors[1, 2]))
        close(back(values), vectors)


def test_six_numbers_need_not_be_orthonormal():
    vector = np.array([0.3, -0.4, 0.5])
    six = rot.rotvec_to_six(vector)
    skewed = np.concatenate([2.0 * six[:3], 0.5 * six[3:] + 0.7 * six[:3]])
    close(rot.six_to_rotvec(skewed), vector)


def test_a_turn_through_pi_becomes_continuous():
    axis = np.array([1.0, 2.0, 2.0]) / 3.0
    truth = np.linspace(0.5, 5.5, 60)[:, None] * axis
    wrapped = rot.matrix_to_rotvec(rot.rotvec_to_matrix(truth))
    assert np.abs(np.diff(wrapped, axis=0)).max() > 3.0  # it leaps
    close(rot.make_continuous(wrapped), truth)


@FEW
@given(st.lists(VECTORS, min_size=2, max_size=6))
def test_continuity_changes_no_rotation(vectors):
    sequence = np.stack(vectors)
    close(rot.rotvec_to_matrix(rot.make_continuous(sequence)), rot.rotvec_to_matrix(sequence))


def test_the_mean_of_rotations_on_both_sides_is_the_middle():
    middle, aside = np.array([0.2, -0.5, 0.3]), np.array([0.4, 0.1, -0.2])
    pair = np.stack([rot.compose(middle, aside), rot.compose(middle, -aside)])
    close(rot.mean_rotation(pair), middle)
