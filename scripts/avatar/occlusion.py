"""How much of the sky each point of the figure sees: ambient occlusion by depth pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter
from surface import Piece

Array = npt.NDArray[np.float64]

DIRECTIONS = 48
PIXEL_M = 0.003
BIAS_M = 0.006
SAMPLES = 250_000


def openness(points: Array, normals: Array, pieces: Sequence[Piece]) -> Array:
    """Return the share (N,) of light from all around, cosine-weighted, that reaches each point."""
    blockers = _sample(pieces)
    total, seen = np.zeros(len(points)), np.zeros(len(points))
    for direction in _sphere(DIRECTIONS):
        facing = normals @ direction
        lit = facing > 0.0
        right = np.cross(direction, [0.0, 1.0, 0.1])
        right /= np.linalg.norm(right)
        frame = np.stack([right, np.cross(right, direction), direction], axis=1)
        screen, depth = _project(blockers @ frame), (points[lit] @ frame)
        low = screen[0].min(axis=0)
        size = screen[0].max(axis=0) - low + 1
        front = np.full(size[0] * size[1], -np.inf)
        cell = screen[0] - low
        np.maximum.at(front, cell[:, 0] * size[1] + cell[:, 1], screen[1])
        picture = maximum_filter(front.reshape(size), 2)
        place = np.clip(_project(depth)[0] - low, 0, size - 1)
        free = picture[place[:, 0], place[:, 1]] < depth[:, 2] + BIAS_M
        total[lit] += facing[lit]
        seen[lit] += facing[lit] * free
    return np.asarray(seen / np.maximum(total, 1e-9))


def _project(points: Array) -> tuple[npt.NDArray[np.int64], Array]:
    return np.floor(points[:, :2] / PIXEL_M).astype(np.int64), points[:, 2]


def _sample(pieces: Sequence[Piece]) -> Array:
    """Return points spread evenly over the surfaces."""
    corners = np.concatenate([piece.vertices[piece.triangles] for piece in pieces])
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1)
    rng = np.random.default_rng(1)
    chosen = corners[rng.choice(len(corners), SAMPLES, p=area / area.sum())]
    share = rng.random((SAMPLES, 2, 1))
    share = np.where(share.sum(axis=1, keepdims=True) > 1.0, 1.0 - share, share)
    a, b, c = chosen[:, 0], chosen[:, 1], chosen[:, 2]
    return np.asarray(a + share[:, 0] * (b - a) + share[:, 1] * (c - a))


def _sphere(count: int) -> Array:
    """Return directions spread evenly (Fibonacci), fewer from below, where the floor is dim."""
    k = np.arange(count) + 0.5
    y = 1.0 - 1.7 * k / count
    turn = np.pi * (1.0 + 5.0**0.5) * k
    ring = np.sqrt(1.0 - y * y)
    return np.stack([ring * np.cos(turn), y, ring * np.sin(turn)], axis=1)
