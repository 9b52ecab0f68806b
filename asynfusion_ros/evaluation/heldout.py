"""A model on takes it never saw, beside ground truth and controls, in every figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.errors import DataError
from asynfusion_ros.evaluation import coordination, metrics
from asynfusion_ros.evaluation.beats import (
    BeatSettings,
    audio_beats_s,
    beat_alignment,
    beat_gain,
    motion_beats_s,
)
from asynfusion_ros.evaluation.catalogue import FIGURES
from asynfusion_ros.evaluation.controls import (
    CONTROLS,
    Clips,
    MannerOf,
    control_clips,
    generate_clips,
)
from asynfusion_ros.evaluation.distances import measure_sets
from asynfusion_ros.evaluation.diversity import (
    correct_keypoints,
    l1_diversity,
    semantic_recall,
)
from asynfusion_ros.evaluation.embedding import Embedding
from asynfusion_ros.evaluation.lips import (
    ClosureSettings,
    closure_scores,
    lip_targets,
    lip_vertex_error_mm,
)
from asynfusion_ros.evaluation.motion_windows import is_measured, mask_of
from asynfusion_ros.evaluation.slow_motion import slow_ratios
from asynfusion_ros.evaluation.summary import Summary, summarise_takes
from asynfusion_ros.motion.blendshapes import lip_gap
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.limits import share_beyond_limits
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.streaming.generator import MotionGenerator

Progress = Callable[[int, int], None]
Figures = dict[str, float]
Results = dict[str, dict[str, Summary]]


@dataclass(frozen=True)
class Ruler:
    """How figures are measured: skeleton, beats, closures, autoencoders, and the model's hop."""

    hop_frames: int
    skeleton: Skeleton = field(default_factory=Skeleton.load)
    beats: BeatSettings = field(default_factory=BeatSettings)
    closures: ClosureSettings = field(default_factory=ClosureSettings)
    embeddings: tuple[Embedding, ...] = ()
    reduction: str = "mean"


def evaluate_model(
    generator: MotionGenerator,
    recordings: Sequence[Recording],
    progress: Progress | None = None,
    seeds: int = 1,
    ruler: Ruler | None = None,
) -> Results:
    """Return subject -> figure -> Summary over `recordings`, which must be held-out takes."""
    if len(recordings) < 2:
        raise DataError(f"{len(recordings)} held-out takes; shuffling audio needs at least 2")
    subjects = make_subjects(generator, recordings, progress, seeds)
    return measure_subjects(subjects, recordings, ruler or Ruler(generator.plan.hop_frames))


def make_subjects(
    generator: MotionGenerator,
    recordings: Sequence[Recording],
    progress: Progress | None = None,
    seeds: int = 1,
    manner_of: MannerOf | None = None,
) -> dict[str, Clips]:
    """Return the clips of the model, the ground truth and the controls.

    `manner_of` decides in whose manner the model moves, to its own sound as to another's.
    """
    done, total = 0, 2 * seeds * len(recordings)

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    shuffled, model = (
        generate_clips(generator, recordings, seeds, other, advance, manner_of)
        for other in (True, False)
    )
    subjects: dict[str, Clips] = {"model": model, "ground_truth": [[r.clip] for r in recordings]}
    for name in CONTROLS:
        subjects[name] = [[control_clips(generator.description, name, r.clip)] for r in recordings]
    return {**subjects, "shuffled_audio": shuffled}


def measure_subjects(
    subjects: Mapping[str, Clips], recordings: Sequence[Recording], ruler: Ruler
) -> Results:
    """Return all figures of all subjects, in the catalogue's order."""
    voices = [audio_beats_s(recording.samples) for recording in recordings]
    results: Results = {}
    for subject, clips in subjects.items():
        figures: dict[str, Summary] = {}
        for embedding in ruler.embeddings:
            figures |= measure_sets(clips, recordings, embedding, ruler.reduction)
        takes = [
            [measure_take(clip, recording, ruler, voice) for clip in versions]
            for recording, versions, voice in zip(recordings, clips, voices, strict=True)
        ]
        figures |= _summarise(takes)
        results[subject] = {name: figures[name] for name in FIGURES if name in figures}
    return results


def measure_take(
    clip: MotionClip,
    recording: Recording,
    ruler: Ruler,
    audio_s: npt.NDArray[np.float64] | None = None,
) -> Figures:
    """Return the figures of one clip against the truth; ratios only where the truth moves.

    Figures of face and body are given only where those were measured; a body is more than a head.
    """
    truth = recording.clip
    measured = mask_of(truth, "body")
    figures: Figures = {}
    if is_measured(truth, "face"):
        figures |= _face_figures(clip, recording, ruler)
    if is_measured(truth, "body"):
        voice = audio_beats_s(recording.samples) if audio_s is None else audio_s
        figures |= _body_figures(clip, recording, ruler, voice)
    voiced = coordination.measured_parts(coordination.VOICED_BODY, measured)
    figures |= coordination.voice_coordination(clip, recording.samples, voiced)
    own, theirs = (coordination.coordination(c, measured) for c in (clip, truth))
    if is_measured(truth, "face") and theirs:
        figures |= own
        figures["coordination_gap"] = coordination.coordination_gap(own, theirs)
    return figures


def _face_figures(clip: MotionClip, recording: Recording, ruler: Ruler) -> Figures:
    truth = recording.clip
    targets, speech = lip_targets(recording, ruler.closures)
    figures = {
        "mouth_correlation": metrics.mouth_correlation(clip, truth),
        "mouth_correlation_aligned": metrics.aligned_mouth_correlation(clip, truth),
        "mouth_error": metrics.mouth_error(clip, truth),
        **closure_scores(lip_gap(clip.face), clip.fps_hz, targets, speech, ruler.closures),
        "lip_vertex_error_mm": lip_vertex_error_mm(clip, truth),
        "face_error": metrics.face_error(clip, truth),
        "blinks_per_minute": coordination.blinks_per_minute(clip),
        **coordination.voice_coordination(clip, recording.samples, coordination.VOICED_FACE),
    }
    for part in ("jaw", "brows", "gaze"):
        pace = coordination.activity(truth, part).mean()
        if pace > 0.0:
            own = coordination.activity(clip, part).mean()
            figures[f"{part}_speed_ratio"] = float(own / pace)
    return figures | slow_ratios(clip, truth, ("brows", "gaze"))


def _body_figures(
    clip: MotionClip, recording: Recording, ruler: Ruler, voice: npt.NDArray[np.float64]
) -> Figures:
    truth, measured = recording.clip, mask_of(recording.clip, "body")
    halts = motion_beats_s(clip, ruler.skeleton, ruler.beats)
    chosen = metrics.measured_joints(measured)
    own, theirs = (c.body.reshape(len(c), -1, 3)[:, chosen] for c in (clip, truth))
    figures = {
        f"beat_alignment_{way}": beat_alignment(halts, voice, way, ruler.beats.sigma_s)
        for way in ("motion", "audio")
    }
    figures["beat_gain"] = beat_gain(halts, voice, clip.duration_s, ruler.beats.sigma_s)
    figures["body_pck"] = correct_keypoints(own, theirs)
    figures["body_l1_diversity"] = l1_diversity(own.reshape(len(own), -1))
    if recording.semantic is not None:
        figures["semantic_recall"] = semantic_recall(own, theirs, recording.semantic)
    figures["limit_hits"] = share_beyond_limits(ruler.skeleton, clip.body, clip.fps_hz)
    figures["seam_ratio"] = metrics.seam_ratio(clip, ruler.hop_frames)
    speed = metrics.body_speed_rad_s(truth, measured)
    jerk = metrics.body_jerk_rad_s3(truth, measured)
    if speed > 0.0 and jerk > 0.0:  # a person who does not move has no pace to compare with
        figures["body_speed_ratio"] = metrics.body_speed_rad_s(clip, measured) / speed
        figures["body_jerk_ratio"] = metrics.body_jerk_rad_s3(clip, measured) / jerk
    return figures | slow_ratios(clip, truth, ("head", "arms"), measured)


def _summarise(takes: Sequence[Sequence[Figures]]) -> dict[str, Summary]:
    names = {name for versions in takes for name in versions[0]}
    summaries = {}
    for name in names:
        table = [
            [figures[name] for figures in versions] for versions in takes if name in versions[0]
        ]
        summaries[name] = summarise_takes(name, table)
    return summaries
