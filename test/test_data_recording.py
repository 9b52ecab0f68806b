"""A take without its first seconds: sound, labels and phonemes stay with their motion."""

from dataclasses import replace

import numpy as np
from training_helpers import make_recording


def test_what_remains_keeps_its_sound_labels_and_phonemes():
    take = make_recording("a", "test", seconds=4.0)
    take = replace(
        take,
        semantic=np.arange(120, dtype=np.float32),
        frame_emotion=np.array(["calm"] * 60 + ["joy"] * 60),
        extras={
            "phonemes": np.array(["p", "a", "t"]),
            "phoneme_time_s": np.array([[0.5, 0.6], [1.4, 1.7], [3.0, 3.1]], np.float32),
            "phoneme_stress": np.zeros(3),
        },
    )
    rest = take.after(45)
    np.testing.assert_array_equal(rest.clip.face, take.clip.face[45:])
    np.testing.assert_array_equal(rest.clip.body_mask, take.clip.body_mask[45:])
    np.testing.assert_array_equal(rest.samples, take.samples[24000:])
    np.testing.assert_array_equal(rest.semantic, take.semantic[45:])
    assert rest.frame_emotion.tolist() == ["calm"] * 15 + ["joy"] * 60
    assert rest.extras["phonemes"].tolist() == ["t"], "a phoneme that was cut is not whole"
    np.testing.assert_allclose(rest.extras["phoneme_time_s"], [[1.5, 1.6]], atol=1e-6)
    assert set(rest.extras) == {"phonemes", "phoneme_time_s"}


def test_a_take_without_labels_stays_without():
    rest = make_recording("a", "test", seconds=3.0).after(30)
    assert (len(rest.clip), len(rest.samples)) == (60, 32000)
    assert rest.semantic is None
    assert rest.frame_emotion is None
    assert not rest.extras
