"""Bursts follow the voice: the more it rises, the louder the noise of head, brows and arms."""

from dataclasses import replace

import pytest
import torch
from graph_helpers import EXACT, distance, plain
from sampling_helpers import TINY, make_request, sampler

from asynfusion_ros.audio.features import SpeechFeatureExtractor
from asynfusion_ros.errors import CheckpointError
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.sampling import untrained_checkpoint
from asynfusion_ros.sampling.counter_noise import burst_keys, draw_bursts
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.sampling.graphs import GraphSampler
from asynfusion_ros.sampling.noise import WindowNoise, draw_noise
from asynfusion_ros.sampling.static_branch import StaticBranch, WindowShape, lay_out
from asynfusion_ros.sampling.tray import Tray
from asynfusion_ros.sampling.voice_rise import FEATURES, LEVEL, VoiceRise, rises_of

HEARING = replace(TINY, face_dim=51, body_dim=24, audio_dim=FEATURES)
SHARE = 0.4
BROW, JAW, HEAD = FACE_NAMES.index("browInnerUp"), FACE_NAMES.index("jawOpen"), 3


def ramp(db_per_s, fps_hz, frames=60, start_db=-40.0):
    return start_db + db_per_s * torch.arange(frames)[None] / fps_hz


def hearing(bursts=0.6, share=SHARE):
    model = untrained_checkpoint(HEARING)
    return replace(model, description=replace(model.description, bursts=bursts, burst_voice=share))


def request_of(level, index=0, known=2):
    """A window whose level (B, T) is given, normalised."""
    batch, frames = level.shape
    generator = torch.Generator().manual_seed(index)
    audio = torch.randn(batch, frames, FEATURES, generator=generator)
    audio[..., LEVEL] = level
    given = {
        f"known_{name}": torch.randn(batch, known, dim, generator=generator)
        for name, dim in (("face", 51), ("body", 24))
    }
    return make_request(index, batch=batch, audio=audio, **given)


def loudness(request, branch, model):
    """How loud each channel (B, T, D) is, over its own white noise."""
    shape = (*request.audio.shape[:2], 51 if branch == "expression" else 24)
    noise = WindowNoise(request, branch, shape, model.description.noise_shape(branch))
    return noise.draw(0) / draw_noise(request, branch, 0, shape)


def test_the_level_is_where_the_features_have_it():
    before = sum(list(SpeechFeatureExtractor.groups.values())[:2])
    assert list(SpeechFeatureExtractor.groups)[2] == "level"
    assert (before, sum(SpeechFeatureExtractor.groups.values())) == (LEVEL, FEATURES)


@pytest.mark.parametrize("fps_hz", [15.0, 30.0, 60.0])
def test_a_steady_rise_counts_by_its_root(fps_hz):
    frames = round(2.0 * fps_hz)
    for db_per_s in (20.0, 30.0):
        rising = rises_of(ramp(db_per_s, fps_hz, frames, -60.0), fps_hz)[0, 15:-15]
        torch.testing.assert_close(rising, torch.full_like(rising, (db_per_s**0.5 - 5.5) / 3.0))


def test_a_voice_that_fades_or_pauses_moves_least_and_silence_is_nobody():
    syllables = torch.tensor([-50.0, -20.0] * 3 + [-50.0] * 2).repeat_interleave(8)[None]
    found = rises_of(syllables, 30.0)[0]
    onsets, fades = found[[8, 24, 40]], found[[16, 32, 48]]
    assert (onsets > fades + 1.0).all()
    torch.testing.assert_close(found[-8:], torch.full((8,), -5.5 / 3.0))  # just after speech
    for alone in (torch.full((1, 60), -20.0), ramp(-9.0, 30.0), torch.full((1, 60), -80.0)):
        assert not rises_of(alone, 30.0).any()
    hum = torch.randn(1, 60, generator=torch.Generator().manual_seed(0)) * 0.2 - 40.0
    assert float(rises_of(hum, 30.0).abs().max()) < 0.25


def test_what_no_one_hears_does_not_rise():
    assert not rises_of(ramp(10.0, 30.0, start_db=-80.0), 30.0).any()  # ends at -60 dB


def test_the_number_correlates_with_the_voice_by_its_share():
    level = torch.randn(1000, 60, generator=torch.Generator().manual_seed(0))
    audio = torch.zeros(1000, 60, FEATURES)
    audio[..., LEVEL] = level
    burst = torch.randn(1000, generator=torch.Generator().manual_seed(1))
    rise = rises_of(level * 12.0 - 30.0, 30.0)
    for share in (0.0, SHARE, 1.0):
        number = VoiceRise(share, -30.0, 12.0, 30.0).lead(audio, burst)
        parts = share * rise + (1 - share**2) ** 0.5 * burst[:, None]
        torch.testing.assert_close(number, parts)


def test_head_and_brows_grow_livelier_together_where_the_voice_rises():
    level = torch.full((1, 6), -40.0)  # statistics are those of no one: these are dB
    level[0, 3:] = -10.0
    model = hearing()
    face, body = (loudness(request_of(level), b, model)[0] for b in ("expression", "gesture"))
    torch.testing.assert_close(face[:, BROW], body[:, HEAD], rtol=1e-4, atol=0)
    torch.testing.assert_close(face[:, JAW], torch.ones(6), rtol=1e-4, atol=0)
    flat = loudness(request_of(torch.zeros(1, 6)), "gesture", model)[0]
    assert (body[2:4, HEAD] > 1.05 * flat[2:4, HEAD]).all()
    deaf = loudness(request_of(level), "gesture", hearing(share=0.0))[0]
    torch.testing.assert_close(deaf[:, HEAD], deaf[:1, HEAD].expand(6), rtol=1e-4, atol=0)


def test_rows_hear_their_own_voice():
    level = torch.randn(3, 6, generator=torch.Generator().manual_seed(2)) * 5.0
    joined = request_of(level)
    apart = replace(joined, origins=((0, 0),) * 3)
    alone = [
        replace(joined, audio=joined.audio[row : row + 1], manner=joined.manner) for row in range(3)
    ]
    found = loudness(apart, "gesture", hearing())
    for row, request in enumerate(alone):
        one = loudness(request, "gesture", hearing())
        torch.testing.assert_close(found[row], one[0], rtol=1e-4, atol=0)


def test_recorded_windows_hear_as_plain_ones_do():
    level = torch.randn(2, 6, generator=torch.Generator().manual_seed(3)) * 5.0
    model, request = hearing(), request_of(level)
    with GraphSampler(model, EXACT) as graphs:
        found = graphs.sample_window(request)
    assert distance(found, plain(model=model).sample_window(request)) < 1e-5
    deaf = plain(model=hearing(share=0.0)).sample_window(request)
    assert distance(found, deaf) > 1e-3


@pytest.mark.parametrize("name", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_device_that_draws_its_own_noise_hears_the_same(name):
    model, device = hearing(), torch.device(name)
    level = torch.randn(2, 6, generator=torch.Generator().manual_seed(4)) * 5.0
    request = request_of(level)
    process, branch = sampler(model).process, model.network("lcm").gesture.to(device)
    shape = WindowShape(batch=2, frames=6, emotion=False, host_noise=False)
    tray = Tray(lay_out(branch, shape, 8), device)
    static = StaticBranch(branch, process, process.times(8), shape, tray)
    audio = request.audio.to(device)
    tray["gesture.burst_keys"].copy_(burst_keys(request))
    cold = static._noise(audio)
    tray["gesture.count"][:] = 2.0
    factors = (static._noise(audio)[0, :, :, HEAD] / cold[0, :, :, HEAD]).cpu()  # (B, T)
    number = (factors.log() + 0.6**2 / 2) / 0.6
    rise = rises_of(level, 30.0)  # the statistics of an untrained model are 0 and 1
    burst = (number - SHARE * rise) / (1 - SHARE**2) ** 0.5
    expected = draw_bursts(burst_keys(request))[:, None].expand_as(burst)
    torch.testing.assert_close(burst, expected, rtol=1e-3, atol=1e-3)


def test_descriptions_keep_it_and_refuse_what_makes_no_sense():
    description = hearing().description
    assert ModelDescription.from_dict(description.to_dict()).burst_voice == SHARE
    old = {k: v for k, v in description.to_dict().items() if k != "burst_voice"}
    assert ModelDescription.from_dict(old).burst_voice == 0.0
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(CheckpointError, match="burst_voice"):
            replace(description, burst_voice=wrong)
    other = untrained_checkpoint(replace(HEARING, audio_dim=7)).description
    with pytest.raises(CheckpointError, match="468 features of speech; this model has 7"):
        replace(other, bursts=0.5, burst_voice=0.4).noise_shape("gesture")
