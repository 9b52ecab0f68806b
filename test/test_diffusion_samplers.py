import math

import pytest
import torch

from asynfusion_ros.diffusion import (
    NoiseSchedule,
    boundary_scalings,
    consistency,
    ddim_step,
    ddim_timesteps,
    lcm_step,
    lcm_timesteps,
)
from asynfusion_ros.diffusion.schedule import PREDICTIONS
from asynfusion_ros.errors import ConfigError

SCHEDULE = NoiseSchedule.linear()
TABLES = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear", "clip_sample": False}


def fake_network(x, t):
    """A deterministic stand-in for a trained network."""
    return torch.tanh(x * 0.8 + math.sin(t))


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("count", [1, 8, 25, 50])
def test_ddim_equals_diffusers(prediction, count):
    diffusers = pytest.importorskip("diffusers")
    peer = diffusers.DDIMScheduler(prediction_type=prediction, **TABLES)
    peer.set_timesteps(count)
    times = ddim_timesteps(count)
    assert list(times) == peer.timesteps.tolist()
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    for t, t_next in zip(times, (*times[1:], -1), strict=True):  # each step from a common state
        output = fake_network(x, t)
        x0 = SCHEDULE.predict_x0(prediction, output, x, t)
        noise = SCHEDULE.predict_noise(prediction, output, x, t)
        ours = ddim_step(SCHEDULE, x0, noise, t_next)
        theirs = x = peer.step(output, t, x).prev_sample
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("count", [1, 4, 6, 8, 50])
def test_lcm_equals_diffusers(prediction, count):
    diffusers = pytest.importorskip("diffusers")
    peer = diffusers.LCMScheduler(prediction_type=prediction, **TABLES)
    peer.set_timesteps(count)
    times = lcm_timesteps(count)
    assert list(times) == peer.timesteps.tolist()
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    peer_draws = torch.Generator().manual_seed(1)
    draws = torch.Generator().manual_seed(1)
    for t, t_next in zip(times, (*times[1:], -1), strict=True):  # each step from a common state
        output = fake_network(x, t)
        x0 = SCHEDULE.predict_x0(prediction, output, x, t)
        noise = torch.randn(x.shape, generator=draws)
        ours, denoised = lcm_step(SCHEDULE, x0, x, t, t_next, noise=noise)
        step = peer.step(output, t, x, generator=peer_draws)
        x = step.prev_sample
        torch.testing.assert_close(ours, x, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(denoised, step.denoised, rtol=1e-5, atol=1e-5)


def test_ddim_with_the_true_noise_lands_on_the_truth_from_any_time():
    x0, noise = torch.randn(2, 1, 3, 4, dtype=torch.float64)
    x_t = SCHEDULE.add_noise(x0, noise, 960)
    middle = ddim_step(SCHEDULE, x0, noise, 480)
    torch.testing.assert_close(middle, SCHEDULE.add_noise(x0, noise, 480))
    assert not torch.allclose(middle, x_t)
    assert torch.equal(ddim_step(SCHEDULE, x0, noise, -1), x0)


def test_ddim_steps_of_a_gaussian_follow_the_closed_form():
    """For x0 ~ N(0, s^2) the best noise guess is sigma x / var(x); DDIM then scales x by std."""
    s, times = 0.7, ddim_timesteps(500)
    x = start = torch.tensor([[[1.3]]], dtype=torch.float64)

    def std(t):
        signal, sigma = SCHEDULE.levels(t, x)
        return (signal**2 * s**2 + sigma**2).sqrt()

    for t, t_next in zip(times, (*times[1:], -1), strict=True):
        noise = SCHEDULE.noise_level(t) * x / std(t) ** 2
        x = ddim_step(SCHEDULE, SCHEDULE.predict_x0("epsilon", noise, x, t), noise, t_next)
    expected = start * s / std(times[0])
    torch.testing.assert_close(x, expected, rtol=2e-2, atol=0.0)


def test_consistency_is_the_identity_at_time_zero_and_trusts_the_network_far_from_it():
    x0, x_t = torch.randn(2, 2, 3, 4, dtype=torch.float64)
    assert torch.equal(consistency(x0, x_t, 0), x_t)
    torch.testing.assert_close(consistency(x0, x_t, 999), x0, rtol=1e-3, atol=1e-3)
    c_skip, c_out = boundary_scalings(torch.tensor([0, 1, 10]), x_t.float())
    assert c_skip.shape == (3, 1, 1)
    assert c_skip.flatten().tolist() == pytest.approx([1.0, 0.25 / 100.25, 0.25 / 10000.25])
    assert c_out.flatten().tolist() == pytest.approx([0.0, 10 / 100.25**0.5, 100 / 10000.25**0.5])


def test_timesteps_of_the_paper():
    assert lcm_timesteps(4) == (999, 759, 499, 259)
    assert lcm_timesteps(8) == (999, 879, 759, 639, 499, 379, 259, 139)
    assert ddim_timesteps(25)[:2] == (960, 920)


def test_last_lcm_step_needs_no_noise_and_others_do():
    x = torch.randn(1, 2, 3)
    last, denoised = lcm_step(SCHEDULE, x, x, 259, -1)
    assert torch.equal(last, denoised)
    with pytest.raises(ConfigError, match="noise"):
        lcm_step(SCHEDULE, x, x, 499, 259)


@pytest.mark.parametrize("count", [0, 51, 1001])
def test_impossible_counts_are_refused(count):
    with pytest.raises(ConfigError, match="LCM"):
        lcm_timesteps(count)
    if count != 51:
        with pytest.raises(ConfigError, match="DDIM"):
            ddim_timesteps(count)
