"""Clips of frames, and the statistics that normalise their channels."""

import numpy as np
import pytest

from asynfusion_ros.errors import ConfigError, MotionFileError
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.normalisation import ChannelStatistics

RNG = np.random.default_rng(0)


def make_clip(frames=4, fps_hz=30.0, **more):
    face = RNG.random((frames, 51), np.float32)
    body = RNG.uniform(-0.5, 0.5, (frames, 24)).astype(np.float32)
    return MotionClip(fps_hz, face, body, **more)


def test_frames_are_met_exactly():
    clip = make_clip()
    for index in range(4):
        frame = clip.at(index / 30.0)
        np.testing.assert_allclose(frame.face, clip.face[index], atol=1e-5)
        np.testing.assert_allclose(frame.body, clip.body[index], atol=1e-5)


def test_between_frames_the_face_is_linear_and_the_body_turns_evenly():
    clip = MotionClip(10.0, np.zeros((2, 51), np.float32), np.zeros((2, 24), np.float32))
    clip.face[1], clip.body[1, 3:6] = 1.0, (0.0, 1.2, 0.0)
    frame = clip.at(0.025)
    np.testing.assert_allclose(frame.face, 0.25, atol=1e-6)
    np.testing.assert_allclose(frame.body[3:6], (0.0, 0.3, 0.0), atol=1e-6)
    assert frame.time_s == 0.025


def test_outside_the_clip_its_ends_stay():
    clip = make_clip()
    np.testing.assert_allclose(clip.at(-5.0).face, clip.face[0])
    np.testing.assert_allclose(clip.at(99.0).body, clip.body[-1], atol=1e-5)
    assert len(clip) == 4
    assert clip.duration_s == pytest.approx(4 / 30)


@pytest.mark.parametrize("fps_hz", [0.0, -30.0, float("nan")])
def test_a_rate_must_be_positive(fps_hz):
    with pytest.raises(MotionFileError, match="rate"):
        make_clip(fps_hz=fps_hz)


def test_shapes_must_agree():
    face, body = np.zeros((3, 51), np.float32), np.zeros((4, 24), np.float32)
    with pytest.raises(MotionFileError, match="one T"):
        MotionClip(30.0, face, body)
    with pytest.raises(MotionFileError, match="mask"):
        make_clip(face_mask=np.ones((4, 50), np.float32))


def test_normalising_gives_zero_mean_and_unit_variance_and_leads_back():
    values = RNG.normal(3.0, 7.0, (500, 4)).astype(np.float32)
    statistics = ChannelStatistics.from_arrays(values)
    normal = statistics.normalise(values)
    np.testing.assert_allclose(normal.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(normal.std(axis=0), 1.0, atol=1e-4)
    np.testing.assert_allclose(statistics.unnormalise(normal), values, atol=1e-4)


def test_a_constant_channel_is_only_shifted():
    values = np.full((10, 2), 0.25, np.float32)
    statistics = ChannelStatistics.from_arrays(values)
    assert np.array_equal(statistics.std, [1.0, 1.0])
    np.testing.assert_allclose(statistics.normalise(values + 2.0), 2.0, atol=1e-6)
    np.testing.assert_allclose(statistics.unnormalise(statistics.normalise(values)), values)


@pytest.mark.parametrize("per_channel", [False, True])
def test_what_was_not_measured_does_not_count(per_channel):
    values = RNG.normal(size=(100, 3))
    weights = np.zeros(100)
    weights[:40] = 1.0
    expected = ChannelStatistics.from_arrays(values[:40])
    values[40:] = 1e6
    given = np.repeat(weights[:, None], 3, axis=1) if per_channel else weights
    measured = ChannelStatistics.from_arrays(values, given)
    np.testing.assert_allclose(measured.mean, expected.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(measured.std, expected.std, rtol=1e-5)


def test_a_channel_that_was_never_measured_is_left_alone():
    weights = np.ones((10, 2))
    weights[:, 1] = 0.0
    statistics = ChannelStatistics.from_arrays(RNG.normal(5.0, 1.0, (10, 2)), weights)
    assert (statistics.mean[1], statistics.std[1]) == (0.0, 1.0)


def test_statistics_survive_json():
    import json

    statistics = ChannelStatistics.from_arrays(RNG.normal(size=(20, 5)))
    again = ChannelStatistics.from_dict(json.loads(json.dumps(statistics.to_dict())))
    assert np.array_equal(again.mean, statistics.mean)
    assert np.array_equal(again.std, statistics.std)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"mean": [0.0]},
        {"mean": [0.0], "std": [1.0, 1.0]},
        {"mean": [0.0], "std": [-1.0]},
        {"mean": [float("nan")], "std": [1.0]},
        {"mean": [[0.0]], "std": [[1.0]]},
        {"mean": ["a"], "std": [1.0]},
    ],
)
def test_statistics_that_make_no_sense_are_refused(values):
    with pytest.raises(ConfigError):
        ChannelStatistics.from_dict(values)
