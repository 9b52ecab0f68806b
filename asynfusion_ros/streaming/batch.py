"""Windows of several streams as one request to the sampler, and its answer as their motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.motion.smoothing import low_pass
from asynfusion_ros.networks import MannerBatch
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.sampling.window import WindowRequest, WindowResult
from asynfusion_ros.streaming.chunk import ChunkTimings, GeneratorState, MotionChunk
from asynfusion_ros.streaming.seam import BODY_FADE, FACE_FADE, join
from asynfusion_ros.streaming.windows import FPS_HZ, WindowPlan

Array = npt.NDArray[np.float32]


def make_request(
    about: ModelDescription,
    device: torch.device,
    features: npt.ArrayLike,
    states: Sequence[GeneratorState],
) -> WindowRequest:
    """Return the request for windows of normalised `features` (B, T, A), one of each stream."""
    audio = torch.from_numpy(np.asarray(features, np.float32)).to(device)

    def known(frames: Sequence[Array | None]) -> torch.Tensor | None:
        given = [part for part in frames if part is not None]
        return torch.from_numpy(np.stack(given)).to(device) if given else None

    return WindowRequest(
        index=states[0].index,
        audio=audio,
        manner=_join_manners(about, [state.manner for state in states], device),
        known_face=known([state.face for state in states]),
        known_body=known([state.body for state in states]),
        seed=states[0].seed,
        origins=tuple((state.seed, state.index) for state in states),
    )


def finish_window(
    about: ModelDescription,
    plan: WindowPlan,
    sampled: tuple[torch.Tensor, torch.Tensor],
    state: GeneratorState,
) -> tuple[MotionChunk, GeneratorState]:
    """Return the new frames of a stream's window, and its state after that.

    `sampled` are its normalised face (T, 51) and body (T, 24).
    """
    face, face_nan = _mend(_to_numpy(sampled[0]), state.face)
    body, body_nan = _mend(_to_numpy(sampled[1]), state.body)
    body = low_pass(body, FPS_HZ, about.body_cutoff_hz)
    face = join(state.face, face, FACE_FADE)
    body = join(state.body, body, BODY_FADE)
    hop, known = plan.hop_frames, plan.known_frames
    weights = np.clip(about.face.unnormalise(face[-hop:]), 0.0, 1.0)
    rotations = about.body.unnormalise(body[-hop:])
    chunk = MotionChunk(
        first_frame=plan.new_frames(state.index).start,
        face=weights.astype(np.float32),
        body=rotations.astype(np.float32),
        timings=ChunkTimings(),
        nan_frames=int(np.count_nonzero(face_nan | body_nan)),
    )
    return chunk, replace(
        state,
        index=state.index + 1,
        face=face[-known:] if known else None,
        body=body[-known:] if known else None,
    )


def join_chunks(chunks: Sequence[MotionChunk], frames: int) -> MotionClip:
    """Return the first `frames` of a stream's chunks as one clip."""
    face = np.concatenate([chunk.face for chunk in chunks])[:frames]
    body = np.concatenate([chunk.body for chunk in chunks])[:frames]
    return MotionClip(float(FPS_HZ), face, body)


def _join_manners(
    about: ModelDescription, manners: Sequence[Manner], device: torch.device
) -> MannerBatch:
    """Return the manners of a batch; who gives no style, or emotion, leaves it open."""
    count = about.network.styles
    style = emotion = None
    if any(manner.style for manner in manners):
        rows = [manner.style or (float("nan"),) * count for manner in manners]
        style = torch.tensor(rows, dtype=torch.float32, device=device)
    if any(manner.emotion for manner in manners):
        emotion = torch.tensor([manner.emotion for manner in manners], device=device)
    speaker = torch.tensor([manner.speaker for manner in manners], device=device)
    return MannerBatch(speaker, style, emotion)


def _to_numpy(motion: torch.Tensor) -> Array:
    return motion.detach().cpu().numpy().astype(np.float32)


def _mend(frames: Array, known: Array | None) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Replace frames that are not finite by the one before; return them and where they were."""
    broken = np.array([not np.isfinite(frame).all() for frame in frames], np.bool_)
    mended = frames.copy()
    last = np.zeros_like(frames[0]) if known is None else known[0]
    for index in np.flatnonzero(broken):
        mended[index] = mended[index - 1] if index else last
    return mended, broken


def measure_times(total_s: float, feature_s: float, result: WindowResult) -> ChunkTimings:
    """Return where the time of a window went; that of a batch is counted for each of its rows."""
    ages = np.array(
        [*result.timings.expression.partner_age_s, *result.timings.gesture.partner_age_s]
    )
    ages = ages[np.isfinite(ages)]
    return ChunkTimings(
        total_s=total_s,
        feature_s=feature_s,
        expression_s=result.timings.expression.total_s,
        gesture_s=result.timings.gesture.total_s,
        partner_age_s=float(ages.mean()) if ages.size else 0.0,
    )
