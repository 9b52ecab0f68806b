"""The rolling schedule: times by frame, one evaluation a hop, and a stream that keeps time."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from streaming_stubs import RATE_HZ, speech_like
from test_streaming_generator import NETWORK, LoudnessExtractor
from training_helpers import make_prepared

from asynfusion_ros.diffusion import NoiseSchedule, boundary_scalings, rolling_shares
from asynfusion_ros.errors import ConfigError, SamplerError
from asynfusion_ros.networks import DualBranchDiT, Known, MannerBatch, NetworkSettings
from asynfusion_ros.sampling.checkpoint import Checkpoint, untrained_checkpoint
from asynfusion_ros.sampling.rolling import RollingSampler
from asynfusion_ros.sampling.window import WindowRequest
from asynfusion_ros.streaming.rolling import RollingGenerator
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.training.batches import PreparedWindows
from asynfusion_ros.training.runs import distill_student, train_teacher
from asynfusion_ros.training.settings import DistillSettings, TrainSettings
from asynfusion_ros.training.teacher import TeacherObjective

SCHEDULE = NoiseSchedule.linear()
HOP, LEVELS = 3, 4
AHEAD = HOP * LEVELS


def awake(network):
    """Give every weight a value, so that nothing is silent as before training."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in network.parameters():
            value.copy_(0.2 * torch.randn(value.shape, generator=generator))


@pytest.fixture(scope="module")
def checkpoint():
    torch.set_num_threads(1)
    made = untrained_checkpoint(NETWORK)
    awake(made.network("lcm"))
    return made


def make_rolling(checkpoint, **settings):
    settings = EngineSettings(deterministic=True, hop_frames=HOP, seed=5, **settings)
    return RollingGenerator(checkpoint, LoudnessExtractor(), settings, LEVELS)


def make_request(known, index=0, rows=1, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    given = (draw(rows, known, 51), draw(rows, known, 24)) if known else (None, None)
    manner = MannerBatch(torch.zeros(rows, dtype=torch.long))
    origins = tuple((seed + row, index) for row in range(rows))
    return WindowRequest(index, draw(rows, known + AHEAD, 4), manner, *given, seed, origins)


# ---- times ------------------------------------------------------------------------------------


def test_known_frames_are_clean_and_blocks_rise_to_noise():
    shares = rolling_shares(torch.tensor([2, 0]), torch.tensor([0.5, 1.0]), 8, 2, 2)
    assert shares[0].tolist() == [0, 0, 0.25, 0.25, 0.75, 0.75, 1, 1]
    assert shares[1].tolist() == [0.5, 0.5, 1, 1, 1, 1, 1, 1]


def test_a_time_for_each_frame_is_the_time_of_the_window_where_all_are_equal(checkpoint):
    network = checkpoint.network("lcm").eval()
    request = make_request(6, rows=2)
    condition = network.condition(request.audio, request.manner)
    x = (torch.randn(2, 18, 51), torch.randn(2, 18, 24))
    mask = torch.zeros(2, 18, 1)
    known = [Known(mask * values, mask) for values in x]
    t = torch.tensor([700, 20])
    whole = network(*x, t, t, condition, *known)
    frames = t[:, None].expand(2, 18)
    for one, other in zip(network(*x, frames, frames, condition, *known), whole, strict=True):
        torch.testing.assert_close(one, other)


def test_the_process_takes_a_time_for_each_frame():
    x0, noise = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    t = torch.randint(0, 1000, (2, 5))
    noised = SCHEDULE.add_noise(x0, noise, t)
    skip, out = boundary_scalings(t, x0)
    for row in range(2):
        for frame in range(5):
            alone = (x0[row, frame][None], noise[row, frame][None], int(t[row, frame]))
            torch.testing.assert_close(noised[row, frame][None], SCHEDULE.add_noise(*alone))
            c_skip, c_out = boundary_scalings(int(t[row, frame]), x0)
            torch.testing.assert_close(skip[row, frame, 0], c_skip)
            torch.testing.assert_close(out[row, frame, 0], c_out)


# ---- the sampler ------------------------------------------------------------------------------


def test_each_evaluation_moves_every_block_on_by_one_level(checkpoint, monkeypatch):
    sampler = RollingSampler(checkpoint, HOP, LEVELS)
    seen = []
    forward = DualBranchDiT.forward

    def watch(self, x_face, x_body, t_face, t_body, *rest):
        seen.append(t_face[0].tolist())
        return forward(self, x_face, x_body, t_face, t_body, *rest)

    monkeypatch.setattr(DualBranchDiT, "forward", watch)
    begun = sampler.advance(make_request(0))
    blocks = [times[::HOP] for times in seen]
    assert blocks == [
        [999, 999, 999, 999],
        [759, 999, 999, 999],
        [499, 759, 999, 999],
        [259, 499, 759, 999],
    ]
    assert begun.done["expression"].shape == (1, HOP, 51)
    assert begun.ahead["gesture"].shape == (1, AHEAD - HOP, 24)
    sampler.advance(make_request(HOP), begun.ahead)
    assert seen[-1] == [0] * HOP + [t for t in (259, 499, 759, 999) for _ in range(HOP)]
    assert len(seen) == LEVELS + 1


def test_known_frames_come_back_as_given_and_streams_do_not_mix(checkpoint):
    sampler = RollingSampler(checkpoint, HOP, LEVELS)
    request = make_request(9, index=4, rows=2)
    before = {"expression": torch.randn(2, AHEAD - HOP, 51), "gesture": torch.randn(2, 9, 24)}
    both = sampler.advance(request, before)
    assert torch.equal(both.done["expression"][:, :9], request.known_face)
    for row in range(2):
        alone = replace(
            request,
            audio=request.audio[row : row + 1],
            manner=MannerBatch(torch.zeros(1, dtype=torch.long)),
            known_face=request.known_face[row : row + 1],
            known_body=request.known_body[row : row + 1],
            seed=row,
            origins=(),
        )
        single = sampler.advance(alone, {k: v[row : row + 1] for k, v in before.items()})
        for name in ("expression", "gesture"):
            torch.testing.assert_close(single.done[name][0], both.done[name][row])
            torch.testing.assert_close(single.ahead[name][0], both.ahead[name][row])


def test_windows_that_do_not_fit_are_refused(checkpoint):
    for block_frames, levels in ((18, 4), (3, -2), (0, 4)):
        with pytest.raises(ConfigError, match="1 level or more"):
            RollingSampler(checkpoint, block_frames, levels)
    sampler = RollingSampler(checkpoint, HOP, LEVELS)
    with pytest.raises(SamplerError, match="12 frames after those"):
        sampler.advance(replace(make_request(0), audio=torch.zeros(1, 20, 4)))


# ---- the stream -------------------------------------------------------------------------------


def test_a_recording_has_all_its_frames_and_the_same_ones_each_time(checkpoint):
    generator = make_rolling(checkpoint)
    clip = generator.generate(speech_like(2.5))
    again = generator.generate(speech_like(2.5))
    assert clip.face.shape == (75, 51)
    assert np.isfinite(clip.body).all()
    assert np.array_equal(clip.face, again.face)
    assert generator.delay_s == pytest.approx(0.3)
    other = generator.generate(speech_like(2.5), seed=6)
    assert not np.array_equal(clip.face, other.face)


def test_recordings_together_move_as_they_do_alone(checkpoint):
    generator = make_rolling(checkpoint)
    sounds = [speech_like(1.5), speech_like(2.0)[::-1].copy()]
    for together, sound in zip(generator.generate_many(sounds), sounds, strict=True):
        np.testing.assert_allclose(together.face, generator.generate(sound).face, atol=1e-5)


def test_motion_hears_its_own_sound_and_nothing_beyond_its_delay(checkpoint):
    generator = make_rolling(checkpoint)
    sound = speech_like(4.0)
    changed = sound.copy()
    changed[2 * RATE_HZ :] *= -0.3
    one, other = generator.generate(sound), generator.generate(changed)
    heard_s = generator.delay_s + generator.plan.look_ahead_s
    last = int((2.0 - heard_s) * 30) - HOP
    assert np.array_equal(one.face[:last], other.face[:last])
    assert not np.array_equal(one.face[60:66], other.face[60:66])


# ---- training ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return make_prepared(tmp_path_factory.mktemp("prepared"))


def make_objective(prepared, **settings):
    windows = PreparedWindows(prepared)
    settings = TrainSettings(batch=16, threads=1, **settings)
    return TeacherObjective(windows, windows.measure(), SCHEDULE, settings)


def test_the_rolling_share_of_windows_has_times_by_frame(prepared):
    objective = make_objective(prepared, rolling_share=0.5, independent_share=0.0)
    batch = objective.sample(0)
    generator = torch.Generator().manual_seed(0)
    whole = objective.draw_times(generator, 16, 1000)
    face, body = objective.spread_times(whole, batch, generator, 1000)
    assert torch.equal(face, body)
    even = (face == whole[0][:, None]).all(dim=1)
    assert 2 < int(even.sum()) < 14
    known = batch.known[..., 0] > 0
    for row in torch.flatten(torch.nonzero(~even)).tolist():
        assert (face[row].diff() >= 0).all()
        assert (face[row][known[row]] == 0).all()
        assert (face[row][~known[row]] > 0).any()


def test_without_a_rolling_share_nothing_else_is_drawn(prepared):
    objective = make_objective(prepared)
    batch, times = objective.sample(0), (torch.zeros(16), torch.zeros(16))
    assert objective.spread_times(times, batch, torch.Generator(), 1000) is times


def test_a_rolling_model_is_trained_distilled_and_sampled(prepared, tmp_path):
    few = {"batch": 4, "warmup_steps": 1, "threads": 1, "rolling_share": 0.75}
    network = NetworkSettings(width=16, depth=1, heads=2)
    train_teacher(prepared, tmp_path / "teacher", network, TrainSettings(steps=2, **few))
    settings = DistillSettings(steps=2, **few)
    distill_student(prepared, tmp_path / "teacher", tmp_path / "model", settings)
    made = Checkpoint.load(tmp_path / "model")
    request = make_request(0)
    request = replace(request, audio=torch.randn(1, AHEAD, 468))
    rolled = RollingSampler(made, HOP, LEVELS).advance(request)
    assert all(torch.isfinite(values).all() for values in rolled.done.values())
