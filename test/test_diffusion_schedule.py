import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asynfusion_ros.diffusion import PREDICTIONS, NoiseSchedule
from asynfusion_ros.errors import ConfigError

SCHEDULE = NoiseSchedule.linear()
TIMES = st.integers(min_value=0, max_value=999)


def draw():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64)


def test_table_is_the_running_product():
    abar, product = SCHEDULE.alphas_cumprod, 1.0
    for t in range(1000):
        product *= 1.0 - (1e-4 + (0.02 - 1e-4) * t / 999)
        assert abar[t].item() == pytest.approx(product, rel=1e-9)


def test_signal_and_noise_keep_unit_power():
    for t in (-1, 0, 400, 999):
        signal, sigma = SCHEDULE.levels(t, torch.zeros(1, dtype=torch.float64))
        assert (signal**2 + sigma**2).item() == pytest.approx(1.0)
    assert SCHEDULE.noise_level(-1) == 0.0
    assert SCHEDULE.noise_level(999) > 0.9999


def test_time_minus_one_is_clean():
    x0, noise = draw()
    assert torch.equal(SCHEDULE.add_noise(x0, noise, -1), x0)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@settings(deadline=None)  # a busy machine is not an error
@given(t=TIMES)
def test_the_true_target_gives_back_motion_and_noise(prediction, t):
    x0, noise = draw()
    x_t = SCHEDULE.add_noise(x0, noise, t)
    output = SCHEDULE.target(prediction, x0, noise, t)
    torch.testing.assert_close(SCHEDULE.predict_x0(prediction, output, x_t, t), x0)
    torch.testing.assert_close(SCHEDULE.predict_noise(prediction, output, x_t, t), noise)


@pytest.mark.parametrize("into", PREDICTIONS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@settings(deadline=None)  # a busy machine is not an error
@given(t=TIMES)
def test_predictions_convert_both_ways(prediction, into, t):
    x_t, output = draw()  # any output, not only a true one
    x0 = SCHEDULE.predict_x0(prediction, output, x_t, t)
    noise = SCHEDULE.predict_noise(prediction, output, x_t, t)
    converted = SCHEDULE.target(into, x0, noise, t)
    back = SCHEDULE.target(
        prediction,
        SCHEDULE.predict_x0(into, converted, x_t, t),
        SCHEDULE.predict_noise(into, converted, x_t, t),
        t,
    )
    torch.testing.assert_close(back, output, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(SCHEDULE.add_noise(x0, noise, t), x_t, rtol=1e-6, atol=1e-6)


def test_velocity_is_the_derivative_along_the_circle():
    """With angle a, x = cos(a) x0 + sin(a) e, velocity is dx/da."""
    x0, noise = draw()
    signal, sigma = SCHEDULE.levels(300, x0)
    angle, step = torch.atan2(sigma, signal), 1e-6
    ahead = torch.cos(angle + step) * x0 + torch.sin(angle + step) * noise
    behind = torch.cos(angle - step) * x0 + torch.sin(angle - step) * noise
    torch.testing.assert_close(
        SCHEDULE.velocity(x0, noise, 300), (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6
    )


def test_a_tensor_of_times_acts_sample_by_sample():
    x0, noise = draw()
    t = torch.tensor([5, 999, 40])
    both = SCHEDULE.add_noise(x0, noise, t)
    for index, time in enumerate(t.tolist()):
        torch.testing.assert_close(
            both[index],
            SCHEDULE.add_noise(x0[index : index + 1], noise[index : index + 1], time)[0],
        )
    assert SCHEDULE.add_noise(x0.float(), noise.float(), t).dtype == torch.float32


def test_wrong_use_is_refused():
    x0, noise = draw()
    with pytest.raises(ConfigError, match=r"-1\.\.999"):
        SCHEDULE.add_noise(x0, noise, 1000)
    with pytest.raises(ConfigError, match="epsilon"):
        SCHEDULE.predict_x0("eps", x0, noise, 3)
    with pytest.raises(ConfigError, match="betas"):
        NoiseSchedule.linear(0.02, 1e-4)
