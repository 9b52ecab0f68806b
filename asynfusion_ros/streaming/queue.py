"""Motion by audio time: what the engine has made and playback has yet to show."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asynfusion_ros.streaming.windows import FPS_HZ

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Timeline:
    """Where the frames of one stream lie in time.

    Attributes:
        epoch: number of the stream.
        anchor_s: audio time of frame 0 [s].
        shift_s: what to subtract from the clock to get the audio time shown then [s].
        speech: whether it follows a source (True) or idles through silence.
    """

    epoch: int
    anchor_s: float
    shift_s: float
    speech: bool

    def frame_due_s(self, frame: int) -> float:
        """Return the clock time at which `frame` is shown [s]."""
        return self.anchor_s + frame / FPS_HZ + self.shift_s


@dataclass(frozen=True)
class Pose:
    """Face (51,) in 0..1 and body (24,) in rad of one moment, and whose they are."""

    audio_time_s: float
    face: Array
    body: Array
    timeline: Timeline


class _Track:
    """The latest frames of one timeline, in a ring of fixed size."""

    def __init__(self, timeline: Timeline, capacity: int, face_dim: int, body_dim: int) -> None:
        self.timeline = timeline
        self.last_frame = -1
        self._number = np.full(capacity, -1, np.int64)
        self._face = np.zeros((capacity, face_dim), np.float32)
        self._body = np.zeros((capacity, body_dim), np.float32)

    def write(self, first_frame: int, face: Array, body: Array) -> None:
        numbers = first_frame + np.arange(len(face))
        slots = numbers % len(self._number)
        self._number[slots], self._face[slots], self._body[slots] = numbers, face, body
        self.last_frame = max(self.last_frame, int(numbers[-1]))

    def at(self, clock_s: float) -> Pose | None:
        audio_time_s = clock_s - self.timeline.shift_s
        position = (audio_time_s - self.timeline.anchor_s) * FPS_HZ
        frame = int(np.floor(position))
        late = np.float32(position - frame)
        slot, after = frame % len(self._number), (frame + 1) % len(self._number)
        if frame < 0 or self._number[slot] != frame or self._number[after] != frame + 1:
            return None
        face = (1 - late) * self._face[slot] + late * self._face[after]
        body = (1 - late) * self._body[slot] + late * self._body[after]
        return Pose(audio_time_s, face, body, self.timeline)


class MotionQueue:
    """Frames of the present stream, and of the one before it until the new one is due.

    Bounded and thread-safe; face and body of a frame go in and come out together. Frames of an
    epoch that has passed are refused. Between frames, weights and rotation vectors are
    interpolated linearly: neighbours differ by a few degrees at most.
    """

    def __init__(self, face_dim: int = 51, body_dim: int = 24, capacity_s: float = 30.0) -> None:
        """Hold up to `capacity_s` seconds of motion per stream."""
        self._lock = threading.Lock()
        self._shape = (max(2, round(capacity_s * FPS_HZ)), face_dim, body_dim)
        self._tracks: list[_Track] = []

    def begin(self, timeline: Timeline) -> None:
        """Start a stream; the last one, where there is one, plays on until the new is due."""
        with self._lock:
            self._tracks = [_Track(timeline, *self._shape), *self._tracks[:1]]

    def clear(self) -> None:
        """Forget all motion; nothing is accepted until the next `begin`."""
        with self._lock:
            self._tracks = []

    def shift(self, epoch: int, shift_s: float) -> None:
        """Show the stream `epoch`, where it is still there, `shift_s` after its audio time."""
        with self._lock:
            for track in self._tracks:
                if track.timeline.epoch == epoch:
                    track.timeline = replace(track.timeline, shift_s=shift_s)

    def push(self, epoch: int, first_frame: int, face: Array, body: Array) -> bool:
        """Store frames (T, 51) and (T, 24) of `epoch`; return False if that epoch has passed."""
        with self._lock:
            if not self._tracks or self._tracks[0].timeline.epoch != epoch:
                return False
            self._tracks[0].write(first_frame, face, body)
            return True

    def at(self, clock_s: float) -> Pose | None:
        """Return the pose to show at `clock_s`, or None where there is no motion for it."""
        with self._lock:
            for track in self._tracks:
                pose = track.at(clock_s)
                if pose is not None:
                    return pose
            return None

    def epochs(self) -> tuple[int, ...]:
        """Return the streams that may still be shown, the present one first."""
        with self._lock:
            return tuple(track.timeline.epoch for track in self._tracks)

    def timeline(self) -> Timeline | None:
        """Return the present stream's place in time, or None where there is no stream."""
        with self._lock:
            return self._tracks[0].timeline if self._tracks else None

    def depth_s(self, clock_s: float) -> float:
        """Return how much motion is left to show at `clock_s` [s]; negative when it ran out."""
        with self._lock:
            if not self._tracks or self._tracks[0].last_frame < 0:
                return 0.0
            track = self._tracks[0]
            return track.timeline.frame_due_s(track.last_frame) - clock_s
