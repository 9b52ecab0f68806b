"""Strands as strips of triangles, each showing a lock of hair, and the picture of those locks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hair import STYLES, VARIANTS, Head
from looks import Look
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import distance_transform_edt
from surface import Piece, grid_triangles

Array = npt.NDArray[np.float64]

WIDTH, HEIGHT = 512, 512
_GAMMA = 2.2


def to_linear(colour: object) -> Array:
    """Return sRGB values of 0 to 255 as light, 0 to 1."""
    return np.asarray((np.asarray(colour, float) / 255.0) ** _GAMMA)


def make_hair(head: Head, look: Look, links: list[str], places: dict[str, Array]) -> Piece:
    """Return the hair of a look, its weights for the `links` among head, neck and chest."""
    strands = STYLES[look.hair](head)
    rng = np.random.default_rng(8)
    lines = strands.lines
    count, steps = lines.shape[:2]
    along = np.gradient(lines, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-9)
    across = np.cross(along, strands.normals)
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    outward = np.cross(across, along)
    twist = rng.normal(0.0, 0.16, count)[:, None, None]
    across = np.cos(twist) * across + np.sin(twist) * outward
    share = np.linspace(0.0, 1.0, steps)[None, :, None]
    half = 0.5 * strands.width[:, None, None] * (0.75 + 0.5 * share - 0.45 * share**3)
    half = half * rng.uniform(0.75, 1.25, count)[:, None, None]
    edges = [lines - half * across, lines + half * across]
    tilt = 0.45
    normals = [strands.normals - tilt * across, strands.normals + tilt * across]
    points = np.stack(edges, axis=2).reshape(-1, 3)
    normal = np.stack(normals, axis=2).reshape(-1, 3)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    triangles = np.concatenate(
        [grid_triangles(steps, 2, start=2 * steps * k) for k in range(count)]
    )
    variant = rng.integers(0, VARIANTS, count)[:, None, None]
    u = (variant + np.array([0.02, 0.98])[None, None]) / VARIANTS
    v = np.broadcast_to(0.86 * share, (count, steps, 1))
    uvs = np.stack(np.broadcast_arrays(u, v), axis=-1).reshape(-1, 2)
    piece = Piece("hair", points, triangles, "hair", uvs=uvs)
    piece.normals = normal
    tone = share**0.8 * (0.35 + 0.65 * strands.layer[:, None, None])
    colour = to_linear(look.hair_root) * (1 - tone) + to_linear(look.hair_tip) * tone
    colour = colour * rng.uniform(0.86, 1.14, count)[:, None, None]
    piece.colours = np.repeat(colour, 2, axis=1).reshape(-1, 3)
    piece.weights = _hang(points, head, links, places)
    return piece


def _hang(points: Array, head: Head, links: list[str], places: dict[str, Array]) -> Array:
    """Return weights: the head's, and below the chin gradually the neck's and the chest's."""
    chin, shoulder = head.eyes[1] - 0.085, places["neck"][1] - 0.02
    to_head = np.clip((points[:, 1] - shoulder) / (chin - shoulder), 0.0, 1.0)
    weights = np.zeros((len(points), len(links)))
    weights[:, links.index("head")] = to_head
    weights[:, links.index("neck")] = (1.0 - to_head) * 0.6
    weights[:, links.index("chest")] = (1.0 - to_head) * 0.4
    return weights


def paint_locks() -> Image.Image:
    """Return locks side by side: strands from root (above) to tip, light and cover."""
    scale = 2
    cover = Image.new("L", (WIDTH * scale, HEIGHT * scale), 0)
    light = Image.new("L", (WIDTH * scale, HEIGHT * scale), 150)
    pens = ImageDraw.Draw(cover), ImageDraw.Draw(light)
    rng = np.random.default_rng(9)
    column = WIDTH * scale / VARIANTS
    for variant in range(VARIANTS):
        for _ in range((66, 58, 50, 42)[variant]):
            middle = rng.normal(0.5, 0.2)
            end = 0.5 + (middle - 0.5) * rng.uniform(0.35, 0.9)
            wave, phase = rng.uniform(0.0, 0.035), rng.uniform(0, 6.28)
            begin = HEIGHT * scale * 0.05 * rng.beta(1.0, 3.0)  # roots in one row would look cut
            last = HEIGHT * scale * rng.uniform(0.8, 1.0)
            share = np.linspace(0.0, 1.0, 24)
            x = middle + (end - middle) * share**2 + wave * np.sin(5.0 * share + phase)
            x = (variant + np.clip(x, 0.05, 0.95)) * column
            dots = np.stack([x, begin + share * (last - begin)], axis=1)
            bright = int(np.clip(rng.normal(190, 30), 120, 255))
            for k in range(23):
                thick = max(3, round(rng.uniform(6.0, 8.5) * (1.0 - 0.6 * share[k])))
                line = [tuple(dots[k]), tuple(dots[k + 1])]
                pens[0].line(line, fill=255, width=thick)
                pens[1].line(line, fill=bright, width=thick)
    soft = (picture.filter(ImageFilter.GaussianBlur(0.8)) for picture in (cover, light))
    small = [picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS) for picture in soft]
    alpha, tone = (np.asarray(each, float) for each in small)
    row, col = distance_transform_edt(alpha < 100, return_distances=False, return_indices=True)
    tone = tone[row, col]
    values = np.stack([tone, tone, tone, alpha], axis=-1)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8), "RGBA")
