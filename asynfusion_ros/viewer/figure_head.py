"""The drawn head: hair, skin and the features that the ARKit weights move."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.rotations import matrix_to_rotvec, rotvec_to_zyx
from asynfusion_ros.viewer.canvas import Canvas, Colour

Array = npt.NDArray[np.float64]
Weights = dict[str, float]

SKIN: Colour = (236, 192, 166)
SKIN_SHADE: Colour = (214, 163, 136)
SKIN_EDGE: Colour = (184, 130, 106)
BLUSH: Colour = (235, 182, 157)
HAIR: Colour = (70, 47, 37)
HAIR_LIGHT: Colour = (92, 64, 50)
LIPS: Colour = (196, 104, 100)
LIPS_DARK: Colour = (172, 84, 84)
MOUTH: Colour = (70, 26, 30)
TONGUE: Colour = (190, 92, 92)
TEETH: Colour = (247, 244, 238)
WHITE: Colour = (252, 251, 249)
IRIS: Colour = (88, 118, 128)
DARK: Colour = (38, 28, 26)

_CENTRE_M = np.array([0.02, 0.0, 0.098])  # in the head's frame
_RADII_M = np.array([0.070, 0.088, 0.132])
_EYE_U, _EYE_V = 0.40, 0.00
_MOUTH_V = -0.56
_NARROW = 0.2  # an eye less open than this shows no lower rim
_CIRCLE = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
_SINE, _COSINE = np.sin(_CIRCLE), np.cos(_CIRCLE)


class HeadPainter:
    """Paints a head onto a canvas: what is behind the neck first, the face later."""

    def __init__(self, canvas: Canvas) -> None:
        """Begin with a head that nobody has placed."""
        self._canvas = canvas
        self._place = np.zeros(3)
        self._turn = np.eye(3)
        self._facing = np.eye(3)

    def paint_back(self, place_m: Array, turn: Array) -> None:
        """Place the head (3,), turned by a matrix (3, 3), and paint the hair behind it."""
        self._place, self._turn = place_m, turn
        yaw = float(rotvec_to_zyx(matrix_to_rotvec(turn))[0])
        cosine, sine = np.cos(-yaw), np.sin(-yaw)
        about_z = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        self._facing = turn @ about_z  # outlines look the same from every side
        y = 1.10 * _round(_COSINE) * np.where(_SINE < 0, 1.0 - 0.12 * _SINE**2, 1.0)
        z = np.where(_SINE > 0, 1.06 * _round(_SINE), 0.62 * _SINE) + 0.02
        self._canvas.shape(self._silhouette(y, z, -0.03), HAIR)

    def paint_front(self, w: Weights) -> None:
        """Paint the face with the weights of the 51 channels by name."""
        self._skin(w)
        for side, name in ((1.0, "Left"), (-1.0, "Right")):
            self._eye(side, name, w)
            self._brow(side, name, w)
        self._nose(w)
        self._lips(w)
        self._fringe()

    # ---- where things are ----------------------------------------------------------------------

    def _silhouette(self, y: Array, z: Array, depth_m: float = 0.0) -> Array:
        """Return points (N, 3) of an outline in head radii, however the head turns."""
        local = _RADII_M * np.stack([np.zeros_like(y), y, z], axis=-1) + [depth_m, 0.0, 0.0]
        centre = self._place + self._turn @ _CENTRE_M
        return np.asarray(centre + local @ self._facing.T)

    def _outline(self, y: Array, z: Array, colour: Colour) -> None:
        self._canvas.shape(self._silhouette(y, z), colour)

    def _on_face(self, u: npt.ArrayLike, v: npt.ArrayLike) -> Array:
        """Return points (N, 3) [m] of the face: u to its left, v up, in head radii."""
        y, z = np.broadcast_arrays(np.asarray(u, np.float64), np.asarray(v, np.float64))
        depth = np.sqrt(np.clip(1.0 - 0.75 * y**2 - 0.4 * z**2, 0.05, 1.0))
        local = _CENTRE_M + _RADII_M * np.stack([depth, y, z], axis=-1)
        return np.asarray(self._place + local @ self._turn.T)

    def _patch(self, u: npt.ArrayLike, v: npt.ArrayLike, colour: Colour) -> None:
        self._canvas.shape(self._on_face(u, v), colour)

    def _line(self, u: npt.ArrayLike, v: npt.ArrayLike, colour: Colour, width_m: float) -> None:
        self._canvas.stroke(self._on_face(u, v), width_m, colour)

    # ---- what is there -------------------------------------------------------------------------

    def _skin(self, w: Weights) -> None:
        for side in (1.0, -1.0):
            ear = side * (0.97 + 0.10 * _COSINE)
            self._outline(ear, -0.10 + 0.17 * _SINE, SKIN_SHADE)
        drop = 0.15 * w["jawOpen"]
        y, z = _jaw_line(drop, w["cheekPuff"])
        self._outline(y * 1.015, z * 1.012, SKIN_EDGE)
        self._outline(y, z, SKIN_SHADE)
        self._outline(0.955 * y - 0.035, 0.965 * z + 0.022, SKIN)
        for side, name in ((1.0, "Left"), (-1.0, "Right")):
            lift = 0.05 * w[f"cheekSquint{name}"] + 0.05 * w[f"mouthSmile{name}"]
            self._patch(side * 0.52 + 0.15 * _COSINE, -0.34 + lift + 0.10 * _SINE, BLUSH)

    def _fringe(self) -> None:
        arch, crown = np.linspace(-1.0, 1.0, 17), np.linspace(0.0, np.pi, 17)
        low = 0.64 - 0.34 * np.abs(arch) ** 3.0 + 0.10 * arch
        side = (arch**4)[:, None]  # at the temples the hairline meets the silhouette
        line = (1.0 - side) * self._on_face(0.96 * arch, low)
        line = line + side * self._silhouette(0.99 * arch, low)
        top = self._silhouette(1.06 * _round(np.cos(crown)), 0.24 + 0.82 * _round(np.sin(crown)))
        self._canvas.shape(np.vstack([line, top]), HAIR)
        sheen = np.linspace(-0.45, 0.25, 7)
        self._line(sheen, 0.84 + 0.06 * np.cos(4.0 * sheen), HAIR_LIGHT, 0.006)

    def _eye(self, side: float, name: str, w: Weights) -> None:
        wide = 1.0 + 0.45 * w[f"eyeWide{name}"] - 0.35 * w[f"eyeSquint{name}"]
        open_ = max(0.0, wide) * (1.0 - min(1.0, 1.2 * w[f"eyeBlink{name}"]))
        u, half = side * _EYE_U, 0.20
        top, bottom = 0.105 * open_, -0.055 * open_
        lid = np.where(_SINE > 0, top, -bottom) * _SINE
        v = _EYE_V - 0.03 * (1.0 - min(1.0, open_))  # closing, the upper lid comes down
        self._patch(u + 1.15 * half * _COSINE, v + 0.015 + 1.35 * 0.105 * _SINE, SKIN_SHADE)
        self._patch(u + 1.12 * half * _COSINE, v - 0.025 + 1.3 * 0.105 * _SINE, SKIN)
        self._patch(u + half * _COSINE, v + lid, WHITE)
        look_u = w[f"eyeLookOut{name}"] - w[f"eyeLookIn{name}"]
        look_v = w[f"eyeLookUp{name}"] - w[f"eyeLookDown{name}"]
        at_u, at_v = u + side * 0.10 * look_u, _EYE_V + 0.025 + 0.06 * look_v
        for radius, colour in ((0.100, DARK), (0.088, IRIS), (0.046, DARK)):
            rim = np.clip(at_v + 0.68 * radius * _SINE, v + bottom, v + top)
            self._patch(at_u + radius * _COSINE, rim, colour)
        glint = np.clip(at_v + 0.030 + 0.018 * _SINE, v + bottom, v + top)
        self._patch(at_u - 0.030 + 0.022 * _COSINE, glint, WHITE)
        arch = np.linspace(-1.0, 1.0, 11)
        rise = np.sqrt(1.0 - arch**2)
        droop = 0.045 * (1.0 - min(1.0, open_)) ** 2  # a closed lid hangs over the eye's curve
        self._line(u + half * arch, v + (top - droop) * rise, DARK, 0.0045)
        if open_ > _NARROW:
            self._line(u + half * arch, v + bottom * rise, SKIN_EDGE, 0.0018)

    def _brow(self, side: float, name: str, w: Weights) -> None:
        along = np.linspace(0.0, 1.0, 7)
        lift = 0.17 * w["browInnerUp"] * (1.0 - along) ** 1.5
        lift = lift + 0.15 * w[f"browOuterUp{name}"] * along - 0.11 * w[f"browDown{name}"]
        middle = 0.205 + 0.06 * np.sin(2.7 * along) + lift
        thick = 0.030 * (1.0 - 0.75 * along**2)
        u = side * (0.17 + 0.48 * along)
        self._patch(
            np.concatenate([u, u[::-1]]),
            np.concatenate([middle + thick, (middle - thick)[::-1]]),
            HAIR,
        )

    def _nose(self, w: Weights) -> None:
        lift = 0.02 * (w["noseSneerLeft"] + w["noseSneerRight"])
        self._patch([0.05, 0.10, 0.09, 0.02], [0.00, -0.26 + lift, -0.30 + lift, -0.28], SKIN_SHADE)
        u = np.array([0.11, 0.09, 0.03, 0.0, -0.03, -0.09, -0.11])
        v = np.array([-0.265, -0.295, -0.305, -0.31, -0.305, -0.295, -0.265]) + lift
        self._line(u, v, SKIN_EDGE, 0.0032)

    def _lips(self, w: Weights) -> None:
        """Paint the mouth from corner to corner, each half with its own side's weights."""
        s = np.linspace(-1.0, 1.0, 25)
        left = 0.5 + 0.5 * np.clip(2.0 * s, -1.0, 1.0)  # 1 on the person's left

        def pair(name: str) -> Array:
            return left * w[f"{name}Left"] + (1.0 - left) * w[f"{name}Right"]

        round_ = min(1.0, w["mouthPucker"] + 0.6 * w["mouthFunnel"])
        gap = max(0.0, w["jawOpen"] - w["mouthClose"])
        half = 0.30 + 0.07 * pair("mouthSmile") + 0.05 * pair("mouthStretch") - 0.14 * round_
        shift = 0.10 * (w["mouthLeft"] - w["mouthRight"]) + 0.06 * (w["jawLeft"] - w["jawRight"])
        bow, u = np.sqrt(1.0 - s**2), half * s + shift
        corner = 0.09 * pair("mouthSmile") - 0.07 * pair("mouthFrown")
        line = _MOUTH_V + corner * s**2 + 0.03 * w["mouthShrugUpper"] - 0.05 * gap
        up = (0.05 * pair("mouthUpperUp") + 0.04 * w["mouthFunnel"]) * bow
        down = (0.30 * gap + 0.05 * pair("mouthLowerDown") + 0.04 * w["mouthFunnel"]) * bow
        full = (1.0 - 0.5 * pair("mouthPress")) * (1.0 + 0.25 * round_)
        peak = 1.0 - 0.25 * np.exp(-((s / 0.12) ** 2))  # Cupid's bow
        upper = 0.060 * full * peak * bow * (1.0 - 0.7 * w["mouthRollUpper"])
        lower = 0.085 * full * bow**1.5 * (1.0 - 0.7 * w["mouthRollLower"])
        top, bottom = line + up, line - down

        def between(high: Array, low: Array, colour: Colour) -> None:
            self._patch(np.concatenate([u, u[::-1]]), np.concatenate([high, low[::-1]]), colour)

        between(top + upper, top, LIPS_DARK)
        between(bottom, bottom - lower, LIPS)
        between(top, bottom, MOUTH)
        between(np.minimum(bottom + 0.4 * (top - bottom), top), bottom, TONGUE)
        between(top, top - np.minimum(0.42 * (top - bottom), 0.055), TEETH)
        self._line(u, top, MOUTH, 0.0022)


def _round(values: Array) -> Array:
    """Return sines or cosines that go round a fuller curve than a circle."""
    return np.asarray(np.sign(values) * np.abs(values) ** 0.8)


def _jaw_line(drop: float, puff: float) -> tuple[Array, Array]:
    """Return the outline of the face (48,), (48,) in head radii; the chin sinks by `drop`."""
    below = np.clip(-_SINE, 0.0, 1.0)
    width = np.where(_SINE < 0, 1.0 - 0.13 * below**2, 1.0) + 0.05 * puff * below
    z = np.where(_SINE > 0, 0.97 * _SINE, _SINE) - drop * below**2
    return _COSINE * width, z
