"""The errors that training reduces: closed forms, masks, and the consistency of the truth."""

import numpy as np
import pytest
import torch

from asynfusion_ros.diffusion import NoiseSchedule
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.training.losses import (
    channel_weights,
    denoising_loss,
    pseudo_huber,
    weighted_mean,
)
from asynfusion_ros.training.settings import TrainSettings

SCHEDULE = NoiseSchedule.linear()
ONLY_NOISE = TrainSettings(velocity_weight=0.0, huber_weight=0.0, noise_weight_cap=1e9)


def loss(x0_hat, x0, t, weights=None, settings=ONLY_NOISE):
    weights = torch.ones_like(x0) if weights is None else weights
    return float(denoising_loss(x0_hat, x0, t, weights, schedule=SCHEDULE, settings=settings))


@pytest.mark.parametrize("time", [20, 300, 700])
def test_the_noise_error_is_that_of_the_predicted_noise(time):
    generator = torch.Generator().manual_seed(0)
    x0, noise, wrong = (torch.randn(4, 6, 5, generator=generator) for _ in range(3))
    t = torch.full((4,), time)
    x = SCHEDULE.add_noise(x0, noise, t)
    guess = SCHEDULE.predict_noise("sample", wrong, x, t)
    assert loss(wrong, x0, t) == pytest.approx(float(((guess - noise) ** 2).mean()), rel=1e-3)


def test_a_constant_offset_has_no_velocity_error():
    x0 = torch.randn(2, 6, 5)
    settings = TrainSettings(noise_weight=0.0, huber_weight=0.0, velocity_weight=1.0)
    t = torch.tensor([10, 500])
    assert loss(x0 + 3.0, x0, t, settings=settings) == pytest.approx(0.0, abs=1e-9)
    ramp = torch.arange(6.0)[None, :, None]
    assert loss(x0 + 2 * ramp, x0, t, settings=settings) == pytest.approx(4.0, rel=1e-4)


def test_what_was_not_measured_costs_nothing():
    x0 = torch.randn(2, 6, 5)
    weights = torch.ones_like(x0)
    weights[..., 2] = 0.0
    wrong = x0.clone()
    wrong[..., 2] += 100.0
    assert loss(wrong, x0, torch.tensor([1, 999]), weights, TrainSettings()) == 0.0
    assert float(weighted_mean(wrong - x0, torch.zeros_like(x0))) == 0.0


def test_pseudo_huber_is_quadratic_near_and_linear_far():
    one = torch.ones(1, 1, 1)
    near, far = (
        float(pseudo_huber(one * 1e-2, one * 0, one, 1.0)),
        float(pseudo_huber(one * 100, one * 0, one, 1e-3)),
    )
    assert near == pytest.approx(0.5e-4, rel=1e-2)
    assert far == pytest.approx(100.0, rel=1e-3)


def test_the_jaw_weighs_most_and_the_mouth_more_than_the_brows():
    weights = dict(zip(FACE_NAMES, channel_weights(2.0).tolist(), strict=True))
    assert weights["jawOpen"] == max(weights.values())
    assert weights[MOUTH_NAMES[-1]] == pytest.approx(2 * weights["browInnerUp"])
    assert np.mean(list(weights.values())) == pytest.approx(1.0)
