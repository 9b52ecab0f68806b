"""What a tracker saw, picture by picture; NaN where it saw nothing."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

# MediaPipe's numbers of the landmarks of a pose; pairs are left, right.
EARS, SHOULDERS, ELBOWS, WRISTS = (7, 8), (11, 12), (13, 14), (15, 16)
PINKIES, INDICES, HIPS = (17, 18), (19, 20), (23, 24)
HEAD_POINTS, POSE_POINTS = tuple(range(11)), 33


@dataclass(frozen=True)
class Tracks:
    """Landmarks of T pictures of `size` (width, height) pixels.

    `scores` (T, 51): MediaPipe's blendshapes in our order, 0..1. `head` (T, 3, 3): the head in
    camera axes x to the picture's right, y up, z to the camera. `face_px` (T,): height of the
    face. `blur` (T,) of the face, 0 sharp to 1 (`quality.blur_of`). `pose` (T, 33, 3): pixels right
    and down, visibility. `world` (T, 33, 3): metres right, down and away. `faces` (T,): how many
    faces the picture shows. `cuts`: pictures at which the camera changed.
    """

    fps_hz: float
    size: tuple[int, int]
    scores: Array
    head: Array
    face_px: Array
    blur: Array
    pose: Array
    world: Array
    faces: npt.NDArray[np.int64]
    cuts: tuple[int, ...] = ()

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.scores)

    def part(self, first: int, end: int) -> Tracks:
        """Return the pictures [first, end)."""
        rows = {
            item.name: getattr(self, item.name)[first:end]
            for item in fields(self)
            if isinstance(getattr(self, item.name), np.ndarray)
        }
        cuts = tuple(cut - first for cut in self.cuts if first < cut < end)
        return replace(self, **rows, cuts=cuts)

    @property
    def face_seen(self) -> Flags:
        """Where the face was found (T,)."""
        return np.isfinite(self.scores[:, 0])

    @property
    def pose_seen(self) -> Flags:
        """Where a person was found (T,)."""
        return np.isfinite(self.world[:, 0, 0])

    @property
    def turn_deg(self) -> Array:
        """How far the face is turned from the camera (T,) [deg], NaN where it was not found."""
        return np.degrees(np.arccos(np.clip(self.head[:, 2, 2], -1.0, 1.0)))

    def visible(self, *points: int, least: float) -> Flags:
        """Where all these pose landmarks are visible and inside the picture (T,)."""
        chosen = self.pose[:, list(points)]
        with np.errstate(invalid="ignore"):
            inside = (chosen[..., :2] >= 0.0) & (chosen[..., :2] <= np.array(self.size))
            return np.asarray(((chosen[..., 2] >= least) & inside.all(axis=-1)).all(axis=-1))
