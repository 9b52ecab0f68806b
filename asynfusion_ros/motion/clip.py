"""Motion of face and body together: a clip of frames, and one frame of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.motion.rotations import slerp

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MotionFrame:
    """Face (51,) in 0..1 and body (24,) rotation vectors [rad] at stream time `time_s`."""

    time_s: float
    face: Array
    body: Array


@dataclass(frozen=True)
class MotionClip:
    """Frames at a constant rate: face (T, 51) in 0..1, body (T, 24) rotation vectors [rad].

    `face_mask` (T, 51) and `body_mask` (T, 24) are 1 where a channel was really measured; None
    means everywhere. Raises MotionFileError where shapes disagree.
    """

    fps_hz: float
    face: Array
    body: Array
    face_mask: Array | None = None
    body_mask: Array | None = None

    def __post_init__(self) -> None:
        """Check rate and shapes."""
        if not 0.0 < self.fps_hz < float("inf"):
            raise MotionFileError(f"a frame rate of {self.fps_hz} Hz; it must be positive")
        if self.face.ndim != 2 or self.body.ndim != 2 or len(self.face) != len(self.body):
            raise MotionFileError(
                f"face {self.face.shape} and body {self.body.shape} must be (T, channels) of one T"
            )
        for values, mask in ((self.face, self.face_mask), (self.body, self.body_mask)):
            if mask is not None and mask.shape != values.shape:
                raise MotionFileError(f"a mask of shape {mask.shape} for values {values.shape}")

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.face)

    @property
    def duration_s(self) -> float:
        """Time from the first frame to the end of the last [s]."""
        return len(self) / self.fps_hz

    def part(self, rows: slice) -> MotionClip:
        """Return the clip of some of its frames, masks included."""
        masks = (None if m is None else m[rows] for m in (self.face_mask, self.body_mask))
        return MotionClip(self.fps_hz, self.face[rows], self.body[rows], *masks)

    def at(self, time_s: float) -> MotionFrame:
        """Return the frame at `time_s`, interpolated; times outside give the first or last one."""
        position = min(max(time_s * self.fps_hz, 0.0), len(self) - 1.0)
        left = int(position)
        right = min(left + 1, len(self) - 1)
        weight = position - left
        face = (1.0 - weight) * self.face[left] + weight * self.face[right]
        joints = (self.body[left].reshape(-1, 3), self.body[right].reshape(-1, 3))
        body = slerp(*joints, weight).ravel()
        return MotionFrame(time_s, face.astype(np.float32), body.astype(np.float32))
