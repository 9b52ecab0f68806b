"""Figures: closed forms, and order between good, shifted and still."""

import numpy as np
import pytest

from asynfusion_ros.evaluation import metrics
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip

JAW = FACE_NAMES.index("jawOpen")
ALL = np.ones(24)


def clip_of(jaw, body=None):
    face = np.zeros((len(jaw), 51), np.float32)
    face[:, JAW] = jaw
    still = np.zeros((len(jaw), 24), np.float32)
    return MotionClip(30.0, face, still if body is None else body.astype(np.float32))


def speech(frames=300, seed=0):
    rng = np.random.default_rng(seed)
    return 0.4 + 0.4 * np.sin(np.cumsum(rng.uniform(0.2, 0.9, frames)))


def test_the_truth_against_itself_is_perfect():
    truth = clip_of(speech())
    assert metrics.mouth_correlation(truth, truth) == pytest.approx(1.0)
    assert metrics.mouth_error(truth, truth) == 0.0
    assert metrics.face_error(truth, truth) == 0.0


def test_another_or_late_or_still_mouth_is_worse():
    truth = clip_of(speech())
    late = clip_of(np.roll(speech(), 3))
    other = clip_of(speech(seed=1))
    assert metrics.mouth_correlation(late, truth) < 0.9
    assert abs(metrics.mouth_correlation(other, truth)) < 0.3
    assert metrics.mouth_correlation(clip_of(np.full(300, 0.4)), truth) == 0.0


def test_a_few_frames_between_sound_and_picture_are_allowed_for_and_no_more():
    truth = clip_of(speech())
    aligned = metrics.aligned_mouth_correlation
    for frames in (-4, -1, 0, 3):
        assert aligned(clip_of(np.roll(speech(), frames)), truth) > 0.99
    assert aligned(clip_of(np.roll(speech(), 30)), truth) < 0.5
    assert aligned(clip_of(speech(seed=1)), truth) < 0.5
    assert aligned(clip_of(np.full(300, 0.4)), truth) == 0.0
    assert aligned(clip_of([0.1, 0.4]), clip_of([0.2, 0.3])) == pytest.approx(1.0)  # too short


def test_errors_are_mean_absolute_differences():
    truth, shifted = clip_of(np.full(60, 0.2)), clip_of(np.full(60, 0.5))
    assert metrics.mouth_error(shifted, truth) == pytest.approx(0.3, abs=1e-6)
    assert metrics.face_error(shifted, truth) == pytest.approx(0.3 / 51, abs=1e-6)


def test_speed_of_a_steady_turn_is_its_rate():
    turn = np.zeros((90, 8, 3))
    turn[:, 2, 1] = 0.02 * np.arange(90)  # 0.6 rad/s about one axis of one of 8 joints
    clip = clip_of(np.zeros(90), turn.reshape(90, 24))
    assert metrics.body_speed_rad_s(clip, ALL) == pytest.approx(0.6 / 8, rel=1e-4)
    only = np.zeros((8, 3))
    only[2] = 1.0
    assert metrics.body_speed_rad_s(clip, only.ravel()) == pytest.approx(0.6, rel=1e-4)
    assert metrics.body_jerk_rad_s3(clip, ALL) == pytest.approx(0.0, abs=0.05)


def test_jaw_speed_has_units_per_second():
    assert metrics.jaw_speed(clip_of(0.01 * np.arange(60))) == pytest.approx(0.3, rel=1e-4)


def test_jerk_of_a_cubic_is_constant():
    t = np.arange(60) / 30
    body = np.zeros((60, 8, 3))
    body[:, 0, 0] = 0.5 * t**3
    clip = clip_of(np.zeros(60), body.reshape(60, 24))
    assert metrics.body_jerk_rad_s3(clip, ALL) == pytest.approx(3.0 / 8, rel=0.02)


def test_seams_are_seen_at_their_own_places_only():
    smooth = np.tile(0.01 * np.arange(120)[:, None], (1, 24))
    assert metrics.seam_ratio(clip_of(np.zeros(120), smooth), 12) == pytest.approx(1.0, rel=1e-3)
    jumps = smooth + 0.09 * (np.arange(120) // 12)[:, None]
    assert metrics.seam_ratio(clip_of(np.zeros(120), jumps), 12) == pytest.approx(10.0, rel=1e-3)


def test_the_interval_holds_the_mean_and_narrows_with_takes():
    rng = np.random.default_rng(0)
    few, many = rng.normal(1, 0.5, 8), rng.normal(1, 0.5, 200)
    for values in (few, many):
        low, high = metrics.bootstrap_interval(values)
        assert low <= values.mean() <= high
    few_low, few_high = metrics.bootstrap_interval(few)
    low, high = metrics.bootstrap_interval(many)
    assert high - low < few_high - few_low
    assert metrics.bootstrap_interval([0.3, 0.3]) == (pytest.approx(0.3), pytest.approx(0.3))


def test_of_ratios_twice_and_half_cancel():
    assert metrics.geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert metrics.geometric_mean([1.5, 0.0]) == 0.0
    low, high = metrics.bootstrap_interval([2.0, 0.5], metrics.geometric_mean)
    assert (low, high) == (pytest.approx(0.5), pytest.approx(2.0))
