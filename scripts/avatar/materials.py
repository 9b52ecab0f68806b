"""How the pieces look: glTF materials and the pictures that repeat on cloth."""

from __future__ import annotations

from typing import Any

import numpy as np
from cards import paint_locks, to_linear
from glb import GlbWriter
from head import paint_eye, paint_lashes
from looks import Look
from PIL import Image, ImageDraw, ImageFilter
from skin import Pictures

# roughness, both sides seen, how alpha counts
_PLAIN: dict[str, tuple[float, bool, str]] = {
    "skin": (1.0, False, "OPAQUE"),
    "teeth": (0.22, True, "OPAQUE"),
    "tongue": (0.6, True, "OPAQUE"),
    "eye": (0.35, False, "OPAQUE"),
    "cornea": (0.04, False, "BLEND"),
    "eye_shade": (1.0, False, "BLEND"),
    "lashes": (0.8, True, "MASK"),
    "hair": (0.6, True, "MASK"),
}
_COLOURS = {
    "tongue": [0.34, 0.085, 0.08, 1.0],
    "cornea": [0.0, 0.0, 0.0, 0.06],
}


def add_materials(writer: GlbWriter, look: Look, skin: Pictures) -> dict[str, int]:
    """Append the materials of a look; return their numbers by name."""
    textures = {
        "skin": writer.texture(skin.colour, 82),
        "eye": writer.texture(paint_eye(look), 90),
        "lashes": writer.texture(paint_lashes(look)),
        "hair": writer.texture(paint_locks()),
    }
    relief, roughness = writer.texture(skin.relief, 85), writer.texture(skin.roughness, 80)
    numbers = {}
    for name, (rough, double, mode) in _PLAIN.items():
        entry = _entry(name, rough, double, _COLOURS.get(name, [1.0] * 4), textures.get(name))
        if mode != "OPAQUE":
            entry["alphaMode"] = mode
        if mode == "MASK":
            entry["alphaCutoff"] = 0.4
        if name == "skin":
            entry["normalTexture"] = {"index": relief}
            entry["pbrMetallicRoughness"]["metallicRoughnessTexture"] = {"index": roughness}
        numbers[name] = writer.add("materials", entry)
    for name, colour in look.clothes.items():
        texture = writer.texture(paint_cloth(name), 90)
        light = [*to_linear(colour).tolist(), 1.0]
        numbers[name] = writer.add("materials", _entry(name, 0.88, True, light, texture))
    return numbers


def _entry(
    name: str, rough: float, double: bool, colour: list[float], texture: int | None
) -> dict[str, Any]:
    surface: dict[str, Any] = {
        "baseColorFactor": colour, "metallicFactor": 0.0,
        "roughnessFactor": rough,
    }  # fmt: skip
    if texture is not None:
        surface["baseColorTexture"] = {"index": texture}
    return {"name": name, "pbrMetallicRoughness": surface, "doubleSided": double}


def paint_cloth(name: str) -> Image.Image:
    """Return a light texture that repeats: knitted, or woven."""
    rng = np.random.default_rng(14)
    if name in ("tee", "turtleneck"):
        picture = Image.new("L", (128, 128), 238)
        pen = ImageDraw.Draw(picture)
        for y in range(0, 128, 16):
            for x in range(0, 128, 16):
                pen.line((x, y, x + 8, y + 11), fill=246, width=4)
                pen.line((x + 16, y, x + 8, y + 11), fill=230, width=4)
        picture = picture.filter(ImageFilter.GaussianBlur(1.6))
        values = np.asarray(picture, float)
    else:
        y, x = np.mgrid[0:128, 0:128]
        twill = 5.0 * np.sin(2 * np.pi * (x + y) / 8.0) + 3.0 * np.sin(2 * np.pi * x / 4.0)
        values = 238.0 + twill + rng.normal(0.0, 7.0, (128, 128))
    grey = np.clip(values, 0, 255).astype(np.uint8)
    return Image.fromarray(np.repeat(grey[..., None], 3, axis=2), "RGB")
