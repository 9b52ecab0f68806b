"""A canvas that takes shapes in metres: projected from the front, painted, smoothed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Array = npt.NDArray[np.float64]
Colour = tuple[int, int, int]

_OVERSAMPLING = 2
_SCALE = 0.98  # picture heights per metre
_CENTRE_M = np.array([0.0, 0.0, 1.20])
_PERSPECTIVE = 0.35  # growth per metre towards the camera
_TOP, _BOTTOM = np.array([228, 232, 238]), np.array([176, 186, 200])
_VIGNETTE = 18.0
_ARC = np.linspace(0.0, np.pi, 12)


class Canvas:
    """A picture of `width` x `height` pixels that begins as an empty, softly lit room."""

    def __init__(self, width: int, height: int) -> None:
        """Prepare the background once."""
        self._width, self._height = _OVERSAMPLING * width, _OVERSAMPLING * height
        down = np.linspace(0.0, 1.0, self._height)[:, None, None]
        across = np.linspace(-1.0, 1.0, self._width)[None, :, None]
        away = across**2 + (down - 0.4) ** 2
        colours = _TOP + down * (_BOTTOM - _TOP) - _VIGNETTE * away
        self._background = Image.fromarray(colours.astype(np.uint8), "RGB")
        self.clear()

    def clear(self) -> None:
        """Take everything off."""
        self._image = self._background.copy()
        self._draw = ImageDraw.Draw(self._image)

    def picture(self) -> Image.Image:
        """Return what has been painted, its edges smoothed."""
        return self._image.reduce(_OVERSAMPLING)

    def project(self, points_m: npt.ArrayLike) -> Array:
        """Return pixels (N, 2) of points (N, 3): from the front, with a little perspective."""
        points = np.atleast_2d(np.asarray(points_m, np.float64)) - _CENTRE_M
        scale = _SCALE * self._height / (1.0 - _PERSPECTIVE * points[:, 0])
        x = self._width / 2 + scale * points[:, 1]  # the avatar's left is on our right
        y = self._height / 2 - scale * points[:, 2]
        return np.stack([x, y], axis=1)

    def pixels(self, length_m: float) -> float:
        """Return how many pixels a length takes at the middle of the room."""
        return length_m * _SCALE * self._height

    def shape(self, points_m: npt.ArrayLike, colour: Colour) -> None:
        """Fill the polygon through points (N, 3)."""
        self._fill(self.project(points_m), colour)

    def stroke(self, points_m: npt.ArrayLike, width_m: float, colour: Colour) -> None:
        """Draw a line of even width with round ends through points (N, 3)."""
        points, width = self.project(points_m), max(1.0, self.pixels(width_m))
        corners = [tuple(point) for point in points.tolist()]
        self._draw.line(corners, fill=colour, width=round(width), joint="curve")
        for x, y in (corners[0], corners[-1]):
            r = width / 2
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def limb(
        self, start_m: Array, end_m: Array, radii_m: tuple[float, float], colour: Colour
    ) -> None:
        """Fill a tapering rod with round ends from one point (3,) to another."""
        (ax, ay), (bx, by) = self.project(np.stack([start_m, end_m]))
        ra, rb = self.pixels(radii_m[0]), self.pixels(radii_m[1])
        heading = np.arctan2(by - ay, bx - ax)
        far, near = heading - np.pi / 2 + _ARC, heading + np.pi / 2 + _ARC
        outline = np.concatenate(
            [
                np.stack([bx + rb * np.cos(far), by + rb * np.sin(far)], axis=1),
                np.stack([ax + ra * np.cos(near), ay + ra * np.sin(near)], axis=1),
            ]
        )
        self._fill(outline, colour)

    def _fill(self, pixels: Array, colour: Colour) -> None:
        self._draw.polygon([tuple(point) for point in pixels.tolist()], fill=colour)
