"""The eyes of RViz's mask: whites, irises that look, and lids that shut over them.

Each eye is an almond laid on the mask. The rows of its upper lid lie folded at the almond's upper
edge; a blink spreads them down to the lower one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Place = Callable[[Array, Array], Array]
Colour = tuple[float, float, float]

_EYE_U, _EYE_V = 0.42, 0.24  # middle of the left eye: left of the nose, above the mouth

_HALF_WIDTH, _ABOVE, _BELOW = 0.19, 0.055, 0.045
_LID = 0.05  # how far a lid reaches beyond the almond
_COLUMNS, _CORNERS = 9, 14
_WHITE_M, _IRIS_M, _PUPIL_M, _LID_M = 0.0035, 0.0045, 0.0052, 0.0070  # ahead of the skin
_BULGE_M = 0.004
_IRIS_RADIUS, _PUPIL_RADIUS = 0.37, 0.16  # in half widths of the almond
_ROUND = 0.125  # height of a place as far from the middle as a half width is
_WAYS = (("Up", 0.0, 0.03), ("Down", 0.0, -0.03), ("Out", 0.38, 0.0), ("In", -0.38, 0.0))
_FOLLOWS = {"Blink": 1.0, "Squint": 0.2, "Wide": -0.18, "LookUp": -0.12, "LookDown": 0.3}

_SCLERA, _IRIS, _PUPIL = (0.93, 0.92, 0.90), (0.30, 0.40, 0.44), (0.04, 0.04, 0.05)
_SKIN, _CREASE, _LASH = (0.87, 0.66, 0.55), (0.76, 0.54, 0.45), (0.20, 0.13, 0.10)


@dataclass(frozen=True)
class EyeMesh:
    """Points (P,) on the mask, `vertices` (P, 3) [m] and `triangles` (F, 3) that lie before it.

    `shapes` holds what the whole weight of an ARKit name moves, (P, 3) [m]; under other names the
    points go with the skin at (`u`, `v`). `colours` (P, 3) in 0..1 are without light.
    """

    u: Array
    v: Array
    vertices: Array
    triangles: npt.NDArray[np.int64]
    colours: Array
    shapes: dict[str, Array] = field(default_factory=dict)


def build_eyes(place: Place) -> EyeMesh:
    """Return both eyes on the mask whose points at (u, v) are `place(u, v)` (P, 3) [m]."""
    return _join(part for side in ("Left", "Right") for part in _build_eye(place, side))


def _build_eye(place: Place, side: str) -> list[EyeMesh]:
    outwards = 1.0 if side == "Left" else -1.0
    across = np.linspace(1.0, -1.0, _COLUMNS)
    top, bottom = _ABOVE * (1.0 - across**2) ** 0.8, -_BELOW * (1.0 - across**2)

    def lay(s: Array, height: Array, ahead_m: float) -> tuple[Array, Array, Array]:
        """Return u, v and the points of places in the almond; `s` is -1 right to 1 left."""
        u, v = outwards * _EYE_U + _HALF_WIDTH * s.ravel(), _EYE_V + height.ravel()
        points = place(u, v)
        points[:, 0] += ahead_m + _bulge_m(s, height).ravel()
        return u, v, points

    def spread(start: Array, end: Array, ahead_m: float, colours: tuple[Colour, ...]) -> EyeMesh:
        """Return a sheet of as many rows as colours, from one height down to another."""
        rows = np.linspace(start, end, len(colours))
        paint = np.repeat(np.array(colours), _COLUMNS, axis=0)
        laid = lay(np.broadcast_to(across, rows.shape), rows, ahead_m)
        return EyeMesh(*laid, _weave(len(colours)), paint)

    def draw(radius: float, ahead_m: float, colour: Colour) -> EyeMesh:
        """Return a disc on the white that goes where the eye looks."""
        turn = np.linspace(0.0, 2.0 * np.pi, _CORNERS, endpoint=False)
        s, height = (np.append(0.0, radius * turned) for turned in (np.cos(turn), np.sin(turn)))
        disc = EyeMesh(*lay(s, _ROUND * height, ahead_m), _fan(), np.tile(colour, (len(s), 1)))
        for way, aside, up in _WAYS:
            there = lay(s + outwards * aside, _ROUND * height + up, ahead_m)[2]
            disc.shapes[f"eyeLook{way}{side}"] = there - disc.vertices
        return disc

    eyelid = (_SKIN, _CREASE, _SKIN, _LASH)
    upper = spread(top + _LID, top, _LID_M, eyelid)
    shut = spread(top + _LID, bottom, _LID_M, eyelid).vertices - upper.vertices
    upper.shapes.update({f"eye{how}{side}": share * shut for how, share in _FOLLOWS.items()})
    lower = spread(bottom, bottom - _LID, _LID_M, (_CREASE, _SKIN))
    raised = spread(0.3 * top + 0.7 * bottom, bottom - _LID, _LID_M, (_CREASE, _SKIN))
    lower.shapes[f"eyeSquint{side}"] = raised.vertices - lower.vertices
    return [
        spread(top + 0.4 * _LID, bottom, _WHITE_M, (_SCLERA,) * 5),
        draw(_IRIS_RADIUS, _IRIS_M, _IRIS),
        draw(_PUPIL_RADIUS, _PUPIL_M, _PUPIL),
        upper,
        lower,
    ]


def _bulge_m(across: Array, height: Array) -> Array:
    half = np.where(height > 0.0, _ABOVE, _BELOW)
    return _BULGE_M * np.clip((1.0 - across**2) * (1.0 - (height / half) ** 2), 0.0, None)


def _weave(rows: int) -> npt.NDArray[np.int64]:
    a = (np.arange(rows - 1)[:, None] * _COLUMNS + np.arange(_COLUMNS - 1)).ravel()
    b, c, d = a + 1, a + _COLUMNS, a + _COLUMNS + 1
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)])


def _fan() -> npt.NDArray[np.int64]:
    corner = np.arange(_CORNERS)
    return np.stack([np.zeros_like(corner), 1 + corner, 1 + (corner + 1) % _CORNERS], axis=1)


def _join(parts: Iterable[EyeMesh]) -> EyeMesh:
    parts = list(parts)
    starts = np.cumsum([0, *(len(part.u) for part in parts)])
    names = {name for part in parts for name in part.shapes}
    return EyeMesh(
        np.concatenate([part.u for part in parts]),
        np.concatenate([part.v for part in parts]),
        np.vstack([part.vertices for part in parts]),
        np.vstack([part.triangles + start for part, start in zip(parts, starts, strict=False)]),
        np.vstack([part.colours for part in parts]),
        {
            name: np.vstack([p.shapes.get(name, np.zeros_like(p.vertices)) for p in parts])
            for name in sorted(names)
        },
    )
