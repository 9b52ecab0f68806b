import pytest
import torch

from asynfusion_ros.diffusion import BLEND_BELOW, NoiseSchedule, blend, blend_weights, impose

SCHEDULE = NoiseSchedule.linear()


@pytest.fixture
def motion():
    generator = torch.Generator().manual_seed(0)
    x_t = torch.randn(2, 10, 3, generator=generator, dtype=torch.float64)
    known, noise = torch.randn(2, 2, 4, 3, generator=generator, dtype=torch.float64)
    return x_t, known, noise


@pytest.mark.parametrize("t", [-1, 0, 499, 999])
def test_imposed_frames_are_known_ones_at_the_level_of_noise(t, motion):
    x_t, known, noise = motion
    out = impose(SCHEDULE, x_t, known, noise, t)
    abar = SCHEDULE.alphas_cumprod[t] if t >= 0 else torch.tensor(1.0, dtype=torch.float64)
    torch.testing.assert_close(out[:, :4], abar.sqrt() * known + (1 - abar).sqrt() * noise)
    assert torch.equal(out[:, 4:], x_t[:, 4:])


def test_imposing_at_the_end_gives_the_known_frames_themselves(motion):
    x_t, known, noise = motion
    assert torch.equal(impose(SCHEDULE, x_t, known, noise, -1)[:, :4], known)


def test_blend_fades_linearly_from_known_to_generated(motion):
    x_t, known, noise = motion
    out = blend(SCHEDULE, x_t, known, noise, -1)
    for frame in range(4):
        w = frame / 3
        torch.testing.assert_close(out[:, frame], (1 - w) * known[:, frame] + w * x_t[:, frame])
    assert torch.equal(out[:, 4:], x_t[:, 4:])
    assert blend_weights(4, x_t).flatten().tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_a_single_known_frame_stays_known(motion):
    x_t, known, noise = motion
    out = blend(SCHEDULE, x_t, known[:, :1], noise[:, :1], -1)
    assert torch.equal(out[:, :1], known[:, :1])


def test_blending_belongs_to_the_final_steps_only():
    assert SCHEDULE.noise_level(40) < BLEND_BELOW < SCHEDULE.noise_level(80)
