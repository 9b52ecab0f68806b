"""Teeth one by one along two arches, with gums; the lower row moves with the jaw."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from body import Body
from surface import Piece, grid_triangles

Array = npt.NDArray[np.float64]

# Widths from the middle outwards and heights [m] of one half of a row.
_UPPER = (
    (0.0086, 0.0068, 0.0078, 0.0072, 0.0070, 0.0100, 0.0096),
    (0.0105, 0.0090, 0.0100, 0.0085, 0.008, 0.007, 0.007),
)
_LOWER = (
    (0.0056, 0.0060, 0.0070, 0.0072, 0.0072, 0.0110, 0.0105),
    (0.0088, 0.0088, 0.0094, 0.0085, 0.008, 0.007, 0.007),
)
_BEHIND_LIPS_M = 0.0035
_UPPER_EDGE_M, _LOWER_EDGE_M = -0.0026, -0.0034  # from the line between the lips
_OVERBITE_M = 0.0018
_SHOWN_M = 0.002  # an open mouth shows more of both rows than the lips of the body would
# How far each edge stays behind that of the first two.
_RISES_M = (0.0, 0.0005, 0.0, 0.0005, 0.0008, 0.001, 0.001)
# How wide a crown is at heights from its edge (0) to its root (1): neighbours touch near the edge.
_OUTLINE = ((0.0, 0.03, 0.09, 0.25, 1.0), (0.9, 0.96, 0.99, 1.0, 0.86))
_BETWEEN = 0.3  # how much darker it is where neighbours touch
_ENAMEL = np.array([0.60, 0.54, 0.45])
_GUM = np.array([0.52, 0.17, 0.16])


def make_teeth(body: Body, vertices: Array, seam: float) -> Piece:
    """Return both rows; `seam` is the height of the line between the lips [m]."""
    rows = {name: _rows(body, f"helper-{name}-teeth") for name in ("upper", "lower")}
    arch = vertices[rows["upper"]]
    width = 0.78 * arch[:, 0].max()
    front, depth = arch[:, 2].max() - _BEHIND_LIPS_M, np.ptp(arch[:, 2])
    parts = [
        _row(_UPPER, seam + _UPPER_EDGE_M, 1.0, width, front, depth),
        _row(_LOWER, seam + _LOWER_EDGE_M, -1.0, 0.95 * width, front - _OVERBITE_M, depth),
    ]
    starts = [0, len(parts[0][0])]
    points = np.concatenate([part[0] for part in parts])
    colours = np.concatenate([part[1] for part in parts])
    triangles = np.concatenate([part[2] + start for part, start in zip(parts, starts, strict=True)])
    teeth = Piece("teeth", points, triangles, "teeth")
    dark = np.clip(1.0 - 1.2 * (front - points[:, 2]) / depth, 0.15, 1.0)
    teeth.colours = colours * dark[:, None]
    lower = np.arange(len(points)) >= starts[1]
    for name, offsets in body.morphs.items():
        moves = [_motion(vertices, offsets, rows[row], points) for row in ("upper", "lower")]
        moved = np.where(lower[:, None], moves[1], moves[0])
        if name == "jawOpen":
            moved[:, 1] += np.where(lower, _SHOWN_M, -_SHOWN_M)
        if np.abs(moved).max() > 1e-5:
            teeth.morphs[name] = moved
    return teeth


def _rows(body: Body, group: str) -> list[int]:
    return sorted({vertex for face in body.groups[group] for vertex, _ in face})


def _motion(vertices: Array, offsets: Array, rows: list[int], points: Array) -> Array:
    """Return how points move with the body's own teeth: the affine motion that fits best."""
    if np.abs(offsets[rows]).max() < 1e-6:
        return np.zeros_like(points)
    middle = vertices[rows].mean(axis=0)
    known = np.concatenate([vertices[rows] - middle, np.ones((len(rows), 1))], axis=1)
    fit = np.linalg.lstsq(known, offsets[rows], rcond=1e-3)[0]
    return np.asarray(np.concatenate([points - middle, np.ones((len(points), 1))], axis=1) @ fit)


def _row(
    sizes: tuple[tuple[float, ...], tuple[float, ...]],
    edge: float,
    upwards: float,
    width: float,
    front: float,
    depth: float,
) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Return points, colours and triangles of one row of teeth and its gum."""
    turn = np.linspace(0.0, 0.5 * np.pi, 400)
    arch = np.stack([width * np.sin(turn), front - depth * (1.0 - np.cos(turn))], axis=1)
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(arch, axis=0), axis=1))])
    widths = np.array(sizes[0]) * way[-1] / sum(sizes[0])
    middles = np.cumsum(widths) - 0.5 * widths
    points: list[Array] = []
    colours: list[Array] = []
    triangles: list[npt.NDArray[np.int64]] = []
    count = 0
    for side in (1.0, -1.0):
        for middle, wide, tall, rise in zip(middles, widths, sizes[1], _RISES_M, strict=True):
            at = np.array([np.interp(middle, way, arch[:, k]) for k in (0, 1)])
            ahead = np.array([np.interp(middle + 0.001, way, arch[:, k]) for k in (0, 1)]) - at
            ahead /= np.linalg.norm(ahead)
            crown, faces = _tooth(wide, tall, upwards)
            out = np.array([-ahead[1], ahead[0]])  # the arch runs outwards and back
            x = at[0] + crown[:, 0] * ahead[0] + crown[:, 2] * out[0]
            z = at[1] + crown[:, 0] * ahead[1] + crown[:, 2] * out[1]
            points.append(np.stack([side * x, edge + upwards * rise + crown[:, 1], z], axis=1))
            root = np.clip(np.abs(crown[:, 1]) / tall, 0.0, 1.0)[:, None]
            side_on = np.abs(crown[:, :1] / (0.5 * wide)) ** 4
            colours.append(_ENAMEL * (1.0 - 0.12 * root) * (1.0 - _BETWEEN * side_on))
            triangles.append((faces if side > 0 else faces[:, ::-1]) + count)
            count += len(crown)
    gum, faces = _gum(arch, edge + upwards * 0.78 * sizes[1][0], upwards)
    points.append(gum)
    colours.append(np.tile(_GUM, (len(gum), 1)))
    triangles.append(faces + count)
    return np.concatenate(points), np.concatenate(colours), np.concatenate(triangles)


def _tooth(wide: float, tall: float, upwards: float) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return a rounded crown: x along the arch, y from its edge, z outwards."""
    rings, spokes = np.array([0.0, 0.03, 0.09, 0.2, 0.45, 0.75, 1.0]), 12
    turn = np.linspace(0.0, 2.0 * np.pi, spokes, endpoint=False)
    v, turn = (grid.ravel() for grid in np.meshgrid(rings, turn, indexing="ij"))
    square = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.5
    deep = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.7
    x = 0.5 * wide * square * np.interp(v, *_OUTLINE)
    z = 0.0026 * deep * (0.25 + 0.75 * v**0.5) * np.interp(v, (0.0, 0.09), (0.4, 1.0))
    points = np.stack([x, upwards * tall * v, z], axis=1)
    triangles = grid_triangles(len(rings), spokes, closed=True)
    return points, triangles if upwards > 0 else triangles[:, ::-1]


def _gum(arch: Array, height: float, upwards: float) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return a ridge along the arch above the necks of the teeth."""
    line = arch[::8]
    line = np.concatenate([line[:0:-1] * [-1.0, 1.0], line])
    ahead = np.gradient(line, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    out = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    profile = [
        (0.0020, 0.0),
        (0.0034, 0.0012),
        (0.0034, 0.006),
        (0.0, 0.010),
        (-0.004, 0.006),
        (-0.003, 0.0),
    ]
    rings = [
        np.stack([line[:, 0] + o * out[:, 0], np.full(len(line), height + upwards * rise),
                  line[:, 1] + o * out[:, 1]], axis=1)
        for o, rise in profile
    ]  # fmt: skip
    triangles = grid_triangles(len(profile), len(line))
    return np.concatenate(rings), triangles if upwards < 0 else triangles[:, ::-1]
