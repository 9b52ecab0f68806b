"""Changed windows stay true: sound and motion in step, levels as asked, closed lips closed."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from training_helpers import make_prepared, make_recording

from asynfusion_ros.audio.features import SpeechFeatureExtractor
from asynfusion_ros.data import augment
from asynfusion_ros.data.prepare import prepare
from asynfusion_ros.data.talk30 import mirror_body
from asynfusion_ros.data.windows import (
    CHANGES,
    Plan,
    PrepareSettings,
    cut_windows,
    make_window,
    plan_windows,
)
from asynfusion_ros.motion.blendshapes import FACE_NAMES, mirror_face
from asynfusion_ros.motion.rotations import geodesic_angle_rad
from asynfusion_ros.training.batches import PreparedWindows
from asynfusion_ros.training.settings import TrainSettings

JAW = FACE_NAMES.index("jawOpen")
SHARES = {f"{change}_share": 1.0 for change in CHANGES[1:]}


@pytest.fixture(scope="module")
def extractor():
    return SpeechFeatureExtractor()


def window_of(recording, change, extractor, start=60):
    settings = PrepareSettings()
    return make_window(recording, Plan(0, start, change), extractor, settings)


def envelope(samples):
    """Loudness of each 30 Hz frame."""
    edges = np.round(np.arange(61) * 1600 / 3).astype(int)
    return np.array([np.abs(samples[a:b]).mean() for a, b in itertools.pairwise(edges)])


def test_pace_moves_pitch_and_places_alike():
    seconds = np.arange(40_000) / 16000
    tone = np.sin(2 * np.pi * 200 * seconds).astype(np.float32)
    faster = augment.change_pace(tone, 1.1, 33_600)
    spectrum = np.abs(np.fft.rfft(faster * np.hanning(33_600)))
    assert np.argmax(spectrum) * 16000 / 33_600 == pytest.approx(220, abs=0.5)
    click = np.zeros(40_000, np.float32)
    click[22_000] = 1.0
    assert np.argmax(augment.change_pace(click, 1.1, 33_600)) == 20_000
    assert np.argmax(augment.change_pace(click, 0.9, 33_600)) == pytest.approx(24_444, abs=1)


def test_at_another_pace_the_jaw_still_follows_the_sound(extractor):
    recording = make_recording("a", seconds=8.0)
    for start in range(30, 150, 30):
        window = window_of(recording, "pace", extractor, start)
        heard = envelope(window.samples[:32_000])
        shift = {
            lag: np.corrcoef(heard[5:-5], window.face[5 + lag : 55 + lag, JAW])[0, 1]
            for lag in range(-3, 4)
        }
        assert max(shift, key=shift.get) == 0
        assert shift[0] > 0.9
        plain = window_of(recording, "none", extractor, start)
        assert np.abs(window.face[30:] - plain.face[30:]).max() > 0.01


def test_pace_at_the_end_of_a_take_needs_no_more_than_there_is(extractor):
    recording = make_recording("a", seconds=2.0)
    window = window_of(recording, "pace", extractor, start=0)
    assert window.face.shape == (60, 51)
    assert window.samples.shape == (33_600,)


@pytest.mark.parametrize("snr_db", [5.0, 20.0])
@pytest.mark.parametrize("tilt", [0.0, 1.0])
def test_noise_is_as_loud_as_asked(snr_db, tilt):
    rng = np.random.default_rng(0)
    sound = np.sin(np.arange(33_600) / 9).astype(np.float32)
    noise = augment.add_noise(sound, snr_db, tilt, rng) - sound
    measured = 10 * np.log10(np.square(sound).mean() / np.square(noise).mean())
    assert measured == pytest.approx(snr_db, abs=0.1)
    power = np.square(np.abs(np.fft.rfft(noise)))
    octaves = [power[n : 2 * n].sum() for n in (256, 1024, 4096)]
    fall = np.diff(np.log2(octaves)) / 2  # per octave: white grows by 1, pink keeps its power
    np.testing.assert_allclose(fall, 1.0 - tilt, atol=0.2)


def test_noise_on_silence_is_faint():
    noise = augment.add_noise(np.zeros(1600), 5.0, 1.0, np.random.default_rng(0))
    assert 0 < np.abs(noise).max() < 1e-3


@pytest.mark.parametrize("decay_s", [0.2, 0.5])
def test_a_room_rings_as_long_as_asked(decay_s):
    response = augment.room_response(decay_s, 0.5, np.random.default_rng(0)).astype(float)
    assert response[0] == 1.0
    assert np.square(response[1:]).sum() == pytest.approx(0.5, rel=1e-3)
    left = np.cumsum(np.square(response[1:])[::-1])[::-1]  # Schroeder's backward integral
    level = 10 * np.log10(left / left[0])
    high, low = np.argmax(level < -5), np.argmax(level < -25)
    assert 3 * (low - high) / 16000 == pytest.approx(decay_s, rel=0.15)


def test_in_a_room_the_direct_sound_is_not_late_and_earlier_sound_still_rings():
    response = augment.room_response(0.3, 0.5, np.random.default_rng(0))
    sound = np.zeros(30_000)
    sound[20_000] = 1.0
    heard = augment.play_in_room(sound, response, 20_000)
    assert np.argmax(np.abs(heard)) == 10_000
    assert not np.abs(heard[:9_999]).max() > 1e-6
    before = np.zeros(30_000)
    before[9_000:10_000] = 1.0
    before[10_000:] = 1e-3
    assert np.abs(augment.play_in_room(before, response, 20_000)[:500]).max() > 1e-3


def test_gain_is_clipped_as_a_microphone_would():
    sound = np.array([0.1, -0.6, 0.9], np.float32)
    np.testing.assert_allclose(augment.change_gain(sound, -20.0), sound / 10, rtol=1e-5)
    np.testing.assert_allclose(augment.change_gain(sound, 6.0206), [0.2, -1.0, 1.0], rtol=1e-4)


def test_closed_lips_and_eyes_stay_as_they_are():
    face = np.random.default_rng(0).uniform(0, 1, (20, 51)).astype(np.float32)
    face[3, JAW] = 0.0
    larger = augment.scale_face(face, 1.2)
    assert larger[3, JAW] == 0.0
    np.testing.assert_allclose(larger[:, JAW], np.minimum(1.2 * face[:, JAW], 1.0), rtol=1e-6)
    eyes = [index for index, name in enumerate(FACE_NAMES) if name.startswith("eye")]
    np.testing.assert_array_equal(larger[:, eyes], face[:, eyes])


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.2])
def test_bodies_turn_further_from_their_mean(factor):
    body = make_recording("a").clip.body
    centre = augment.mean_body(body)
    scaled = augment.scale_body(body, centre, factor).reshape(-1, 8, 3)
    middle = np.broadcast_to(centre.reshape(8, 3), scaled.shape)
    before = geodesic_angle_rad(body.reshape(-1, 8, 3), middle)
    np.testing.assert_allclose(geodesic_angle_rad(scaled, middle), factor * before, atol=1e-5)


def test_what_a_change_is_not_about_stays(extractor):
    recording = make_recording("a", seconds=8.0)
    plain = window_of(recording, "none", extractor)
    for change in ("noise", "room", "gain"):
        window = window_of(recording, change, extractor)
        np.testing.assert_array_equal(window.face, plain.face)
        np.testing.assert_array_equal(window.body, plain.body)
        assert not np.array_equal(window.samples, plain.samples)
        assert np.abs(window.samples).max() <= 1.5
    window = window_of(recording, "amplitude", extractor)
    np.testing.assert_array_equal(window.samples, plain.samples)
    assert not np.array_equal(window.body, plain.body)


def test_joints_that_were_not_measured_stay_at_zero(extractor):
    recording = make_recording("a", seconds=8.0, body=False)
    for change in CHANGES:
        window = window_of(recording, change, extractor)
        assert not window.body.any()
        assert not window.body_mask.any()


def test_a_window_needs_a_channel_in_all_its_frames(extractor):
    recording = make_recording("a", seconds=8.0)
    mask = recording.clip.body_mask.copy()
    mask[90, 3:6] = 0.0
    recording = replace(recording, clip=replace(recording.clip, body_mask=mask))
    assert (
        window_of(recording, "none", extractor, 60).body_mask.tolist()
        == [1] * 3 + [0] * 3 + [1] * 18
    )
    assert window_of(recording, "none", extractor, 93).body_mask.all()


def test_only_training_takes_are_changed(extractor):
    recordings = [make_recording("a", seconds=4.0), make_recording("b", "val", seconds=4.0)]
    plans = plan_windows(recordings, 60, PrepareSettings(stride_frames=30, **SHARES))
    assert {plan.change for plan in plans if plan.take == 0} == set(CHANGES)
    assert {plan.change for plan in plans if plan.take == 1} == {"none", "rest"}


def test_shares_are_shares(extractor):
    settings = PrepareSettings(stride_frames=3, noise_share=0.25)
    plans = plan_windows([make_recording("a", seconds=60.0)], 60, settings)
    plain = sum(plan.change == "none" for plan in plans)
    assert sum(plan.change == "noise" for plan in plans) / plain == pytest.approx(0.25, abs=0.05)


def test_a_window_is_the_same_whatever_is_made_before_it(extractor):
    recording = make_recording("a", seconds=4.0)
    settings = PrepareSettings(stride_frames=30, **SHARES)
    plans = plan_windows([recording], 60, settings)
    windows = list(cut_windows([recording], extractor, settings))
    for index in range(len(plans) - 1, -1, -1):
        again = make_window(recording, plans[index], extractor, settings)
        np.testing.assert_array_equal(again.samples, windows[index].samples)
        np.testing.assert_array_equal(again.body, windows[index].body)


def test_a_limit_keeps_a_part_that_fits(tmp_path):
    recordings = [make_recording("a", seconds=6.0), make_recording("b", "val", seconds=4.0)]
    settings = PrepareSettings(stride_frames=9, limit_mb=0.7)
    manifest = prepare(recordings, [], tmp_path, settings)
    size_mb = sum(path.stat().st_size for path in tmp_path.glob("*.npy")) / 1e6
    assert 0.5 < size_mb < 0.71
    assert manifest["windows"] == sum(manifest["windows_by_change"].values()) == 10


def test_a_mirror_also_swaps_what_was_measured(tmp_path):
    """The masks of a mirrored window go with its channels."""
    folder = make_prepared(tmp_path)
    windows = PreparedWindows(folder)
    rng = np.random.default_rng(0)
    for name, width in (("face_mask", 51), ("body_mask", 8)):
        drawn = rng.integers(0, 2, (len(windows.take), width))
        drawn[:, 0] = 1
        mask = drawn.repeat(3, axis=1) if width == 8 else drawn
        np.save(folder / f"{name}.npy", mask.astype(np.float16))
    windows = PreparedWindows(folder)
    statistics = windows.measure()
    settings = TrainSettings(batch=16, mirror_share=0.0)
    plain = windows.sample(3, settings, statistics)
    mirrored = windows.sample(3, settings.replace(mirror_share=1.0), statistics)
    np.testing.assert_array_equal(mirrored.face_mask, mirror_face(plain.face_mask))
    np.testing.assert_array_equal(mirrored.body_mask, np.abs(mirror_body(plain.body_mask)))
    assert not np.array_equal(mirrored.body_mask, plain.body_mask)


@pytest.mark.parametrize(("share", "faces"), [(0.0, 0), (0.25, 2), (1.0, 8)])
def test_a_batch_has_the_share_of_faces_that_is_asked_for(tmp_path, share, faces):
    windows = PreparedWindows(make_prepared(tmp_path))
    settings = TrainSettings(batch=8, mouth_only_share=share)
    batch = windows.sample(0, settings, windows.measure())
    assert int((batch.body_mask[:, 0].sum(dim=-1) == 0).sum()) == faces
    assert bool(batch.has_body.all()) == (share < 1.0), "lent, where anybody has one"
