import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from asynfusion_ros.audio import models
from asynfusion_ros.audio.features import FeatureSettings, SpeechFeatureExtractor
from asynfusion_ros.audio.mel import log_mel, mel_filters
from asynfusion_ros.audio.resample import load_audio
from asynfusion_ros.audio.ring import AudioRing
from asynfusion_ros.errors import AudioError, CheckpointError, ConfigError

SPEECH = Path(__file__).parent / "fixtures" / "hello.flac"
TIME_S = np.arange(33600) / 16000


@pytest.fixture(scope="module")
def extractor():
    return SpeechFeatureExtractor()


@pytest.fixture(scope="module")
def speech():
    return load_audio(SPEECH)


def group(features, name):
    sizes = SpeechFeatureExtractor.groups
    first = sum(sizes[other] for other in list(sizes)[: list(sizes).index(name)])
    return features[:, first : first + sizes[name]]


def test_a_window_gives_468_finite_channels_at_30_hz(extractor, speech):
    features = extractor.extract(speech[: extractor.samples_needed])
    assert extractor.samples_needed == 33600
    assert extractor.dim == 468
    assert features.shape == (60, 468)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


@pytest.mark.parametrize("sizes", [[160], [1, 7, 997], [4096]])
def test_streamed_features_equal_those_of_the_file(extractor, speech, sizes):
    ring, start = AudioRing(40000), 0
    while start < 33600 + 1600:
        size = sizes[start % len(sizes)]
        ring.append(speech[start : start + size])
        start += size
    streamed = extractor.extract(ring.read(1600, 33600))
    assert (streamed == extractor.extract(speech[1600:35200])).all()


def test_features_do_not_depend_on_what_was_extracted_before(extractor, speech):
    first = extractor.extract(speech[:33600])
    extractor.extract(speech[8000:41600])
    assert (extractor.extract(speech[:33600]) == first).all()


@pytest.mark.parametrize("amplitude", [0.0, 1e-6, 1e4])
def test_silence_and_overload_stay_finite(extractor, amplitude):
    square = amplitude * np.sign(np.sin(2 * np.pi * 100 * TIME_S))
    features = extractor.extract(square.astype(np.float32))
    assert np.isfinite(features).all()


def test_silence_has_no_pitch_no_onset_and_the_lowest_level(extractor):
    features = extractor.extract(np.zeros(33600, np.float32))
    assert (group(features, "level") == -80).all()
    assert (group(features, "onset") == 0).all()
    assert (group(features, "pitch") == 0).all()


def test_pitch_is_counted_in_octaves_about_150_hz(extractor):
    voice = sum(np.sin(2 * np.pi * 220 * h * TIME_S) / h for h in (1, 2, 3, 4))
    pitch = group(extractor.extract((0.3 * voice).astype(np.float32)), "pitch")
    assert pitch[5:-5, 0] == pytest.approx(np.log2(220 / 150), abs=0.03)
    assert (pitch[5:-5, 1] > 0.5).all()


def test_a_click_shows_at_its_own_frame(extractor):
    samples = np.zeros(33600, np.float32)
    samples[16000:16160] = 0.5  # frame 30
    features = extractor.extract(samples)
    assert abs(int(group(features, "onset").argmax()) - 30) <= 1
    level = group(features, "level")[:, 0]
    assert level[30] > -20
    assert (level[np.abs(np.arange(60) - 30) > 2] == -80).all()


def test_the_encoder_still_says_what_it_said_when_it_was_made(extractor):
    chirp = (0.5 * np.sin(2 * np.pi * (200 * TIME_S + 400 * TIME_S**2))).astype(np.float32)
    encoded = group(extractor.extract(chirp), "whisper")
    golden = [
        [-1.1700, -1.5108, -0.5933],
        [-0.0740, -2.2570, 1.7944],
        [0.6567, -0.6841, 0.5741],
    ]
    assert encoded[[0, 30, 59]][:, [0, 100, 383]] == pytest.approx(np.array(golden), abs=0.02)
    assert encoded.std() == pytest.approx(1.1232, abs=0.01)


def test_a_wrong_length_and_nan_are_refused(extractor):
    with pytest.raises(AudioError, match="33600 samples"):
        extractor.extract(np.zeros(32000, np.float32))
    with pytest.raises(AudioError, match="NaN"):
        extractor.extract(np.full(33600, np.nan, np.float32))


def test_windows_the_encoder_cannot_take_are_refused():
    with pytest.raises(ConfigError, match="at most"):
        FeatureSettings(window_frames=200)
    with pytest.raises(ConfigError, match=r"be 2\.1 s"):
        SpeechFeatureExtractor(FeatureSettings(window_frames=30))


@pytest.mark.slow  # librosa imports for ten seconds
def test_mel_filters_are_those_of_librosa():
    librosa = pytest.importorskip("librosa")
    theirs = librosa.filters.mel(sr=16000, n_fft=400, n_mels=80)
    assert np.abs(mel_filters() - theirs).max() < 1e-6


def test_log_mel_is_whispers(speech):
    signal = pytest.importorskip("scipy.signal")
    padded = np.pad(speech.astype(np.float64), 200, mode="reflect")
    window = signal.get_window("hann", 400)  # periodic
    columns = len(speech) // 160
    frames = np.stack([padded[160 * i : 160 * i + 400] for i in range(columns)])
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    logarithm = np.log10(np.maximum(mel_filters() @ power.T, 1e-10))
    expected = (np.maximum(logarithm, logarithm.max() - 8) + 4) / 4
    assert log_mel(speech).shape == (80, columns)
    assert np.abs(log_mel(speech) - expected).max() < 1e-4


def test_a_changed_model_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.onnx").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    (tmp_path / "manifest.json").write_text(json.dumps({"a.onnx": {"sha256": digest}}))
    monkeypatch.setattr(models, "find_resource", lambda _: tmp_path)
    verify = models.verify_model.__wrapped__
    assert verify("a.onnx") == tmp_path / "a.onnx"
    (tmp_path / "a.onnx").write_bytes(b"weighty")
    with pytest.raises(CheckpointError, match="corrupt"):
        verify("a.onnx")
    with pytest.raises(CheckpointError, match="reinstall"):
        verify("b.onnx")
    shutil.rmtree(tmp_path)
    with pytest.raises(CheckpointError, match="reinstall"):
        verify("a.onnx")


def test_every_carried_model_has_a_licence_beside_it():
    folder = models.find_resource(models.SPEECH_MODELS)
    for name, about in json.loads((folder / "manifest.json").read_text()).items():
        models.verify_model(name)
        stem = name.removesuffix(".onnx").removesuffix("_16k")
        assert about["licence"] in (folder / f"LICENSE.{stem}.txt").read_text()
