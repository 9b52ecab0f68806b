"""Long DDIM steps: where they begin and end, and the x_0 that makes one land where many do."""

import pytest
import torch

from asynfusion_ros.diffusion import (
    NoiseSchedule,
    ddim_step,
    find_landing,
    plan_jumps,
    split_jump,
)
from asynfusion_ros.errors import ConfigError

SCHEDULE = NoiseSchedule.linear()


def test_own_times_lead_to_own_times_and_others_to_the_next():
    assert plan_jumps(2, 4) == ((999, 499), (759, 499), (499, -1), (259, -1))
    assert plan_jumps(4, 4) == ((999, 759), (759, 499), (499, 259), (259, -1))


def test_times_that_only_the_coarse_sampler_has_are_kept():
    assert [begin for begin, _ in plan_jumps(3, 4)] == [999, 759, 679, 499, 339, 259]


def test_more_own_steps_than_there_are_is_refused():
    with pytest.raises(ConfigError, match="must not be more"):
        plan_jumps(8, 4)


def test_a_jump_is_split_evenly_and_ends_where_it_should():
    times = split_jump(torch.tensor([999, 259]), torch.tensor([759, -1]), 3)
    assert [time.tolist() for time in times] == [[999, 259], [919, 172], [839, 86], [759, -1]]


@pytest.mark.parametrize(("begin", "end"), [(999, 759), (499, 259), (259, -1)])
def test_landing_is_the_clean_motion_of_a_single_step(begin, end):
    x_t, x0 = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(1)).double()
    t, s = torch.full((3,), begin), torch.full((3,), end)
    noise = SCHEDULE.predict_noise("sample", x0, x_t, t)
    landed = ddim_step(SCHEDULE, x0, noise, s)
    torch.testing.assert_close(find_landing(SCHEDULE, x_t, t, landed, s), x0)


def test_one_landing_does_what_a_thousand_steps_do_for_normal_data():
    """Data of spread s: x_t of spread sqrt(abar s^2 + 1 - abar) keeps its quantile on the path."""
    spread, begin, end = 0.3, 759, 259
    x_t = torch.tensor([[[1.0]], [[-0.4]]], dtype=torch.float64)

    def size(t):
        signal, sigma = (float(v) for v in SCHEDULE.levels(t, x_t))
        return (signal**2 * spread**2 + sigma**2) ** 0.5

    x = x_t
    for t in range(begin, end, -1):
        signal, _ = (float(v) for v in SCHEDULE.levels(t, x))
        x0 = signal * spread**2 / size(t) ** 2 * x  # the mean of what may have been
        x = ddim_step(SCHEDULE, x0, SCHEDULE.predict_noise("sample", x0, x, t), t - 1)
    torch.testing.assert_close(x, x_t * size(end) / size(begin), rtol=2e-3, atol=0.0)
    t, s = torch.full((2,), begin), torch.full((2,), end)
    landing = find_landing(SCHEDULE, x_t, t, x, s)
    noise = SCHEDULE.predict_noise("sample", landing, x_t, t)
    torch.testing.assert_close(ddim_step(SCHEDULE, landing, noise, s), x)
