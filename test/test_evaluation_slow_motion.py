"""Slow power is that of slow waves, whatever their channel, and nothing else counts."""

import numpy as np
import pytest

from asynfusion_ros.evaluation.slow_motion import band_power, slow_ratios
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip

FPS_HZ = 30.0
BROWS = [name.startswith("brow") for name in FACE_NAMES]


def wave(rate_hz, height=0.1, part="brows", seconds=40.0):
    """A clip in which every channel of the part swings."""
    times_s = np.arange(round(seconds * FPS_HZ)) / FPS_HZ
    swing = height * np.sin(2.0 * np.pi * rate_hz * times_s)[:, None]
    face, body = np.full((len(times_s), 51), 0.3), np.zeros((len(times_s), 24))
    if part == "brows":
        face[:, BROWS] += swing
    else:
        body[:, {"head": slice(3, 6), "arms": slice(6, 24)}[part]] += swing
    return MotionClip(FPS_HZ, face.astype(np.float32), body.astype(np.float32))


@pytest.mark.parametrize(("part", "channels"), [("brows", 5), ("head", 3), ("arms", 18)])
def test_the_power_of_a_slow_wave_is_half_its_height_squared(part, channels):
    power = band_power(wave(0.375, part=part), part)
    # Pieces of 1.5 periods: what the window weighs more or less of each is a tenth.
    assert power == pytest.approx(channels * 0.1**2 / 2.0, rel=0.12)
    assert band_power(wave(0.375, part=part), "gaze") == pytest.approx(0.0, abs=1e-12)


def test_quick_motion_is_not_slow_however_large():
    assert band_power(wave(3.0, height=0.3), "brows") < 1e-6


def test_twice_the_height_is_four_times_the_power():
    slow = wave(0.375, height=0.2)
    assert slow_ratios(slow, wave(0.375), ("brows",)) == {"brows_slow_ratio": pytest.approx(4.0)}


def test_what_was_not_measured_or_does_not_move_or_is_too_short_has_no_ratio():
    arms, short = wave(0.4, part="arms"), wave(0.4, part="arms", seconds=3.9)
    hidden = np.repeat([1, 1, 0, 0, 0, 0, 0, 0], 3)
    assert slow_ratios(arms, arms, ("head", "arms")) == {"arms_slow_ratio": 1.0}
    assert slow_ratios(arms, arms, ("arms",), hidden) == {}
    assert slow_ratios(short, short, ("arms",)) == {}
