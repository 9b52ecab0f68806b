"""In whose manner a model is measured: a drawn person's, or a take's own, told beforehand."""

from dataclasses import replace

import numpy as np
import pytest
from training_helpers import make_recording

from asynfusion_ros.errors import ConfigError, DataError
from asynfusion_ros.evaluation.controls import generate_clips
from asynfusion_ros.evaluation.generators import open_generator
from asynfusion_ros.evaluation.manners import draw_manners, measure_manners, part_takes
from asynfusion_ros.motion.manner import STYLE_NAMES, describe_style
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.streaming.settings import EngineSettings

COUNT = len(STYLE_NAMES)


@pytest.fixture(scope="module")
def checkpoint():
    plain = untrained_checkpoint(NetworkSettings(width=16, depth=1, heads=2, styles=COUNT))
    style = ChannelStatistics(np.full(COUNT, 0.1), np.full(COUNT, 0.5))
    return replace(plain, description=replace(plain.description, style=style))


@pytest.fixture(scope="module")
def takes():
    return [make_recording(f"take{index}", seconds=6.0) for index in range(2)]


def test_each_take_and_seed_is_another_person_and_always_the_same(checkpoint):
    manner_of = draw_manners(checkpoint.description, 0, "anyone, smile=1")
    drawn = [manner_of(take, seed) for take in (0, 1) for seed in (0, 1)]
    assert len({manner.style for manner in drawn}) == 4
    assert {manner.style[STYLE_NAMES.index("smile")] for manner in drawn} == {1.0}
    assert manner_of(1, 0) == drawn[2]


def test_words_without_anyone_mean_the_same_for_all(checkpoint):
    manner_of = draw_manners(checkpoint.description, 2, "smile=1")
    np.testing.assert_array_equal(manner_of(0, 0).style, manner_of(5, 1).style)
    assert np.nansum(manner_of(0, 0).style) == 1.0
    assert manner_of(0, 0).speaker == 2
    with pytest.raises(ConfigError, match="unknown to this model"):
        draw_manners(checkpoint.description, 0, "swagger=1")


def test_the_first_seconds_tell_and_the_rest_is_measured(checkpoint, takes):
    told, rest = part_takes(takes, 2.5)
    for take, first, after in zip(takes, told, rest, strict=True):
        np.testing.assert_array_equal(np.concatenate([first.face, after.clip.face]), take.clip.face)
        np.testing.assert_array_equal(after.samples, take.samples[40000:])
    manner = measure_manners(checkpoint.description, told)(1, 0)
    own = (describe_style(told[1])[0] - 0.1) / 0.5
    np.testing.assert_allclose(manner.style, np.clip(own, -2.0, 2.0), atol=1e-5)


def test_too_short_or_too_long_a_beginning_is_refused(takes):
    with pytest.raises(DataError, match=r"give at least 2\.0"):
        part_takes(takes, 1.0)
    with pytest.raises(DataError, match="give fewer"):
        part_takes(takes, 5.0)


def test_the_manner_reaches_the_motion(checkpoint, takes):
    generator = open_generator(checkpoint, EngineSettings(deterministic=True))
    about = generator.description
    clips = [
        generate_clips(generator, takes, 1, manner_of=draw_manners(about, 0, words))[1][0]
        for words in ("anyone", "anyone", "energy=2")
    ]
    generator.close()
    np.testing.assert_array_equal(clips[0].face, clips[1].face)
    assert np.abs(clips[0].face - clips[2].face).max() > 1e-3


def test_takes_do_not_share_their_noise(checkpoint, takes):
    """One sound in every take: only noise of its own tells the motions apart."""
    generator = open_generator(checkpoint, EngineSettings(deterministic=True))
    nobody = draw_manners(generator.description, 0, "open")
    first, again = (generate_clips(generator, [takes[0]] * 2, 2, manner_of=nobody) for _ in "ab")
    generator.close()
    motions = [clip.body for clips in first for clip in clips]
    for index, one in enumerate(motions):
        for other in motions[index + 1 :]:
            assert np.abs(one - other).max() > 1e-3
    np.testing.assert_array_equal(first[1][1].body, again[1][1].body)
