"""What a model says to words about manner: styles by name, drawn persons, measured clips."""

import json
from dataclasses import replace

import numpy as np
import pytest

from asynfusion_ros.errors import CheckpointError, ConfigError
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import STYLE_NAMES, describe_style
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.sampling.description import ModelDescription

TINY = NetworkSettings(width=16, depth=1, heads=2)
ABOUT = untrained_checkpoint(TINY.replace(styles=3)).description
NAMES = STYLE_NAMES[:3]


def test_anyone_is_somebody_and_a_seed_decides_who():
    first, again, other = (ABOUT.choose_manner(style="anyone", seed=s).style for s in (4, 4, 5))
    assert first == again
    assert first != other
    assert np.isfinite(first).all()


def test_what_is_named_stands_and_the_rest_is_drawn():
    drawn = ABOUT.choose_manner(style="anyone", seed=4).style
    named = ABOUT.choose_manner(style=f"anyone, {NAMES[1]}=-1.5", seed=4).style
    assert named == (drawn[0], -1.5, drawn[2])


def test_a_model_that_knows_how_styles_go_together_is_somebody_unless_told_otherwise():
    about = replace(ABOUT, style_correlation=np.eye(3, dtype=np.float32))
    assert about.choose_manner(seed=4).style == about.choose_manner(style="anyone=4").style
    assert about.choose_manner(style="open", seed=4).style == ()
    named = about.choose_manner(style=f"{NAMES[0]}=1 open").style
    assert named[0] == 1.0
    assert np.isnan(named[1:]).all()
    assert ABOUT.choose_manner(seed=4).style == (), "nothing known of how they go together"


def test_a_speaker_is_somebody_already():
    about = replace(ABOUT, style_correlation=np.eye(3, dtype=np.float32))
    assert about.choose_manner(speaker=1).style == ()
    assert np.isnan(about.choose_manner(speaker=1, style=f"{NAMES[0]}=1").style[1:]).all()
    drawn = about.choose_manner(speaker=1, style="anyone=4").style
    assert drawn == about.people.draw(4)


def test_a_person_can_be_asked_for_by_number():
    seventh = ABOUT.choose_manner(style="anyone=7").style
    assert seventh == ABOUT.choose_manner(style="anyone", seed=7).style
    assert seventh == ABOUT.choose_manner(style="anyone=7", seed=3).style
    for word in ("anyone=", "anyone=-1", "anyone=1.5", "anyone=\u0663", f"anyone={10**30}"):
        with pytest.raises(ConfigError, match="for the seventh"):
            ABOUT.choose_manner(style=word)


def test_drawn_styles_go_together_as_the_model_says():
    bound = np.full((3, 3), -1.0, np.float32)
    bound[:2, :2] = bound[2, 2] = 1.0
    about = replace(ABOUT, style_correlation=bound)
    first, second, third = about.people.draw(seed=3)
    assert second == pytest.approx(first, abs=1e-5)
    assert third == pytest.approx(-first, abs=1e-5)


def test_a_model_without_styles_says_so():
    about = untrained_checkpoint(TINY).description
    with pytest.raises(ConfigError, match="'anyone': this model was trained without styles"):
        about.choose_manner(style="anyone")
    with pytest.raises(ConfigError, match="no clip can tell"):
        about.people.measure(MotionClip(30.0, np.zeros((60, 51)), np.zeros((60, 24))))


def test_a_clip_tells_what_was_measured_of_it():
    rng = np.random.default_rng(0)
    body = 0.1 * rng.standard_normal((90, 24)).astype(np.float32)
    mask = np.ones((90, 24), np.float32)
    clip = MotionClip(30.0, np.full((90, 51), 0.2, np.float32), body, None, mask)
    about = untrained_checkpoint(TINY.replace(styles=len(STYLE_NAMES))).description
    values = np.clip(describe_style(clip)[0], -2.0, 2.0)
    np.testing.assert_allclose(about.people.measure(clip), values, atol=1e-6)
    mask[:, 6:] = 0.0
    told = dict(zip(STYLE_NAMES, about.people.measure(clip), strict=True))
    assert np.isnan(told["energy"])
    assert np.isfinite(told["lids"])


def test_correlations_survive_a_file_and_wrong_ones_are_refused():
    matrix = np.array([[1, 0.25, 0], [0.25, 1, -0.5], [0, -0.5, 1]], np.float32)
    values = json.loads(json.dumps(replace(ABOUT, style_correlation=matrix).to_dict()))
    np.testing.assert_allclose(ModelDescription.from_dict(values).style_correlation, matrix)
    del values["style_correlation"]
    assert ModelDescription.from_dict(values).style_correlation is None
    for wrong in (matrix[:2], 3 * matrix, np.full((3, 3), np.nan), np.eye(2)):
        with pytest.raises(CheckpointError, match=r"style.correlation"):
            replace(ABOUT, style_correlation=wrong)
    values["style_correlation"] = "many"
    with pytest.raises(CheckpointError, match="incomplete"):
        ModelDescription.from_dict(values)
