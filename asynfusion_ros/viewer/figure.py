"""A drawn figure: face and upper body as flat shapes, in the plane that looks at the avatar.

Limbs follow the skeleton and the face's landmarks lie on an ellipsoid, so that turning and leaning
show; no graphics card is needed. The web page shows the real avatar.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.skeleton import FINGERS, Skeleton
from asynfusion_ros.viewer.canvas import Canvas, Colour
from asynfusion_ros.viewer.figure_head import SKIN, SKIN_EDGE, SKIN_SHADE, HeadPainter

Array = npt.NDArray[np.float64]

CLOTH: Colour = (72, 104, 138)
CLOTH_SHADE: Colour = (60, 89, 121)
CLOTH_EDGE: Colour = (46, 70, 98)
COLLAR: Colour = (86, 120, 155)

_EDGE_M = 0.003
_LIT = 0.86  # share of a sleeve that the light from the upper left reaches
_SIDES = (("l", 1.0), ("r", -1.0))
_SLEEVE = 0.80  # share of the forearm that the sleeve covers


class FigurePainter:
    """Paints frames of `width` x `height` pixels."""

    def __init__(self, skeleton: Skeleton, width: int = 960, height: int = 540) -> None:
        """Prepare the room in which the figure stands."""
        self._skeleton = skeleton
        self._canvas = Canvas(width, height)
        self._head = HeadPainter(self._canvas)

    def paint(
        self, face: npt.ArrayLike, body: npt.ArrayLike, fingers: npt.ArrayLike
    ) -> Image.Image:
        """Return one frame of face (51,), body (24,) and finger bends (30,)."""
        self._canvas.clear()
        places = self._skeleton.forward_kinematics(body, fingers)
        _, turns = self._skeleton.ball_frames(body)
        weights = dict(zip(FACE_NAMES, (float(w) for w in np.asarray(face)), strict=True))
        self._head.paint_back(places["head"], turns["head"])
        self._neck(places, turns)
        self._torso(places, turns["chest"])
        self._head.paint_front(weights)
        for side in sorted("lr", key=lambda side: float(places[f"{side}_hand"][0])):
            self._arm(places, side)  # the hand that is nearer comes last
        return self._canvas.picture()

    def _neck(self, places: dict[str, Array], turns: dict[str, Array]) -> None:
        top = places["head"] + turns["head"] @ np.array([0.0, 0.0, 0.02])
        bottom = places["head"] + turns["chest"] @ np.array([0.01, 0.0, -0.09])
        self._canvas.limb(bottom, top, (0.054, 0.047), SKIN_SHADE)

    def _torso(self, places: dict[str, Array], chest: Array) -> None:
        root, neck = places["chest"], places["head"]

        def at(base: Array, *rows: tuple[float, float, float]) -> Array:
            return np.asarray(base + np.array(rows) @ chest.T)

        left = at(neck, (0.0, 0.056, -0.035), (0.0, 0.105, -0.052))
        right = at(neck, (0.0, -0.105, -0.052), (0.0, -0.056, -0.035))
        shoulders = [at(places[f"{s}_upper_arm"], (0.0, k * 0.005, 0.044))[0] for s, k in _SIDES]
        armpits = [at(places[f"{s}_upper_arm"], (0.0, -k * 0.012, -0.12))[0] for s, k in _SIDES]
        waist = [root + np.array([0.0, k * 0.130, -0.10]) for _, k in _SIDES]
        hips = [root + np.array([0.0, k * 0.148, -0.45]) for _, k in _SIDES]
        dip = at(neck, (0.03, 0.034, -0.095), (0.04, 0.0, -0.118), (0.03, -0.034, -0.095))
        outline = np.vstack(
            [left, shoulders[0], armpits[0], waist[0], hips[0], hips[1], waist[1], armpits[1],
             shoulders[1], right, dip[::-1]]
        )  # fmt: skip
        self._canvas.shape(outline, CLOTH)
        fold = np.vstack([armpits[0], waist[0], hips[0], hips[0] + [0.0, -0.05, 0.0],
                          waist[0] + [0.0, -0.035, 0.0]])  # fmt: skip
        self._canvas.shape(fold, CLOTH_SHADE)
        self._canvas.stroke(np.vstack([right[1:], dip[::-1], left[:1]]), 0.010, COLLAR)

    def _arm(self, places: dict[str, Array], side: str) -> None:
        upper, fore, hand = (places[f"{side}_{name}"] for name in ("upper_arm", "forearm", "hand"))
        cuff = fore + _SLEEVE * (hand - fore)
        bend = 1.0 - _cosine(fore - upper, hand - fore)
        line = _EDGE_M * float(np.clip(2.0 * bend - 0.4, 0.0, 1.0))  # a straight arm is one piece
        self._canvas.limb(fore, cuff, (0.040 + _EDGE_M, 0.032 + _EDGE_M), CLOTH_EDGE)
        self._sleeve(upper, fore, (0.047, 0.040), _EDGE_M)
        chest = places["head"] - np.array([0.0, 0.0, 0.10])
        self._canvas.limb(upper + 0.35 * (chest - upper), upper, (0.040, 0.042), CLOTH)
        self._hand(places, side, cuff)
        self._sleeve(fore, cuff, (0.040, 0.032), line)

    def _sleeve(self, start: Array, end: Array, radii: tuple[float, float], line_m: float) -> None:
        """Paint one half of a sleeve: its edge, its shaded side, its lit side."""
        edge = (radii[0] + line_m, radii[1] + line_m)
        self._canvas.limb(start, end, edge, CLOTH_EDGE)
        self._canvas.limb(start, end, radii, CLOTH_SHADE)
        light = np.array([0.0, -1.0, 0.6]) * (1.0 - _LIT) * radii[1]
        lit = (_LIT * radii[0], _LIT * radii[1])
        self._canvas.limb(start + light, end + light, lit, CLOTH)

    def _hand(self, places: dict[str, Array], side: str, cuff: Array) -> None:
        wrist = places[f"{side}_hand"]
        knuckles = [places[f"{side}_{name}_1"] for name in FINGERS[1:]]
        chains = []
        for name in FINGERS:
            joints = [places[f"{side}_{name}_{i}"] for i in (1, 2, 3)]
            chains.append([*joints, places[f"{side}_{name}_3_tip"]])
        self._canvas.limb(cuff, wrist, (0.027 + _EDGE_M, 0.025 + _EDGE_M), SKIN_EDGE)
        self._canvas.limb(cuff, wrist, (0.027, 0.025), SKIN_SHADE)
        order = sorted(chains, key=lambda chain: float(chain[2][0]))  # far fingers first
        palm_depth = float(np.mean([k[0] for k in knuckles]))
        behind = [chain for chain in order if chain[2][0] < palm_depth]
        for chain in behind:
            self._finger(chain)
        for radius, colour in ((0.017 + _EDGE_M, SKIN_EDGE), (0.017, SKIN)):
            for knuckle in knuckles:
                self._canvas.limb(wrist, knuckle, (radius + 0.006, radius - 0.005), colour)
            thumb = chains[0][0]
            self._canvas.limb(wrist, thumb, (radius, radius - 0.003), colour)
            self._canvas.shape(np.stack([wrist, *knuckles]), colour)
        for chain in order[len(behind) :]:
            self._finger(chain)

    def _finger(self, chain: list[Array]) -> None:
        radii = (0.0105, 0.0098, 0.0090, 0.0080)
        for more, colour in ((_EDGE_M, SKIN_EDGE), (0.0, SKIN)):
            for i in range(3):
                ends = (radii[i] + more, radii[i + 1] + more)
                self._canvas.limb(chain[i], chain[i + 1], ends, colour)


def _cosine(first: Array, second: Array) -> float:
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(np.dot(first, second) / lengths)
