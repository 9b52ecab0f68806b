"""Motion that no figure should prefer: another take's sound, a still avatar, trembling, noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.streaming.generator import MotionGenerator

Clips = list[list[MotionClip]]
"""Clips of a subject: by take, then by seed."""

MannerOf = Callable[[int, int], Manner]
"""The manner of a take, by its index, and a seed."""

CONTROLS = ("shuffled_audio", "still", "jitter", "noise")
SUBJECTS = ("model", "ground_truth", *CONTROLS)
JITTER_SHARE = 0.1
"""Trembling is the still pose with this share of each channel's spread."""
TOGETHER = 8
"""Takes that are sampled at a time, those of like lengths together."""

_SEEDS = 1000  # of a take, before those of the next one begin


def generate_clips(
    generator: MotionGenerator,
    recordings: Sequence[Recording],
    seeds: int,
    shuffled: bool = False,
    advance: Callable[[], None] | None = None,
    manner_of: MannerOf | None = None,
) -> Clips:
    """Return the model's motion for every take and seed; `shuffled` gives it the next take's sound.

    `manner_of` decides in whose manner; otherwise the generator's settings do. Raises DataError
    where there is only one take to shuffle.
    """
    if shuffled and len(recordings) < 2:
        raise DataError(f"{len(recordings)} held-out takes; shuffling audio needs at least 2")
    first = generator.settings.seed
    jobs = [(take, seed) for take in range(len(recordings)) for seed in range(first, first + seeds)]
    jobs.sort(key=lambda job: len(recordings[job[0]].clip))
    clips: Clips = [[] for _ in recordings]
    for start in range(0, len(jobs), TOGETHER):
        some = jobs[start : start + TOGETHER]
        sounds = [_sound(recordings, take, shuffled) for take, _ in some]
        seeds_of = [seed_of(take, seed) for take, seed in some]
        manners = None if manner_of is None else [manner_of(take, seed) for take, seed in some]
        made = generator.generate_many(sounds, seeds_of, manners)
        for (take, _), clip in zip(some, made, strict=True):
            clips[take].append(fit(clip, len(recordings[take].clip)))
            if advance is not None:
                advance()
    return clips


def seed_of(take: int, seed: int) -> int:
    """Return the seed of a take's own noise: takes that shared theirs would all err alike."""
    return _SEEDS * take + seed


def _sound(recordings: Sequence[Recording], take: int, shuffled: bool) -> npt.NDArray[np.float32]:
    """Return the take's sound, or the next take's, as long as it must be."""
    samples = recordings[take].samples
    if not shuffled:
        return samples
    return np.resize(recordings[(take + 1) % len(recordings)].samples, samples.shape)


def control_clips(about: ModelDescription, name: str, truth: MotionClip) -> MotionClip:
    """Return the control `name`, "still", "jitter" or "noise", of a take.

    Still is the model's idle pose; noise is normal with mean and spread of the training data.
    """
    frames = len(truth)
    face, body = np.tile(about.idle_face, (frames, 1)), np.tile(about.idle_body, (frames, 1))
    if name == "still":
        return MotionClip(truth.fps_hz, face, body)
    rng = np.random.default_rng(0)
    moved = []
    for rest, spread in ((face, about.face), (body, about.body)):
        centre, share = (spread.mean, 1.0) if name == "noise" else (rest, JITTER_SHARE)
        moved.append(centre + share * spread.std * rng.standard_normal(rest.shape))
    return MotionClip(truth.fps_hz, _weights(moved[0]), np.asarray(moved[1], np.float32))


def fit(clip: MotionClip, frames: int) -> MotionClip:
    """Cut the clip, or hold its last frame, to be as long as the truth."""
    rows = np.minimum(np.arange(frames), len(clip) - 1)
    return MotionClip(clip.fps_hz, clip.face[rows], clip.body[rows])


def _weights(face: npt.ArrayLike) -> npt.NDArray[np.float32]:
    return np.clip(np.asarray(face, np.float32), 0.0, 1.0)
