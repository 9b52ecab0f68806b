"""A model on takes it never saw, beside ground truth, shuffled audio, a still avatar and noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.data.recording import Array, Recording
from asynfusion_ros.errors import DataError
from asynfusion_ros.evaluation import metrics
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.limits import JointLimiter, to_joint_positions
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.streaming.generator import MotionGenerator

SUBJECTS = ("model", "ground_truth", "shuffled_audio", "still", "noise")

Progress = Callable[[int, int], None]
Figures = dict[str, float]


@dataclass(frozen=True)
class Summary:
    """The mean of a figure over takes (of ratios the geometric mean).

    With its 95 % bootstrap interval over takes, and their number.
    """

    mean: float
    low: float
    high: float
    takes: int


def evaluate_model(
    generator: MotionGenerator, recordings: list[Recording], progress: Progress | None = None
) -> dict[str, dict[str, Summary]]:
    """Return subject -> figure -> Summary over `recordings`, which must be held-out takes."""
    if len(recordings) < 2:
        raise DataError(f"{len(recordings)} held-out takes; shuffling audio needs at least 2")
    skeleton = Skeleton.load()
    rows: dict[str, list[Figures]] = {subject: [] for subject in SUBJECTS}
    for index, recording in enumerate(recordings):
        other = recordings[(index + 1) % len(recordings)]
        for subject, clip in _subjects(generator, recording, other.samples):
            rows[subject].append(measure_take(clip, recording.clip, skeleton, generator))
        if progress is not None:
            progress(index + 1, len(recordings))
    return {subject: _summarise(figures) for subject, figures in rows.items()}


def measure_take(
    clip: MotionClip, truth: MotionClip, skeleton: Skeleton, generator: MotionGenerator
) -> Figures:
    """Return all figures of one clip against the truth; ratios only where the truth moves.

    Figures of the body are given only where more than a head was measured.
    """
    figures = {
        "mouth_correlation": metrics.mouth_correlation(clip, truth),
        "mouth_error": metrics.mouth_error(clip, truth),
        "face_error": metrics.face_error(clip, truth),
    }
    if (truth_speed := metrics.jaw_speed(truth)) > 0.0:
        figures["jaw_speed_ratio"] = metrics.jaw_speed(clip) / truth_speed
    measured = np.ones(clip.body.shape[1]) if truth.body_mask is None else truth.body_mask[0]
    if measured.reshape(-1, 3).all(axis=1).sum() > 1:  # more than a head
        figures |= _body_figures(clip, truth, measured)
        figures["limit_hits"] = count_limit_hits(clip, skeleton)
        figures["seam_ratio"] = metrics.seam_ratio(clip, generator.plan.hop_frames)
    return figures


def count_limit_hits(clip: MotionClip, skeleton: Skeleton) -> float:
    """Return the share of joint positions that the limiter had to change (0 to 1)."""
    limiter = JointLimiter(skeleton)
    for index, body in enumerate(clip.body):
        limiter.advance(body, 1.0 / clip.fps_hz if index else 0.0)
    joints = 3 * len(skeleton.joints)
    return limiter.counts["position"] / (joints * len(clip))


def within_limits(clip: MotionClip, skeleton: Skeleton) -> bool:
    """Tell whether what would be published stays inside every joint's limits."""
    positions = to_joint_positions(skeleton, clip.body, clip.fps_hz)
    return bool(((positions >= skeleton.lower_rad) & (positions <= skeleton.upper_rad)).all())


def _body_figures(clip: MotionClip, truth: MotionClip, measured: npt.ArrayLike) -> Figures:
    speed = metrics.body_speed_rad_s(truth, measured)
    jerk = metrics.body_jerk_rad_s3(truth, measured)
    if speed == 0.0 or jerk == 0.0:  # a person who does not move has no pace to compare with
        return {}
    return {
        "body_speed_ratio": metrics.body_speed_rad_s(clip, measured) / speed,
        "body_jerk_ratio": metrics.body_jerk_rad_s3(clip, measured) / jerk,
    }


def _subjects(
    generator: MotionGenerator, recording: Recording, other: Array
) -> Iterator[tuple[str, MotionClip]]:
    truth = recording.clip
    frames = len(truth)
    yield "model", _fit(generator.generate(recording.samples), frames)
    yield "ground_truth", truth
    shuffled = np.resize(other, recording.samples.shape)
    yield "shuffled_audio", _fit(generator.generate(shuffled), frames)
    about = generator.description
    face = np.tile(about.idle_face, (frames, 1))
    yield "still", MotionClip(truth.fps_hz, face, np.tile(about.idle_body, (frames, 1)))
    rng = np.random.default_rng(0)
    noise = [
        statistics.unnormalise(rng.standard_normal((frames, len(statistics.mean))))
        for statistics in (about.face, about.body)
    ]
    yield "noise", MotionClip(truth.fps_hz, np.clip(noise[0], 0.0, 1.0), noise[1])


def _fit(clip: MotionClip, frames: int) -> MotionClip:
    """Cut the clip, or hold its last frame, to be as long as the truth."""
    rows = np.minimum(np.arange(frames), len(clip) - 1)
    return MotionClip(clip.fps_hz, clip.face[rows], clip.body[rows])


def _mean(values: npt.NDArray[np.float64]) -> float:
    return float(values.mean())


def _summarise(takes: list[Figures]) -> dict[str, Summary]:
    names = sorted({name for take in takes for name in take})
    summaries = {}
    for name in names:
        values = np.array([take[name] for take in takes if name in take])
        mean = metrics.geometric_mean if name.endswith("_ratio") else _mean
        low, high = metrics.bootstrap_interval(values, mean)
        summaries[name] = Summary(mean(values), low, high, len(values))
    return summaries
