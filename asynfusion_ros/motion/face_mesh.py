"""A small face for RViz: a mask of our own making that the ARKit weights deform.

The mask is an ellipsoid cap with a mouth slit and eyes laid on it; every shape is a smooth push of
the points around a landmark. It says at a glance what the face does; the page shows the real one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.face_mesh_eyes import EyeMesh, build_eyes

Array = npt.NDArray[np.float64]

_ROWS, _COLUMNS = 22, 19
_RADII_M = np.array([0.10, 0.078, 0.115])  # forward, left, up
_CENTRE_M = np.array([0.02, 0.0, 0.11])  # in the head's frame
_MOUTH_V = -0.42  # height of the mouth slit, -1 chin to 1 brow
_CAVITY_M = np.array([(0.076, y, z) for z in (0.07, 0.032) for y in (0.041, -0.041)])
_CAVITY = np.array([(0, 1, 2), (1, 3, 2)])
_CAVITY_COLOURS = np.tile([0.22, 0.09, 0.10], (len(_CAVITY_M), 1))
_LAMP = np.array([0.80, 0.30, 0.52])  # direction to the light: ahead, left, above
_AMBIENT, _DIFFUSE = 0.42, 0.68

# (names' ending for left/right, landmark (u to the left, v up), reach, push in metres (x, y, z)).
_SHAPES: tuple[tuple[str, tuple[float, float], float, tuple[float, float, float]], ...] = (
    ("jawOpen", (0.0, -0.75), 0.42, (-0.012, 0.0, -0.030)),
    ("mouthPucker", (0.0, _MOUTH_V), 0.25, (0.012, 0.0, 0.0)),
    ("mouthFunnel", (0.0, _MOUTH_V), 0.28, (0.010, 0.0, -0.003)),
    ("mouthShrugLower", (0.0, -0.55), 0.20, (0.004, 0.0, 0.006)),
    ("browInnerUp", (0.0, 0.50), 0.30, (0.002, 0.0, 0.012)),
    ("cheekPuff", (0.5, _MOUTH_V), 0.30, (0.008, 0.006, 0.0)),
)
_PAIRED: tuple[tuple[str, tuple[float, float], float, tuple[float, float, float]], ...] = (
    ("mouthSmile", (0.38, _MOUTH_V), 0.28, (-0.004, 0.010, 0.012)),
    ("mouthFrown", (0.38, _MOUTH_V), 0.28, (0.0, 0.002, -0.010)),
    ("mouthStretch", (0.38, _MOUTH_V), 0.25, (-0.004, 0.010, -0.003)),
    ("mouthUpperUp", (0.18, -0.33), 0.18, (0.002, 0.0, 0.008)),
    ("mouthLowerDown", (0.18, -0.52), 0.18, (0.002, 0.0, -0.008)),
    ("browDown", (0.38, 0.48), 0.28, (0.002, 0.0, -0.010)),
    ("browOuterUp", (0.60, 0.50), 0.26, (0.0, 0.0, 0.012)),
    ("eyeBlink", (0.42, 0.30), 0.12, (0.0, 0.0, -0.003)),
    ("eyeWide", (0.42, 0.34), 0.14, (0.0, 0.0, 0.003)),
    ("cheekSquint", (0.45, 0.02), 0.25, (0.003, 0.0, 0.007)),
    ("noseSneer", (0.15, -0.05), 0.18, (0.002, 0.0, 0.006)),
)


@dataclass(frozen=True)
class FaceMesh:
    """Neutral `vertices` (V, 3) [m] in the head's frame, `triangles` (F, 3), `shapes` (51, V, 3).

    `colours` (V, 3) in 0..1 are those of the vertices: they tell lips, brows, eyes and skin apart,
    and hold the light on the neutral face, since RViz lights no triangles with their own colours.
    """

    vertices: Array
    triangles: npt.NDArray[np.int64]
    shapes: Array
    colours: Array

    def deform(self, face: npt.ArrayLike) -> Array:
        """Return the vertices (V, 3) under weights (51,)."""
        weights = np.asarray(face, np.float64)
        return np.asarray(self.vertices + np.tensordot(weights, self.shapes, axes=1))


def build_face_mesh() -> FaceMesh:
    """Return the mask; its mouth rows are doubled, so that the lips can part."""
    upper = np.linspace(1.0, _MOUTH_V, _ROWS // 2 + 4)
    lower = np.linspace(_MOUTH_V, -1.0, _ROWS // 2 - 4)
    heights = np.concatenate([upper, lower])
    below = np.arange(len(heights)) >= len(upper)
    u, v = np.meshgrid(np.linspace(1.0, -1.0, _COLUMNS), heights)
    under = np.repeat(below, _COLUMNS)
    u, v = u.ravel(), v.ravel()
    skin, triangles, eyes = _mask(u, v), _triangles(len(upper), len(heights)), build_eyes(_mask)
    skin_colours = _colours(u, v) * _light(skin, triangles)
    eye_colours = eyes.colours * _light(eyes.vertices, eyes.triangles)
    parts = (
        (skin, triangles, _shapes(u, v, under), skin_colours),
        (eyes.vertices, eyes.triangles, _eye_shapes(eyes), eye_colours),
        # Behind the lips it is dark.
        (_CAVITY_M, _CAVITY, np.zeros((len(FACE_NAMES), len(_CAVITY_M), 3)), _CAVITY_COLOURS),
    )
    starts = np.cumsum([0, *(len(part[0]) for part in parts)])
    return FaceMesh(
        np.vstack([part[0] for part in parts]),
        np.vstack([part[1] + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part[2] for part in parts], axis=1),
        np.clip(np.vstack([part[3] for part in parts]), 0.0, 1.0),
    )


def _shapes(u: Array, v: Array, under: npt.NDArray[np.bool_]) -> Array:
    """Return what each name moves at points of the mask, (51, V, 3) [m]."""
    shapes = np.zeros((len(FACE_NAMES), len(u), 3))
    for name, place, reach, push in _SHAPES:
        shapes[FACE_NAMES.index(name)] = _push(u, v, place, reach, push, under)
    for name, place, reach, push in _PAIRED:
        for ending, side in (("Left", 1.0), ("Right", -1.0)):
            there = (side * place[0], place[1])
            turned = (push[0], side * push[1], push[2])
            moved = _push(u, v, there, reach, turned, under)
            if name == "mouthUpperUp":
                moved[under] = 0.0
            if name == "mouthLowerDown":
                moved[~under] = 0.0
            shapes[FACE_NAMES.index(name + ending)] = moved
    jaw = shapes[FACE_NAMES.index("jawOpen")]
    jaw[~under] = 0.0  # the upper lip stays
    at_the_lips = np.exp(-(((v - _MOUTH_V) / 0.15) ** 2))[:, None]
    shapes[FACE_NAMES.index("mouthClose")] = -jaw * at_the_lips
    return shapes


def _eye_shapes(eyes: EyeMesh) -> Array:
    shapes = _shapes(eyes.u, eyes.v, np.zeros(len(eyes.u), np.bool_))
    for name, moved in eyes.shapes.items():
        shapes[FACE_NAMES.index(name)] = moved
    return shapes


def _mask(u: Array, v: Array) -> Array:
    """Return points of an ellipsoid's front, with a nose and eye sockets."""
    across, along = 1.25 * u * np.sqrt(1.0 - 0.62 * v**2), 1.15 * v * (1.0 - 0.12 * u**2)
    points = np.stack([np.cos(across) * np.cos(along), np.sin(across), np.sin(along)], axis=-1)
    points = np.asarray(_CENTRE_M + _RADII_M * points)
    nose = np.exp(-((u / 0.13) ** 2) - ((v + 0.08) / 0.22) ** 2)
    sockets = np.exp(-(((np.abs(u) - 0.42) / 0.18) ** 2) - ((v - 0.25) / 0.12) ** 2)
    points[:, 0] += 0.022 * nose - 0.010 * sockets
    return np.asarray(points)


def _push(
    u: Array,
    v: Array,
    place: tuple[float, float],
    reach: float,
    push: tuple[float, float, float],
    under: npt.NDArray[np.bool_],
) -> Array:
    distance = ((u - place[0]) ** 2 + (v - place[1]) ** 2) / reach**2
    if push[2] < -0.02:  # the jaw moves as a whole, hinged at the sides
        distance = np.where(under, (u / 0.55) ** 2, np.inf)
    return np.asarray(np.exp(-distance)[:, None] * np.array(push))


def _triangles(upper_rows: int, rows: int) -> npt.NDArray[np.int64]:
    faces = []
    for row in range(rows - 1):
        lips = row == upper_rows - 1
        for column in range(_COLUMNS - 1):
            if lips and abs(column - (_COLUMNS - 2) / 2) < 3.6:
                continue  # the slit between the lips
            a = row * _COLUMNS + column
            b, c, d = a + 1, a + _COLUMNS, a + _COLUMNS + 1
            faces += [(a, b, c), (b, d, c)]
    return np.array(faces, np.int64)


def _light(vertices: Array, triangles: npt.NDArray[np.int64]) -> Array:
    """Return the light (V, 1) that falls on each vertex, from above and the left."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)  # as long as the triangle is large: large ones count more
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], across)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    return np.asarray(_AMBIENT + _DIFFUSE * np.clip(normals @ _LAMP, 0.0, 1.0))[:, None]


def _colours(u: Array, v: Array) -> Array:
    lips = np.exp(-((u / 0.32) ** 4) - ((v - _MOUTH_V) / 0.10) ** 2)
    brows = np.exp(-(((np.abs(u) - 0.42) / 0.22) ** 4) - ((v - 0.5) / 0.05) ** 2)
    skin, red, dark = (
        np.array(c) for c in ([0.87, 0.66, 0.55], [0.75, 0.36, 0.36], [0.25, 0.17, 0.12])
    )
    colours = np.broadcast_to(skin, (len(u), 3))
    for share, colour in ((lips, red), (brows, dark)):
        colours = colours + share[:, None] * (colour - colours)
    return np.asarray(colours)
