"""Poses for consumers: no jump at any change of stream, and joints within their limits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.alive import SignsOfLife
from asynfusion_ros.motion.listening import ListeningMotion
from asynfusion_ros.streaming.queue import Pose

Array = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]

STILL_S = 0.4  # after a flush joints stop and stay, before the avatar settles
HOLD_S = 0.15  # motion that comes this late is waited for with a still pose
_SETTLED = 6.0  # a critically damped offset has decayed to 2 % after this many time constants
_FACE_JUMP = 0.35  # per tick; faster than any mouth moves
_BODY_JUMP_RAD = 0.25
_REST, _BEFORE = ("rest", 0), ("before", 0)


@dataclass(frozen=True)
class PlaybackFrame:
    """What to show at one moment.

    Attributes:
        audio_time_s: stamp for the messages: the audio second this pose belongs to [s].
        face: 51 weights in 0..1.
        body: 24 rotation vector components [rad].
        joint_positions: (54,) [rad], within the limits.
        joint_velocities: (54,) [rad/s].
        state: `speech`, `idle`, `settling` where there is no motion to show, or `halted`.
    """

    audio_time_s: float
    face: Array
    body: Array
    joint_positions: Wide
    joint_velocities: Wide
    state: str


class Joints(Protocol):
    """What turns bodies into joint positions within limits: a JointLimiter."""

    def advance(self, body: npt.ArrayLike, dt_s: float) -> Wide:
        """Return joint positions (54,), `dt_s` later, on the way to `body` (24,)."""
        ...

    def halt(self, dt_s: float) -> Wide:
        """Return joint positions (54,), `dt_s` later, on the way to a stop."""
        ...

    def resume(self, positions: Wide) -> None:
        """Stand at joint positions (54,), and come to the bodies from there."""
        ...


class Offset:
    """A critically damped remainder that carries an old course smoothly into a new one.

    x(t) = (x0 + (v0 + w x0) t) exp(-w t): starts at x0 with velocity v0 and never overshoots
    twice. Added to the new target it keeps position and velocity continuous.
    """

    def __init__(self, size: int, settle_s: float) -> None:
        """Begin at rest; decay to 2 % within `settle_s`."""
        self.x: Wide = np.zeros(size)
        self._v: Wide = np.zeros(size)
        self._w = _SETTLED / settle_s

    def restart(self, x: Wide, v: Wide) -> None:
        """Start again from offset `x` moving at `v` per second."""
        self.x, self._v = x.copy(), v.copy()

    def advance(self, dt_s: float) -> None:
        """Decay for `dt_s` (exact for any step)."""
        decay = np.exp(-self._w * dt_s)
        slope = self._v + self._w * self.x
        self.x = (self.x + slope * dt_s) * decay
        self._v = (self._v - self._w * slope * dt_s) * decay


class _Course:
    """Follows a target that may be swapped for another at any time, without a jump."""

    def __init__(self, rest: Array, settle_s: float, jump: float) -> None:
        self.value: Wide = rest.astype(np.float64)
        self._target = self.value
        self._velocity: Wide = np.zeros_like(self.value)
        self._offset = Offset(len(rest), settle_s)
        self._jump = jump

    def place(self, value: Array) -> None:
        self.value = self._target = value.astype(np.float64)

    def follow(self, target: Array, swapped: bool, dt_s: float) -> Wide:
        wide = target.astype(np.float64)
        leap = float(np.max(np.abs(wide - self._target)))
        if swapped or leap > self._jump:
            self._offset.restart(self.value + self._velocity * dt_s - wide, self._velocity)
        else:
            self._offset.advance(dt_s)
        value = wide + self._offset.x
        if dt_s > 0:
            self._velocity = (value - self.value) / dt_s
        self.value, self._target = value, wide
        return value


class Playback:
    """Turns the queue's poses into frames; one caller, the playback timer, owns it."""

    def __init__(
        self,
        idle_face: Array,
        idle_body: Array,
        joints: Joints,
        face_settle_s: float,
        body_settle_s: float,
        life: SignsOfLife | None = None,
        listener: ListeningMotion | None = None,
    ) -> None:
        """Rest at the idle pose, with the `joints` that bodies are turned into.

        `life` and `listener` add signs of life and of listening, where there are such.

        `halted` stops all joints and the face rests, until it is taken back. `counts` tells how
        often motion ran out and the avatar went to rest.
        """
        self._idle = (idle_face, idle_body)
        self._limiter = joints
        self._life = life
        self._listener = listener
        self.halted = False
        self.counts: Counter[str] = Counter(rests=0)
        self._still_s = 0.0
        self._face = _Course(idle_face, face_settle_s, _FACE_JUMP)
        self._body = _Course(idle_body, body_settle_s, _BODY_JUMP_RAD)
        self._shown = _REST
        self._held: Pose | None = None
        self._joints: Wide = joints.advance(idle_body, 0.0)
        self._last_s: float | None = None

    def render(
        self,
        clock_s: float,
        audio_time_s: float,
        pose: Pose | None,
        *,
        quiet: bool = False,
        listening: bool = False,
        cue: bool = False,
    ) -> PlaybackFrame:
        """Return the frame for `clock_s`; `pose` is None where there is no motion for it.

        `quiet` says that nobody speaks, `listening` that the other does, and `cue` that a nod
        would be in place.
        """
        dt_s = 0.0 if self._last_s is None else max(0.0, clock_s - self._last_s)
        self._last_s = clock_s
        shown, face, body = self._choose(audio_time_s, pose)
        swapped = shown != self._shown
        self.counts["rests"] += swapped and shown == _REST and self._shown != _BEFORE
        self._shown = shown
        face_now = np.clip(self._face.follow(face, swapped, dt_s), 0.0, 1.0).astype(np.float32)
        body_now = self._body.follow(body, swapped, dt_s).astype(np.float32)
        state = "settling" if pose is None else "speech" if pose.timeline.speech else "idle"
        state = "halted" if self.halted else state
        if self._life is not None and not self.halted:
            silent = (quiet or state != "speech") and not listening
            face_now = self._life.advance(face_now, dt_s, silent=silent)
        if self._listener is not None:
            attentive = listening and not self.halted
            face_now, body_now = self._listener.advance(face_now, body_now, dt_s, attentive, cue)
        still = self.halted or self._still_s > 0.0
        self._still_s -= dt_s
        joints = self._limiter.halt(dt_s) if still else self._limiter.advance(body_now, dt_s)
        velocities = (joints - self._joints) / dt_s if dt_s > 0 else np.zeros_like(joints)
        self._joints = joints
        return PlaybackFrame(audio_time_s, face_now, body_now, joints, velocities, state)

    def resume(self, frame: PlaybackFrame) -> None:
        """Go on from a frame that was shown last, by whomever; for the first frame only."""
        self._face.place(frame.face)
        self._body.place(frame.body)
        self._limiter.resume(frame.joint_positions)
        self._joints = frame.joint_positions
        self._shown = _BEFORE

    @property
    def held_epoch(self) -> int | None:
        """The stream whose last pose is held through short holes; None where there is none."""
        return None if self._held is None else self._held.timeline.epoch

    def drop(self) -> None:
        """Forget the pose that is held in case its stream goes on: settle now."""
        self._held = None

    def interrupt(self) -> None:
        """Stop all joints now, stay for STILL_S, then settle; and forget the pose that is held."""
        self._held = None
        self._still_s = STILL_S

    def _choose(
        self, audio_time_s: float, pose: Pose | None
    ) -> tuple[tuple[str, int], Array, Array]:
        """Return what is shown (kind, epoch) and its face and body."""
        if self.halted:
            return _REST, *self._idle
        if pose is not None:
            self._held = pose
            return ("motion", pose.timeline.epoch), pose.face, pose.body
        held = self._held
        if held is not None and 0 <= audio_time_s - held.audio_time_s < HOLD_S:
            return ("hold", held.timeline.epoch), held.face, held.body
        return _REST, *self._idle
