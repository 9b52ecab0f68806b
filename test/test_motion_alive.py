"""Eyes that blink and wander: lively, bounded, seeded, and never twice the same."""

import numpy as np
import pytest

from asynfusion_ros.motion.alive import SignsOfLife
from asynfusion_ros.motion.blendshapes import face_index

TICK_S = 1 / 60
LID, LEFT = face_index("eyeBlinkLeft"), face_index("eyeLookOutLeft")
MOUTH = face_index("jawOpen")


def faces(seconds, seed=0, silent=True, tick_s=TICK_S):
    life, face = SignsOfLife(seed), np.full(51, 0.1, np.float32)
    return np.array([life.advance(face, tick_s, silent) for _ in range(round(seconds / tick_s))])


def blinks_of(shown):
    closed = shown[:, LID] > 0.9
    return np.flatnonzero(closed[1:] & ~closed[:-1])


@pytest.mark.parametrize("silent", [True, False])
def test_people_blink_some_fifteen_times_a_minute_and_not_by_the_clock(silent):
    blinks = blinks_of(faces(240.0, silent=silent))
    assert 10 < len(blinks) / 4 < 22
    pauses = np.diff(blinks) * TICK_S
    assert pauses.min() > 0.9
    assert pauses.std() > 1.0


def test_a_model_that_blinks_often_enough_is_left_alone():
    life, open_face, shut = SignsOfLife(), np.zeros(51, np.float32), np.zeros(51, np.float32)
    shut[[LID, face_index("eyeBlinkRight")]] = 0.7
    seconds, added = 60, 0
    for tick in range(60 * seconds):
        own = shut if tick % 55 < 6 else open_face  # shuts again within a second
        added += life.advance(own, TICK_S, False)[LID] > 0.8
    assert added == 0


def test_nothing_repeats_and_the_seed_decides():
    shown = faces(60.0)
    assert np.array_equal(shown, faces(60.0))
    assert not np.array_equal(shown, faces(60.0, seed=1))
    half = len(shown) // 2
    gaze = shown[:, LEFT]
    assert abs(np.corrcoef(gaze[:half], gaze[half:])[0, 1]) < 0.3


def test_the_gaze_wanders_in_silence_only_and_other_channels_never():
    quiet, loud = faces(60.0), faces(60.0, silent=False)
    assert np.ptp(quiet[:, LEFT]) > 0.1
    assert np.ptp(loud[:, LEFT]) == 0.0
    assert np.ptp(quiet[:, MOUTH]) == 0.0
    assert quiet.min() >= 0.0
    assert quiet.max() <= 1.0


def test_lids_and_eyes_move_without_a_jump():
    moves = np.abs(np.diff(faces(40.0, tick_s=1 / 240), axis=0)).max(axis=0)
    assert moves[LID] < 0.1
    assert moves[LEFT] < 0.06


@pytest.mark.parametrize("dt_s", [0.0, -1.0, np.nan, np.inf])
def test_without_time_nothing_changes(dt_s):
    life, face = SignsOfLife(), np.zeros(51, np.float32)
    first = life.advance(face, TICK_S, True)
    assert np.array_equal(life.advance(face, dt_s, True), first)
