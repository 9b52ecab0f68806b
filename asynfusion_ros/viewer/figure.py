"""A drawn figure: face and upper body as flat shapes, in the plane that looks at the avatar.

Landmarks live on a head ellipsoid and limbs at the skeleton's joints, so turning and leaning show;
no graphics card is needed. The web page shows the real avatar.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.rotations import rotvec_to_matrix
from asynfusion_ros.motion.skeleton import FINGERS, Skeleton

Array = npt.NDArray[np.float64]
Colour = tuple[int, int, int]

SKIN: Colour = (226, 178, 150)
SHADE: Colour = (203, 150, 122)
CLOTH: Colour = (58, 84, 116)
CLOTH_DARK: Colour = (47, 69, 97)
HAIR: Colour = (64, 44, 34)
LIPS: Colour = (186, 92, 88)
MOUTH: Colour = (74, 28, 30)
TEETH: Colour = (245, 242, 235)
WHITE: Colour = (250, 250, 248)
IRIS: Colour = (84, 108, 92)
DARK: Colour = (28, 24, 24)

_OVERSAMPLING = 2
_SCALE = 1.05  # picture heights per metre
_CENTRE_M = np.array([0.0, 0.0, 1.24])
_HEAD_CENTRE_M = np.array([0.02, 0.0, 0.12])
_HEAD_RADII_M = np.array([0.095, 0.080, 0.118])
_CIRCLE = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)


class FigurePainter:
    """Paints frames of `width` x `height` pixels."""

    def __init__(self, skeleton: Skeleton, width: int = 960, height: int = 540) -> None:
        """Prepare the background and the skeleton's proportions."""
        self._skeleton = skeleton
        self._size = (width, height)

    def paint(
        self, face: npt.ArrayLike, body: npt.ArrayLike, fingers: npt.ArrayLike
    ) -> Image.Image:
        """Return one frame of face (51,), body (24,) and finger bends (30,)."""
        image = self._background.copy()
        self._draw = ImageDraw.Draw(image)
        rotvec = np.asarray(body, np.float64)
        places = self._skeleton.forward_kinematics(rotvec, fingers)
        chest, head = rotvec_to_matrix(rotvec[:6].reshape(2, 3))
        self._torso(places, chest)
        weights = dict(zip(FACE_NAMES, (float(w) for w in np.asarray(face)), strict=True))
        self._head(places["head"], chest @ head, weights)
        for side in "lr":
            self._arm(places, side)
        return image.resize(self._size, Image.Resampling.BOX)

    @cached_property
    def _background(self) -> Image.Image:
        width, height = (value * _OVERSAMPLING for value in self._size)
        down = np.linspace(0.0, 1.0, height)[:, None, None]
        across = np.abs(np.linspace(-1.0, 1.0, width))[None, :, None]
        top, bottom = np.array([222, 228, 236]), np.array([182, 190, 202])
        colours = top + down * (bottom - top) - 14.0 * across**2
        return Image.fromarray(colours.astype(np.uint8), "RGB")

    def _project(self, points_m: npt.ArrayLike) -> list[tuple[float, float]]:
        """Return pixels of points (..., 3): seen from the front, with a little perspective."""
        points = np.atleast_2d(np.asarray(points_m, np.float64)) - _CENTRE_M
        height = self._size[1] * _OVERSAMPLING
        scale = _SCALE * height / (1.0 - 0.35 * points[:, 0])
        x = self._size[0] * _OVERSAMPLING / 2 + scale * points[:, 1]
        y = height / 2 - scale * points[:, 2]
        return list(zip(x.tolist(), y.tolist(), strict=True))

    def _pixels(self, length_m: float) -> float:
        return length_m * _SCALE * self._size[1] * _OVERSAMPLING

    def _limb(self, points_m: list[Array], radius_m: float, colour: Colour) -> None:
        points, radius = self._project(np.stack(points_m)), self._pixels(radius_m)
        self._draw.line(points, fill=colour, width=max(1, round(2 * radius)))
        for x, y in points:
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def _torso(self, places: dict[str, Array], chest: Array) -> None:
        left, right, root = places["l_upper_arm"], places["r_upper_arm"], places["chest"]
        waist = [root + np.array([0.0, side * 0.15, -0.35]) for side in (1.0, -1.0)]
        collar = [
            places["head"] + chest @ np.array([0.0, side * 0.055, -0.05]) for side in (-1.0, 1.0)
        ]
        outline = [left, waist[0], waist[1], right, *collar]
        self._draw.polygon(self._project(np.stack(outline)), fill=CLOTH)
        self._limb([left, right], 0.055, CLOTH)
        neck = places["head"]
        self._limb([neck + chest @ np.array([0.0, 0.0, -0.08]), neck], 0.048, SHADE)
        notch = [neck + chest @ np.array([0.02, y, z]) for y, z in ((-0.05, -0.07), (0.05, -0.07))]
        dip = neck + chest @ np.array([0.03, 0.0, -0.14])
        self._draw.polygon(self._project(np.stack([*notch, dip])), fill=SHADE)

    def _arm(self, places: dict[str, Array], side: str) -> None:
        upper, fore, hand = (places[f"{side}_{name}"] for name in ("upper_arm", "forearm", "hand"))
        self._limb([upper, fore], 0.050, CLOTH_DARK)
        self._limb([fore, fore + 0.7 * (hand - fore)], 0.041, CLOTH_DARK)
        self._limb([fore + 0.7 * (hand - fore), hand], 0.030, SKIN)
        for name in FINGERS:
            joints = [places[f"{side}_{name}_{i}"] for i in (1, 2, 3)]
            self._limb([hand, joints[0]], 0.016, SKIN)
            self._limb([*joints, places[f"{side}_{name}_3_tip"]], 0.009, SKIN)

    # ---- head ----------------------------------------------------------------------------------

    def _head(self, neck: Array, turn: Array, w: dict[str, float]) -> None:
        self._neck, self._turn = neck, turn
        drop = 0.022 * w["jawOpen"]
        ring = np.stack([np.zeros(40), np.cos(_CIRCLE), np.sin(_CIRCLE)], axis=1)
        crown = ring * np.where(np.sin(_CIRCLE) > 0, 1.10, 0.90)[:, None]
        self._shape(_HEAD_CENTRE_M + _HEAD_RADII_M * crown + [-0.03, 0.0, 0.012], HAIR)
        chin = np.where(np.sin(_CIRCLE) < 0, 1.0 - 0.16 * np.sin(_CIRCLE) ** 2, 1.0)[:, None]
        outline = _HEAD_CENTRE_M + _HEAD_RADII_M * ring * np.hstack([np.ones((40, 1)), chin, chin])
        outline[:, 2] -= drop * np.clip(-np.sin(_CIRCLE), 0.0, 1.0) ** 2
        self._shape(outline, SKIN)
        fringe = ring[np.sin(_CIRCLE) > 0.6]
        low = np.stack([np.full(9, 0.02), np.linspace(-0.78, 0.78, 9), 0.72 - 0.1 * np.cos(
            np.linspace(-3.0, 3.0, 9))], axis=1)  # fmt: skip
        self._shape(_HEAD_CENTRE_M + 1.06 * _HEAD_RADII_M * np.vstack([fringe, low]), HAIR)
        for side, name in ((1.0, "Left"), (-1.0, "Right")):
            self._eye(side, name, w)
            self._brow(side, name, w)
        self._nose()
        self._lips(w)

    def _on_head(self, u: npt.ArrayLike, v: npt.ArrayLike) -> Array:
        """Return points (N, 3) in the head's frame: u to its left, v up, in head radii."""
        y, z = np.broadcast_arrays(np.asarray(u, np.float64), np.asarray(v, np.float64))
        depth = np.sqrt(np.clip(1.0 - 0.7 * y**2 - 0.5 * z**2, 0.05, 1.0))
        return np.asarray(_HEAD_CENTRE_M + _HEAD_RADII_M * np.stack([depth, y, z], axis=-1))

    def _shape(self, points: Array, colour: Colour) -> None:
        self._draw.polygon(self._project(self._neck + points @ self._turn.T), fill=colour)

    def _stroke(self, u: npt.ArrayLike, v: npt.ArrayLike, colour: Colour, width_m: float) -> None:
        points = self._project(self._neck + self._on_head(u, v) @ self._turn.T)
        width = max(1, round(self._pixels(width_m)))
        self._draw.line(points, fill=colour, width=width, joint="curve")

    def _eye(self, side: float, name: str, w: dict[str, float]) -> None:
        lid = np.clip(1.0 + 0.5 * w[f"eyeWide{name}"] - 0.3 * w[f"eyeSquint{name}"], 0.0, 1.5)
        open_ = float(lid * (1.0 - min(1.0, 1.25 * w[f"eyeBlink{name}"])))
        u, v, half = side * 0.42, 0.10, 0.19
        across = np.cos(_CIRCLE)
        height = np.where(np.sin(_CIRCLE) > 0, 0.115, 0.075) * open_
        self._shape(self._on_head(u + half * across, v + height * np.sin(_CIRCLE)), WHITE)
        look_u = w[f"eyeLookOut{name}"] - w[f"eyeLookIn{name}"]
        look_v = w[f"eyeLookUp{name}"] - w[f"eyeLookDown{name}"]
        at_u, at_v = u + side * 0.10 * look_u, v + 0.02 + 0.06 * look_v
        for radius, colour in ((0.095, IRIS), (0.045, DARK)):
            rim = np.clip(radius * np.sin(_CIRCLE), -0.07 * open_, 0.105 * open_)
            self._shape(self._on_head(at_u + 0.9 * radius * across, at_v + rim), colour)
        arch = np.linspace(-1.0, 1.0, 9)
        top = v + 0.115 * open_ * np.sqrt(1.0 - arch**2)
        self._stroke(u + half * arch, top, DARK, 0.004)

    def _brow(self, side: float, name: str, w: dict[str, float]) -> None:
        along = np.linspace(0.0, 1.0, 6)
        lift = 0.20 * w["browInnerUp"] * (1.0 - along) + 0.16 * w[f"browOuterUp{name}"] * along
        height = 0.34 + 0.06 * np.sin(2.6 * along) + lift - 0.12 * w[f"browDown{name}"]
        self._stroke(side * (0.20 + 0.46 * along), height, HAIR, 0.008)

    def _nose(self) -> None:
        self._stroke(
            [0.06, 0.11, 0.0, -0.11, -0.06], [-0.20, -0.27, -0.31, -0.27, -0.20], SHADE, 0.004
        )

    def _lips(self, w: dict[str, float]) -> None:
        def both(name: str) -> float:
            return 0.5 * (w[f"{name}Left"] + w[f"{name}Right"])

        smile, round_ = both("mouthSmile"), w["mouthPucker"] + 0.6 * w["mouthFunnel"]
        half = 0.27 + 0.09 * smile + 0.06 * both("mouthStretch") - 0.13 * min(1.0, round_)
        gap = max(0.0, w["jawOpen"] - w["mouthClose"])
        upper = 0.05 * both("mouthUpperUp") + 0.05 * w["mouthFunnel"]
        lower = 0.34 * gap + 0.06 * both("mouthLowerDown") + 0.05 * w["mouthFunnel"]
        corner = -0.55 + 0.10 * smile - 0.08 * both("mouthFrown")
        s = np.linspace(-1.0, 1.0, 17)
        bow = 1.0 - s**2
        u, line = half * s, corner + (-0.55 - corner) * bow
        inner_up, inner_down = line + upper * bow, line - lower * bow
        thick = (0.075 + 0.03 * round_) * (1.0 - 0.6 * both("mouthPress"))
        loop = np.concatenate([u, u[::-1]])

        def between(top: Array, bottom: Array, colour: Colour) -> None:
            self._shape(self._on_head(loop, np.concatenate([top, bottom[::-1]])), colour)

        between(inner_up + thick * bow, inner_down - 1.2 * thick * bow, LIPS)
        between(inner_up, inner_down, MOUTH)
        reach = np.minimum(0.45 * (inner_up - inner_down), 0.06)
        between(inner_up, inner_up - reach, TEETH)
        self._stroke(u, inner_up, MOUTH, 0.002)
