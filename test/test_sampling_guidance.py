"""Guidance and temperatures: what is exaggerated, and what the noise of each channel spreads."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sampling_helpers import TINY, make_request, sampler

from asynfusion_ros.errors import CheckpointError, ConfigError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.networks import MannerBatch
from asynfusion_ros.sampling import (
    SamplerSettings,
    untrained_checkpoint,
)
from asynfusion_ros.sampling.branch_window import BranchWindow, draw_noise
from asynfusion_ros.sampling.description import ModelDescription


def test_guidance_goes_from_the_unconditional_through_the_conditional_and_beyond():
    model = untrained_checkpoint(TINY.replace(interaction="none"))
    steps = {"method": "ddim", "expression_steps": 1, "gesture_steps": 1}

    def sample(guidance, **changes):
        request = make_request(known=2, batch=2, **changes)
        return sampler(model, guidance=guidance, **steps).sample_window(request).face

    away, plain = sample(0.0), sample(1.0)
    assert not torch.allclose(away, plain)
    other = {"audio": torch.randn(2, 6, 7), "manner": MannerBatch(torch.tensor([3, 3]))}
    torch.testing.assert_close(sample(0.0, **other), away)  # nothing told is heard
    torch.testing.assert_close(sample(2.5), away + 2.5 * (plain - away), rtol=1e-4, atol=1e-5)
    request = make_request(known=2, batch=2)
    own = sampler(model, guidance=2.5, gesture_guidance=1.0, **steps).sample_window(request)
    torch.testing.assert_close(own.face, sample(2.5))
    plain_body = sampler(model, **steps).sample_window(request).body
    torch.testing.assert_close(own.body, plain_body, rtol=1e-4, atol=1e-5)


def test_guided_branches_trade_features_and_go_on():
    ours = sampler(method="ddim", expression_steps=3, gesture_steps=5, guidance=2.0,
                   cold_start="previous")  # fmt: skip
    first = ours.sample_window(make_request())
    second = ours.sample_window(make_request(index=1, known=2))
    assert first.face.shape == second.face.shape == (1, 6, 5)
    assert second.face.isfinite().all()
    with pytest.raises(ConfigError, match="fixed when it was distilled"):
        SamplerSettings(guidance=2.0)


def test_temperatures_spread_the_noise_of_their_channels_alone():
    sizes = replace(TINY, face_dim=51)
    plain = untrained_checkpoint(sizes)
    warm = replace(plain, description=replace(plain.description, temperatures={"mouth": 0.5}))
    spread = warm.description.noise_spread("expression")
    mouth = np.isin(FACE_NAMES, MOUTH_NAMES)
    np.testing.assert_array_equal(spread, np.where(mouth, 0.5, 1.0))
    assert warm.description.noise_spread("gesture") is None
    request = make_request(known_face=None)
    noise = draw_noise(request, "expression", 0, (1, 6, 51))
    for model, expected in ((plain, noise), (warm, noise * torch.from_numpy(spread))):
        ours = sampler(model)
        window = BranchWindow(ours._runners["expression"], ours.process, (999, 499), request)
        torch.testing.assert_close(window.x, expected)
    assert ModelDescription.from_dict(warm.description.to_dict()).temperatures == {"mouth": 0.5}
    with pytest.raises(CheckpointError, match="nose"):
        replace(plain.description, temperatures={"nose": 1.0})
    with pytest.raises(CheckpointError, match="mouth"):
        replace(plain.description, temperatures={"mouth": -1.0})


def test_lids_have_a_temperature_of_their_own_or_that_of_the_eyes():
    plain = untrained_checkpoint(replace(TINY, face_dim=51)).description
    lids, gaze = FACE_NAMES.index("eyeBlinkRight"), FACE_NAMES.index("eyeLookUpLeft")
    for given, expected in (
        ({"eyes": 2.0}, (2.0, 2.0)),
        ({"lids": 3.0, "eyes": 1.5}, (3.0, 1.5)),
        ({"lids": 3.0}, (3.0, 1.0)),
    ):
        spread = replace(plain, temperatures=given).noise_spread("expression")
        assert (spread[lids], spread[gaze]) == expected
