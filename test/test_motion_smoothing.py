"""Low-pass filtering: slow motion passes undelayed, fast motion does not."""

import numpy as np
import pytest

from asynfusion_ros.motion.smoothing import low_pass

TIME_S = np.arange(300) / 30.0


def wave(rate_hz):
    return np.sin(2 * np.pi * rate_hz * TIME_S)[:, None]


def test_slow_motion_passes_without_delay():
    np.testing.assert_allclose(low_pass(wave(1.0), 30.0, 6.0)[30:-30], wave(1.0)[30:-30], atol=0.01)


def test_at_the_cutoff_half_of_the_amplitude_remains():
    passed = low_pass(wave(6.0), 30.0, 6.0)[60:-60]
    assert passed.std() / wave(6.0).std() == pytest.approx(0.5, abs=0.02)  # 3 dB forward, 3 dB back


def test_tremble_is_taken_away():
    assert np.abs(low_pass(wave(13.0), 30.0, 6.0)[60:-60]).max() < 0.02


def test_constants_and_single_frames_stay():
    np.testing.assert_allclose(low_pass(np.ones((5, 3)), 30.0, 6.0), 1.0, rtol=1e-6)
    assert low_pass(np.ones((1, 3)), 30.0, 6.0).tolist() == [[1.0, 1.0, 1.0]]


def test_half_the_frame_rate_changes_nothing():
    noise = np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32)
    assert np.array_equal(low_pass(noise, 30.0, 15.0), noise)
