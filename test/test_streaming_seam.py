import numpy as np
import pytest

from asynfusion_ros.motion.blendshapes import FACE_NAMES, face_index
from asynfusion_ros.streaming.seam import BODY_FADE, FACE_FADE, Fade, join

RNG = np.random.default_rng(0)


def window(frames=20, channels=3):
    return RNG.standard_normal((frames, channels)).astype(np.float32)


def waves(start, frames, channels=3):
    time = np.arange(start, start + frames)[:, None] / 30.0
    return np.sin(time * np.arange(1, channels + 1)).astype(np.float32)


def test_without_known_frames_nothing_changes():
    frames = window()
    assert join(None, frames, FACE_FADE) is frames
    assert join(frames[:0], frames, FACE_FADE) is frames


def test_known_frames_stand_as_they_were_shown():
    known, frames = window(8), window()
    assert np.array_equal(join(known, frames, BODY_FADE)[:8], known)


def test_a_motion_that_goes_on_is_left_alone():
    frames = np.linspace(0.0, 3.0, 20, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    assert np.allclose(join(frames[:8], frames, BODY_FADE), frames, atol=1e-6)


@pytest.mark.parametrize("fade", [Fade(1, 1), BODY_FADE, Fade(9, 4), Fade(4, 9)])
def test_both_offsets_fade_to_nothing_within_the_fade(fade):
    frames = window(32)
    joined = join(frames[:8] + 1.0, frames, fade)
    length = max(fade.position_frames, fade.velocity_frames)
    assert np.allclose(joined[8:][length - 1 :], frames[8:][length - 1 :], atol=1e-6)


def test_each_channel_of_a_face_fades_in_its_own_time():
    frames = np.zeros((60, 51), np.float32)
    left = join(frames[:30] + 1.0, frames, FACE_FADE)[30:]
    last = {name: int(np.count_nonzero(left[:, face_index(name)])) for name in FACE_NAMES}
    assert last["jawOpen"] == last["mouthClose"] == last["eyeBlinkLeft"] == 2
    assert last["browInnerUp"] == last["mouthSmileLeft"] == last["eyeLookUpRight"] == 23


def test_a_pure_offset_of_position_only_shrinks_and_never_turns():
    frames = np.zeros((31, 1), np.float32)
    left = join(frames[:8] + 1.0, frames, BODY_FADE)[8:, 0]
    assert left.dtype == np.float32
    assert np.all(np.diff(left) < 0.0)
    assert left.min() > 0.0
    assert left.max() < 1.0


def test_the_first_new_frames_go_on_as_fast_as_the_known_ones():
    fade = Fade(400, 400)
    frames = waves(0, 608) / 10
    known = frames[:8] + np.arange(8, dtype=np.float32)[:, None] / 10
    joined = join(known, frames, fade)
    extra = np.diff(joined - frames, axis=0)[7:9]  # per frame, on both sides of the border
    assert np.allclose(extra, 0.1, atol=0.01)


def test_no_kink_is_left_where_position_and_speed_are_off():
    frames = waves(0, 68)
    known = frames[:8] + 0.5 + np.arange(8, dtype=np.float32)[:, None] / 20
    bend = np.abs(np.diff(join(known, frames, BODY_FADE), n=2, axis=0)).max()
    raw = np.abs(np.diff(np.concatenate([known, frames[8:]]), n=2, axis=0)).max()
    assert bend < raw / 10


def test_short_windows_carry_no_offset_over_many_of_them():
    assert np.allclose(Fade(36, 12).decays(3), Fade(18, 6).decays(3))
    assert not np.allclose(Fade(36, 12).decays(12)[0], Fade(18, 12).decays(12)[0])


@pytest.mark.parametrize("hop", [3, 6, 12, 24])
def test_offsets_do_not_add_up_over_windows_whatever_their_length(hop):
    known, most = np.zeros((30, 3), np.float32), 0.0
    for _ in range(300):  # each window follows another idea around 0
        fresh = np.repeat(RNG.standard_normal((1, 3)), hop, 0).astype(np.float32)
        joined = join(known, np.concatenate([known, fresh]), BODY_FADE)
        known, most = joined[-30:], max(most, np.abs(joined).max())
    assert most < 6.0
