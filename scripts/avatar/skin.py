"""The skin's pictures: colour, relief and roughness, painted by place on the body."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from atlas import Texels, repack
from looks import Look
from noise import noise, octaves
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import map_coordinates
from surface import Piece, vertex_normals

Array = npt.NDArray[np.float64]

COLOUR_PIXELS, RELIEF_PIXELS, ROUGHNESS_PIXELS = 2048, 1024, 512
CAVITY = np.array([58.0, 18.0, 20.0])
BROW_PIXELS_PER_M = 12_000
BROW_SIZE_M = (0.062, 0.030)


@dataclass
class Face:
    """Where things are [m], and how far points lie inside the hairline (function)."""

    eyes: tuple[Array, Array]  # left, right
    mouth: Array
    nose: Array
    hairline: object


@dataclass
class Pictures:
    """The three pictures of the skin."""

    colour: Image.Image
    relief: Image.Image
    roughness: Image.Image


def paint_skin(skin: Piece, masks: Path, look: Look, face: Face, light: Array) -> Pictures:
    """Return the pictures; `light` (V,) is the openness of the skin's vertices before repacking.

    The skin gets new UVs.
    """
    rows = np.arange(len(skin.vertices))
    keep_rows = skin.rows
    skin.rows = rows  # let repack tell which vertex became which
    old = repack(skin)
    light, skin.rows = light[skin.rows], np.asarray(keep_rows)[skin.rows]
    canvas = _Canvas(skin, masks, look, face, old, light)
    return Pictures(canvas.colour(), canvas.relief(), canvas.roughness())


def landmarks(skin: Piece, masks: Path, eyes: tuple[Array, Array], hairline: object) -> Face:
    """Return where the mouth and the tip of the nose are; `skin` has the body's UVs."""
    assert skin.uvs is not None
    lips = _sample(masks, "lips", skin.uvs) > 0.5
    middle = np.abs(skin.vertices[:, 0]) < 0.006
    height = 0.5 * (eyes[0] + eyes[1])[1]
    near = middle & (np.abs(skin.vertices[:, 1] - height + 0.03) < 0.03)
    nose = skin.vertices[near][np.argmax(skin.vertices[near, 2])]
    return Face(eyes, skin.vertices[lips].mean(axis=0), nose, hairline)


def _sample(masks: Path, name: str, uvs: Array) -> Array:
    picture = np.asarray(Image.open(masks / f"mpfb_{name}.jpg").convert("L"), np.float32) / 255.0
    place = np.stack([uvs[:, 1] * picture.shape[0], uvs[:, 0] * picture.shape[1]]) - 0.5
    return np.asarray(map_coordinates(picture, place, order=1, mode="nearest"))


def _bump(points: Array, middle: Array, size: tuple[float, float, float]) -> Array:
    return np.asarray(np.exp(-(((points - middle) / np.array(size)) ** 2).sum(axis=1)))


def _step(values: Array, low: float, high: float) -> Array:
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share))


class _Canvas:
    """The skin as its texels see it."""

    def __init__(
        self, skin: Piece, masks: Path, look: Look, face: Face, old: Array, light: Array
    ) -> None:
        self.skin, self.masks, self.look, self.face = skin, masks, look, face
        self.old, self.light = old, light
        self.normals = vertex_normals(skin.vertices, skin.triangles, skin.rows)
        eyes = 0.5 * (face.eyes[0] + face.eyes[1])
        self.eye_height, self.chest = float(eyes[1]), float(eyes[1]) - 0.16

    def _see(self, size: int) -> Texels:
        texels = Texels.of(self.skin, size)
        self.points = texels.read(self.skin.vertices)
        self.uvs = texels.read(self.old)
        return texels

    def _mask(self, name: str) -> Array:
        return _sample(self.masks, name, self.uvs)

    def _both(self, middle: tuple[float, float, float], size: tuple[float, float, float]) -> Array:
        """A bump beside each eye; x counts outwards from it."""
        total = np.zeros(len(self.points), np.float32)
        for eye, side in zip(self.face.eyes, (1.0, -1.0), strict=True):
            place = eye + np.array(middle) * [side, 1.0, 1.0]
            total += _bump(self.points, place, size)
        return total

    def colour(self) -> Image.Image:
        texels = self._see(COLOUR_PIXELS)
        look, points = self.look, self.points
        self.paint = np.tile(np.array(look.skin, np.float32), (len(points), 1))
        self._mottle()
        self._flush()
        if look.stubble:
            self._beard()
        self._lips()
        self._mix((0.5 * (np.array(look.lips) + look.skin)), 0.5 * self._mask("fingernails"))
        self._mix(CAVITY, _step(self._mask("inside-mouth"), 0.3, 0.8))
        open_ = np.clip(texels.read(self.light) * 1.15, 0.0, 1.0)[:, None]
        tint = np.array([0.66, 0.50, 0.45], np.float32)
        self.paint *= open_ + (1.0 - open_) * tint
        self._brows()
        self._scalp()
        picture = np.clip(texels.picture(self.paint), 0, 255).astype(np.uint8)
        return Image.fromarray(picture, "RGB")

    def _mix(self, colour: object, share: Array) -> None:
        share = np.clip(share, 0.0, 1.0)[:, None]
        self.paint += share * (np.asarray(colour, np.float32) - self.paint)

    def _mottle(self) -> None:
        points = self.points
        wide = octaves(points, 0.03, 2, 1.0)[:, None] * np.array([0.018, 0.024, 0.026])
        fine = noise(points, 0.0035, 2.0)[:, None] * np.array([0.012, 0.020, 0.020])
        grain = noise(points, 0.0011, 3.0)[:, None] * 0.018
        self.paint *= 1.0 + wide + fine + grain
        if self.look.freckles:
            spots = _step(noise(points, 0.0032, 4.0), 0.85, 1.3)
            here = _bump(points, np.add(self.face.nose, [0.0, 0.008, -0.03]), (0.05, 0.026, 0.05))
            spots *= here * self.look.freckles
            self._mix(0.62 * np.array(self.look.skin) * [1.0, 0.86, 0.76], spots)

    def _flush(self) -> None:
        blush, skin = np.array(self.look.blush), np.array(self.look.skin)
        share = 0.55 * self._both((0.014, -0.046, 0.0), (0.024, 0.020, 0.06))
        share += 0.50 * _bump(self.points, self.face.nose, (0.016, 0.014, 0.02))
        share += 0.25 * _bump(self.points, self.face.mouth - [0.0, 0.035, 0.0], (0.02, 0.012, 0.05))
        share += 0.35 * self._mask("ears")
        share += 0.20 * self._both((0.0, 0.008, 0.02), (0.016, 0.010, 0.03))
        self._mix(blush, share)
        tired = self._both((-0.004, -0.019, 0.02), (0.014, 0.006, 0.03))
        self._mix(skin * [0.80, 0.72, 0.76], 0.45 * tired)
        forehead = _bump(
            self.points, np.add(self.face.nose, [0.0, 0.085, -0.03]), (0.05, 0.03, 0.06)
        )
        self._mix(skin * [1.03, 1.02, 0.97], 0.6 * forehead)
        hands = self.points[:, 1] < self.chest - 0.02
        hands &= np.abs(self.points[:, 0]) > 0.3
        self._mix(0.5 * (blush + skin), 0.35 * hands * _step(noise(self.points, 0.02, 8.0), -1, 1))

    def _beard(self) -> None:
        mouth = self.face.mouth
        away = self.points - mouth
        across = np.abs(away[:, 0])
        line = np.interp(
            across, [0.0, 0.022, 0.045, 0.062, 0.075], [0.021, 0.018, 0.0, 0.02, 0.055]
        )
        edge = line - away[:, 1] + 0.003 * noise(self.points, 0.006, 5.0)
        area = _step(edge, -0.004, 0.010) * _step(away[:, 1], -0.085, -0.055)
        area *= _step(away[:, 2], -0.115, -0.085)
        area *= 1.0 - 0.5 * _bump(self.points, mouth - [0.0, 0.016, 0.0], (0.03, 0.004, 0.05))
        dots = _step(noise(self.points, 0.0009, 6.0), -0.3, 0.9)
        dark = 0.42 * np.array(self.look.skin) + 0.42 * np.array(self.look.hair_root)
        self._mix(dark, area * self.look.stubble * (0.35 + 0.75 * dots))

    def _lips(self) -> None:
        lips = _step(self._mask("lips"), 0.12, 0.85)
        turn = self.points[:, 0] * 1000.0
        streaks = np.sin(1.9 * turn + 2.0 * noise(self.points, 0.004, 7.0)) * 0.05
        middle = np.abs(self.points[:, 1] - self.face.mouth[1])
        shade = 0.86 + 0.16 * _step(middle, 0.0, 0.006) + streaks
        self._mix(np.array(self.look.lips)[None] * shade[:, None], 0.82 * lips)

    def _brows(self) -> None:
        patch = _brow_picture(self.look.brow_thickness)
        for eye, side in zip(self.face.eyes, (1.0, -1.0), strict=True):
            across = side * (self.points[:, 0] - eye[0]) + 0.022
            up = self.points[:, 1] - eye[1] - 0.008
            place = np.stack([(BROW_SIZE_M[1] - up), across]) * BROW_PIXELS_PER_M
            share = map_coordinates(patch, place, order=1, mode="constant")
            share *= (self.points[:, 2] > eye[2] - 0.035) & (np.abs(up) < 0.05)
            self._mix(self.look.brow, share)

    def _scalp(self) -> None:
        inside = self.face.hairline(self.points)  # type: ignore[operator]
        along_hair = self.points * [1.0, 0.22, 0.22]  # short hairs, combed off the face
        inside = inside + 0.0022 * noise(along_hair, 0.0009, 9.0)
        inside += 0.0012 * noise(along_hair, 0.003, 10.0)
        share = _step(inside, -0.005, 0.012)
        self._mix(0.8 * np.array(self.look.hair_root), 0.94 * share)

    def relief(self) -> Image.Image:
        texels = self._see(RELIEF_PIXELS)
        points = self.points
        pores = np.minimum(noise(points, 0.0011, 11.0), 0.4) * 0.00006
        skin = pores + noise(points, 0.0028, 12.0) * 0.00005
        lips = _step(self._mask("lips"), 0.3, 0.9)
        grooves = np.sin(2.2 * points[:, 0] * 1000.0 + 2.5 * noise(points, 0.004, 7.0)) * 0.00010
        inside = 1.0 - _step(self._mask("inside-mouth"), 0.3, 0.8)
        height = (skin * (1.0 - lips) + grooves * lips) * inside
        height = texels.picture(height[:, None])[..., 0]
        place = texels.picture(points)
        across = np.linalg.norm(np.gradient(place, axis=1), axis=-1)
        down = np.linalg.norm(np.gradient(place, axis=0), axis=-1)
        slope_x = np.gradient(height, axis=1) / np.clip(across, 1e-4, 0.01)
        slope_y = np.gradient(height, axis=0) / np.clip(down, 1e-4, 0.01)
        normal = np.stack([-slope_x, slope_y, np.ones_like(height)], axis=-1)
        normal[..., :2] = np.clip(normal[..., :2], -0.5, 0.5)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        return Image.fromarray((127.5 * normal + 127.5).astype(np.uint8), "RGB")

    def roughness(self) -> Image.Image:
        texels = self._see(ROUGHNESS_PIXELS)
        nose, mouth = self.face.nose, self.face.mouth
        rough = 0.56 + 0.03 * noise(self.points, 0.006, 13.0)
        rough -= 0.10 * _bump(self.points, nose, (0.016, 0.03, 0.03))
        rough -= 0.07 * _bump(self.points, np.add(nose, [0.0, 0.085, -0.03]), (0.05, 0.03, 0.06))
        rough -= 0.05 * self._both((0.014, -0.03, 0.0), (0.02, 0.014, 0.06))
        rough += 0.05 * _bump(self.points, mouth - [0.0, 0.06, 0.03], (0.06, 0.02, 0.06))
        rough += (0.36 - rough) * _step(self._mask("lips"), 0.3, 0.9)
        rough += (0.30 - rough) * _step(self._mask("inside-mouth"), 0.3, 0.8)
        rough += (0.95 - rough) * _step(self.face.hairline(self.points), 0.0, 0.01)  # type: ignore[operator]
        green = np.clip(255.0 * rough, 0, 255)
        values = np.stack([np.full_like(green, 255.0), green, np.zeros_like(green)], axis=1)
        return Image.fromarray(texels.picture(values).astype(np.uint8), "RGB")


def _brow_picture(thickness: float) -> Array:
    """Return the left brow's cover (rows from above, columns outwards), drawn hair by hair."""
    scale = 2
    width, height = (int(scale * BROW_PIXELS_PER_M * side) for side in BROW_SIZE_M)
    picture = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(picture)
    rng = np.random.default_rng(3)
    pixels = scale * BROW_PIXELS_PER_M
    for _ in range(520):
        s = 0.9 * rng.beta(1.0, 1.15)
        middle = 0.0115 + 0.0066 * np.sin(2.5 * s) - 0.004 * s
        half = 0.0036 * thickness * np.interp(s, [0, 0.12, 0.5, 1.0], [0.8, 1.0, 0.85, 0.4])
        offset = rng.uniform(-1.0, 1.0)
        x, y = 0.004 + 0.050 * s, middle + half * offset
        lean = np.interp(s, [0, 0.15, 0.5, 1], [1.35, 0.95, 0.45, -0.1]) - 0.35 * offset
        lean += rng.normal(0.0, 0.13)
        length = rng.uniform(0.004, 0.007) * np.interp(s, [0, 0.2, 1], [0.8, 1.0, 0.7])
        line = [(x + length * k * np.cos(lean - 0.3 * k), y + length * k * np.sin(lean - 0.3 * k))
                for k in (0.0, 0.35, 0.7, 1.0)]  # fmt: skip
        dots = [(px * pixels, height - py * pixels) for px, py in line]
        dense = np.interp(s, [0.0, 0.2, 1.0], [0.5, 1.0, 0.9])  # it begins softly, at the nose
        pen.line(dots[:3], fill=int(dense * rng.uniform(170, 255)), width=6)
        pen.line(dots[2:], fill=int(dense * rng.uniform(140, 220)), width=4)
    soft = picture.filter(ImageFilter.GaussianBlur(14))
    small = [p.resize((width // scale, height // scale), Image.Resampling.LANCZOS)
             for p in (picture, soft)]  # fmt: skip
    hairs, shade = (np.asarray(each, np.float32) / 255.0 for each in small)
    return np.asarray(np.clip(0.8 * hairs + 0.42 * shade, 0.0, 0.92))
