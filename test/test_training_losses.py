"""The errors that training reduces: closed forms, masks, and the consistency of the truth."""

import numpy as np
import pytest
import torch

from asynfusion_ros.diffusion import NoiseSchedule
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES, lip_gap
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.training.losses import (
    LipClosure,
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


STATISTICS = ChannelStatistics(
    np.linspace(0.05, 0.3, 51, dtype=np.float32), np.linspace(0.1, 0.2, 51, dtype=np.float32)
)


def normalised(count=40):
    """Faces (1, count, 51) whose jaw is open further than the lips are shut, and their weights."""
    faces = np.random.default_rng(0).uniform(0.0, 0.3, (1, count, 51)).astype(np.float32)
    faces[..., FACE_NAMES.index("jawOpen")] += faces[..., FACE_NAMES.index("mouthClose")]
    return torch.from_numpy(STATISTICS.normalise(faces)), faces


def test_lips_touch_by_halves_at_the_half_gap():
    face, weights = normalised()
    closure = LipClosure(STATISTICS)
    expected = 1.0 / (1.0 + np.exp((lip_gap(weights) - closure.HALF) / closure.WIDTH))
    np.testing.assert_allclose(closure.touch(face), expected, rtol=1e-4, atol=1e-6)
    shut = np.zeros(51, np.float32)
    shut[FACE_NAMES.index("jawOpen")] = closure.HALF
    half = closure.touch(torch.from_numpy(STATISTICS.normalise(shut))[None, None])
    assert float(half) == pytest.approx(0.5, abs=1e-5)


def test_a_slit_costs_closure_where_it_hardly_costs_weights():
    shut = np.zeros((1, 1, 51), np.float32)
    slit, wide, wider = shut.copy(), shut.copy(), shut.copy()
    for face, jaw in ((slit, 0.1), (wide, 0.5), (wider, 0.6)):
        face[..., FACE_NAMES.index("jawOpen")] = jaw
    shut, slit, wide, wider = (
        torch.from_numpy(STATISTICS.normalise(face)) for face in (shut, slit, wide, wider)
    )
    closure, ones = LipClosure(STATISTICS), torch.ones(1, 1, 51)
    assert float(closure.error(shut, slit, ones)) > 0.5
    assert float(closure.error(wide, wider, ones)) < 1e-6
    assert float(closure.error(slit, slit, ones)) == 0.0


def test_frames_count_towards_closure_as_their_least_measured_lip():
    truth, _ = normalised()
    wrong = truth + 1.0
    closure, weights = LipClosure(STATISTICS), torch.ones(1, 1, 51)
    weights[..., FACE_NAMES.index("mouthUpperUpLeft")] = 0.0
    assert float(closure.error(wrong, truth, weights)) == 0.0
    frames = torch.ones(1, truth.shape[1], 51)
    frames[:, 20:] = 0.0  # as if these were not measured
    both = closure.error(wrong, truth, frames)
    assert float(both) == pytest.approx(
        float(closure.error(wrong[:, :20], truth[:, :20], torch.ones(1, 1, 51))), rel=1e-5
    )
