"""Temperatures spread the noise of their channels, and of no others."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sampling_helpers import TINY, make_request, sampler

from asynfusion_ros.errors import CheckpointError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.sampling import (
    untrained_checkpoint,
)
from asynfusion_ros.sampling.branch_window import BranchWindow
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.sampling.noise import draw_noise


def test_temperatures_spread_the_noise_of_their_channels_alone():
    sizes = replace(TINY, face_dim=51)
    plain = untrained_checkpoint(sizes)
    warm = replace(plain, description=replace(plain.description, temperatures={"mouth": 0.5}))
    spread = warm.description.noise_shape("expression").spread
    mouth = np.isin(FACE_NAMES, MOUTH_NAMES)
    np.testing.assert_array_equal(spread, np.where(mouth, 0.5, 1.0))
    assert warm.description.noise_shape("gesture") is None
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
        spread = replace(plain, temperatures=given).noise_shape("expression").spread
        assert (spread[lids], spread[gaze]) == expected
