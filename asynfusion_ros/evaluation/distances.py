"""Figures of whole sets of windows: the Fréchet distances and the diversity of each subject."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.evaluation.controls import Clips
from asynfusion_ros.evaluation.diversity import diversity
from asynfusion_ros.evaluation.embedding import Embedding
from asynfusion_ros.evaluation.frechet import frechet_of_latents
from asynfusion_ros.evaluation.motion_windows import is_measured
from asynfusion_ros.evaluation.summary import Summary, summarise_sets

DISTANCE_OF = {"motion": "fmd", "face": "fed", "body": "fgd"}
DIVERSITY_OF = {"face": "expression_diversity", "body": "gesture_diversity"}


def training_distance(recordings: Sequence[Recording], embedding: Embedding) -> float | None:
    """Return the distance of the training takes to held-out ones: what other real people score.

    None where fewer than two windows of the held-out takes can be measured.
    """
    clips = [r.clip for r in recordings if is_measured(r.clip, embedding.kind)]
    latents = [embedding.latents(embedding.windows(clip, clip)) for clip in clips]
    if sum(map(len, latents)) < 2:
        return None
    return frechet_of_latents(embedding.latents(embedding.training), np.concatenate(latents))


def measure_sets(
    clips: Clips, recordings: Sequence[Recording], embedding: Embedding, reduction: str = "mean"
) -> dict[str, Summary]:
    """Return the distance to the truth, and Div, of a subject's clips (takes, seeds) of one kind.

    Takes in which this kind was not measured, or that are shorter than a window, do not count;
    nothing is returned where fewer than two windows remain.
    """
    truths, latents, values = [], [], []
    for recording, versions in zip(recordings, clips, strict=True):
        if not is_measured(recording.clip, embedding.kind):
            continue
        truth = embedding.windows(recording.clip, recording.clip)
        if len(truth):
            windows = [embedding.windows(clip, recording.clip) for clip in versions]
            truths.append(embedding.latents(truth))
            latents.append([embedding.latents(w) for w in windows])
            values.append([w.values for w in windows])
    if sum(map(len, truths)) < 2:
        return {}
    seeds = range(len(latents[0]))

    def distance(takes: Sequence[int]) -> list[float]:
        truth = np.concatenate([truths[t] for t in takes])
        return [
            frechet_of_latents(np.concatenate([latents[t][s] for t in takes]), truth) for s in seeds
        ]

    def spread(takes: Sequence[int]) -> list[float]:
        return [diversity(np.concatenate([values[t][s] for t in takes]), reduction) for s in seeds]

    every = range(len(truths))
    figures = {DISTANCE_OF[embedding.kind]: summarise_sets(distance, every)}
    if embedding.kind in DIVERSITY_OF:
        figures[DIVERSITY_OF[embedding.kind]] = summarise_sets(spread, every)
    return figures
