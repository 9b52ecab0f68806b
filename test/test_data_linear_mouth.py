"""Tracked mouths are moved as a linear map of their speech says, and nothing else is touched."""

import json

import numpy as np
import pytest
from training_helpers import make_recording

from asynfusion_ros.data.linear_mouth import CHANNELS, replace_mouths
from asynfusion_ros.data.prepare import prepare
from asynfusion_ros.data.windows import PrepareSettings

OTHERS = np.setdiff1d(np.arange(51), CHANNELS)
WINDOWS, FRAMES, FEATURES = 80, 60, 12


@pytest.fixture
def tracked():
    """Features, what a linear map of them says of mouths, and faces tracked with large errors."""
    rng = np.random.default_rng(0)
    audio = rng.normal(size=(WINDOWS, FRAMES, FEATURES)).cumsum(axis=1)
    audio = (audio / 4.0).astype(np.float16)
    truth = audio.astype(np.float64) @ rng.normal(size=(FEATURES, len(CHANNELS)))
    truth -= truth.mean(axis=1, keepdims=True)
    truth /= truth.std(axis=1, keepdims=True)
    face = np.full((WINDOWS, FRAMES, 51), 0.5)
    face[:, :, CHANNELS] += 0.05 * truth + 0.05 * rng.normal(size=truth.shape)
    return audio, truth, face.astype(np.float16)


def correlation(first, second):
    """Mean over windows and channels of the correlation over frames."""
    a, b = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    return ((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))).mean()


def test_the_course_is_the_speech_s_and_level_and_spread_the_window_s(tracked):
    audio, truth, face = tracked
    before = face.copy()
    replace_mouths(audio, face, np.arange(WINDOWS), 1.0)
    was, now = (f[:, :, CHANNELS].astype(np.float64) for f in (before, face))
    assert correlation(was, truth) < 0.8
    assert correlation(now, truth) > 0.9
    np.testing.assert_allclose(now.mean(axis=1), was.mean(axis=1), atol=0.03)
    assert now.std() == pytest.approx(was.std(), rel=0.1)
    assert (face[:, :, OTHERS] == before[:, :, OTHERS]).all()


def test_a_share_lies_between(tracked):
    audio, truth, face = tracked
    found = []
    for share in (0.0, 0.5, 1.0):
        moved = face.copy()
        replace_mouths(audio, moved, np.arange(WINDOWS), share)
        found.append(correlation(moved[:, :, CHANNELS].astype(np.float64), truth))
        assert share or (moved == face).all()
    assert found[0] < found[1] < found[2]


def test_only_the_windows_that_are_named_are_touched_and_taught_from(tracked):
    audio, _, face = tracked
    rows = np.arange(0, WINDOWS, 2)
    others = np.arange(1, WINDOWS, 2)
    spoilt = face.copy()
    spoilt[others] = np.random.default_rng(1).uniform(size=spoilt[others].shape)
    kept = spoilt[others].copy()
    replace_mouths(audio, spoilt, rows, 0.8)
    alone = face.copy()
    replace_mouths(audio, alone, rows, 0.8)
    assert (spoilt[others] == kept).all()
    np.testing.assert_array_equal(spoilt[rows], alone[rows])


def test_mouths_that_never_move_stay_as_they_are_and_nothing_leaves_its_range(tracked):
    audio, _, face = tracked
    face[3] = 0.25
    face[4] = np.where(np.arange(51) == CHANNELS[0], 1.0, face[4])
    replace_mouths(audio, face, np.arange(WINDOWS), 1.0)
    np.testing.assert_allclose(face[3].astype(float), 0.25, atol=1e-3)
    assert np.isfinite(face).all()
    assert face.min() >= 0.0
    assert face.max() <= 1.0


def test_preparing_moves_training_takes_alone_and_rests_stay_rests(tmp_path):
    mouth_only = make_recording("mouth", seconds=4.0)
    mask = np.zeros_like(mouth_only.clip.face)
    mask[:, CHANNELS] = 1.0
    object.__setattr__(mouth_only.clip, "face_mask", mask)
    takes = [make_recording("a", seconds=6.0), make_recording("b", "val", seconds=4.0), mouth_only]
    settings = PrepareSettings(stride_frames=15, rest_share=1.0, pace_share=0.0)
    found = {}
    for share in (0.0, 0.75):
        out = tmp_path / str(share)
        prepare(takes, [], out, settings.replace(linear_mouth_share=share))
        found[share] = {
            name: np.load(out / f"{name}.npy") for name in ("face", "take", "body", "audio")
        }
        assert (
            json.loads((out / "manifest.json").read_text())["settings"]["linear_mouth_share"]
            == share
        )
    plain, moved = found[0.0], found[0.75]
    for name in ("take", "body", "audio"):
        assert (plain[name] == moved[name]).all()
    changed = (plain["face"] != moved["face"]).any(axis=(1, 2))
    assert set(plain["take"][changed]) == {0}
    resting = (np.diff(plain["face"][:, :, CHANNELS], axis=1) == 0).all(axis=2).sum(axis=1) >= 4
    assert changed.any()
    assert resting.any()
    assert not (changed & resting).any()
