"""Tables of affine steps say what the functions of diffusion/ say."""

import pytest
import torch

from asynfusion_ros.diffusion import (
    PREDICTIONS,
    NoiseSchedule,
    blend,
    ddim_step,
    impose,
    lcm_step,
)
from asynfusion_ros.diffusion.lcm import CONSISTENCY, TRAJECTORY
from asynfusion_ros.sampling.affine import AffineSteps
from asynfusion_ros.sampling.process import Process

SCHEDULE = NoiseSchedule.linear()


def walk(process, times, outputs, noise, known):
    """The motion after each step, by the functions of diffusion/."""
    x, trace = noise[0], []
    if known is not None:
        x = join(process, x, known, noise[0], times[0])
    trace.append(x)
    for index, output in enumerate(outputs):
        t, t_next = times[index], (*times[1:], -1)[index]
        x0 = SCHEDULE.predict_x0(process.prediction, output, x, t)
        z = noise[0]
        if process.method == "ddim" or process.lcm_form == TRAJECTORY:
            guess = SCHEDULE.predict_noise(process.prediction, output, x, t)
            x = ddim_step(SCHEDULE, x0, guess, t_next)
        else:
            z = noise[index + 1] if t_next >= 0 else noise[0]
            x, _ = lcm_step(SCHEDULE, x0, x, t, t_next, noise=z)
        if known is not None:
            x = join(process, x, known, z, t_next)
        trace.append(x)
    return trace


def join(process, x, known, z, t):
    fades = SCHEDULE.noise_level(t) < process.blend_below
    return (blend if fades else impose)(SCHEDULE, x, known, z[:, : known.shape[1]], t)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize(
    ("method", "form", "count"),
    [
        *(("lcm", CONSISTENCY, count) for count in (1, 4, 8)),
        ("lcm", TRAJECTORY, 4),
        ("ddim", CONSISTENCY, 25),
    ],
)
@pytest.mark.parametrize("known_frames", [0, 1, 5])
def test_steps_are_those_of_the_diffusion(prediction, method, form, count, known_frames):
    process = Process(method, prediction, SCHEDULE, 50, 0.2, lcm_form=form)
    times = process.times(count)
    factors = AffineSteps.of(process, times)
    generator = torch.Generator().manual_seed(count)
    shape = (2, 9, 3)
    noise = torch.randn(factors.draw_count, *shape, generator=generator, dtype=torch.float64)
    outputs = torch.randn(count, *shape, generator=generator, dtype=torch.float64)
    known = torch.randn(2, known_frames, 3, generator=generator, dtype=torch.float64)
    weight = torch.ones(count + 1, 1, 9, 1)
    weight[:, :, :known_frames] = factors.fades * torch.linspace(0.0, 1.0, known_frames)[:, None]
    padded = torch.zeros(shape, dtype=torch.float64)
    padded[:, :known_frames] = known
    expected = walk(process, times, outputs, noise, known if known_frames else None)
    x = torch.zeros(shape, dtype=torch.float64)
    for entry in range(count + 1):
        z = noise[factors.draws[entry]]
        output = outputs[entry - 1] if entry else torch.zeros(shape, dtype=torch.float64)
        moved = factors.output[entry] * output + factors.motion[entry] * x
        moved = moved + factors.noise[entry] * z
        given = factors.signal[entry] * padded + factors.sigma[entry] * z
        x = torch.lerp(given, moved, weight[entry].double())
        # The factors are float32: their rounding grows by 1 / sqrt(abar) in early steps.
        torch.testing.assert_close(x, expected[entry], rtol=2e-4, atol=2e-4)
        x = expected[entry]


def test_only_a_consistency_model_draws_anew():
    lcm = Process("lcm", "sample", SCHEDULE, 50, 0.2)
    ddim = Process("ddim", "sample", SCHEDULE, 50, 0.2)
    straight = Process("lcm", "sample", SCHEDULE, 50, 0.2, lcm_form=TRAJECTORY)
    assert AffineSteps.of(lcm, lcm.times(4)).draws == (0, 1, 2, 3, 0)
    for process in (ddim, straight):
        assert AffineSteps.of(process, process.times(4)).draws == (0, 0, 0, 0, 0)


def test_a_straight_lcm_keeps_its_own_times():
    straight = Process("lcm", "sample", SCHEDULE, 50, 0.2, lcm_form=TRAJECTORY)
    assert straight.times(4) == (999, 759, 499, 259)
