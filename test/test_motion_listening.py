"""How the avatar listens: nods at cues, eyes on the other, nothing that repeats."""

import numpy as np
import pytest

from asynfusion_ros.audio.prosody import (
    LOW_S,
    PAUSE_S,
    WAIT_S,
    BackchannelCues,
    PitchTracker,
)
from asynfusion_ros.motion.alive import SignsOfLife
from asynfusion_ros.motion.blendshapes import face_index
from asynfusion_ros.motion.limits import JointLimiter
from asynfusion_ros.motion.listening import CHEST_PITCH, HEAD_PITCH, ListeningMotion
from asynfusion_ros.motion.skeleton import Skeleton

TICK_S = 1 / 60
FACE, BODY = np.full(51, 0.1, np.float32), Skeleton.load().rest_body.astype(np.float32)
EYES = [face_index(n) for n in ("eyeLookOutLeft", "eyeLookInLeft", "eyeLookUpLeft")]


def listen(seconds, cues=(), seed=0, until_s=np.inf, body=BODY):
    """Return faces (T, 51) and bodies (T, 24) of one who listens, with cues at some times."""
    motion, faces, bodies = ListeningMotion(seed), [], []
    for tick in range(round(seconds / TICK_S)):
        at_s = tick * TICK_S
        cue = any(at_s <= c < at_s + TICK_S for c in cues)
        face, moved = motion.advance(FACE, body, TICK_S, at_s < until_s, cue)
        faces.append(face)
        bodies.append(moved)
    return np.array(faces), np.array(bodies), motion


def test_who_does_not_listen_is_left_alone():
    motion = ListeningMotion()
    for _ in range(100):
        face, body = motion.advance(FACE, BODY, TICK_S, listening=False, cue=True)
        assert face is FACE
        assert body is BODY
    assert motion.nods == 0


def test_nods_are_small_smooth_and_end():
    cues = np.arange(2.0, 60.0, 2.5)
    _, bodies, motion = listen(62.0, cues)
    pitch = bodies[:, HEAD_PITCH] + bodies[:, CHEST_PITCH] - (BODY[HEAD_PITCH] + BODY[CHEST_PITCH])
    assert 0.5 * len(cues) < motion.nods < 0.95 * len(cues)  # some cues are let go by
    assert 0.08 < pitch.max() < 0.14
    assert np.abs(np.diff(pitch)).max() / TICK_S < 1.1
    assert np.abs(pitch[-15:]).max() < 1e-6
    others = np.delete(bodies, [HEAD_PITCH, CHEST_PITCH], axis=1)
    assert np.ptp(others, axis=0).max() == 0.0


def test_nods_pass_the_governor_unchanged():
    skeleton = Skeleton.load()
    limiter = JointLimiter(skeleton)
    _, bodies, _ = listen(30.0, np.arange(1.0, 29.0, 2.0))
    for body in bodies:
        limiter.advance(body, TICK_S)
    assert not any(limiter.counts.values())


def test_no_nod_is_like_another_and_a_seed_repeats_them():
    cues = np.arange(2.0, 120.0, 4.0)
    _, bodies, motion = listen(124.0, cues)
    shapes = [tuple(np.round(bodies[round(c / TICK_S) :][:120, HEAD_PITCH], 4)) for c in cues]
    assert len(set(shapes)) >= motion.nods
    assert (listen(124.0, cues)[1] == bodies).all()
    assert (listen(124.0, cues, seed=1)[1] != bodies).any()


def test_it_ends_softly_when_the_other_falls_silent_in_mid_nod():
    faces, bodies, _ = listen(4.0, [1.0, 1.01], until_s=1.2)
    assert (faces[-1] == FACE).all()
    assert (bodies[-1] == BODY).all()
    assert np.abs(np.diff(bodies[:, HEAD_PITCH])).max() / TICK_S < 1.5


def test_the_eyes_stay_on_the_other_whatever_the_head_does():
    turned = BODY.copy()
    turned[5] = 0.3  # the head turns to its left
    faces, _, _ = listen(60.0, body=turned)
    right = faces[120:, face_index("eyeLookInLeft")] - faces[120:, face_index("eyeLookOutLeft")]
    assert np.median(right) == pytest.approx(0.3 / 0.6, abs=0.03)
    looking = np.abs(right - 0.5) < 0.06
    assert 0.6 < looking.mean() < 0.95  # three quarters of the time, or so


def test_the_gaze_wanders_in_silence_and_not_while_listening():
    """As playback uses both: signs of life are told that it is not silent while one listens."""
    life = SignsOfLife(0)
    for _ in range(60):
        face = life.advance(FACE, TICK_S, silent=False)
    assert face[EYES] == pytest.approx(FACE[EYES])


def test_a_pause_after_a_phrase_is_a_cue_and_one_after_a_word_is_none():
    def cues_of(spans, seconds):
        cues, found = BackchannelCues(), []
        for at_s in np.arange(0.0, seconds, 0.032):
            cue = cues.hear(at_s, any(begin <= at_s < end for begin, end in spans))
            found += [] if cue is None else [cue]
        return found

    (phrase,) = cues_of([(1.0, 3.0)], 6.0)
    assert phrase == pytest.approx(3.0 + PAUSE_S, abs=0.05)
    assert cues_of([(1.0, 1.4)], 6.0) == []
    assert len(cues_of([(1.0, 2.5), (2.6, 4.0), (5.0, 6.5)], 9.0)) == 2  # 0.1 s is no pause


def pitch_cues(pitches):
    cues, found = BackchannelCues(), []
    for step, pitch in enumerate(pitches):
        at_s = 0.016 * step
        cues.hear(at_s, True)
        cue = cues.hear_pitch(at_s, pitch)
        found += [] if cue is None else [cue]
    return found


def test_low_pitch_is_a_cue_a_little_later():
    talk = 120.0 + 40.0 * np.abs(np.sin(np.arange(300) / 7.0))
    assert pitch_cues(np.where(talk < 125.0, 125.0, talk)[:60]) == []
    low_from = 250
    voice = np.where(np.arange(300) < low_from, talk + 10.0, 100.0)
    times = [t for t in pitch_cues(voice) if t > 0.016 * low_from]
    assert times == [pytest.approx(0.016 * low_from + LOW_S + WAIT_S, abs=0.05)]
    assert pitch_cues(np.zeros(300)) == []


def test_the_pitch_of_a_tone_is_followed_chunk_by_chunk():
    t = np.arange(16000) / 16000
    tone = sum(0.3 / k * np.sin(2 * np.pi * 140.0 * k * t) for k in range(1, 9)).astype(np.float32)
    tracker, found = PitchTracker(), []
    for start in range(0, len(tone), 700):
        found.append(tracker.process(tone[start : start + 700]))
    pitch = np.concatenate(found)
    assert len(pitch) == pytest.approx(16000 / 256, abs=8)
    assert np.median(pitch[20:]) == pytest.approx(140.0, rel=0.02)
