"""Garments: a wearer's shells, cut at neck, wrists and front; collars swept around the neck."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from noise import octaves
from surface import Piece, clip, cut_sheet, grid_triangles, hem, relax, subdivide
from wearer import SPOKES, Wearer

Array = npt.NDArray[np.float64]

ROUND_M = 0.012  # where a jacket's opening meets its neckline


def _cloth_uvs(piece: Piece, per_m: float) -> None:
    x, y, z = piece.vertices.T
    piece.uvs = per_m * np.stack([x + z, -y], axis=1)


def _sleeves(wearer: Wearer, piece: Piece, beyond_m: float) -> None:
    clip(piece, wearer.wrist + beyond_m - np.abs(piece.vertices[:, 0]))


def tee(wearer: Wearer, beneath: bool = True) -> list[Piece]:
    """A round-necked top; `beneath` a jacket only what that leaves free."""
    piece = wearer.shell("tee", 0.004, 4, 0.001, 0.22)
    away = np.linalg.norm(piece.vertices - wearer.neck + [0, 0.05, 0], axis=1)
    _lay_on(wearer, piece, np.clip((0.2 - away) / 0.07, 0, 1), 0.004)
    clip(piece, wearer.below_neckline(piece.vertices, 0.012, 0.4))
    if beneath:  # a jacket covers the rest, which must not come through it
        clip(
            piece, np.where(piece.vertices[:, 2] > 0.0, 0.085 - np.abs(piece.vertices[:, 0]), -1.0)
        )
    else:
        _sleeves(wearer, piece, -0.05)
    hem(piece, 0.003, 0.02, calm=8.0)
    _cloth_uvs(piece, 14.0)
    return [piece]


def trousers(wearer: Wearer) -> list[Piece]:
    """Trousers as far as they are ever seen."""
    keep = np.abs(wearer.vertices[:, 1] - wearer.hip + 0.21) < 0.195
    keep &= np.abs(wearer.vertices[:, 0]) < 0.3
    piece = cut_sheet(wearer.body, wearer.vertices, "trousers", "helper-tights", keep, wearer.links)
    relax(piece, 2, 0.5)
    subdivide(piece)
    wearer.push_out(piece, 0.003)
    _cloth_uvs(piece, 22.0)
    return [piece]


def _lay_on(wearer: Wearer, piece: Piece, share: Array, gap_m: float) -> None:
    """Bring parts of a piece close to the skin; the body's tights stand off there."""
    over, normal = wearer.height(piece.vertices)
    piece.vertices = piece.vertices - (share * np.maximum(over - gap_m, 0.0))[:, None] * normal


def turtleneck(wearer: Wearer) -> list[Piece]:
    """A knitted top with a high, folded collar."""
    piece = wearer.shell("turtleneck", 0.007, 8, 0.0016, 0.2)
    clip(piece, wearer.below_neckline(piece.vertices, 0.004, 0.25))
    _sleeves(wearer, piece, 0.008)
    hem(piece, 0.004, 0.02)
    _cloth_uvs(piece, 14.0)
    base = wearer.neck[1]
    profile = [  # height above the base, gap to the skin [m]
        (-0.040, 0.012), (-0.020, 0.009), (0.000, 0.007), (0.020, 0.0065), (0.036, 0.007),
        (0.043, 0.008), (0.046, 0.0105), (0.043, 0.0125), (0.033, 0.0135), (0.015, 0.014),
        (0.000, 0.015), (-0.012, 0.016), (-0.016, 0.0145), (-0.012, 0.011),
    ]  # fmt: skip
    return [piece, _sweep(wearer, "turtleneck", base, profile, 0.35)]


def _sweep(
    wearer: Wearer, name: str, base: float, profile: list[tuple[float, float]], slope: float
) -> Piece:
    """Return a closed collar: `profile` swept around the neck, lower in front by `slope`."""
    rings = []
    for rise, gap in profile:
        ring = wearer.contour(max(base + rise, base + 0.006), gap)
        ring[:, 1] = base + rise
        lower = (ring[:, 2] - ring[:, 2].mean()) * slope
        rings.append(ring - lower[:, None] * [0.0, 1.0, 0.0])
    points = np.concatenate(rings)
    points[:, 1] += 0.0012 * octaves(points, 0.02, 2, 31.0)
    triangles = grid_triangles(len(profile), SPOKES, closed=True)
    piece = Piece(name + "_collar", points, triangles, name, weights=wearer.weights_at(points))
    turn = np.tile(np.linspace(0.0, 0.42, SPOKES), len(profile))
    way = np.repeat(np.cumsum([0.0, *np.hypot(*np.diff(np.array(profile), axis=0).T)]), SPOKES)
    piece.uvs = 14.0 * np.stack([turn, way], axis=1)
    return piece


def shirt(wearer: Wearer) -> list[Piece]:
    """A shirt with a collar that lies open, and a button strip."""
    piece = wearer.shell("shirt", 0.007, 4, 0.0022, 0.3)
    away = piece.vertices - wearer.neck
    depth = 0.13
    wide = 0.050 * np.clip((away[:, 1] + depth) / (depth - 0.02), 0.0, 1.2)
    opening = np.where(away[:, 2] > 0.02, np.abs(away[:, 0]) - wide, 1.0)
    opening = np.where(away[:, 1] > -depth, opening, 1.0)
    clip(piece, np.minimum(wearer.below_neckline(piece.vertices, 0.006, 0.3), opening))
    _sleeves(wearer, piece, 0.004)
    hem(piece, 0.003, 0.02, calm=2.0)
    _cloth_uvs(piece, 22.0)
    return [piece, _open_collar(wearer, "shirt")]


def _open_collar(wearer: Wearer, name: str) -> Piece:
    """Return a shirt's collar: it stands, folds over, and ends in two points in front."""
    turn = np.linspace(0.0, 1.0, 81) * 2.0 - 1.0  # from its right front over the back to its left
    angle = np.pi * (1.0 - np.abs(turn) * 0.86) * np.sign(turn + 1e-9)
    frontness = np.abs(turn)
    base = wearer.neck[1] + 0.020 - 0.052 * frontness**1.5
    stand = 0.032 - 0.006 * frontness
    flap = 0.040 + 0.022 * np.clip((frontness - 0.55) / 0.45, 0.0, 1.0) ** 1.5
    shares = np.array([0.0, 0.25, 0.5, 0.75, 0.92, 1.0])
    rows = []
    gaps = np.array([0.010, 0.009, 0.009, 0.010, 0.011, 0.013])
    for share, gap in zip(shares, gaps, strict=True):
        rows.append(_at_angles(wearer, angle, base + share * stand, gap))
    for share in np.array([0.06, 0.2, 0.4, 0.6, 0.8, 1.0]):
        spread = 0.013 + 0.013 * share + 0.012 * share * frontness
        rows.append(
            _at_angles(wearer, angle, base + stand - share * flap, spread, wearer.neck[1] + 0.01)
        )
    points = np.concatenate(rows)
    piece = Piece(name + "_collar", points, grid_triangles(len(rows), len(turn))[:, ::-1], name,
                  weights=wearer.weights_at(points))  # fmt: skip
    over, normal = wearer.height(points)
    piece.vertices = points + np.maximum(0.011 - over, 0.0)[:, None] * normal
    hem(piece, 0.003, 0.004, calm=0.7)
    _cloth_uvs(piece, 22.0)
    return piece


def _at_angles(
    wearer: Wearer, angle: Array, height: Array, gap: Array | float, least: float | None = None
) -> Array:
    """Return points about the neck at angles (0 in front) and heights, `gap` off the skin."""
    levels = np.linspace(height.min(), height.max(), 6)
    measured = levels if least is None else np.maximum(levels, least)
    table = np.stack([wearer.contour(level, 0.0) for level in measured])
    middle = wearer.neck + np.array([0.0, 0.0, 0.012])
    radius = np.hypot(table[..., 0], table[..., 2] - middle[2])
    spokes = np.linspace(-np.pi, np.pi, SPOKES, endpoint=False)
    found = np.stack([np.interp(angle, spokes, row, period=2 * np.pi) for row in radius])
    place = (
        np.interp(height, levels, np.arange(len(levels))) if np.ptp(levels) > 1e-6 else 0 * height
    )
    low = np.minimum(place.astype(int), len(levels) - 2)
    column = np.arange(len(angle))
    r = found[low, column] * (1 - place + low) + found[low + 1, column] * (place - low) + gap
    return np.stack([np.sin(angle) * r, height, middle[2] + np.cos(angle) * r], axis=1)


def blazer(wearer: Wearer) -> list[Piece]:
    """An open jacket without a collar."""
    piece = wearer.shell("blazer", 0.013, 4, 0.0020, 0.22)
    padded = np.exp(-(((np.abs(piece.vertices[:, 0]) - wearer.shoulder[0]) / 0.05) ** 2))
    padded *= np.clip((piece.vertices[:, 1] - wearer.shoulder[1]) / 0.03, 0.0, 1.0)
    piece.vertices[:, 1] += 0.008 * padded
    x, y, z = piece.vertices.T
    behind = np.maximum(wearer.neck[2] - 0.01 - z, 0.0)  # the opening ends beside the neck
    front = np.abs(x) - _opening(wearer, y) + 3.0 * behind
    neck = wearer.below_neckline(piece.vertices, -0.006, 0.2)
    clip(piece, -ROUND_M * np.logaddexp(-front / ROUND_M, -neck / ROUND_M))
    _sleeves(wearer, piece, -0.008)
    hem(piece, 0.005, 0.02, calm=2.5)
    _cloth_uvs(piece, 22.0)
    return [piece]


def _opening(wearer: Wearer, height: Array) -> Array:
    """Return the jacket's half opening in front by height [m]: a V above the button."""
    top, button = wearer.neck[1] + 0.01, wearer.chest[1] - 0.02
    return np.asarray(np.interp(height, [button - 0.4, button - 0.03, button, top],
                                [0.05, 0.004, 0.004, 0.068]))  # fmt: skip


WARDROBE: dict[str, Callable[[Wearer], list[Piece]]] = {
    "tee": tee,
    "turtleneck": turtleneck,
    "shirt": shirt,
    "blazer": blazer,
    "trousers": trousers,
}
