"""Shapes of the mouth: read off weights as they were learned, scored as counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from training_helpers import make_recording

from asynfusion_ros.errors import DataError
from asynfusion_ros.evaluation.visemes import SHAPES, MouthReader, ask_shapes, shape_accuracy
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip

FPS = 30.0
MOUTHS = {
    "p": {"mouthPressLeft": 0.3, "mouthPressRight": 0.3},
    "f": {"mouthRollLower": 0.5},
    "u": {"mouthPucker": 0.8, "jawOpen": 0.1},
    "a": {"jawOpen": 0.6},
    "t": {"jawOpen": 0.1, "mouthStretchLeft": 0.2},
}


def speak(phonemes, seed=0):
    """A take that holds the mouth of each phoneme for 6 frames, a little noisy."""
    rng = np.random.default_rng(seed)
    face = np.zeros((6 * len(phonemes), 51), np.float32)
    for index, phoneme in enumerate(phonemes):
        for name, weight in MOUTHS[phoneme].items():
            face[6 * index : 6 * index + 6, FACE_NAMES.index(name)] = weight
    face += 0.02 * rng.random(face.shape, np.float32)
    edges = np.arange(len(phonemes) + 1) * 0.2
    extras = {
        "phonemes": np.array(list(phonemes)),
        "phoneme_time_s": np.stack([edges[:-1], edges[1:]], axis=1),
    }
    clip = MotionClip(FPS, face, np.zeros((len(face), 24), np.float32))
    return replace(make_recording("a"), clip=clip, extras=extras)


def test_shapes_are_asked_for_in_the_middle_of_phonemes_and_early_in_diphthongs():
    spans = np.array([[0.0, 0.1], [0.1, 0.3], [0.3, 0.7], [0.7, 0.8]])
    extras = {"phonemes": np.array(["_", "m", "I", "\u0259"]), "phoneme_time_s": spans}
    times, shapes = ask_shapes(replace(make_recording("a"), extras=extras))
    assert times == pytest.approx([0.2, 0.4])
    assert shapes == ["closed", "open"]
    with pytest.raises(DataError, match="no phonemes"):
        ask_shapes(make_recording("a"))


def test_a_reader_knows_the_mouths_it_has_learned_and_no_others():
    reader = MouthReader([speak("pfuatpfuat", seed) for seed in range(3)])
    unseen = speak("tuafptpuaf", 9)
    times, asked = ask_shapes(unseen)
    assert reader.read(unseen.clip, times) == asked
    late = reader.read(unseen.clip, times + 0.2)
    assert shape_accuracy(late, asked)["viseme_accuracy"] < 0.3
    with pytest.raises(DataError, match="closed"):
        MouthReader([speak("ffuu")])


def test_balanced_accuracy_is_not_won_by_the_most_frequent_shape():
    asked = ["narrow"] * 96 + list(SHAPES[:4])
    scores = shape_accuracy(["narrow"] * 100, asked)
    assert scores["viseme_accuracy"] == pytest.approx(0.96)
    assert scores["viseme_balanced"] == pytest.approx(0.2)
    with pytest.raises(DataError, match="99 shapes seen, 100"):
        shape_accuracy(["narrow"] * 99, asked)
