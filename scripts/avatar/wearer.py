"""Whoever is dressed: shells of the body's tights, smoothed, draped and pushed off the skin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from body import Body
from noise import octaves
from pose import TPose
from scipy.ndimage import gaussian_filter, gaussian_filter1d, grey_closing, maximum_filter
from scipy.spatial import cKDTree
from surface import (
    Piece,
    clip,
    cut_sheet,
    relax,
    smooth,
    subdivide,
    vertex_normals,
)

Array = npt.NDArray[np.float64]

WAIST_DROP_M = 0.36
SPOKES = 96


class Wearer:
    """The body that is dressed, in the T-pose, and where its parts are."""

    def __init__(self, body: Body, vertices: Array, pose: TPose) -> None:
        """Prepare the skin as a fine sheet to keep clothes off."""
        self.body, self.vertices, self.pose = body, vertices, pose
        self.links = sorted(body.weights)
        self.neck, self.chest = pose.places["neck"], pose.places["chest"]
        self.elbow = abs(pose.places["l_forearm"][0])
        self.wrist = abs(pose.places["l_hand"][0])
        self.shoulder = pose.places["l_upper_arm"]
        self.hip = body.joints["pelvis"][1]
        keep = vertices[:, 1] > self.chest[1] - WAIST_DROP_M
        self.skin = cut_sheet(body, vertices, "skin", "body", keep, self.links)
        subdivide(self.skin)
        relax(self.skin, 4, 0.6 * (np.abs(self.skin.vertices[:, 0]) < self.shoulder[0]))
        self._tree = cKDTree(self.skin.vertices)
        self._normals = vertex_normals(self.skin.vertices, self.skin.triangles, None)

    def height(self, points: Array) -> tuple[Array, Array]:
        """Return how far points lie outside the skin (N,), and the skin's normal there (N, 3)."""
        away, nearest = self._tree.query(points, k=3)
        weight = 1.0 / (away + 1e-4)
        weight /= weight.sum(axis=1, keepdims=True)
        normal = (weight[..., None] * self._normals[nearest]).sum(axis=1)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        place = (weight[..., None] * self.skin.vertices[nearest]).sum(axis=1)
        return np.sum((points - place) * normal, axis=1), normal

    def weights_at(self, points: Array) -> Array:
        """Return weights (N, links) like those of the skin nearby."""
        away, nearest = self._tree.query(points, k=6)
        weight = 1.0 / (away + 1e-3)
        weight /= weight.sum(axis=1, keepdims=True)
        assert self.skin.weights is not None
        return np.asarray((weight[..., None] * self.skin.weights[nearest]).sum(axis=1))

    def shell(
        self,
        name: str,
        least_m: float,
        calm: int,
        folds_m: float,
        slope: float = 0.5,
        fine: int = 2,
    ) -> Piece:
        """Return a loose, long-sleeved top without an opening for the neck yet."""
        keep = self.vertices[:, 1] > self.chest[1] - WAIST_DROP_M
        piece = cut_sheet(self.body, self.vertices, name, "helper-tights", keep, self.links)
        torso = np.clip((self.shoulder[0] + 0.01 - np.abs(piece.vertices[:, 0])) / 0.04, 0.0, 1.0)
        relax(piece, calm, 0.6 * torso)
        self.push_out(piece, least_m)
        for _ in range(fine):
            subdivide(piece)
        self._drape(piece, slope)
        smooth(piece, 6)
        clip(piece, piece.vertices[:, 1] - self.hip + 0.04)
        self.push_out(piece, least_m)
        self._fold(piece, folds_m)
        self.push_out(piece, 0.7 * least_m)
        return piece

    def _drape(self, piece: Piece, slope: float) -> None:
        """Let cloth hang from the chest: below it recedes by no more than `slope`."""
        cell = 0.006
        x, y, z = piece.vertices.T
        front = (np.abs(x) < self.shoulder[0]) & (z > 0.02) & (y < self.neck[1] - 0.08)
        column = np.round(x / cell).astype(int)
        row = np.round((y.max() - y) / cell).astype(int)
        column -= column.min()
        table = np.full((row.max() + 1, column.max() + 1), -np.inf)
        np.maximum.at(table, (row[front], column[front]), z[front])
        table = maximum_filter(table, (5, 5))
        closed = grey_closing(np.where(np.isfinite(table), table, 0.0), (1, 27))
        table = np.where(np.isfinite(table), closed - 0.004, table)
        for k in range(1, len(table)):
            table[k] = np.maximum(table[k], table[k - 1] - slope * cell)
        known = np.isfinite(table)
        weight = gaussian_filter(known.astype(float), (3, 5))
        smooth_ = gaussian_filter(np.where(known, table, 0.0), (3, 5)) / np.maximum(weight, 1e-3)
        edge = np.clip((self.shoulder[0] - 0.02 - np.abs(x)) / 0.05, 0.0, 1.0)
        high = np.clip((self.neck[1] - 0.10 - y) / 0.04, 0.0, 1.0)
        lift = np.clip(smooth_[row, column] - z, 0.0, 0.06) * front * edge * high
        piece.vertices = piece.vertices + lift[:, None] * [0.0, 0.0, 1.0]

    def push_out(self, piece: Piece, least_m: Array | float) -> None:
        """Keep a piece at least so far off the skin."""
        for _ in range(2):
            over, normal = self.height(piece.vertices)
            lift = np.maximum(least_m - over, 0.0)[:, None] * normal
            piece.vertices = piece.vertices + lift

    def _fold(self, piece: Piece, size_m: float) -> None:
        """Lay soft folds: rings about elbows and wrists, tension from the armpits, waves."""
        points = piece.vertices
        normals = vertex_normals(points, piece.triangles, None)
        x, side = np.abs(points[:, 0]), np.sign(points[:, 0])
        warp = 2.2 * octaves(points * [0.45, 1.0, 1.0], 0.05, 2, 21.0)
        inner = 0.65 - 0.35 * np.sign(points[:, 2] - self.shoulder[2])
        elbow = np.exp(-(((x - self.elbow) / 0.055) ** 2)) * inner
        wrist = np.exp(-(((x - self.wrist + 0.05) / 0.05) ** 2))
        rings = np.sin(2 * np.pi * x / 0.026 + warp) * (1.1 * elbow + 0.9 * wrist)
        pit = np.stack([side * (self.shoulder[0] - 0.02),
                        np.full(len(x), self.shoulder[1] - 0.075),
                        np.full(len(x), self.shoulder[2])], axis=1)  # fmt: skip
        away = points - pit
        reach = np.linalg.norm(away, axis=1)
        turn = np.arctan2(away[:, 1], side * away[:, 0])
        rays = (
            np.sin(9.0 * turn + warp) * np.exp(-((reach / 0.13) ** 2)) * np.clip(reach / 0.05, 0, 1)
        )
        low = np.clip((self.chest[1] + 0.02 - points[:, 1]) / 0.12, 0.0, 1.0)
        waist = np.sin(2 * np.pi * points[:, 1] / 0.05 + 2.0 * warp) * low
        waves = octaves(points, 0.055, 3, 23.0)
        total = rings + 0.9 * rays + 0.6 * waist + 0.35 * waves
        piece.vertices = points + (size_m * total)[:, None] * normals

    def below_neckline(self, points: Array, drop_m: float, slope: float) -> Array:
        """Return how far points lie below a tilted plane through the base of the neck [m]."""
        away = points - self.neck
        over = away[:, 1] + drop_m + slope * (away[:, 2] + 0.03)
        near = np.hypot(away[:, 0], away[:, 2] - 0.02) < 0.14
        return np.where(near & (away[:, 1] > -0.25), -over, 1.0)

    def contour(self, height: float, gap_m: float) -> Array:
        """Return the closed line (SPOKES, 3) around the neck at a height, `gap_m` off the skin."""
        middle = self.neck + np.array([0.0, 0.0, 0.012])
        near = np.abs(self.skin.vertices[:, 1] - height) < 0.008
        away = self.skin.vertices[near] - middle
        inside = np.hypot(away[:, 0], away[:, 2]) < 0.1
        turn, radius = (
            np.arctan2(away[:, 0], away[:, 2])[inside],
            np.hypot(away[:, 0], away[:, 2])[inside],
        )
        spokes = np.linspace(-np.pi, np.pi, SPOKES, endpoint=False)
        apart = np.abs((turn[None] - spokes[:, None] + np.pi) % (2 * np.pi) - np.pi)
        found = np.where(apart < 0.2, radius[None], 0.0).max(axis=1)
        found = np.where(found > 0, found, np.median(found[found > 0]))
        found = gaussian_filter1d(found, 2.5, mode="wrap") + gap_m
        ring = np.stack([np.sin(spokes) * found, np.zeros(SPOKES), np.cos(spokes) * found], axis=1)
        return np.asarray(ring + middle * [1.0, 0.0, 1.0] + [0.0, height, 0.0])
