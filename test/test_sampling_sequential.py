import math

import pytest
import torch
from sampling_helpers import MODEL, TINY, PlainSampler, make_request, same, sampler

from asynfusion_ros.diffusion import PREDICTIONS, lcm_timesteps
from asynfusion_ros.errors import CheckpointError, ConfigError, SamplerError
from asynfusion_ros.networks import MannerBatch
from asynfusion_ros.sampling import (
    Checkpoint,
    SamplerSettings,
    untrained_checkpoint,
)
from asynfusion_ros.sampling.noise import draw_noise
from asynfusion_ros.sampling.order import interleave, parallel, turns


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("known", [0, 1, 4])
@pytest.mark.parametrize(
    ("method", "expression", "gesture"), [("lcm", 4, 8), ("lcm", 1, 1), ("ddim", 25, 10)]
)
def test_it_does_what_the_algorithm_says(prediction, known, method, expression, gesture):
    model = untrained_checkpoint(TINY, prediction=prediction)
    request = make_request(index=3, known=known, batch=2)
    counts = {"expression": expression, "gesture": gesture}
    order = [event for event in interleave(expression, gesture) if event[1] > 0]
    face, body = PlainSampler(model, method, counts).run(request, order)
    ours = sampler(model, method=method, expression_steps=expression, gesture_steps=gesture)
    result = ours.sample_window(request)
    torch.testing.assert_close(result.face, face, rtol=2e-5, atol=2e-4)
    torch.testing.assert_close(result.body, body, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize(("method", "count"), [("lcm", 8), ("ddim", 25)])
def test_synchronous_sampling_is_the_joint_network_at_every_step(method, count):
    request = make_request(known=2)
    counts = {"expression": count, "gesture": count}
    face, body = PlainSampler(MODEL, method, counts).run(request, [], joint=count)
    ours = sampler(
        method=method, expression_steps=count, gesture_steps=count, coupling="synchronous"
    ).sample_window(request)
    torch.testing.assert_close(ours.face, face)
    torch.testing.assert_close(ours.body, body)
    assert ours.timings.trace == ()


def test_the_order_matters_only_to_branches_that_listen():
    request = make_request()
    orders = turns(4, 8, 1), parallel(4, 8, 1)
    assert not same(*(sampler().sample_window(request, ticks=order) for order in orders))
    deaf = untrained_checkpoint(TINY.replace(interaction="none"))
    assert same(*(sampler(deaf).sample_window(request, ticks=order) for order in orders))


def test_pacing_names_the_order():
    request = make_request()
    parallel_run = sampler(pacing="parallel").sample_window(request)
    assert parallel_run.timings.trace == parallel(4, 8, 1)
    assert same(parallel_run, sampler().sample_window(request, ticks=parallel(4, 8, 1)))
    assert sampler(pacing="turns").sample_window(request).timings.trace == turns(4, 8, 1)
    assert same(sampler(pacing="turns").sample_window(request), sampler().sample_window(request))


def test_equal_requests_give_equal_motion_and_seeds_tell_them_apart():
    one = sampler().sample_window(make_request(index=2))
    assert same(one, sampler().sample_window(make_request(index=2)))
    request = make_request(index=2)
    for changed in ({"seed": 1}, {"index": 5}):
        other = sampler().sample_window(
            make_request(**{"index": 2, **changed, "audio": request.audio})
        )
        assert not torch.equal(one.face, other.face)
        assert not torch.equal(one.body, other.body)


def test_noise_depends_on_seed_window_branch_and_step_only():
    def noise(branch="gesture", step=1, **changes):
        return draw_noise(make_request(**changes), branch, step, (1, 6, 3))

    base = noise()
    assert torch.equal(base, noise())
    for other in (noise(step=2), noise(branch="expression"), noise(index=1), noise(seed=1)):
        assert not torch.equal(base, other)
    many = torch.cat([noise(index=index).flatten() for index in range(500)])
    assert many.mean().abs() < 0.05
    assert abs(many.std() - 1.0) < 0.05


@pytest.mark.parametrize("method", ["lcm", "ddim"])
def test_known_frames_lead_into_the_generated_ones(method):
    request = make_request(known=4)
    result = sampler(method=method).sample_window(request)
    assert torch.equal(result.face[:, 0], request.known_face[:, 0])
    assert torch.equal(result.body[:, 0], request.known_body[:, 0])
    assert not torch.equal(result.face[:, 3], request.known_face[:, 3])
    kept = sampler(method=method, blend_below=0.0).sample_window(request)
    assert torch.equal(kept.face[:, :4], request.known_face)
    assert torch.equal(kept.body[:, :4], request.known_body)


def test_known_frames_change_the_frames_that_follow():
    free = sampler().sample_window(make_request())
    led = sampler().sample_window(make_request(known=2, audio=make_request().audio))
    assert not torch.allclose(free.face[:, 2:], led.face[:, 2:])


def test_no_known_frames_and_zero_known_frames_are_one():
    empty = make_request(known_face=torch.zeros(1, 0, 5), known_body=torch.zeros(1, 0, 3))
    assert same(sampler().sample_window(empty), sampler().sample_window(make_request()))


def test_cold_start_from_the_window_before_drops_the_joint_step():
    ours = sampler(cold_start="previous")
    first, second = (ours.sample_window(make_request(index)) for index in (0, 1))
    assert first.timings.trace == turns(4, 8, 1)  # nothing came before
    assert second.timings.trace == turns(4, 8, 0)
    assert not math.isnan(second.timings.expression.partner_age_s[0])
    plain = sampler()
    assert same(first, plain.sample_window(make_request(0)))
    assert not same(second, plain.sample_window(make_request(1)))


@pytest.mark.parametrize("change", ["reset", "gap", "frames", "stream"])
def test_cold_start_falls_back_to_lock_step_where_nothing_fits(change):
    ours = sampler(cold_start="previous")
    ours.sample_window(make_request(0))
    if change == "reset":
        ours.reset()
    index, frames = (5 if change == "gap" else 1), (4 if change == "frames" else 6)
    request = make_request(index, frames=frames, seed=3 * (change == "stream"))
    trace = ours.sample_window(request).timings.trace
    assert trace == turns(4, 8, 1)


def test_steps_can_change_between_windows():
    ours = sampler()
    ours.set_steps(2, 3)
    result = ours.sample_window(make_request())
    assert len(result.timings.expression.steps_s) == 2
    assert len(result.timings.gesture.steps_s) == 3
    fresh = sampler(expression_steps=2, gesture_steps=3).sample_window(make_request())
    assert same(result, fresh)
    with pytest.raises(ConfigError, match="LCM"):
        ours.set_steps(51, 3)
    assert ours.settings.expression_steps == 2


def test_samples_of_a_batch_are_sampled_alike():
    both = make_request(batch=2)
    result = sampler().sample_window(both)
    assert result.face.shape == (2, 6, 5)
    assert result.body.shape == (2, 6, 3)
    assert torch.isfinite(result.face).all()


def test_timings_add_up():
    timings = sampler().sample_window(make_request()).timings
    for branch in (timings.expression, timings.gesture):
        assert branch.total_s == pytest.approx(branch.condition_s + sum(branch.steps_s))
        assert 0.0 < branch.total_s <= timings.total_s
        assert len(branch.steps_s) == len(branch.partner_age_s) == len(branch.partner_lag)
    assert math.isnan(timings.gesture.partner_age_s[0])
    assert timings.gesture.partner_lag[1:3] == (999 - 879, 759 - 759)  # g1 hears e0, g2 hears e1


def test_the_result_can_be_changed_and_used_in_gradients():
    face = sampler().sample_window(make_request()).face
    face += 1.0
    (face * torch.ones(1, requires_grad=True)).sum().backward()


def test_warm_up_leaves_no_trace_in_the_results():
    ours = sampler(cold_start="previous")
    assert ours.warm_up() > 0.0
    assert same(ours.sample_window(make_request()), sampler().sample_window(make_request()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio": torch.zeros(1, 6, 8)}, r"audio .*\(B, T, 7\)"),
        ({"audio": torch.zeros(6, 7)}, "audio"),
        ({"audio": torch.zeros(1, 7, 7)}, r"1\.\.6"),
        ({"manner": MannerBatch(torch.zeros(2, dtype=torch.long))}, "speaker"),
        (
            {"manner": MannerBatch(torch.zeros(1, dtype=torch.long), torch.zeros(1, 2))},
            r"style .*\(1, 0\)",
        ),
        ({"known_face": torch.zeros(1, 2, 4)}, "known_face"),
        ({"known_body": torch.zeros(1, 7, 3)}, "known_body"),
        ({"known_body": torch.zeros(2, 3, 3)}, "known_body"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(SamplerError, match=message):
        sampler().sample_window(make_request(**changes))


def test_what_cannot_be_sampled_is_refused_at_once():
    teacher_only = Checkpoint(MODEL.description, MODEL.teacher)
    with pytest.raises(CheckpointError, match="lcm"):
        sampler(teacher_only)
    with pytest.raises(ConfigError, match="LCM"):
        sampler(gesture_steps=60)
    with pytest.raises(ConfigError, match="synchronous"):
        SamplerSettings(coupling="synchronous")
    with pytest.raises(SamplerError, match="forced order"):
        sampler().sample_window(make_request(), ticks=turns(4, 7, 1))


def test_a_warm_window_begins_at_the_last_pose_held_and_noised():
    ours = sampler(warm_begin=0.5, cold_start="lockstep")
    request = make_request(known=2)
    window = ours._open("gesture", request)
    assert window.times == lcm_timesteps(8, begin=0.5)
    assert max(window.times) < 500
    signal, sigma = ours.process.schedule.levels(window.times[0], window.x)
    held = request.known_body[:, -1:].expand(-1, 6, -1)
    noise = draw_noise(request, "gesture", 0, (1, 6, 3))
    torch.testing.assert_close(window.x[:, 2:], (signal * held + sigma * noise)[:, 2:])
    cold = ours._open("gesture", make_request())
    assert cold.times == lcm_timesteps(8)
    with pytest.raises(ConfigError, match="warm_begin"):
        SamplerSettings(method="ddim", warm_begin=0.5)
    with pytest.raises(ConfigError, match="begin \\* origin"):
        sampler(warm_begin=0.1, gesture_steps=8)
