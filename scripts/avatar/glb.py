"""Writes one GLB: links as nodes without rest rotations, skinned pieces, sparse morph targets."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

FLOAT, USHORT, UINT, UBYTE = 5126, 5123, 5125, 5121
ARRAY_BUFFER, INDEX_BUFFER = 34962, 34963
_KINDS = {
    np.dtype("<f4"): FLOAT,
    np.dtype("<u2"): USHORT,
    np.dtype("<u4"): UINT,
    np.dtype("u1"): UBYTE,
}
_SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class GlbWriter:
    """Collects buffers and the glTF document; `write` puts both into one file."""

    def __init__(self, copyright_: str) -> None:
        """Begin an empty scene."""
        self.document: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": "asynfusion_ros", "copyright": copyright_},
            "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [], "meshes": [], "skins": [],
            "materials": [], "textures": [], "images": [], "samplers": [{}],
            "accessors": [], "bufferViews": [],
        }  # fmt: skip
        self._data = bytearray()

    def view(self, content: bytes, target: int | None = None) -> int:
        """Append bytes; return the number of their buffer view."""
        self._data += b"\0" * (-len(self._data) % 4)
        entry: dict[str, Any] = {
            "buffer": 0,
            "byteOffset": len(self._data),
            "byteLength": len(content),
        }
        if target is not None:
            entry["target"] = target
        self._data += content
        self.document["bufferViews"].append(entry)
        return len(self.document["bufferViews"]) - 1

    def accessor(
        self, array: npt.NDArray[Any], target: int | None = ARRAY_BUFFER, **more: Any
    ) -> int:
        """Append an array (N,) or (N, K); return the number of its accessor."""
        array = np.ascontiguousarray(array)
        width = 1 if array.ndim == 1 else array.shape[1]
        entry = {
            "bufferView": self.view(array.tobytes(), target),
            "componentType": _KINDS[array.dtype],
            "count": len(array), "type": _SHAPES[width], **more,
        }  # fmt: skip
        self.document["accessors"].append(entry)
        return len(self.document["accessors"]) - 1

    def positions(self, points: npt.NDArray[Any]) -> int:
        """Append points (N, 3) with the bounds that glTF asks for."""
        values = points.astype("<f4")
        return self.accessor(
            values, min=values.min(axis=0).tolist(), max=values.max(axis=0).tolist()
        )

    def shares(self, values: npt.NDArray[Any], target: int | None = ARRAY_BUFFER) -> int:
        """Append values of 0 to 1 (N, K), K = 2 or 4, as whole fractions of 65535 or 255."""
        whole, kind = (65535, "<u2") if values.shape[1] == 2 else (255, "u1")
        rounded = np.round(np.clip(values, 0.0, 1.0) * whole).astype(kind)
        return self.accessor(rounded, target, normalized=True)

    def sparse(self, offsets: npt.NDArray[Any], threshold: float = 2e-5) -> int:
        """Append morph offsets (N, 3), of which only those above `threshold` are kept."""
        rows = np.flatnonzero(np.abs(offsets).max(axis=1) > threshold)
        rows = rows if rows.size else np.array([0])
        dense = np.zeros(offsets.shape, "<f4")
        dense[rows] = values = offsets[rows].astype("<f4")
        indices = self.view(rows.astype("<u2").tobytes())
        entry = {
            "componentType": FLOAT, "count": len(offsets), "type": "VEC3",
            "min": dense.min(axis=0).tolist(), "max": dense.max(axis=0).tolist(),
            "sparse": {
                "count": int(rows.size),
                "indices": {"bufferView": indices, "componentType": USHORT},
                "values": {"bufferView": self.view(values.tobytes())},
            },
        }  # fmt: skip
        self.document["accessors"].append(entry)
        return len(self.document["accessors"]) - 1

    def texture(self, picture: Image.Image, quality: int = 88) -> int:
        """Append a texture, JPEG or, where it has an alpha channel, PNG; return its number."""
        buffer = io.BytesIO()
        kind = "PNG" if picture.mode == "RGBA" else "JPEG"
        picture.save(buffer, kind, optimize=True, **({} if kind == "PNG" else {"quality": quality}))
        number = self.view(buffer.getvalue())
        image = {"bufferView": number, "mimeType": f"image/{kind.lower()}"}
        source = self.add("images", image)
        return self.add("textures", {"source": source, "sampler": 0})

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        """Append an entry to a list of the document; return its number."""
        self.document[kind].append(entry)
        return len(self.document[kind]) - 1

    def write(self, path: Path) -> None:
        """Write the file."""
        self.document["buffers"] = [{"byteLength": len(self._data)}]
        text = json.dumps(
            {k: v for k, v in self.document.items() if v != []}, separators=(",", ":")
        ).encode()
        text += b" " * (-len(text) % 4)
        data = bytes(self._data) + b"\0" * (-len(self._data) % 4)
        size = 12 + 8 + len(text) + 8 + len(data)
        path.write_bytes(
            struct.pack("<4sII", b"glTF", 2, size)
            + struct.pack("<I4s", len(text), b"JSON") + text
            + struct.pack("<I4s", len(data), b"BIN\0") + data
        )  # fmt: skip
