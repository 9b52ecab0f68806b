"""Rotations, vectorised over leading dimensions, in radians.

rotvec (..., 3) is axis times angle, matrix (..., 3, 3), quat_xyzw (..., 4) scalar last, zyx
(..., 3) the angles (yaw, pitch, roll) of R = Rz(yaw) Ry(pitch) Rx(roll). scipy does the algebra.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]


def _rotation(rotvec: npt.ArrayLike) -> tuple[Rotation, tuple[int, ...]]:
    vectors = np.asarray(rotvec, dtype=np.float64)
    return Rotation.from_rotvec(vectors.reshape(-1, 3)), vectors.shape[:-1]


def _shaped(values: Any, *shape: int) -> Array:
    return np.asarray(values, dtype=np.float64).reshape(shape)


def rotvec_to_matrix(rotvec: npt.ArrayLike) -> Array:
    """Return matrices (..., 3, 3) of rotation vectors (..., 3)."""
    rotation, shape = _rotation(rotvec)
    return _shaped(rotation.as_matrix(), *shape, 3, 3)


def matrix_to_rotvec(matrix: npt.ArrayLike) -> Array:
    """Return the shortest rotation vectors (..., 3) of matrices (..., 3, 3)."""
    matrices = np.asarray(matrix, dtype=np.float64)
    rotvec = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec()
    return _shaped(rotvec, *matrices.shape[:-2], 3)


def rotvec_to_quat_xyzw(rotvec: npt.ArrayLike) -> Array:
    """Return unit quaternions (..., 4), scalar last and not negative, of vectors (..., 3)."""
    rotation, shape = _rotation(rotvec)
    return _shaped(rotation.as_quat(canonical=True), *shape, 4)


def quat_xyzw_to_rotvec(quat_xyzw: npt.ArrayLike) -> Array:
    """Return rotation vectors (..., 3) of quaternions (..., 4), which need not be unit."""
    quaternions = np.asarray(quat_xyzw, dtype=np.float64)
    rotvec = Rotation.from_quat(quaternions.reshape(-1, 4)).as_rotvec()
    return _shaped(rotvec, *quaternions.shape[:-1], 3)


def rotvec_to_six(rotvec: npt.ArrayLike) -> Array:
    """Return the first two columns (..., 6) of the matrices of vectors (..., 3) (Zhou 2019)."""
    matrix = rotvec_to_matrix(rotvec)
    return np.concatenate([matrix[..., 0], matrix[..., 1]], axis=-1)


def six_to_rotvec(six: npt.ArrayLike) -> Array:
    """Return rotation vectors (..., 3) of any two column vectors (..., 6), by Gram-Schmidt."""
    columns = np.asarray(six, dtype=np.float64)
    first = columns[..., :3] / np.linalg.norm(columns[..., :3], axis=-1, keepdims=True)
    second = columns[..., 3:] - (first * columns[..., 3:]).sum(-1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    return matrix_to_rotvec(np.stack([first, second, np.cross(first, second)], axis=-1))


def rotvec_to_zyx(rotvec: npt.ArrayLike) -> Array:
    """Return (yaw, pitch, roll) (..., 3); pitch lies in [-pi/2, pi/2]."""
    matrix = rotvec_to_matrix(rotvec)
    yaw = np.arctan2(matrix[..., 1, 0], matrix[..., 0, 0])
    pitch = -np.arcsin(np.clip(matrix[..., 2, 0], -1.0, 1.0))
    roll = np.arctan2(matrix[..., 2, 1], matrix[..., 2, 2])
    return np.stack([yaw, pitch, roll], axis=-1)


def zyx_to_rotvec(zyx: npt.ArrayLike) -> Array:
    """Return rotation vectors (..., 3) of (yaw, pitch, roll) (..., 3)."""
    angles = np.asarray(zyx, dtype=np.float64)
    rotvec = Rotation.from_euler("ZYX", angles.reshape(-1, 3)).as_rotvec()
    return _shaped(rotvec, *angles.shape)


def compose(first: npt.ArrayLike, second: npt.ArrayLike) -> Array:
    """Return the rotation vectors of R(first) R(second), both (..., 3) of one shape."""
    left, shape = _rotation(first)
    right, _ = _rotation(second)
    return _shaped((left * right).as_rotvec(), *shape, 3)


def invert(rotvec: npt.ArrayLike) -> Array:
    """Return the inverse rotation vectors."""
    return -np.asarray(rotvec, dtype=np.float64)


def geodesic_angle_rad(first: npt.ArrayLike, second: npt.ArrayLike) -> Array:
    """Return the angle (...) in [0, pi] between rotations given as vectors (..., 3)."""
    return np.asarray(np.linalg.norm(compose(invert(first), second), axis=-1))


def slerp(first: npt.ArrayLike, second: npt.ArrayLike, weight: float) -> Array:
    """Return the rotation `weight` of the way from `first` (0) to `second` (1), (..., 3)."""
    return compose(first, weight * compose(invert(first), second))


def make_continuous(rotvec: npt.ArrayLike) -> Array:
    """Return a sequence (T, ..., 3) of equal rotations without leaps between 2 pi equivalents."""
    out = np.array(rotvec, dtype=np.float64)
    for index in range(1, len(out)):
        out[index] = _nearest_equivalent(out[index], out[index - 1])
    return out


def _nearest_equivalent(rotvec: Array, reference: Array) -> Array:
    angle = np.linalg.norm(rotvec, axis=-1, keepdims=True)
    axis = rotvec / np.where(angle > 0.0, angle, 1.0)
    candidates = np.stack([rotvec, axis * (angle - 2 * np.pi), axis * (angle + 2 * np.pi)])
    best = np.argmin(np.linalg.norm(candidates - reference, axis=-1), axis=0)
    return np.asarray(np.take_along_axis(candidates, best[None, ..., None], axis=0)[0])


def mean_rotation(rotvec: npt.ArrayLike) -> Array:
    """Return the rotation vector (3,) closest to all of (N, 3) in the chordal sense."""
    rotation, _ = _rotation(rotvec)
    return _shaped(rotation.mean().as_rotvec(), 3)
