"""Coordination: who moves when, with each other and with the voice; and blinks."""

import numpy as np
import pytest

from asynfusion_ros.evaluation.coordination import (
    blinks_per_minute,
    coordination,
    coordination_gap,
    voice_coordination,
    voice_growth_db,
)
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip

FPS = 30.0


def clip_of(face=None, body=None, frames=300):
    face = np.zeros((frames, 51), np.float32) if face is None else face.astype(np.float32)
    body = np.zeros((len(face), 24), np.float32) if body is None else body.astype(np.float32)
    return MotionClip(FPS, face, body)


def voice(level_db):
    """A tone of the level (T,) at each frame."""
    time_s = np.arange(round(len(level_db) / FPS * 16_000)) / 16_000
    level = np.interp(time_s, np.arange(len(level_db)) / FPS, level_db)
    return 2**0.5 * 10 ** (level / 20) * np.sin(2 * np.pi * 440 * time_s)


def nodding(pace):
    """A head and brows that move by `pace` (T,) in each frame, to and fro."""
    path = np.cumsum(pace * np.where(np.arange(len(pace)) % 2, 1.0, -1.0)) / 50
    face, body = np.zeros((len(pace), 51)), np.zeros((len(pace), 24))
    face[:, FACE_NAMES.index("browInnerUp")] = 0.5 + path
    body[:, 4] = path
    return clip_of(face, body)


def test_growth_is_the_difference_of_the_half_seconds_about_a_frame():
    found = voice_growth_db(voice(np.arange(120) / 6 - 40.0), 120, FPS)  # 5 dB/s
    np.testing.assert_allclose(found[20:100], 5.0 * 0.5, atol=0.02)
    np.testing.assert_allclose(voice_growth_db(np.zeros(64_000), 120, FPS), 0.0)
    quiet = voice_growth_db(voice(np.arange(120) / 6 - 90.0), 120, FPS)  # up to -70 dB
    np.testing.assert_allclose(quiet, 0.0)
    assert np.isfinite(voice_growth_db(np.zeros(0), 10, FPS)).all()


def test_whoever_moves_while_the_voice_grows_is_coordinated_with_it():
    level = -30.0 + 10.0 * np.sin(2 * np.pi * 0.4 * np.arange(600) / FPS)
    grows = np.cos(2 * np.pi * 0.4 * np.arange(600) / FPS)
    parts = ("head", "brows", "hands")
    with_it = voice_coordination(nodding(1.0 + 0.8 * grows), voice(level), parts)
    assert with_it["head_voice_coordination"] > 0.95
    assert with_it["brows_voice_coordination"] > 0.95
    assert with_it["hands_voice_coordination"] == 0.0  # arms that hang
    against = voice_coordination(nodding(1.0 - 0.8 * grows), voice(level), ("head",))
    assert against["head_voice_coordination"] < -0.95
    louder = voice_coordination(nodding(1.0 + 0.8 * grows), voice(level + 6.0), parts)
    assert louder == pytest.approx(with_it, abs=1e-6)
    late = np.cos(2 * np.pi * 0.4 * (np.arange(600) / FPS - 0.625))  # a quarter of a period
    between = voice_coordination(nodding(1.0 + 0.8 * late), voice(level), ("head",))
    assert abs(between["head_voice_coordination"]) < 0.2


def test_blinks_are_counted_once_each():
    face = np.zeros((600, 51))
    for start in (50, 200, 350, 500):
        for side in ("Left", "Right"):
            face[start : start + 5, FACE_NAMES.index(f"eyeBlink{side}")] = (0.3, 0.8, 0.9, 0.6, 0.2)
    assert blinks_per_minute(clip_of(face)) == pytest.approx(12.0)
    assert blinks_per_minute(clip_of(0.2 * face)) == 0.0


def test_head_and_brows_that_move_together_are_coordinated():
    rng = np.random.default_rng(0)
    pace = np.repeat(rng.uniform(0, 1, 30), 20)[:, None]
    walk = np.cumsum(pace * rng.choice([-1, 1], (600, 1)), axis=0) / 600
    face, body = np.zeros((600, 51)), np.zeros((600, 24))
    face[:, [FACE_NAMES.index("browInnerUp")]] = 0.5 + walk
    body[:, 3:6] = walk
    together = coordination(clip_of(face, body), np.ones(24))
    assert together["head_brows_coordination"] > 0.95
    still = coordination(clip_of(face), np.ones(24))
    assert still["head_brows_coordination"] == 0.0
    assert coordination_gap(still, together) > 0.3
    assert coordination_gap(together, together) == 0.0
    only_head = np.zeros(24)
    only_head[3:6] = 1.0
    assert set(coordination(clip_of(face, body), only_head)) == {
        "head_brows_coordination",
        "head_jaw_coordination",
    }
