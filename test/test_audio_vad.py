from pathlib import Path

import numpy as np
import pytest

from asynfusion_ros.audio.resample import load_audio
from asynfusion_ros.audio.vad import FRAME_SAMPLES, VadSettings, VoiceActivityDetector
from asynfusion_ros.errors import ConfigError


@pytest.fixture(scope="module")
def speech():
    return load_audio(Path(__file__).parent / "fixtures" / "hello.flac")


@pytest.fixture
def detector():
    return VoiceActivityDetector()


def test_speech_is_heard_where_it_is(detector, speech):
    probability = detector.process(speech)
    time_s = np.arange(len(probability)) * FRAME_SAMPLES / 16000
    assert (probability[(time_s > 0.6) & (time_s < 1.4)] > 0.5).mean() > 0.9
    assert (probability[time_s > 2.2] < 0.1).all()
    assert not detector.speaking


@pytest.mark.parametrize("level", [0.0, 0.003])
def test_silence_and_hiss_are_no_speech(detector, level):
    hiss = level * np.random.default_rng(0).standard_normal(32000)
    assert (detector.process(hiss.astype(np.float32)) < 0.35).all()
    assert not detector.speaking


def test_the_sizes_of_chunks_change_nothing(detector, speech):
    whole = detector.process(speech)
    detector.reset()
    parts = [detector.process(speech[i : i + 333]) for i in range(0, len(speech), 333)]
    assert (np.concatenate(parts) == whole).all()


def test_reset_forgets(detector, speech):
    first = detector.process(speech[:24000])
    assert detector.speaking
    detector.reset()
    assert not detector.speaking
    assert (detector.process(speech[:24000]) == first).all()


def test_the_state_holds_through_short_silence(detector):
    frames = round(0.3 * 16000 / FRAME_SAMPLES)
    spoken, states = [0.4, 0.6, 0.4] + [0.1] * frames + [0.4] + [0.1] * (frames + 1), []
    for probability in spoken:
        detector._follow(probability)
        states.append(detector.speaking)
    assert states == [False] + [True] * (len(spoken) - 2) + [False]


def test_thresholds_out_of_order_are_refused():
    with pytest.raises(ConfigError, match="above start_probability"):
        VadSettings(start_probability=0.3, stop_probability=0.6)
