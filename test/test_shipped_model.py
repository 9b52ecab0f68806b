"""What the model that ships must never lose: lips that follow speech, whatever the body does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import welch

from asynfusion_ros.audio.resample import load_audio
from asynfusion_ros.evaluation.coordination import correlate_activities, voice_coordination
from asynfusion_ros.motion.blendshapes import FACE_NAMES, lip_gap, mouth_opening
from asynfusion_ros.networks import Known, MannerBatch
from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.generator import MotionGenerator, open_extractor
from asynfusion_ros.streaming.settings import EngineSettings

WINDOWS = 8


@pytest.fixture(scope="module")
def checkpoint():
    return Checkpoint.load(find_resource("models/small"))


@pytest.fixture(scope="module")
def audio(checkpoint):
    """Features (8, 60, A) of the demo speech, and of as much silence."""
    extractor = open_extractor(checkpoint.description)
    samples = load_audio(find_resource("models/demo/speech.wav"))
    starts = np.linspace(0, len(samples) - extractor.samples_needed, WINDOWS).astype(int)
    pieces = [samples[start:][: extractor.samples_needed] for start in starts]
    silence = [np.zeros_like(piece) for piece in pieces]
    normalise = checkpoint.description.audio.normalise
    return [
        torch.from_numpy(np.stack([normalise(extractor.extract(piece)) for piece in part]))
        for part in (pieces, silence)
    ]


def gaps(checkpoint, method, audio, t_body, seed=0):
    """The lip gaps (8, 60) that the first step of the face sees beside a body at `t_body`."""
    about, network = checkpoint.description, checkpoint.network(method)
    generator = torch.Generator().manual_seed(seed)
    size, frames, _ = audio.shape
    face = torch.randn(size, frames, 51, generator=generator)
    noise = torch.randn(size, frames, 24, generator=generator)
    idle = torch.from_numpy(about.body.normalise(about.idle_body)).expand_as(noise)
    body_times, face_times = torch.full((size,), t_body), torch.full((size,), 999)
    body = about.schedule.add_noise(idle, noise, body_times)
    nothing = torch.zeros(size, frames, 1)
    with torch.inference_mode():
        condition = network.condition(audio, MannerBatch(torch.zeros(size, dtype=torch.long)))
        known = Known(face, nothing), Known(noise, nothing)
        x0, _ = network(face, body, face_times, body_times, condition, *known)
    return lip_gap(about.face.unnormalise(x0.numpy()))


@pytest.mark.parametrize("method", ["ddim", "lcm"])
def test_lips_say_the_same_beside_a_body_at_any_diffusion_time(checkpoint, audio, method):
    """Speech with known articulation has no bodies; a network must not tell it by that."""
    first = gaps(checkpoint, method, audio[0], 999)
    for time in (700, 400, 100):
        later = gaps(checkpoint, method, audio[0], time)
        assert np.corrcoef(first.ravel(), later.ravel())[0, 1] > 0.98
        assert later.std() == pytest.approx(first.std(), rel=0.1)


@pytest.mark.parametrize("method", ["ddim", "lcm"])
def test_speech_moves_the_mouth_and_silence_does_not(checkpoint, audio, method):
    spoken, silent = (gaps(checkpoint, method, part, 999) for part in audio)
    assert spoken.std() > 4 * silent.std()
    again = gaps(checkpoint, method, audio[0], 999, seed=1)
    assert np.corrcoef(spoken.ravel(), again.ravel())[0, 1] > 0.95, "speech decides, not noise"


def slow_power(channels, fps_hz=30.0):
    """Power between 0.2 and 0.6 Hz."""
    frequency, power = welch(channels, fs=fps_hz, nperseg=128, axis=0)
    return float(power[(frequency >= 0.2) & (frequency < 0.6)].sum())


def test_shared_noise_moves_brows_eyes_and_head_further_and_leaves_speech_alone(checkpoint):
    speech = load_audio(find_resource("models/demo/speech.wav"))
    brows, gaze = (
        [index for index, name in enumerate(FACE_NAMES) if name.startswith(part)]
        for part in ("brow", "eyeLook")
    )
    power, opening = [], []
    for shared in (0.0, checkpoint.description.shared_noise):
        about = replace(checkpoint.description, shared_noise=shared)
        settings = EngineSettings(deterministic=True, style="open")
        generator = MotionGenerator.open(replace(checkpoint, description=about), settings)
        clips = generator.generate_many([speech] * 4, seeds=range(4))
        generator.close()
        motions = [(c.face[:, brows], c.face[:, gaze], c.body[:, :6]) for c in clips]
        power.append([sum(map(slow_power, part)) for part in zip(*motions, strict=True)])
        opening.append(np.stack([mouth_opening(clip.face) for clip in clips]).mean(axis=0))
    assert (np.divide(power[1], power[0]) > 1.15).all()
    assert np.corrcoef(opening)[0, 1] > 0.95


def test_bursts_move_head_brows_and_lids_at_the_same_time(checkpoint):
    """In people these correlate by 0.41 (`benchmarks/coordination.py`)."""
    speech = load_audio(find_resource("models/demo/speech.wav"))
    together = []
    for bursts in (0.0, checkpoint.description.bursts):
        about = replace(checkpoint.description, bursts=bursts)
        settings = EngineSettings(deterministic=True, style="anyone=1")
        generator = MotionGenerator.open(replace(checkpoint, description=about), settings)
        clips = generator.generate_many([speech] * 6, seeds=range(6))
        generator.close()
        pairs = [("head", "brows"), ("head", "lids")]
        found = [list(correlate_activities(clip, pairs).values()) for clip in clips]
        together.append(np.mean(found, axis=0))
    assert (together[1] > together[0] + 0.1).all()
    assert (together[1] > 0.2).all()


def test_head_arms_and_brows_move_while_the_voice_grows_and_by_no_other_voice(checkpoint):
    """In people these correlate by 0.3, 0.27 and 0.18 (`benchmarks/coordination.py`)."""
    speech = load_audio(find_resource("models/demo/speech.wav"))
    settings = EngineSettings(deterministic=True, style="anyone=1")
    generator = MotionGenerator.open(checkpoint, settings)
    clips = generator.generate_many([speech] * 8, seeds=range(8))
    generator.close()
    parts = ("head", "hands", "brows")
    for samples, least, most in ((speech, 0.1, 0.6), (speech[::-1], -0.3, 0.1)):
        found = [list(voice_coordination(clip, samples, parts).values()) for clip in clips]
        mean = np.mean(found, axis=0)
        assert (least < mean).all(), mean
        assert (mean < most).all(), mean


@pytest.mark.parametrize("name", ["smile", "gaze_side", "hands_side"])
def test_whoever_asks_for_a_style_sees_it(checkpoint, name):
    """Told two deviations apart, by the same noise, somebody moves visibly apart."""
    about, speech = checkpoint.description, load_audio(find_resource("models/demo/speech.wav"))
    found = []
    for asked in (-1.0, 1.0):
        settings = EngineSettings(deterministic=True, style=f"anyone=1, {name}={asked}")
        generator = MotionGenerator.open(checkpoint, settings)
        clips = generator.generate_many([speech] * 2, seeds=range(2))
        generator.close()
        column = about.style_names.index(name)
        found.append(np.mean([about.people.measure(clip)[column] for clip in clips]))
    assert found[1] - found[0] > 0.3
