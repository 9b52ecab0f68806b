"""The skin's texture space: the body's islands packed anew, the face enlarged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt
from surface import Piece

Array = npt.NDArray[np.float64]

NOSE = np.array([0.875, 0.515])  # of the head's island; v counts downwards
REACH = 0.30  # of the enlargement around it
# Islands of the body's own UVs (low u, low v, high u, high v) and where they go.
ISLANDS = (
    ((0.60, 0.17, 1.00, 0.858), (0.005, 0.005, 0.660, 0.995)),  # head
    ((0.00, 0.35, 0.158, 0.460), (0.670, 0.005, 0.995, 0.220)),  # ears
    ((0.75, 0.86, 1.00, 1.000), (0.670, 0.230, 0.870, 0.370)),  # inside of the mouth
    ((0.17, 0.00, 0.600, 0.210), (0.670, 0.380, 0.995, 0.600)),  # neck
    ((0.35, 0.79, 0.770, 1.000), (0.670, 0.610, 0.995, 0.800)),  # hands
    ((0.00, 0.00, 1.000, 1.000), (0.670, 0.810, 0.995, 0.995)),  # the rest
)
_HANDS = 4


def repack(piece: Piece) -> Array:
    """Give the skin the new UVs; return the old ones (N, 2) of its vertices, for the masks."""
    assert piece.uvs is not None
    assert piece.rows is not None
    old = piece.uvs
    middle = old[piece.triangles].mean(axis=1)
    island = np.full(len(middle), len(ISLANDS) - 1)
    for number, (box, _) in reversed(list(enumerate(ISLANDS))):
        inside = (middle >= box[:2]).all(axis=1) & (middle <= box[2:]).all(axis=1)
        island = np.where(inside, number, island)
    corners = np.stack([piece.triangles.ravel(), np.repeat(island, 3)], axis=1)
    unique, index = np.unique(corners, axis=0, return_inverse=True)
    piece.triangles = index.reshape(-1, 3)
    piece.vertices, piece.rows = piece.vertices[unique[:, 0]], piece.rows[unique[:, 0]]
    old = old[unique[:, 0]]
    fresh = np.zeros_like(old)
    for number, (_, target) in enumerate(ISLANDS):
        mine = unique[:, 1] == number
        if mine.any():
            place = _enlarge(old[mine]) if number == 0 else old[mine]
            fresh[mine] = _fit(place, target)
    piece.uvs = fresh
    return old


def _enlarge(uvs: Array) -> Array:
    """Spread the face over more texels than the back of the head."""
    away = uvs - NOSE
    radius = np.linalg.norm(away, axis=1, keepdims=True)
    return np.asarray(NOSE + away * (1.0 - np.exp(-radius / REACH)) / np.maximum(radius, 1e-9))


def _fit(uvs: Array, target: tuple[float, float, float, float]) -> Array:
    low, high = uvs.min(axis=0), uvs.max(axis=0)
    corner, opposite = np.array(target[:2]), np.array(target[2:])
    return np.asarray(corner + (uvs - low) / (high - low) * (opposite - corner))


@dataclass
class Texels:
    """The texels that show skin: row and column (K,), triangle (K,), barycentric shares (K, 3)."""

    size: int
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    corners: npt.NDArray[np.int64]
    shares: Array

    @staticmethod
    def of(piece: Piece, size: int) -> Texels:
        """Find what each texel of a `size` x `size` picture shows of a piece."""
        assert piece.uvs is not None
        pixels = piece.uvs * size - 0.5
        owner = np.full((size, size), -1, np.int64)
        share = np.zeros((size, size, 2))
        for number, triangle in enumerate(piece.triangles):
            corner = pixels[triangle]
            low = np.maximum(np.floor(corner.min(axis=0)).astype(int) - 1, 0)
            high = np.minimum(np.ceil(corner.max(axis=0)).astype(int) + 2, size)
            basis = np.stack([corner[1] - corner[0], corner[2] - corner[0]], axis=1)
            if abs(np.linalg.det(basis)) < 1e-9:
                continue
            x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
            st = np.stack([x - corner[0, 0], y - corner[0, 1]], axis=-1) @ np.linalg.inv(basis).T
            slack = 0.02 + 0.5 / np.sqrt(abs(np.linalg.det(basis)))
            inside = (st.min(axis=-1) >= -slack) & (st.sum(axis=-1) <= 1.0 + slack)
            strict = (st.min(axis=-1) >= 0.0) & (st.sum(axis=-1) <= 1.0)
            take = strict | (inside & (owner[y, x] < 0))
            owner[y[take], x[take]], share[y[take], x[take]] = number, st[take]
        rows, columns = np.nonzero(owner >= 0)
        st = share[rows, columns]
        shares = np.stack([1.0 - st.sum(axis=1), st[:, 0], st[:, 1]], axis=1)
        return Texels(size, rows, columns, piece.triangles[owner[rows, columns]], shares)

    def read(self, values: Array) -> Array:
        """Return values at the vertices (N, ...) as seen by the texels (K, ...)."""
        values = values.astype(np.float32)
        share = self.shares.astype(np.float32).reshape(*self.shares.shape, *[1] * (values.ndim - 1))
        return np.asarray(sum(share[:, k] * values[self.corners[:, k]] for k in range(3)))

    def picture(self, values: Array) -> Array:
        """Return values (K, C) as a picture, run over the borders of the islands."""
        picture = np.zeros((self.size, self.size, values.shape[1]), np.float32)
        known = np.zeros((self.size, self.size), bool)
        picture[self.rows, self.columns], known[self.rows, self.columns] = values, True
        row, column = distance_transform_edt(~known, return_distances=False, return_indices=True)
        return np.asarray(picture[row, column])
