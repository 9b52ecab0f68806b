"""Hair in strips of strands: grown from the scalp, combed, laid over the head and the shoulders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from surface import Piece, vertex_normals

Array = npt.NDArray[np.float64]

STEP_M = 0.006
DOWN = np.array([0.0, -1.0, 0.0])
VARIANTS = 4  # columns of the strands' picture


@dataclass
class Strands:
    """Lines (S, K, 3) of strands, normals there, width [m], order of lying (0 lowest, 1 top)."""

    lines: Array
    normals: Array
    width: Array
    layer: Array


class Head:
    """What hair grows on and lies on; all in metres, `centre` between the ears."""

    def __init__(self, skin: Piece, cloth: list[Piece], eyes: Array) -> None:
        """Take the skin, and the clothes that long hair falls on; `eyes` is between them."""
        self.skin = skin
        self.eyes = eyes
        self.centre = np.array([0.0, eyes[1], eyes[2] - 0.085])
        points, normals = (
            [skin.vertices],
            [vertex_normals(skin.vertices, skin.triangles, skin.rows)],
        )
        for piece in cloth:
            points.append(piece.vertices)
            normals.append(vertex_normals(piece.vertices, piece.triangles, None))
        self._points, self._normals = np.concatenate(points), np.concatenate(normals)
        self._tree = cKDTree(self._points)

    def above(self, points: Array) -> tuple[Array, Array]:
        """Return the height (N,) of points over the surface, and its normal there (N, 3)."""
        away, nearest = self._tree.query(points, k=4, workers=1)
        weight = 1.0 / (away + 1e-4)
        weight /= weight.sum(axis=1, keepdims=True)
        normal = (weight[..., None] * self._normals[nearest]).sum(axis=1)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        place = (weight[..., None] * self._points[nearest]).sum(axis=1)
        return np.sum((points - place) * normal, axis=1), normal

    def hairline(self, points: Array) -> Array:
        """Return how far points (N, 3) lie inside the hairline [m]."""
        away = points - self.centre
        turn = np.arctan2(away[:, 0], away[:, 2])
        line = np.interp(
            np.degrees(np.abs(turn)),
            [0, 20, 36, 50, 60, 70, 80, 88, 100, 112, 128, 150, 180],
            [0.062, 0.062, 0.058, 0.043, 0.022, 0.003, 0.000, 0.015, 0.022, 0.002, -0.042, -0.072,
             -0.078],
        )  # fmt: skip
        return np.asarray(away[:, 1] - line)

    def roots(self, count: int, seed: int) -> tuple[Array, Array]:
        """Return places (about `count`) spread evenly over the scalp, and normals there."""
        rng = np.random.default_rng(seed)
        corners = self.skin.vertices[self.skin.triangles]
        inside = self.hairline(corners.mean(axis=1)) > -0.01
        inside &= corners.mean(axis=1)[:, 1] > self.centre[1] - 0.1
        corners = corners[inside]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area = np.linalg.norm(cross, axis=1)
        share = rng.dirichlet([1.0, 1.0, 1.0], 12 * count)[..., None]
        points = (share * corners[rng.choice(len(corners), 12 * count, p=area / area.sum())]).sum(1)
        points = points[self.hairline(points) > 0.002]
        spacing = np.sqrt(0.075 / count)  # the scalp has about 0.06 m2
        free, kept = np.ones(len(points), bool), []
        for k, near in enumerate(cKDTree(points).query_ball_point(points, 0.62 * spacing)):
            if free[k]:
                kept.append(k)
                free[near] = False
        points = points[kept]
        return points, self.above(points)[1]

    def grow(
        self,
        roots: Array,
        first: Array,
        steps: int,
        height: Array,
        comb: Callable[[Array, Array, float], Array],
        step_m: Array | float = STEP_M,
        outside: Callable[[Array], Array] | None = None,
    ) -> tuple[Array, Array]:
        """Return lines (S, steps, 3) and normals: each step follows the comb and stays outside.

        `comb` gets places, directions and the share of the way; it returns a change of direction.
        """
        here, way = roots + 0.001 * first, first / np.linalg.norm(first, axis=1, keepdims=True)
        lines, normals = [], []
        for k in range(steps):
            over, normal = self.above(here)
            wanted = height * min(1.0, (k + 0.5) / 4.0)
            here = here + np.maximum(wanted - over, 0.0)[:, None] * normal
            lines.append(here)
            normals.append(normal)
            way = way + comb(here, way, k / steps)
            into = np.minimum((way * normal).sum(axis=1), 0.0) * (over < wanted + 0.004)
            way = way - into[:, None] * normal
            way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
            here = here + np.reshape(step_m, (-1, 1)) * way
            if outside is not None:
                here = outside(here)
        return np.stack(lines, axis=1), np.stack(normals, axis=1)

    def lies_well(self, lines: Array) -> npt.NDArray[np.bool_]:
        """Tell which lines (S, K, 3) neither stand off the head nor hang into the face."""
        away = lines - self.centre
        over = self.above(lines.reshape(-1, 3))[0].reshape(lines.shape[:2])
        stands_off = ((over > 0.032) & (away[..., 1] > 0.02)).any(axis=1)
        before = (away[..., 2] > 0.055) & (away[..., 1] < 0.045) & (np.abs(away[..., 0]) < 0.075)
        return np.asarray(~(stands_off | before.any(axis=1)))


def bob(head: Head) -> Strands:
    """Chin-long hair with a parting on its left, swept off the face, ends turned in."""
    roots, normals = head.roots(1000, 2)
    rng = np.random.default_rng(4)
    eyes = head.eyes
    away = roots - head.centre
    parting = 0.022
    side = np.where(away[:, 0] + rng.normal(0, 0.001, len(away)) > parting, 1.0, -1.0)
    front = np.clip((away[:, 2] + 0.03) / 0.06, 0.0, 1.0)[:, None]
    top = np.clip((away[:, 1] - 0.03) / 0.08, 0.0, 1.0)[:, None]
    crown = (roots - head.centre - [0.5 * parting, 0.0, -0.03]) * [1.0, 0.0, 1.0]
    radial = crown / np.maximum(np.linalg.norm(crown, axis=1, keepdims=True), 0.02)
    swept = np.stack([0.9 * side, 0.12 + 0 * side, -0.75 + 0 * side], axis=1)
    first = 0.2 * normals + top * (front * swept + (1.0 - front) * radial)
    first += (1.0 - top) * (0.6 * DOWN + np.array([0.0, 0.0, -0.45]) * front)
    first += rng.normal(0, 0.05, first.shape)
    flat = np.exp(-(((away[:, 0] - parting) / 0.02) ** 2))
    height = 0.004 + 0.011 * top[:, 0] * (1.0 - 0.5 * flat) + rng.uniform(0.0, 0.004, len(roots))
    low = eyes[1] - 0.118

    def comb(points: Array, way: Array, share: float) -> Array:
        pull = 0.15 * DOWN + rng.normal(0, 0.012, way.shape)
        ends = np.clip((low + 0.05 - points[:, 1]) / 0.05, 0.0, 1.0)[:, None]
        inwards = (head.centre - points) * [1.0, 0.0, 1.0]
        inwards /= np.maximum(np.linalg.norm(inwards, axis=1, keepdims=True), 1e-6)
        return pull + 0.2 * ends * inwards

    def off_the_face(points: Array) -> Array:
        limit = np.interp(
            points[:, 1] - eyes[1], [-0.12, -0.04, 0.03, 0.062], [0.045, 0.030, 0.026, 0.07]
        )
        ahead = points[:, 2] - (head.centre[2] + limit)
        points[:, 2] -= np.clip(ahead, 0.0, 0.006)
        return points

    lines, over = head.grow(roots, first, 54, height, comb, outside=off_the_face)
    ends = low + rng.normal(0.0, 0.005, len(roots)) + 0.012 * (roots[:, 2] < head.centre[2])
    lines, over = _cut_at(lines, over, lines[..., 1] < ends[:, None], 15)
    calm = head.lies_well(lines)
    width = np.full(len(lines), 0.011)
    layer = np.clip(height / 0.024, 0, 1)
    return Strands(lines[calm], over[calm], width[calm], layer[calm])


def short(head: Head) -> Strands:
    """Short at the sides, a few centimetres above, swept back and to its right."""
    roots, normals = head.roots(1150, 3)
    rng = np.random.default_rng(6)
    away = roots - head.centre
    top = np.clip((away[:, 1] - 0.045) / 0.035, 0.0, 1.0)
    front = np.clip((away[:, 2] - 0.01) / 0.06, 0.0, 1.0) * top
    sides = np.stack(
        [0.05 * np.sign(away[:, 0]), -0.85 * np.ones(len(roots)), -0.5 * np.ones(len(roots))],
        axis=1,
    )
    above = np.stack([-0.45 - 0.2 * front, 0.10 + 0.35 * front, -0.85 + 0.3 * front], axis=1)
    first = (
        (0.5 - 0.25 * top[:, None]) * normals + top[:, None] * above + (1.0 - top)[:, None] * sides
    )
    first += rng.normal(0, 0.12, first.shape)
    length = 0.014 + 0.040 * top + 0.012 * front + rng.uniform(-0.004, 0.006, len(roots))
    height = 0.003 + 0.010 * top + 0.004 * front + rng.uniform(0.0, 0.004, len(roots)) * (0.3 + top)

    def comb(points: Array, way: Array, share: float) -> Array:
        change = rng.normal(0, 0.03, way.shape) + 0.02 * DOWN
        change += top[:, None] * np.array([-0.06, -0.12, -0.16])
        return change

    lines, over = head.grow(roots, first, 9, height, comb, step_m=length / 8.0)
    width = 0.006 + 0.005 * top
    return Strands(lines, over, width, np.clip(0.3 + 0.7 * top, 0, 1))


def bun(head: Head) -> Strands:
    """Combed back tightly into a knot high on the back of the head."""
    roots, normals = head.roots(760, 5)
    rng = np.random.default_rng(7)
    middle = head.centre + np.array([0.0, 0.075, -0.105])
    over, normal = head.above(middle[None])
    knot = middle + (0.034 - over[0]) * normal[0]
    height = 0.0025 + rng.uniform(0.0, 0.004, len(roots))

    def comb(points: Array, way: Array, share: float) -> Array:
        goal = knot - points
        goal /= np.maximum(np.linalg.norm(goal, axis=1, keepdims=True), 1e-6)
        return 0.7 * goal + rng.normal(0, 0.02, way.shape)

    goal = knot - roots
    first = 0.25 * normals + goal / np.linalg.norm(goal, axis=1, keepdims=True)
    lines, over_ = head.grow(roots, first, 48, height, comb)
    near = np.linalg.norm(lines - knot, axis=-1) < 0.030
    lines, over_ = _cut_at(lines, over_, near, 14)
    scalp = Strands(lines, over_, np.full(len(lines), 0.012), 0.4 + 0.3 * rng.random(len(lines)))
    return _join(scalp, _knot(knot, normal[0], rng))


def _knot(middle: Array, axis: Array, rng: np.random.Generator) -> Strands:
    """Wind strands around a ball: tilted rings that lie over one another."""
    rings, steps = 150, 14
    lines, normals = [], []
    for _ in range(rings):
        pole = axis + 0.75 * rng.normal(size=3)
        pole /= np.linalg.norm(pole)
        one = np.cross(pole, rng.normal(size=3))
        one /= np.linalg.norm(one)
        two = np.cross(pole, one)
        turn = rng.uniform(0, 2 * np.pi) + np.linspace(0.0, rng.uniform(1.8, 2.8), steps)
        tilt = rng.uniform(-0.5, 0.5)
        ring = np.cos(turn)[:, None] * one + np.sin(turn)[:, None] * two + tilt * pole
        ring /= np.linalg.norm(ring, axis=1, keepdims=True)
        radius = 0.040 + rng.uniform(0.0, 0.005)
        squeeze = ring - 0.18 * (ring @ axis)[:, None] * axis
        lines.append(middle + radius * squeeze)
        normals.append(ring)
    return Strands(np.array(lines), np.array(normals), np.full(rings, 0.013), np.full(rings, 0.8))


def _join(*parts: Strands) -> Strands:
    return Strands(*(np.concatenate([getattr(part, name) for part in parts])
                     for name in ("lines", "normals", "width", "layer")))  # fmt: skip


def _cut_at(
    lines: Array, normals: Array, ended: npt.NDArray[np.bool_], count: int
) -> tuple[Array, Array]:
    """End each line where it first has ended, and give it `count` points evenly."""
    last = np.where(ended.any(axis=1), ended.argmax(axis=1), lines.shape[1] - 1)
    place = np.maximum(last, 2)[:, None] * np.linspace(0.0, 1.0, count)
    low = np.minimum(place.astype(int), lines.shape[1] - 2)
    share = (place - low)[..., None]
    row = np.arange(len(lines))[:, None]
    return tuple(
        (1 - share) * part[row, low] + share * part[row, low + 1] for part in (lines, normals)
    )  # type: ignore[return-value]


STYLES: dict[str, Callable[[Head], Strands]] = {"bob": bob, "short": short, "bun": bun}
