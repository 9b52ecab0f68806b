"""Lip closures: found, matched in time, and not given away to mouths that never open."""

import numpy as np
import pytest
from training_helpers import make_recording

from asynfusion_ros.evaluation.lips import (
    ClosureSettings,
    closure_scores,
    closures_s,
    lip_targets,
    lip_vertex_error_mm,
    split_pauses,
)
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.face_mesh import build_face_mesh

FPS = 30.0


def mouth(frames, *closed):
    """An opening of 0.5, closed in the given spans of frames (first, last)."""
    opening = np.full(frames, 0.5)
    for first, last in closed:
        opening[first : last + 1] = 0.0
    return opening


def clip_of(face=None, body=None, frames=300):
    face = np.zeros((frames, 51), np.float32) if face is None else face.astype(np.float32)
    body = np.zeros((len(face), 24), np.float32) if body is None else body.astype(np.float32)
    return MotionClip(FPS, face, body)


def test_closures_are_the_spans_of_closed_lips():
    spans = closures_s(mouth(90, (10, 12), (40, 41)), FPS)
    assert spans == pytest.approx(np.array([[10, 12], [40, 41]]) / FPS)
    assert len(closures_s(np.zeros(90), FPS)) == 0  # never opens
    assert len(closures_s(np.full(90, 0.5), FPS)) == 0  # never closes


def test_lips_that_hardly_part_have_not_opened_between():
    opening = mouth(90, (10, 12), (16, 18))
    opening[13:16] = 0.03
    assert len(closures_s(opening, FPS)) == 1


def test_a_long_closure_is_a_pause_with_two_edges():
    spans = closures_s(mouth(120, (10, 11), (30, 80)), FPS)
    short, edges = split_pauses(spans, 4.0)
    assert short == pytest.approx(np.array([[10, 11]]) / FPS)
    assert edges[:, 0] == pytest.approx(np.array([30, 80]) / FPS)
    _, edges = split_pauses(closures_s(mouth(120, (0, 40)), FPS), 4.0)
    assert edges[:, 0] == pytest.approx([40 / FPS])  # it begins closed: only the opening is seen


def test_recall_and_precision_count_what_meets_within_the_tolerance():
    targets = np.array([[1.0, 1.07], [2.0, 2.07], [3.0, 3.07]])
    opening = mouth(120, (30, 31), (63, 64), (100, 101))  # on time, 30 ms late, elsewhere
    scores = closure_scores(opening, FPS, targets)
    assert scores["closure_recall"] == pytest.approx(2 / 3)
    assert scores["closure_precision"] == pytest.approx(2 / 3)
    late = closure_scores(np.roll(opening, 6), FPS, targets)
    assert late["closure_recall"] == 0.0


def test_closures_outside_speech_are_nobodys_fault():
    targets, speech = np.array([[1.0, 1.07]]), np.array([[0.5, 2.0]])
    opening = mouth(120, (30, 31), (100, 101))
    assert closure_scores(opening, FPS, targets, speech)["closure_precision"] == 1.0
    assert closure_scores(opening, FPS, targets)["closure_precision"] == 0.5


def test_a_mouth_that_stays_shut_or_trembles_makes_no_closures():
    targets = np.array([[1.0, 1.07], [2.0, 2.07]])
    rng = np.random.default_rng(0)
    for opening in (np.zeros(120), np.full(120, 0.3), 0.01 * rng.uniform(size=120)):
        scores = closure_scores(opening, FPS, targets)
        assert scores == {"closure_recall": 0.0, "closure_precision": 0.0}
    assert closure_scores(mouth(120), FPS, np.zeros((0, 2))) == {}


def test_targets_come_from_phonemes_where_there_are_any():
    from dataclasses import replace

    plain = make_recording("a")
    times = np.array([[0.0, 0.2], [0.2, 0.3], [0.3, 0.5], [0.5, 0.6], [0.6, 1.0]])
    extras = {"phonemes": np.array(["_", "p", "\u02c8a\u02d0", "M", "_"]), "phoneme_time_s": times}
    targets, speech = lip_targets(replace(plain, extras=extras))
    assert targets == pytest.approx(times[[1, 3]])
    assert speech == pytest.approx(times[1:4])
    own, speech = lip_targets(plain)
    assert speech is None
    assert (own[:, 1] - own[:, 0] <= ClosureSettings().longest_s).all()


def test_the_truth_makes_its_own_closures():
    opening = mouth(300, (30, 31), (63, 64), (100, 101))
    targets = closures_s(opening, FPS)
    assert closure_scores(opening, FPS, targets) == {
        "closure_recall": 1.0,
        "closure_precision": 1.0,
    }


def test_lip_vertex_error_is_the_largest_shift_of_a_lip_point():
    truth, open_wide = clip_of(frames=10), np.zeros((10, 51))
    assert lip_vertex_error_mm(truth, truth) == 0.0
    channel = FACE_NAMES.index("mouthFunnel")
    open_wide[:, channel] = 0.5
    push = np.linalg.norm(build_face_mesh().shapes[channel], axis=-1).max()
    error = lip_vertex_error_mm(clip_of(open_wide), truth)
    assert error == pytest.approx(1000 * 0.5 * push, rel=1e-5)


def test_brows_and_lids_far_from_the_lips_do_not_count():
    face = np.zeros((10, 51))
    for name in ("browInnerUp", "eyeBlinkLeft"):
        face[:, FACE_NAMES.index(name)] = 1.0
    assert lip_vertex_error_mm(clip_of(face), clip_of(frames=10)) < 0.1
