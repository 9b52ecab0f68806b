"""Pieces of surface: cut from the body mesh, split, clipped along a line, smoothed, hemmed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from body import Body
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import coo_matrix, csr_matrix

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass
class Piece:
    """Triangles of one material. `rows` are the body vertices that the piece's vertices copy."""

    name: str
    vertices: Array
    triangles: npt.NDArray[np.int64]
    material: str
    rows: npt.NDArray[np.int64] | None = None
    uvs: Array | None = None
    normals: Array | None = None
    colours: Array | None = None
    link: str | None = None
    weights: Array | None = None
    morphs: dict[str, Array] = field(default_factory=dict)


def cut(
    body: Body, vertices: Array, name: str, groups: list[str], keep: Mask, material: str
) -> Piece:
    """Return the faces of `groups` whose vertices are all kept, split where the UVs are."""
    corners: dict[tuple[int, int], int] = {}
    triangles = []
    for group in groups:
        for face in body.groups[group]:
            if all(keep[vertex] for vertex, _ in face):
                ids = [corners.setdefault(corner, len(corners)) for corner in face]
                triangles += [(ids[0], ids[k], ids[k + 1]) for k in range(1, len(ids) - 1)]
    rows = np.array([vertex for vertex, _ in corners], np.int64)
    uvs = body.uvs[[uv for _, uv in corners]] * [1.0, -1.0] + [0.0, 1.0]
    return Piece(name, vertices[rows], np.array(triangles), material, rows, uvs)


def cut_sheet(
    body: Body, vertices: Array, name: str, group: str, keep: Mask, links: list[str]
) -> Piece:
    """Return faces like `cut`, but in one sheet without UVs, with its weights (N, links)."""
    piece = cut(body, vertices, name, [group], keep, name)
    assert piece.rows is not None
    rows, index = np.unique(piece.rows, return_inverse=True)
    table = np.stack([body.weights[link][rows] for link in links], axis=1)
    return Piece(name, vertices[rows], index[piece.triangles], name, weights=table)


def subdivide(piece: Piece) -> None:
    """Split every triangle of a sheet into four."""
    middles: dict[tuple[int, int], int] = {}
    triangles = []
    for a, b, c in piece.triangles.tolist():
        ab, bc, ca = (_between(piece, middles, edge) for edge in ((a, b), (b, c), (c, a)))
        triangles += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    _grow(piece, middles, dict.fromkeys(middles, 0.5))
    piece.triangles = np.array(triangles)


def clip(piece: Piece, values: Array) -> None:
    """Cut a sheet along the line where `values` (N,) is zero; keep where it is positive."""
    middles: dict[tuple[int, int], int] = {}
    shares: dict[tuple[int, int], float] = {}
    triangles = []
    for triangle in piece.triangles.tolist():
        inside = [values[k] > 0.0 for k in triangle]
        polygon = []
        for k in range(3):
            a, b = triangle[k], triangle[(k + 1) % 3]
            if inside[k]:
                polygon.append(a)
            if inside[k] != inside[(k + 1) % 3]:
                low, high = min(a, b), max(a, b)
                shares[(low, high)] = float(values[low] / (values[low] - values[high]))
                polygon.append(_between(piece, middles, (a, b)))
        triangles += [(polygon[0], polygon[k], polygon[k + 1]) for k in range(1, len(polygon) - 1)]
    _grow(piece, middles, shares)
    used, index = np.unique(np.array(triangles), return_inverse=True)
    piece.triangles = index.reshape(-1, 3)
    piece.vertices = piece.vertices[used]
    assert piece.weights is not None
    piece.weights = piece.weights[used]


def _between(piece: Piece, middles: dict[tuple[int, int], int], edge: tuple[int, int]) -> int:
    key = (min(edge), max(edge))
    return middles.setdefault(key, len(piece.vertices) + len(middles))


def _grow(
    piece: Piece, middles: dict[tuple[int, int], int], shares: dict[tuple[int, int], float]
) -> None:
    """Append the vertices that `middles` numbers, each its share of the way along its edge."""
    if not middles:
        return
    edges = np.array(list(middles))
    share = np.array([shares[key] for key in middles])[:, None]
    assert piece.weights is not None
    for name in ("vertices", "weights"):
        values = getattr(piece, name)
        fresh = (1.0 - share) * values[edges[:, 0]] + share * values[edges[:, 1]]
        setattr(piece, name, np.concatenate([values, fresh]))


def vertex_normals(points: Array, triangles: npt.NDArray[np.int64], rows: Array | None) -> Array:
    """Return unit normals (N, 3); vertices that copy one body vertex share theirs."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    faces = np.cross(b - a, c - a)
    keys = np.arange(len(points)) if rows is None else np.asarray(rows)
    sums = np.zeros((keys.max() + 1, 3))
    for k in range(3):
        np.add.at(sums, keys[triangles[:, k]], faces)
    normals = sums[keys]
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def swell(piece: Piece, amount: Array | float) -> None:
    """Move a piece outwards along its normals by `amount` metres."""
    normals = vertex_normals(piece.vertices, piece.triangles, piece.rows)
    piece.vertices = piece.vertices + normals * np.reshape(amount, (-1, 1))


def neighbours(triangles: npt.NDArray[np.int64], count: int) -> csr_matrix:
    """Return the matrix (count, count) that takes the mean over each vertex's neighbours."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    table = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count)).tocsr()
    return table.multiply(1.0 / np.maximum(table.sum(axis=1), 1.0)).tocsr()


def smooth(piece: Piece, steps: int, share: Array | float = 0.5) -> None:
    """Move vertices towards the mean of their neighbours, and a little less back (Taubin)."""
    mean = neighbours(piece.triangles, len(piece.vertices))
    share = np.reshape(share, (-1, 1))
    for _ in range(steps):
        for factor in (1.0, -0.94):
            towards = mean @ piece.vertices - piece.vertices
            piece.vertices = piece.vertices + factor * share * towards


def relax(piece: Piece, steps: int, share: Array | float) -> None:
    """Move vertices towards the mean of their neighbours: cloth that spans hollows."""
    mean = neighbours(piece.triangles, len(piece.vertices))
    for _ in range(steps):
        towards = mean @ piece.vertices - piece.vertices
        piece.vertices = piece.vertices + np.reshape(share, (-1, 1)) * towards


def border_loops(triangles: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Return the borders of a sheet as closed lines of vertices, longest first."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    known = {(int(a), int(b)) for a, b in edges}
    after = {a: b for a, b in known if (b, a) not in known}
    loops = []
    while after:
        start, here = next(iter(after.items()))
        loop = [start]
        del after[start]
        while here != start and here in after:
            loop.append(here)
            here = after.pop(here)
        loops.append(np.array(loop))
    return sorted((loop for loop in loops if len(loop) > 8), key=len, reverse=True)


def hem(piece: Piece, thickness: float, depth: float, calm: float = 3.0) -> None:
    """Smooth the borders of a sheet and turn them inwards, so that the cloth looks thick."""
    assert piece.weights is not None
    normals = vertex_normals(piece.vertices, piece.triangles, None)
    for loop in border_loops(piece.triangles):
        line = gaussian_filter1d(piece.vertices[loop], calm, axis=0, mode="wrap")
        piece.vertices[loop] = line
        along = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        normal = gaussian_filter1d(normals[loop], calm, axis=0, mode="wrap")
        inward = np.cross(normal, along)  # loops run counter-clockwise: inwards is to the left
        rings = [
            line - 0.5 * thickness * normal - 0.4 * thickness * inward,
            line - thickness * normal + 0.2 * thickness * inward,
            line - thickness * normal + depth * inward,
        ]
        before, count = loop, len(loop)
        for ring in rings:
            fresh = len(piece.vertices) + np.arange(count)
            piece.vertices = np.concatenate([piece.vertices, ring])
            piece.weights = np.concatenate([piece.weights, piece.weights[loop]])
            piece.triangles = np.concatenate([piece.triangles, _strip(before, fresh)])
            before = fresh


def _strip(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return triangles between two closed lines, on the right of the first one's way."""
    a, b, c, d = first, np.roll(first, -1), second, np.roll(second, -1)
    return np.concatenate([np.stack([b, a, c], axis=1), np.stack([b, c, d], axis=1)])


def grid_triangles(
    rows: int, columns: int, closed: bool = False, start: int = 0
) -> npt.NDArray[np.int64]:
    """Return the triangles of a grid whose vertices are counted row by row from `start`."""
    number = np.arange(rows * columns).reshape(rows, columns) + start
    if closed:
        number = np.concatenate([number, number[:, :1]], axis=1)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    first = np.stack([a.ravel(), c.ravel(), b.ravel()], axis=1)
    second = np.stack([b.ravel(), c.ravel(), d.ravel()], axis=1)
    return np.concatenate([first, second])
