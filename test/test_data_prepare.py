"""Prepared windows: the features of streaming, the rested mouths, and nothing of the test takes."""

import numpy as np
import pytest
from training_helpers import make_recording

from asynfusion_ros.audio.features import SpeechFeatureExtractor
from asynfusion_ros.data.prepare import ARRAYS, prepare, speaker_ids
from asynfusion_ros.data.windows import CHANGES, PrepareSettings, cut_windows
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES, mouth_opening
from asynfusion_ros.streaming.windows import WindowPlan

MOUTH = np.isin(FACE_NAMES, MOUTH_NAMES)


PLAIN = PrepareSettings(**{f"{change}_share": 0.0 for change in CHANGES[1:]})


@pytest.fixture(scope="module")
def extractor():
    return SpeechFeatureExtractor()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    recordings = [
        make_recording("a", seconds=4.0),
        make_recording("b", "val", source="other", seconds=3.0),
        make_recording("secret", "test", seconds=3.0),
    ]
    settings = PLAIN.replace(stride_frames=30)
    return recordings, folder, prepare(recordings, [], folder, settings)


def load(folder, name):
    return np.load(folder / f"{name}.npy", allow_pickle=False)


def test_windows_are_the_recording_at_their_starts(prepared, extractor):
    (first, *_), folder, manifest = prepared
    assert manifest["windows"] == 3 + 2
    faces, audio = load(folder, "face"), load(folder, "audio")
    for index, start in enumerate((0, 30, 60)):
        np.testing.assert_allclose(faces[index], first.clip.face[start : start + 60], atol=1e-3)
        samples = np.pad(first.samples, (0, 1600))[start * 1600 // 3 :][:33600]
        features = extractor.extract(samples)
        np.testing.assert_array_equal(audio[index], features.astype(np.float16))


def test_workers_change_nothing_but_the_time(tmp_path, monkeypatch):
    recordings = [make_recording(name, seconds=4.0) for name in "ab"]
    settings = PrepareSettings(stride_frames=3)
    for cores in (1, 3):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        manifest = prepare(recordings, [], tmp_path / str(cores), settings)
    assert manifest["windows"] > 3 * 16  # more than one round of three workers
    for name in ARRAYS:
        alone, together = (load(tmp_path / cores, name) for cores in "13")
        np.testing.assert_array_equal(alone, together)


def test_a_stream_would_hear_the_same_window(extractor):
    """The streaming plan asks for the very samples that training windows are cut from."""
    recording = make_recording("a", seconds=4.0)
    plan = WindowPlan(12, 60, 1600)
    index = 7  # its frames are 36 to 96
    start = plan.first_sample(index) * 30 // 16000
    windows = list(cut_windows([recording], extractor, PLAIN.replace(stride_frames=start)))
    first = plan.first_sample(index)
    heard = recording.samples[first : first + plan.sample_count]
    assert any(np.array_equal(w.samples, heard) for w in windows)


def test_no_test_take_is_prepared_and_speakers_are_sources(prepared):
    recordings, folder, manifest = prepared
    assert [take["name"] for take in manifest["takes"]] == ["a", "b"]
    assert manifest["speakers"] == speaker_ids(recordings) == {"other": 1, "source": 2}
    assert load(folder, "speaker").tolist() == [2, 2, 2, 1, 1]
    assert load(folder, "take").tolist() == [0, 0, 0, 1, 1]


def test_rests_mute_the_sound_and_close_the_mouth(extractor):
    recording = make_recording("a", seconds=20.0)
    settings = PLAIN.replace(rest_share=1.0, rest_amplitude=0.4)
    windows = list(cut_windows([recording], extractor, settings))
    assert len(windows) % 2 == 0
    silent = 0
    for spoken, rested in zip(windows[::2], windows[1::2], strict=True):
        np.testing.assert_allclose(rested.face[:, ~MOUTH], spoken.face[:, ~MOUTH], atol=1e-6)
        level = np.square(rested.samples[:32000].reshape(-1, 1600)).mean(axis=1)
        quiet = np.repeat(level < 1e-5, 3)
        if quiet.all():
            silent += 1
            assert np.ptp(mouth_opening(rested.face)) < 1e-5
            moved = np.abs(np.diff(rested.body, axis=0)).mean()
            assert moved == pytest.approx(
                0.4 * np.abs(np.diff(spoken.body, axis=0)).mean(), rel=0.1
            )
        changed = np.abs(rested.samples - spoken.samples)[:32000].reshape(-1, 1600).max(axis=1)
        heard = np.repeat(changed < 0.01, 3)
        np.testing.assert_allclose(rested.face[heard], spoken.face[heard], atol=0.1)
    assert silent >= len(windows) // 10


def test_preparing_twice_gives_the_same(prepared, tmp_path):
    recordings, folder, _ = prepared
    prepare(recordings, [], tmp_path, PLAIN.replace(stride_frames=30))
    for name in ("audio", "face", "body"):
        assert np.array_equal(load(folder, name), load(tmp_path, name))


def test_takes_shorter_than_a_window_are_an_error(tmp_path):
    with pytest.raises(DataError, match="no take that may train is as long"):
        prepare([make_recording("a", seconds=1.0)], [], tmp_path, PrepareSettings())
