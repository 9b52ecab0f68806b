"""How far a model follows what it is told, and a student told in units of its own instead.

A student that goes half-way from what it is told to what it does by itself can be told twice as
much. That is a change of units, which its weights can carry, so nothing else has to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.errors import ConfigError, DataError
from asynfusion_ros.evaluation.controls import generate_clips
from asynfusion_ros.evaluation.generators import open_generator
from asynfusion_ros.evaluation.manners import measure_manners, part_takes
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.training.growth import restate

TOLD_S = 4.0
"""Seconds of a take that tell its style; what the model makes of the rest is measured."""
FEWEST_TAKES = 8
LEAST_SLOPE = 0.3
"""What is followed less cannot be asked for by telling more: it would tell mostly chance."""


@dataclass(frozen=True)
class Response:
    """A line through what was made of what was told, both in standard deviations.

    Attributes:
        slope: 1 where a style is followed all the way.
        offset: what is made where 0 is told.
        takes: how many told the style.
    """

    slope: float
    offset: float
    takes: int


def measure_responses(
    checkpoint: Checkpoint, recordings: Sequence[Recording]
) -> dict[str, Response]:
    """Return how the student follows each style that enough takes tell; all styles are told.

    Raises DataError where the takes are too short to tell any, ConfigError without styles.
    """
    about = checkpoint.description
    first, rest = part_takes(recordings, TOLD_S)
    manner_of = measure_manners(about, first)
    generator = open_generator(checkpoint, EngineSettings(deterministic=True))
    clips = generate_clips(generator, rest, 1, manner_of=manner_of)
    generator.close()
    told = np.array([manner_of(take, 0).style for take in range(len(rest))])
    made = np.array([about.people.measure(versions[0]) for versions in clips])
    responses = {}
    for column, name in enumerate(about.style_names):
        known = np.isfinite(told[:, column]) & np.isfinite(made[:, column])
        if known.sum() >= FEWEST_TAKES:
            slope, offset = np.polyfit(told[known, column], made[known, column], 1)
            responses[name] = Response(float(slope), float(offset), int(known.sum()))
    return responses


def calibrate(
    checkpoint: Checkpoint, responses: Mapping[str, Response], names: Sequence[str]
) -> Checkpoint:
    """Return the model whose student, told t, does what it did when told (t - offset) / slope.

    Of the styles `names`; the teacher, and what is told nothing, stay as they are. Raises
    ConfigError on a style that the model does not have or hardly follows, DataError on one that too
    few takes tell.
    """
    about = checkpoint.description
    if about.style is None:
        raise ConfigError("this model was trained without styles; there is nothing to calibrate")
    mean, std = about.style.mean.copy(), about.style.std.copy()
    for name in names:
        if name not in about.style_names:
            raise ConfigError(f"style {name!r} is unknown; the model has {list(about.style_names)}")
        if name not in responses:
            raise DataError(f"fewer than {FEWEST_TAKES} takes tell {name!r}; give more recordings")
        response, column = responses[name], about.style_names.index(name)
        if response.slope < LEAST_SLOPE:
            raise ConfigError(
                f"style {name!r} is followed by {response.slope:.2f} of what is told; at least "
                f"{LEAST_SLOPE} is needed, so train the model further"
            )
        mean[column] += response.offset * std[column]
        std[column] *= response.slope
    student = restate(checkpoint.network("lcm"), ChannelStatistics(mean, std), about.style)
    return replace(checkpoint, lcm=student)
