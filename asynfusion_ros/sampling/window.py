"""What goes into a sampler and what comes out: one window of speech, one window of motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from asynfusion_ros.errors import SamplerError
from asynfusion_ros.networks import MannerBatch, NetworkSettings

BRANCHES = ("expression", "gesture")


def partner_of(branch: str) -> str:
    """Return the other branch's name."""
    return BRANCHES[1] if branch == BRANCHES[0] else BRANCHES[0]


class Tick(NamedTuple):
    """A moment at which a branch deals with its partner: `kind` is 'read' or 'publish'.

    Between the read of a step, when it takes a snapshot of the partner's newest features, and its
    publication, the branch runs that step against the snapshot.
    """

    branch: str
    step: int
    kind: str


@dataclass(frozen=True)
class WindowRequest:
    """One window to sample; motion and audio are normalised.

    Attributes:
        index: number of the window in its stream (>= 0); part of what seeds the noise.
        audio: speech features (B, T, A).
        manner: speaker, style and emotion of each window.
        known_face: the first K frames of the face where given, (B, K, face_dim).
        known_body: the first K frames of the body where given, (B, K, body_dim).
        seed: seed of the stream's noise.
        origins: seed and window of each row (B), where rows are windows of different streams; a
            row's motion is then what it would be alone. `index` and `seed` are the first row's.
    """

    index: int
    audio: Tensor
    manner: MannerBatch
    known_face: Tensor | None = None
    known_body: Tensor | None = None
    seed: int = 0
    origins: tuple[tuple[int, int], ...] = ()

    @property
    def rows(self) -> tuple[tuple[int, int], ...]:
        """Seed and window of each row."""
        return self.origins or ((self.seed, self.index),) * self.audio.shape[0]

    def known(self, branch: str) -> Tensor | None:
        """Return the known frames (B, K, D) of `branch`; None where there are none."""
        frames = self.known_face if branch == "expression" else self.known_body
        return None if frames is None or frames.shape[1] == 0 else frames

    def check(self, sizes: NetworkSettings) -> None:
        """Raise SamplerError unless shapes agree with each other and with the network."""
        if self.audio.ndim != 3 or self.audio.shape[2] != sizes.audio_dim:
            raise SamplerError(
                f"audio features have shape {tuple(self.audio.shape)}; expected "
                f"(B, T, {sizes.audio_dim})"
            )
        batch, frames, _ = self.audio.shape
        if not 1 <= frames <= sizes.window_frames:
            raise SamplerError(
                f"a window of {frames} frames; the network takes 1..{sizes.window_frames}"
            )
        if self.origins and len(self.origins) != batch:
            raise SamplerError(f"{len(self.origins)} origins of {batch} rows; give one for each")
        for name, values, shape in (
            ("speaker", self.manner.speaker, (batch,)),
            ("style", self.manner.style, (batch, sizes.styles)),
            ("emotion", self.manner.emotion, (batch,)),
        ):
            if values is not None and values.shape != shape:
                raise SamplerError(f"{name} has shape {tuple(values.shape)}; expected {shape}")
        for name, known, dim in (
            ("known_face", self.known_face, sizes.face_dim),
            ("known_body", self.known_body, sizes.body_dim),
        ):
            if known is None:
                continue
            wrong = known.ndim != 3 or known.shape[0] != batch or known.shape[2] != dim
            if wrong or known.shape[1] > frames:
                raise SamplerError(
                    f"{name} has shape {tuple(known.shape)}; expected ({batch}, 0..{frames}, {dim})"
                )


@dataclass(frozen=True)
class BranchTimings:
    """Where one branch's time went in one window.

    Attributes:
        condition_s: drawing the first noise and encoding the audio.
        steps_s: each step, from its read to its publication.
        partner_age_s: age of each snapshot when read; nan where the step had none.
        partner_lag: diffusion time of each snapshot minus the own one; nan where there was none.
    """

    condition_s: float
    steps_s: tuple[float, ...]
    partner_age_s: tuple[float, ...]
    partner_lag: tuple[float, ...]

    @property
    def total_s(self) -> float:
        """Time of the whole window in this branch [s]."""
        return self.condition_s + sum(self.steps_s)


@dataclass(frozen=True)
class WindowTimings:
    """Wall time of the window, of its branches, and the order in which they read and published."""

    total_s: float
    expression: BranchTimings
    gesture: BranchTimings
    trace: tuple[Tick, ...]


@dataclass(frozen=True)
class WindowResult:
    """Sampled motion, normalised: `face` (B, T, face_dim) and `body` (B, T, body_dim)."""

    face: Tensor
    body: Tensor
    timings: WindowTimings
