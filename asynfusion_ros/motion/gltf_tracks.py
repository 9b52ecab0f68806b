"""The tracks of a glTF animation, read at the times of frames, and how its nodes rest.

glTF 2.0, sections 3.11 (animations), 3.6.2 (accessors) and appendix C (interpolation).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

Array = npt.NDArray[np.float64]

RATE_HZ = 30.0
LEAST_HZ = 8.0
MOST_FRAMES = 1_000_000
_FORMS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@dataclass(frozen=True)
class Track:
    """One channel of an animation: keys at increasing times, and the way from one to the next.

    Attributes:
        times_s: (K,) times of the keys [s].
        values: (K, width); with CUBICSPLINE (K, 3, width): the slope before, the value, that after.
        way: `LINEAR`, `STEP` or `CUBICSPLINE`.
        turns: whether the values are rotations, quaternions xyzw.
    """

    times_s: Array
    values: Array
    way: str
    turns: bool

    def at(self, times_s: npt.ArrayLike) -> Array:
        """Return the values (T, width) at times [s]; outside of the keys, the nearest."""
        times = np.clip(np.asarray(times_s, np.float64), self.times_s[0], self.times_s[-1])
        before = np.searchsorted(self.times_s, times, side="right") - 1
        if self.way == "STEP" or len(self.times_s) == 1:
            keys = self.values[:, 1] if self.way == "CUBICSPLINE" else self.values
            return np.asarray(keys[before])
        before = np.minimum(before, len(self.times_s) - 2)
        if self.way == "CUBICSPLINE":
            return self._spline(times, before)
        if self.turns:
            way = Slerp(self.times_s, Rotation.from_quat(self.values))
            return np.asarray(way(times).as_quat())
        columns = [np.interp(times, self.times_s, column) for column in self.values.T]
        return np.stack(columns, axis=1)

    def _spline(self, times: Array, before: npt.NDArray[np.int64]) -> Array:
        """Return Hermite's cubic, whose slopes before and after a key may differ."""
        span = (self.times_s[before + 1] - self.times_s[before])[:, None]
        s = (times - self.times_s[before])[:, None] / span
        first, last = self.values[before], self.values[before + 1]
        found = (
            (2.0 * s**3 - 3.0 * s**2 + 1.0) * first[:, 1]
            + (s**3 - 2.0 * s**2 + s) * span * first[:, 2]
            + (3.0 * s**2 - 2.0 * s**3) * last[:, 1]
            + (s**3 - s**2) * span * last[:, 0]
        )
        return np.asarray(Rotation.from_quat(found).as_quat() if self.turns else found)


Tracks = Mapping[tuple[str, str], Track]


def read_tracks(document: Mapping[str, Any], binary: bytes) -> dict[tuple[str, str], Track]:
    """Return the tracks of the first animation by node's name and path.

    Raises ValueError, or KeyError and the like, where the document contradicts itself.
    """
    animation = document["animations"][0]
    tracks = {}
    for channel in animation["channels"]:
        sampler, target = animation["samplers"][channel["sampler"]], channel["target"]
        if "node" not in target:
            continue  # an extension's, by the standard to be passed over
        times = read_accessor(document, binary, sampler["input"]).ravel()
        values = read_accessor(document, binary, sampler["output"])
        way = sampler.get("interpolation", "LINEAR")
        if way not in ("LINEAR", "STEP", "CUBICSPLINE"):
            raise ValueError(f"interpolation {way!r}")
        if not times.size or (np.diff(times) <= 0.0).any():
            raise ValueError("the times of a track must increase")
        shape = (len(times), 3, -1) if way == "CUBICSPLINE" else (len(times), -1)
        path, name = target["path"], document["nodes"][target["node"]]["name"]
        tracks[name, path] = Track(times, values.reshape(shape), way, path == "rotation")
    return tracks


def frame_times(tracks: Iterable[Track]) -> tuple[Array, float]:
    """Return the times (T,) [s] of frames and their rate [Hz].

    These are the keys' own where all tracks share even ones of at least LEAST_HZ; else from 0 to
    the last key at RATE_HZ. Raises ValueError on more than MOST_FRAMES.
    """
    keys = [track.times_s for track in tracks]
    own = keys[0]
    steps_s = np.diff(own)
    if len(own) > 1 and all(np.array_equal(own, other) for other in keys):
        rate_hz = float(len(steps_s) / (own[-1] - own[0]))
        even = np.ptp(steps_s) < 0.01 / rate_hz and own[0] < 1.0 / rate_hz
        if even and rate_hz >= LEAST_HZ:
            return own, round(rate_hz, 4)
    end_s = max(float(times[-1]) for times in keys)
    if not 0.0 <= end_s * RATE_HZ < MOST_FRAMES:
        raise ValueError(f"it lasts {end_s:g} s; at most {MOST_FRAMES / RATE_HZ:.0f} s are read")
    return np.arange(int(end_s * RATE_HZ + 1e-3) + 1) / RATE_HZ, RATE_HZ


def rest_rotations(document: Mapping[str, Any]) -> list[tuple[Rotation, Rotation]]:
    """Return for each node how it rests in its parent, and how the parent rests in the scene."""
    nodes = document["nodes"]
    rests = [_rest(node) for node in nodes]
    parents = {child: i for i, node in enumerate(nodes) for child in node.get("children", ())}

    def in_scene(index: int) -> Rotation:
        turn, seen = Rotation.identity(), 0
        place: int | None = index
        while place is not None:
            turn, place, seen = rests[place] * turn, parents.get(place), seen + 1
            if seen > len(nodes):
                raise ValueError("its nodes are no tree")
        return turn

    none = Rotation.identity()
    return [(rests[i], in_scene(parents[i]) if i in parents else none) for i in range(len(nodes))]


def _rest(node: Mapping[str, Any]) -> Rotation:
    if "matrix" in node:
        matrix = np.reshape(np.asarray(node["matrix"], np.float64), (4, 4)).T[:3, :3]
        return Rotation.from_matrix(matrix / np.linalg.norm(matrix, axis=0))
    return Rotation.from_quat(node.get("rotation", (0.0, 0.0, 0.0, 1.0)))


def read_accessor(document: Mapping[str, Any], binary: bytes, index: int) -> Array:
    """Return the values (N, width) of an accessor; ValueError where they are not finite."""
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    if accessor["componentType"] not in _FORMS or "byteStride" in view or "sparse" in accessor:
        raise ValueError("only packed tracks of float32, or of normalised integers, are read")
    form, width = np.dtype(_FORMS[accessor["componentType"]]), _WIDTHS[accessor["type"]]
    first = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    values = np.frombuffer(binary, form, accessor["count"] * width, first).astype(np.float64)
    if form.kind != "f":
        values = np.maximum(values / np.iinfo(form).max, -1.0)
    if not np.isfinite(values).all():
        raise ValueError("a track holds values that are not finite")
    return values.reshape(-1, width)
