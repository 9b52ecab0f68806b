"""The real generator with a tiny untrained network: files and streams give the same motion."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from streaming_stubs import IDLE_BODY, IDLE_FACE, RATE_HZ, StubJoints, settle, speech_like

from asynfusion_ros.audio.features import FeatureSettings
from asynfusion_ros.errors import AudioError, CheckpointError, ConfigError
from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.streaming.clock import FakeClock
from asynfusion_ros.streaming.engine import AvatarEngine
from asynfusion_ros.streaming.generator import MotionGenerator, open_extractor, open_sampler
from asynfusion_ros.streaming.governor import Steps
from asynfusion_ros.streaming.settings import EngineSettings

NETWORK = NetworkSettings(audio_dim=4, width=16, depth=2, heads=2, speakers=3)
START_S = 5000.0


class LoudnessExtractor:
    """A cheap feature that depends on every sample of the window."""

    samples_needed = 33600

    def extract(self, samples):
        blocks = samples[:32000].reshape(20, 4, 400).astype(np.float64)
        level = np.repeat(np.sqrt((blocks**2).mean(axis=2)), 3, axis=0)
        return (level + samples[32000:].mean()).astype(np.float32)


def make_generator(cutoff_hz=15.0, network=NETWORK, **settings):
    torch.set_num_threads(1)
    settings = EngineSettings(
        deterministic=True, expression_steps=2, gesture_steps=3, seed=11, **settings
    )
    checkpoint = untrained_checkpoint(network)
    description = replace(checkpoint.description, body_cutoff_hz=cutoff_hz)
    checkpoint = replace(checkpoint, description=description)
    sampler = open_sampler(checkpoint, settings.sampler_settings())
    return MotionGenerator(checkpoint, LoudnessExtractor(), sampler, settings)


@pytest.fixture
def generator():
    made = make_generator()
    yield made
    made.close()


def test_a_clip_has_a_frame_for_every_thirtieth_of_a_second(generator):
    for samples, frames in ((RATE_HZ, 30), (RATE_HZ + 1, 31), (1, 1), (7000, 14)):
        clip = generator.generate(speech_like(2.0)[:samples])
        assert clip.face.shape == (frames, 51)
        assert clip.body.shape == (frames, 24)
        assert clip.face.min() >= 0
        assert clip.face.max() <= 1


def test_progress_counts_every_window(generator):
    seen = []
    generator.generate(speech_like(2.0), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 5) for n in range(1, 6)]


def test_the_same_state_and_samples_give_the_same_motion(generator):
    samples = speech_like(2.1)
    chunk, after = generator.step(samples, generator.begin())
    again, _ = generator.step(samples, generator.begin())
    assert (chunk.face == again.face).all()
    assert (chunk.body == again.body).all()
    later, _ = generator.step(samples, after)
    assert (later.body != again.body).any()
    assert chunk.first_frame == 0
    assert later.first_frame == 12


def test_a_window_leaves_its_last_frames_to_the_next(generator):
    _, after = generator.step(speech_like(2.1), generator.begin())
    assert after.index == 1
    assert after.face.shape == (48, 51)
    assert after.body.shape == (48, 24)
    assert after.skip_to(9).face is None


@pytest.mark.parametrize("hop", [3, 30, 60])
def test_other_hops_work(hop):
    made = make_generator(hop_frames=hop)
    clip = made.generate(speech_like(2.5))
    made.close()
    assert len(clip.face) == 75
    assert np.isfinite(clip.body).all()


@pytest.mark.parametrize("execution", ["threaded", "sequential"])
def test_a_live_stream_in_odd_chunks_equals_the_whole_file(execution):
    samples = speech_like(2.7)
    offline = make_generator(execution=execution)
    clip = offline.generate(samples)
    offline.close()
    live = make_generator(execution=execution)
    clock = FakeClock(START_S)
    engine = AvatarEngine(live, StubJoints(), (IDLE_FACE, IDLE_BODY), live.settings, clock=clock)
    rng, start = np.random.default_rng(5), 0
    while start < len(samples):
        size = int(rng.integers(1, 5000))
        engine.push_audio(START_S + start / RATE_HZ, samples[start : start + size], RATE_HZ)
        start += size
        clock.advance(max(0.0, START_S + start / RATE_HZ - clock.now_s()))
        engine.advance()
    for _ in range(10):
        clock.advance(0.1)
        settle(engine)
    track = engine._queue._tracks[0]
    for frame in range(len(clip.face)):
        assert track._number[frame] == frame
        assert (track._face[frame] == clip.face[frame]).all()
        assert (track._body[frame] == clip.body[frame]).all()
    live.close()


class BrokenSampler:
    """Gives NaN in one frame of face and one of body."""

    def __init__(self, inner):
        self.inner = inner

    def sample_window(self, request):
        result = self.inner.sample_window(request)
        face, body = result.face.clone(), result.body.clone()
        face[0, 50], body[0, 55] = torch.nan, torch.inf
        return replace(result, face=face, body=body)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_nan_of_the_model_never_leaves(generator):
    generator._sampler = BrokenSampler(generator._sampler)
    chunk, after = generator.step(speech_like(2.1), generator.begin())
    assert chunk.nan_frames == 2
    assert (chunk.face[50 - 48] == chunk.face[49 - 48]).all()
    assert (chunk.body[55 - 48] == chunk.body[54 - 48]).all()
    assert np.isfinite(after.face).all()
    assert np.isfinite(after.body).all()


def test_steps_change_between_windows(generator):
    samples = speech_like(2.1)
    few, _ = generator.step(samples, generator.begin(), Steps(1, 1))
    full, _ = generator.step(samples, generator.begin(), Steps(2, 3))
    same, _ = generator.step(samples, generator.begin())
    assert (few.body != full.body).any()
    assert (full.body == same.body).all()


def test_what_does_not_fit_is_refused(generator):
    with pytest.raises(AudioError, match="33600"):
        generator.step(speech_like(1.0), generator.begin())
    with pytest.raises(AudioError, match="not empty"):
        generator.generate(np.zeros(0, np.float32))
    with pytest.raises(ConfigError, match=r"0\.\.2"):
        generator.begin(manner=Manner(speaker=3))
    extractor = LoudnessExtractor()
    extractor.samples_needed = 100
    with pytest.raises(ConfigError, match="trained with"):
        MotionGenerator(
            untrained_checkpoint(NETWORK), extractor, generator._sampler, generator.settings
        )


def test_a_model_of_other_features_is_refused():
    about = untrained_checkpoint(NETWORK).description
    ours = FeatureSettings()
    trained = replace(about, features=ours.to_dict(), features_sha256=ours.identity)
    assert open_extractor(trained).samples_needed == ours.samples_needed
    with pytest.raises(CheckpointError, match="train it again"):
        open_extractor(replace(trained, features_sha256="0" * 64))
    assert FeatureSettings(look_ahead_s=0.2).identity != ours.identity


def test_a_body_holds_nothing_faster_than_the_bodies_it_was_learned_from():
    def energy_above_8_hz(cutoff_hz):
        generator = make_generator(cutoff_hz)
        body = generator.generate(speech_like(4.0)).body
        generator.close()
        power = np.abs(np.fft.rfft(body - body.mean(axis=0), axis=0)) ** 2
        return power[np.fft.rfftfreq(len(body), 1 / 30) > 8.0].sum()

    assert energy_above_8_hz(4.0) < 0.05 * energy_above_8_hz(15.0)


def test_streams_that_are_sampled_together_move_as_they_would_alone(generator):
    sound = speech_like(3.0)
    recordings = [sound, sound[: RATE_HZ + 200], sound[7000:]]
    together = generator.generate_many(recordings, seeds=[3, 4, 3])
    for clip, samples, seed in zip(together, recordings, (3, 4, 3), strict=True):
        alone = generator.generate(samples, seed=seed)
        assert clip.face.shape == alone.face.shape
        np.testing.assert_allclose(clip.face, alone.face, atol=2e-5)
        np.testing.assert_allclose(clip.body, alone.body, atol=2e-5)
    assert generator.generate_many([]) == []


def test_streams_with_manners_of_their_own_keep_them(generator):
    silence = np.zeros(generator.plan.sample_count, np.float32)
    manners = [Manner(speaker=1), Manner(speaker=2)]
    states = [generator.begin(manner=manner) for manner in manners]
    for _ in range(2):
        together = generator.step_many([silence, silence], states)
        alone = [generator.step(silence, state) for state in states]
        for (chunk, _), (own, _) in zip(together, alone, strict=True):
            np.testing.assert_allclose(chunk.body, own.body, atol=2e-5)
        states = [after for _, after in alone]
    assert np.abs(alone[0][0].body - alone[1][0].body).max() > 1e-3


def test_styles_may_be_numbers_of_any_library():
    generator = make_generator(network=replace(NETWORK, styles=2))
    made = [
        generator.generate_many([speech_like(1.0)], [0], [Manner(style=tuple(style))])[0]
        for style in ([0.5, -1.0], np.array([0.5, -1.0]), np.array([0.5, -1.0], np.float32))
    ]
    generator.close()
    for clip in made[1:]:
        assert np.array_equal(clip.face, made[0].face)


def test_a_stream_that_begins_is_not_sampled_with_one_that_goes_on(generator):
    silence = np.zeros(generator.plan.sample_count, np.float32)
    _, later = generator.step(silence, generator.begin())
    with pytest.raises(AudioError, match="apart"):
        generator.step_many([silence, silence], [generator.begin(), later])


def test_shorter_windows_go_on_where_the_motion_was_and_grow_again():
    generator, rng = make_generator(), np.random.default_rng(0)
    samples = rng.normal(0, 0.1, generator.plan.sample_count).astype(np.float32)
    state = generator.begin()
    for overlap in (None, 12, 12, 24, None, 0, None):
        chunk, after = generator.step(samples, state, Steps(2, 3, overlap))
        assert chunk.face.shape == (generator.plan.hop_frames, 51)
        assert len(after.face) == len(after.body) == generator.plan.known_frames
        if state.face is not None:  # what was known stays known
            kept = generator.plan.known_frames - generator.plan.hop_frames
            assert np.array_equal(after.face[:kept], state.face[-kept:])
        state = after
    short = generator.begin()
    for expected in (24, 36, 48, 48):
        _, short = generator.step(samples, short, Steps(2, 3, 12))
        assert len(short.face) == expected
    generator.close()
