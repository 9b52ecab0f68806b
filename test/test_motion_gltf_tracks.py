"""Animations of other programs: keys of their own, every interpolation, bones that rest turned."""

import json

import numpy as np
import pytest
from robot_helpers import part_of, speech_motion
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation, Slerp

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.motion.exchange import export_clip, import_clip
from asynfusion_ros.motion.gltf import GltfAnimation, read_glb, write_glb
from asynfusion_ros.motion.gltf_tracks import (
    MOST_FRAMES,
    RATE_HZ,
    Track,
    frame_times,
    read_accessor,
    read_tracks,
)
from asynfusion_ros.motion.rotations import geodesic_angle_rad

TIMES_S = np.array([0.0, 0.4, 1.0, 1.1])
AT_S = np.linspace(-0.2, 1.3, 40)


def turns(seed, count):
    return Rotation.random(count, rng=np.random.default_rng(seed))


@pytest.fixture
def animation(tmp_path):
    """A VRM animation of 45 frames: its path, its document, its binary, and what it holds."""
    path = tmp_path / "clip.vrma"
    export_clip(part_of(speech_motion(), 45), "vrma", path)
    return path, *read_glb(path), import_clip(path)


def rewrite(path, document, tracks):
    """Write an animation anew from tracks by node's name and path, each (times, values, kind)."""
    document |= {"bufferViews": [], "accessors": []}
    parts = {}
    binary = bytearray()
    for (name, kind), (times, values) in tracks.items():
        builder = GltfAnimation(document, binary, times)
        builder.add(kind, name, values, {3: "VEC3", 4: "VEC4"}[values.shape[1]])
        built = builder.finish()["animations"][0]
        parts[name, kind] = (built["channels"][0]["target"], built["samplers"][0])
    document["animations"] = [
        {
            "channels": [{"sampler": i, "target": t} for i, (t, _) in enumerate(parts.values())],
            "samplers": [sampler for _, sampler in parts.values()],
        }
    ]
    write_glb(path, document, bytes(binary))


def test_linear_tracks_go_straight_and_turns_go_the_shortest_way():
    values = np.random.default_rng(0).normal(size=(4, 3))
    found = Track(TIMES_S, values, "LINEAR", False).at(AT_S)
    expected = [np.interp(AT_S, TIMES_S, column) for column in values.T]
    np.testing.assert_allclose(found, np.stack(expected, axis=1))
    keys = turns(1, 4)
    found = Rotation.from_quat(Track(TIMES_S, keys.as_quat(), "LINEAR", True).at(AT_S))
    expected = Slerp(TIMES_S, keys)(np.clip(AT_S, 0.0, 1.1))
    assert (found * expected.inv()).magnitude().max() < 1e-9


def test_steps_hold_their_key_until_the_next():
    track = Track(TIMES_S, np.arange(4.0)[:, None], "STEP", False)
    at_s = [-1.0, 0.0, 0.39, 0.4, 0.99, 1.05, 1.1, 5.0]
    assert track.at(at_s).ravel().tolist() == [0, 0, 0, 1, 1, 2, 3, 3]


def test_a_spline_is_that_of_hermite_and_its_slopes_may_break_at_keys():
    rng = np.random.default_rng(2)
    values, slopes = rng.normal(size=(2, 4, 3))
    smooth = Track(TIMES_S, np.stack([slopes, values, slopes], axis=1), "CUBICSPLINE", False)
    expected = CubicHermiteSpline(TIMES_S, values, slopes)(np.clip(AT_S, 0.0, 1.1))
    np.testing.assert_allclose(smooth.at(AT_S), expected, atol=1e-12)
    none = np.zeros_like(slopes)
    ease = Track(TIMES_S, np.stack([slopes, values, none], axis=1), "CUBICSPLINE", False)
    near = (ease.at([0.4 + 1e-6]) - ease.at([0.4])) / 1e-6
    np.testing.assert_allclose(near, 0.0, atol=1e-3)  # leaves a key with the slope after it
    near = (ease.at([0.4]) - ease.at([0.4 - 1e-6])) / 1e-6
    np.testing.assert_allclose(near, slopes[1:2], atol=1e-3)  # and reaches it with that before


def test_one_key_holds_for_ever():
    for way, values in (
        ("LINEAR", [[0.0, 0.0, 0.0, 1.0]]),
        ("CUBICSPLINE", [[[0.0], [7.0], [0.0]]]),
    ):
        track = Track(np.array([0.5]), np.array(values), way, way == "LINEAR")
        assert (track.at([0.0, 0.5, 9.0]) == track.at([0.5])).all()


def test_frames_are_the_keys_own_where_all_share_even_ones():
    track = lambda times: Track(np.asarray(times), np.zeros((len(times), 1)), "LINEAR", False)  # noqa: E731
    even = np.arange(50) / 25.0
    times, rate_hz = frame_times([track(even), track(even)])
    assert rate_hz == 25.0
    assert times is even
    odd = np.sort([*even, 0.011])
    for others in ([even[::5]], [even, even[:-1]], [even, 2.0 * even], [odd], [even + 1.0]):
        times, rate_hz = frame_times([track(keys) for keys in others])
        assert rate_hz == RATE_HZ
        assert times[0] == 0.0
        assert times[-1] == pytest.approx(max(k[-1] for k in others), abs=1.0 / RATE_HZ)


def test_bones_that_rest_turned_give_the_same_motion(animation):
    path, document, binary, clip = animation
    rests = turns(3, len(document["nodes"]))
    parents = {c: i for i, n in enumerate(document["nodes"]) for c in n.get("children", ())}
    tracks = {key: (t.times_s, t.values) for key, t in read_tracks(document, binary).items()}
    in_scene = {}
    for index, node in enumerate(document["nodes"]):  # parents come first
        above = in_scene.get(parents.get(index), Rotation.identity())
        in_scene[index] = above * rests[index]
        if index % 2:
            node["rotation"] = rests[index].as_quat().tolist()
        else:
            matrix = np.eye(4)
            matrix[:3, :3] = 2.0 * rests[index].as_matrix()  # and may be scaled
            node["matrix"] = matrix.T.ravel().tolist()
        if (node["name"], "rotation") in tracks:
            times, quats = tracks[node["name"], "rotation"]
            turned = above.inv() * Rotation.from_quat(quats) * above * rests[index]
            tracks[node["name"], "rotation"] = (times, turned.as_quat())
    rewrite(path, document, tracks)
    again = import_clip(path)
    shape = (len(clip), -1, 3)
    off = geodesic_angle_rad(again.body.reshape(shape), clip.body.reshape(shape))
    assert off.max() < 1e-4
    np.testing.assert_allclose(again.face, clip.face, atol=1e-6)


def test_tracks_with_keys_of_their_own_are_joined(animation):
    path, document, binary, clip = animation
    tracks = {}
    for number, (key, track) in enumerate(read_tracks(document, binary).items()):
        kept = np.unique([0, *range(number % 3, len(clip), 1 + number % 2), len(clip) - 1])
        tracks[key] = (track.times_s[kept], track.values[kept])
    rewrite(path, document, tracks)
    again = import_clip(path)
    assert again.fps_hz == RATE_HZ
    assert again.duration_s == pytest.approx(clip.duration_s, abs=0.15)
    at = np.rint(np.arange(len(clip)) * RATE_HZ / clip.fps_hz).astype(int)[:-1]
    shape = (len(at), -1, 3)
    off = geodesic_angle_rad(again.body[at].reshape(shape), clip.body[:-1].reshape(shape))
    assert np.quantile(off, 0.95) < 0.1  # half of the keys at 10 Hz are gone


def test_integers_are_read_as_shares_of_their_range():
    stored = np.array([[-32768, 32767, 0, 16384]], "<i2")
    document = {
        "accessors": [{"bufferView": 0, "componentType": 5122, "count": 1, "type": "VEC4"}],
        "bufferViews": [{"byteLength": 8}],
    }
    found = read_accessor(document, stored.tobytes(), 0)
    np.testing.assert_allclose(found, [[-1.0, 1.0, 0.0, 0.50002]], atol=1e-5)


def change_way(document):
    document["animations"][0]["samplers"][0]["interpolation"] = "BOUNCE"


def close_a_ring(document):
    document["nodes"][3]["children"] = [0]


def take_other_keys(document):
    document["animations"][0]["samplers"][0]["input"] = 3


@pytest.mark.parametrize("change", [change_way, close_a_ring, take_other_keys])
def test_contradictions_are_refused(change, animation):
    path, document, binary, _ = animation
    change(document)
    write_glb(path, document, binary)
    with pytest.raises(MotionFileError, match="no VRM animation that can be read"):
        import_clip(path)


def test_what_lasts_too_long_or_goes_back_is_refused(animation):
    path, document, binary, _ = animation
    tracks = {key: (t.times_s.copy(), t.values) for key, t in read_tracks(document, binary).items()}
    times, values = next(iter(tracks.values()))
    for last_s, said in ((MOST_FRAMES / RATE_HZ + 1.0, "it lasts"), (0.1, "must increase")):
        times[-1] = last_s
        rewrite(path, json.loads(json.dumps(document)), {next(iter(tracks)): (times, values)})
        with pytest.raises(MotionFileError, match=said):
            import_clip(path)
