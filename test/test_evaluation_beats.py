"""Beat alignment: its closed form, both directions, and who wins it without listening."""

import numpy as np
import pytest

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.evaluation.beats import (
    BeatSettings,
    audio_beats_s,
    beat_alignment,
    beat_score,
    motion_beats_s,
    speed_beats_s,
)
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.skeleton import Skeleton

SKELETON = Skeleton.load()


def test_equal_beats_score_one_and_shifted_ones_the_gaussian():
    beats = np.arange(1.0, 9.0)
    assert beat_score(beats, beats, 0.1) == pytest.approx(1.0)
    for shift in (0.05, 0.1, 0.3):
        expected = np.exp(-(shift**2) / (2 * 0.1**2))
        assert beat_score(beats + shift, beats, 0.1) == pytest.approx(expected)
    assert beat_score(beats, [], 0.1) == beat_score([], beats, 0.1) == 0.0


def test_beats_of_speed_are_its_minima():
    time_s = (np.arange(150) + 0.5) / 30
    speed = 1.0 + np.cos(2 * np.pi * time_s / 0.8)  # slowest at 0.4, 1.2, 2.0, ...
    found = speed_beats_s(speed, 30.0, 0.133)
    assert found == pytest.approx(np.arange(0.4, 5.0, 0.8), abs=0.02)


def test_minima_are_those_of_beats_code():
    """np.less of order 2 at 15 Hz, written out."""
    speed = np.random.default_rng(0).uniform(size=200)
    own = [
        k
        for k in range(200)
        if all(
            speed[k] < speed[j] for o in (1, 2) for j in (max(k - o, 0), min(k + o, 199)) if j != k
        )
        and 0 < k < 199
    ]
    found = np.round(speed_beats_s(speed, 15.0, 0.133) * 15 - 0.5).astype(int)
    assert [k for k in found if 2 <= k < 198] == [k for k in own if 2 <= k < 198]


def swing(times_s, period_s=1.0):
    """Both upper arms stop twice per period; the other joints rest."""
    body = np.zeros((len(times_s), 8, 3))
    body[:, [2, 5], 0] = 0.4 * np.sin(2 * np.pi * times_s / period_s)[:, None]
    return MotionClip(30.0, np.zeros((len(body), 51)), body.reshape(len(body), 24))


def test_arms_halt_where_they_turn_round():
    clip = swing(np.arange(180) / 30)
    for beats in motion_beats_s(clip, SKELETON, BeatSettings()):
        assert beats == pytest.approx(np.arange(0.25, 6.0, 0.5), abs=0.02)
    still = motion_beats_s(swing(np.zeros(180)), SKELETON, BeatSettings())
    assert [len(beats) for beats in still] == [0, 0, 0, 0]


def test_beats_that_come_late_score_less():
    voice = np.arange(0.25, 6.0, 0.5)
    scores = []
    for late_s in (0.0, 0.1, 0.2):
        halts = motion_beats_s(swing(np.arange(180) / 30 - late_s), SKELETON, BeatSettings())
        scores.append(beat_alignment(halts, voice, "motion", 0.1))
    assert scores[0] > 0.98
    assert scores[0] > scores[1] > scores[2]


def test_trembling_wins_the_audio_direction_but_not_the_motion_direction():
    voice = np.arange(0.5, 6.0, 1.0)
    good = [voice + 0.08]
    trembling = [np.arange(0.0, 6.0, 0.1)]
    assert beat_alignment(trembling, voice, "audio", 0.1) > beat_alignment(
        good, voice, "audio", 0.1
    )
    assert beat_alignment(trembling, voice, "motion", 0.1) < beat_alignment(
        good, voice, "motion", 0.1
    )


def test_what_is_unknown_is_named():
    with pytest.raises(ConfigError, match="sideways"):
        beat_alignment([np.ones(1)], [1.0], "sideways", 0.1)
    with pytest.raises(ConfigError, match="l_toe"):
        motion_beats_s(swing(np.zeros(9)), SKELETON, BeatSettings(joints=("l_toe",)))


def test_onsets_are_heard_where_sound_sets_in():
    pytest.importorskip("librosa")
    starts = np.array([0.5, 1.2, 2.1, 2.9])
    time_s = np.arange(16000 * 4) / 16000
    samples = np.zeros(len(time_s), np.float32)
    for start in starts:
        late = np.clip(time_s - start, 0, None)
        samples += (np.exp(-late / 0.08) * np.sin(2 * np.pi * 300 * late) * (late > 0)).astype(
            np.float32
        )
    apart = np.abs(audio_beats_s(0.5 * samples)[:, None] - starts[None])
    assert apart.min(axis=0).max() < 0.05  # every start is heard
    assert apart.min(axis=1).max() < 0.05  # and nothing else
    assert not audio_beats_s(np.zeros(16000, np.float32)).size
