import numpy as np
import pytest

from asynfusion_ros.streaming.seam import join

RNG = np.random.default_rng(0)


def window(frames=20, channels=3):
    return RNG.standard_normal((frames, channels)).astype(np.float32)


def test_without_known_frames_nothing_changes():
    frames = window()
    assert join(None, frames, 5) is frames
    assert join(frames[:0], frames, 5) is frames


def test_known_frames_stand_as_they_were_shown():
    known, frames = window(8), window()
    assert np.array_equal(join(known, frames, 5)[:8], known)


def test_a_window_that_agrees_is_left_alone():
    frames = window()
    assert np.array_equal(join(frames[:8], frames, 5), frames)


@pytest.mark.parametrize("fade", [1, 3, 9])
def test_the_offset_fades_to_nothing_within_the_fade(fade):
    frames = window()
    joined = join(frames[:8] + 1.0, frames, fade)
    offset = joined[8:] - frames[8:]
    assert np.all(np.diff(offset, axis=0) <= 1e-6)
    assert np.allclose(offset[fade:], 0.0, atol=1e-6)
    assert np.all(offset[0] < 1.0)


def test_a_long_fade_leaves_no_step_at_the_border():
    smooth = np.linspace(0.0, 1.0, 40, dtype=np.float32)[:, None]
    joined = join(smooth[:28] + 0.5, smooth, 9)
    step = np.abs(np.diff(joined, axis=0)).max()
    assert step < 0.5 / 5  # without joining it would be 0.5
