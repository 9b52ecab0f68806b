"""What the head holds: eyes with cornea and shade of the lids, lashes, tongue."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from body import Body
from looks import Look
from PIL import Image, ImageDraw, ImageFilter
from pose import TPose
from scipy.spatial import cKDTree
from surface import Piece, cut, grid_triangles

Array = npt.NDArray[np.float64]

IRIS, PUPIL, CORNEA = 0.415, 0.16, 0.53  # angles from the eye's axis [rad]
EYE_REACH = 1.45  # angle that the edge of the eye's picture shows [rad]
EYE_PIXELS = 512
TONGUE_DOWN_M, TONGUE_BACK_M = 0.014, 0.010


def make_eyes(body: Body, vertices: Array, pose: TPose, skin: Piece) -> list[Piece]:
    """Return eyeballs, corneas and the lids' shades; adds the eyes' links to the pose."""
    pieces = []
    for side in "lr":
        faces = body.groups[f"helper-{side}-eye"]
        ball = vertices[sorted({vertex for face in faces for vertex, _ in face})]
        centre = 0.5 * (ball.min(axis=0) + ball.max(axis=0))
        radius = 0.5 * float(np.median(ball.max(axis=0)[:2] - ball.min(axis=0)[:2]))
        link = f"{side}_eye"
        pose.parents[link], pose.places[link] = "head", centre
        pieces += [_ball(link, centre, radius), _cornea(link, centre, radius)]
        pieces.append(_shade(side, centre, radius, skin))
    return pieces


def _dome(name: str, material: str, rings: Array, radii: Array, spokes: int = 48) -> Piece:
    """Return a surface of revolution about +z with its azimuthal UVs, around the origin."""
    turn = np.linspace(0.0, 2.0 * np.pi, spokes, endpoint=False)
    angle, round_ = (grid.ravel() for grid in np.meshgrid(rings, turn, indexing="ij"))
    direction = np.stack(
        [np.sin(angle) * np.cos(round_), np.sin(angle) * np.sin(round_), np.cos(angle)], axis=1
    )
    reach = np.minimum(angle / EYE_REACH, 0.98)[:, None]
    uvs = 0.5 + 0.5 * reach * np.stack([np.cos(round_), -np.sin(round_)], axis=1)
    triangles = grid_triangles(len(rings), spokes, closed=True)
    points = direction * np.repeat(radii, spokes)[:, None]
    return Piece(name, points, triangles, material, uvs=uvs)


def _ball(link: str, centre: Array, radius: float) -> Piece:
    iris = np.linspace(0.0, IRIS, 14)
    rings = np.concatenate([iris, np.linspace(IRIS + 0.03, np.pi, 28)])
    inner = 0.962 + 0.030 * (rings / IRIS) ** 2  # the iris is a shallow bowl behind the cornea
    radii = radius * np.where(rings <= IRIS, inner, 1.0)
    ball = _dome(link, "eye", rings, radii)
    ball.vertices, ball.link = ball.vertices + centre, link
    return ball


def _cornea(link: str, centre: Array, radius: float) -> Piece:
    rings = np.linspace(0.0, CORNEA, 14)
    bulge = 0.055 * np.clip(1.0 - (rings / CORNEA) ** 2, 0.0, 1.0)
    cornea = _dome(link + "_cornea", "cornea", rings, radius * (1.004 + bulge), 32)
    cornea.vertices, cornea.link, cornea.uvs = cornea.vertices + centre, link, None
    return cornea


def _shade(side: str, centre: Array, radius: float, skin: Piece) -> Piece:
    """Return the soft shadow that lids and lashes cast on the ball, fixed in the head."""
    rings, spokes = np.linspace(0.0, 1.15, 22), 56
    shade = _dome(f"{side}_eye_shade", "eye_shade", rings, np.full(22, 1.012 * radius), spokes)
    shade.vertices, shade.uvs = shade.vertices + centre, None
    near = np.linalg.norm(skin.vertices - centre, axis=1) < 1.35 * radius
    lids = skin.vertices[near]
    away, nearest = cKDTree(lids).query(shade.vertices)
    above = lids[nearest, 1] > centre[1]
    reach = np.where(above, 0.0038, 0.0018)
    alpha = np.where(above, 0.85, 0.55) * np.exp(-((away / reach) ** 1.3))
    colour = np.tile(np.array([0.07, 0.022, 0.016]), (len(away), 1))
    shade.colours = np.concatenate([colour, np.clip(alpha, 0.0, 0.9)[:, None]], axis=1)
    shade.link = "head"
    return shade


def paint_eye(look: Look) -> Image.Image:
    """Return the eye as seen from in front: ball with fine veins, iris with fibres, pupil."""
    size = EYE_PIXELS
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size * 2.0 - 1.0
    angle, turn = np.hypot(x, y) * EYE_REACH, np.arctan2(y, x)
    rng = np.random.default_rng(11)
    waves = [(int(rng.integers(20, 110)), rng.uniform(0, 6.28), rng.normal()) for _ in range(40)]
    fibres = sum(a * np.sin(n * turn + p + 3.0 * angle) for n, p, a in waves) / 6.0
    depth = np.clip((angle - PUPIL) / (IRIS - PUPIL), 0.0, 1.0)
    colour = np.array(look.iris, float)
    bright = (0.72 + 0.55 * depth - 0.25 * depth**2 + 0.20 * fibres)[..., None]
    ring = np.exp(-(((depth - 0.22) / 0.12) ** 2))[..., None]
    iris = colour * bright + ring * np.array([46.0, 30.0, 8.0])
    iris *= 1.0 - 0.75 * np.clip((angle - IRIS + 0.07) / 0.08, 0.0, 1.0)[..., None]
    white = np.array([226.0, 219.0, 214.0]) * np.ones((size, size, 1))
    edge = np.clip((angle - 0.55) / 0.6, 0.0, 1.0)[..., None]
    white += edge * np.array([-14.0, -44.0, -46.0])
    veins = _veins(size)[..., None]
    white += veins * np.array([-14.0, -52.0, -50.0]) * np.clip((angle - 0.6) * 2, 0, 1)[..., None]
    blend = np.clip((angle - IRIS + 0.012) / 0.035, 0.0, 1.0)[..., None]
    picture = iris * (1.0 - blend) + white * blend
    black = np.clip((PUPIL + 0.012 - angle) / 0.018, 0.0, 1.0)[..., None]
    picture = picture * (1.0 - black) + 6.0 * black
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8), "RGB")


def _veins(size: int) -> Array:
    picture = Image.new("L", (size, size), 0)
    pen = ImageDraw.Draw(picture)
    rng = np.random.default_rng(12)
    for _ in range(44):
        turn, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.0)
        line = []
        while reach > rng.uniform(0.38, 0.6):
            line.append((size * (0.5 + 0.5 * reach * np.cos(turn)),
                         size * (0.5 + 0.5 * reach * np.sin(turn))))  # fmt: skip
            reach, turn = reach - 0.035, turn + rng.normal(0.0, 0.05)
        if len(line) > 1:
            pen.line(line, fill=int(rng.uniform(60, 160)), width=1)
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(0.8)), float) / 255.0


def make_lashes(body: Body, vertices: Array, skin: Piece, look: Look) -> Piece:
    """Return the lashes: along the lids by u, from root to tip by v."""
    everywhere = np.ones(len(vertices), bool)
    names = [f"helper-{side}-eyelashes-{row}" for side in "lr" for row in (1, 2)]
    lashes = cut(body, vertices, "lashes", names, everywhere, "lashes")
    away, nearest = cKDTree(skin.vertices).query(lashes.vertices)
    upper = np.isin(lashes.rows, [v for name in names if name.endswith("2")
                                  for face in body.groups[name] for v, _ in face])  # fmt: skip
    longest = np.where(upper, away[upper].max(), away[~upper].max())
    roots = skin.vertices[nearest]
    length = np.where(upper, look.lashes_m / longest, 0.5 * look.lashes_m / longest)
    lashes.vertices = roots + (lashes.vertices - roots) * np.minimum(length, 1.0)[:, None]
    across = np.abs(vertices[lashes.rows][:, 0])
    low, high = across.min(), across.max()
    row = np.where(upper, 0.0, 0.5)
    share = np.clip(away / longest, 0.0, 1.0)
    lashes.uvs = np.stack([(across - low) / (high - low), row + 0.02 + 0.46 * (1 - share)], axis=1)
    return lashes


def paint_lashes(look: Look) -> Image.Image:
    """Return lashes as colour and cover: the upper row above, the lower one, thinner, below."""
    width, height, scale = 512, 256, 2
    cover = Image.new("L", (width * scale, height * scale), 0)
    pen = ImageDraw.Draw(cover)
    rng = np.random.default_rng(21)
    for top, count, thick, reach in ((0.0, 95, 5, 0.95), (0.5, 46, 4, 0.7)):
        floor = (top + 0.49) * height * scale
        for k in range(count):
            x = (k + rng.uniform(-0.3, 0.3)) / count * width * scale
            lean = 46.0 * (x / (width * scale) - 0.32) + rng.normal(0, 7.0)
            tall = 0.45 * height * scale * reach * rng.uniform(0.65, 1.0)
            for part in range(6):
                a, b = part / 6.0, (part + 1) / 6.0
                line = [(x + lean * a * a, floor - tall * a), (x + lean * b * b, floor - tall * b)]
                pen.line(line, fill=255, width=max(1, round(thick * (1.0 - a))))
        if top == 0.0:
            pen.rectangle((0, floor - 2, width * scale, floor + 12), fill=255)
    small = cover.resize((width, height), Image.Resampling.LANCZOS)
    dark = tuple(int(0.3 * value) for value in look.brow)
    picture = Image.new("RGBA", (width, height), (*dark, 0))
    picture.putalpha(small)
    return picture


def make_tongue(body: Body, vertices: Array) -> Piece:
    """Return the tongue, set back from the teeth and darker with depth."""
    everywhere = np.ones(len(vertices), bool)
    tongue = cut(body, vertices, "tongue", ["helper-tongue"], everywhere, "tongue")
    tongue.vertices = tongue.vertices - [0.0, TONGUE_DOWN_M, TONGUE_BACK_M]
    away = tongue.vertices[:, 2].max() - tongue.vertices[:, 2]
    light = np.clip(1.0 - away / 0.042, 0.03, 1.0) ** 1.3
    tongue.colours = np.tile(light[:, None], 3)
    return tongue
