"""Gaps, faces, sync and blur by what must hold in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_helpers import RATE_HZ, hum, syllables
from PIL import Image, ImageFilter
from scipy.spatial.transform import Rotation

from asynfusion_ros.data.ingest.face import calibrate_face
from asynfusion_ros.data.ingest.gaps import bridge, bridge_turns, close_gaps, find_takes, runs
from asynfusion_ros.data.ingest.quality import BLURRED, blur_of
from asynfusion_ros.data.ingest.sync import find_offset, loudness_db, shift_sound
from asynfusion_ros.motion.blendshapes import face_index

FPS = 25.0


@given(st.lists(st.booleans(), max_size=40))
def test_runs_put_together_are_the_flags(flags):
    again = np.zeros(len(flags), bool)
    for first, end in runs(flags):
        assert first < end
        again[first:end] = True
    assert again.tolist() == flags


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 10))
def test_only_short_gaps_with_sight_on_both_sides_are_closed(flags, longest):
    closed = close_gaps(flags, longest)
    assert not (np.array(flags, bool) & ~closed).any()
    for first, end in runs(~closed):
        assert first == 0 or end == len(flags) or end - first > longest
    known = np.flatnonzero(flags)
    if len(known):
        assert not closed[: known[0]].any()
        assert not closed[known[-1] + 1 :].any()


def test_a_bridge_over_a_line_is_the_line_and_its_ends_are_held():
    line = np.arange(10.0)[:, None] * (1.0, -2.0)
    holes = line.copy()
    seen = np.ones(10, bool)
    seen[[0, 4, 5, 6]] = False
    holes[~seen] = np.nan
    expected = line.copy()
    expected[0] = line[1]
    np.testing.assert_allclose(bridge(holes, seen), expected)
    assert not bridge(holes, np.zeros(10, bool)).any()


def test_a_bridge_over_an_even_turn_is_the_turn():
    turns = Rotation.from_rotvec(np.arange(9)[:, None] * (0.0, 0.2, 0.1))
    seen = np.array([1, 1, 0, 0, 0, 1, 1, 1, 0], bool)
    matrices = np.where(seen[:, None, None], turns.as_matrix(), np.nan)
    bridged = bridge_turns(matrices, seen)
    assert (bridged.inv() * turns)[:8].magnitude().max() < 1e-6
    assert (bridged[8].inv() * turns[7]).magnitude() < 1e-6
    assert bridge_turns(matrices, np.zeros(9, bool)).magnitude().max() == 0.0


def test_takes_end_at_cuts_and_long_gaps():
    usable = np.ones(100, bool)
    usable[30:35] = False  # bridged
    usable[70:90] = False  # too long
    assert find_takes(usable, [50], split=10, shortest=5) == [(0, 50), (50, 70), (90, 100)]
    assert find_takes(usable, [50], split=10, shortest=15) == [(0, 50), (50, 70)]


def test_what_a_face_always_shows_is_its_rest():
    time_s = np.arange(500) / FPS
    scores = np.full((500, 51), 0.3)
    jaw, brow = face_index("jawOpen"), face_index("browInnerUp")
    scores[:, jaw] = 0.1 + 0.5 * np.maximum(0, np.sin(2 * time_s))
    face, rest = calibrate_face(scores, np.ones(500, bool))
    assert rest[jaw] == pytest.approx(0.1)
    assert face[:, brow].max() == 0.0
    assert np.corrcoef(face[:, jaw], scores[:, jaw])[0, 1] > 0.999
    assert face.min() >= 0.0
    assert face.max() <= 1.0


def test_a_blink_shuts_the_eyes_and_frames_without_a_face_say_nothing_about_rest():
    scores = np.full((500, 51), 0.1)
    lid = face_index("eyeBlinkLeft")
    for start in range(20, 500, 60):
        scores[start : start + 4, lid] = 0.6
    measured = np.ones(500, bool)
    measured[:150] = False
    scores[:150] = 0.9
    face, rest = calibrate_face(scores, measured)
    assert rest.max() <= 0.1 + 1e-9
    assert face[150:, lid].max() == pytest.approx(1.0)
    assert np.median(face[150:, lid]) == 0.0


def test_eyes_look_the_same_way():
    scores = np.full((200, 51), 0.2)
    scores[100:150, face_index("eyeLookOutLeft")] = 0.8
    face, _ = calibrate_face(scores, np.ones(200, bool))
    out, into = face_index("eyeLookOutLeft"), face_index("eyeLookInRight")
    np.testing.assert_array_equal(face[:, out], face[:, into])
    assert face[120, out] == pytest.approx(0.3)
    assert not face[:, face_index("eyeLookInLeft")].any()


def test_loudness_is_that_of_a_sine():
    tone = 0.5 * np.sin(2 * np.pi * 400 * np.arange(RATE_HZ) / RATE_HZ)
    level = loudness_db(tone, FPS, 25)
    np.testing.assert_allclose(level[2:-2], 20 * np.log10(0.5 / np.sqrt(2)), atol=0.05)
    assert loudness_db(np.zeros(RATE_HZ), FPS, 25).max() == -100.0


@pytest.mark.parametrize("late_s", [-0.2, 0.0, 0.13, 0.31])
def test_the_offset_of_the_sound_is_found(late_s):
    mouth = syllables(np.arange(round(20 * FPS)) / FPS)
    offset = find_offset(mouth, hum(20.0, lambda t: syllables(t - late_s)), FPS, 0.5)
    assert offset.confident
    assert offset.seconds == pytest.approx(late_s, abs=0.02)


def test_no_offset_is_claimed_of_noise_or_of_a_few_seconds():
    rng = np.random.default_rng(1)
    mouth = syllables(np.arange(round(20 * FPS)) / FPS)
    noise = (0.1 * rng.normal(size=20 * RATE_HZ)).astype(np.float32)
    assert not find_offset(mouth, noise, FPS, 0.5).confident
    assert not find_offset(mouth[:40], hum(1.6, syllables), FPS, 0.5).confident


def test_moved_sound_is_where_it_belongs():
    samples = np.arange(1, RATE_HZ + 1, dtype=np.float32)
    early = shift_sound(samples, 0.25)
    np.testing.assert_array_equal(early[:12000], samples[4000:])
    assert not early[12000:].any()
    late = shift_sound(samples, -0.25)
    np.testing.assert_array_equal(late[4000:], samples[:12000])
    assert not late[:4000].any()
    np.testing.assert_array_equal(shift_sound(samples, 0.0), samples)


def test_more_blur_counts_as_more():
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((256, 256), Image.Resampling.NEAREST)
    values = [blur_of(np.asarray(picture.filter(ImageFilter.GaussianBlur(r)))) for r in (0, 3, 8)]
    assert values == sorted(values)
    assert values[0] < 0.35 < BLURRED < values[-1] <= 1.0
    assert blur_of(np.zeros((64, 64, 3), np.uint8)) == 1.0
