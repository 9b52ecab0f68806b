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


def test_a_motion_that_goes_on_is_left_alone():
    frames = np.linspace(0.0, 3.0, 20, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    assert np.allclose(join(frames[:8], frames, 5), frames, atol=1e-6)


@pytest.mark.parametrize("fade", [1, 3, 9])
def test_the_offset_fades_to_nothing_within_the_fade(fade):
    frames = window()
    joined = join(frames[:8] + 1.0, frames, fade)
    offset = joined[8:] - frames[8:]
    assert np.all(np.abs(np.diff(np.abs(offset), axis=0)) <= np.abs(offset[0]))
    assert np.allclose(offset[fade:], 0.0, atol=1e-6)


def test_the_first_new_frame_goes_where_both_sides_head():
    frames = window()
    joined = join(frames[:8] + 1.0, frames, 5)
    before, after = joined[7] - joined[6], frames[9] - frames[8]
    assert np.allclose(joined[8] - joined[7], (before + after) / 2, atol=1e-5)


def test_a_long_fade_leaves_no_step_at_the_border():
    smooth = np.linspace(0.0, 1.0, 40, dtype=np.float32)[:, None]
    joined = join(smooth[:28] + 0.5, smooth, 9)
    step = np.abs(np.diff(joined, axis=0)).max()
    assert step < 0.5 / 5  # without joining it would be 0.5
