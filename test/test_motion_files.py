"""Motion files lead back to the motion that was written, and broken ones are refused."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.motion.arkit_json import read_arkit_json, write_arkit_json
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.bvh import read_bvh, write_bvh
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.npz import read_npz, write_npz
from asynfusion_ros.motion.skeleton import Skeleton

SKELETON = Skeleton.load()


@pytest.fixture
def clip():
    """Two thirds of a second of motion that stays well within every limit."""
    rng = np.random.default_rng(0)
    phase = np.linspace(0.0, 3.0, 20)[:, None] + rng.uniform(0.0, 6.0, 24)
    span = 0.2 * np.minimum(-SKELETON.lower_rad[:24], SKELETON.upper_rad[:24])
    body = SKELETON.body_from_ball_angles(span * np.sin(phase))
    return MotionClip(30.0, rng.random((20, 51), np.float32), body.astype(np.float32))


def to_file_axes(rotvec):
    """Ours (forward, left, up) as BVH's (left, up, forward)."""
    return np.roll(rotvec, -1, axis=-1)


def test_bvh_leads_back_to_all_rotations(tmp_path, clip):
    write_bvh(tmp_path / "a.bvh", clip, SKELETON)
    file = read_bvh(tmp_path / "a.bvh")
    assert file.frame_time_s == pytest.approx(1 / 30)
    assert file.frames.shape == (20, 3 + 3 * 38)
    for index, name in enumerate(SKELETON.joint_names):
        ours = clip.body.reshape(20, 8, 3)[:, index]
        np.testing.assert_allclose(file.rotvec(name), to_file_axes(ours), atol=2e-6)


def test_bvh_leads_back_to_all_finger_bends(tmp_path, clip):
    write_bvh(tmp_path / "a.bvh", clip, SKELETON)
    file = read_bvh(tmp_path / "a.bvh")
    bends = to_joint_positions(SKELETON, clip.body, 30.0)[:, 24:]
    for index, finger in enumerate(SKELETON.fingers):
        expected = to_file_axes(bends[:, index, None] * finger.axis)
        np.testing.assert_allclose(file.rotvec(finger.name), expected, atol=2e-6)


def test_bvh_places_joints_where_the_skeleton_does(tmp_path, clip):
    write_bvh(tmp_path / "a.bvh", clip, SKELETON)
    file = read_bvh(tmp_path / "a.bvh")
    turns, places = {-1: Rotation.identity(20)}, {-1: np.zeros((20, 3))}
    for index, (name, parent) in enumerate(zip(file.names, file.parents, strict=True)):
        offset = file.frames[:, :3] if parent < 0 else np.tile(file.offsets_cm[index], (20, 1))
        places[index] = places[parent] + turns[parent].apply(offset)
        turns[index] = turns[parent] * Rotation.from_rotvec(file.rotvec(name))
    bends = to_joint_positions(SKELETON, clip.body, 30.0)[:, 24:]
    expected = SKELETON.forward_kinematics(clip.body, bends)
    for index, name in enumerate(file.names):
        ours = 100.0 * to_file_axes(expected[name])
        np.testing.assert_allclose(places[index], ours, atol=1e-3)


def broken_bvh(tmp_path, clip, old, new):
    write_bvh(tmp_path / "a.bvh", clip, SKELETON)
    text = (tmp_path / "a.bvh").read_text()
    assert old in text
    path = tmp_path / "broken.bvh"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("HIERARCHY", "HIER"),
        ("MOTION", "MOTIONLESS\n1 2 3"),
        ("Frame Time:", "Frame Tim:"),
        ("}\nMOTION", "MOTION"),
        ("JOINT head", "JOINT"),
        ("CHANNELS 3", "CHANNELS 4"),
        ("CHANNELS 3", "CHANNELS x"),
        ("Frame Time: 0.03333333\n", "Frame Time: 0.03333333\n1.0\n"),
        ("0.0000 0.0000", "nan 0.0000"),
        ("0.00", "zero"),
    ],
)
def test_malformed_bvh_is_refused(tmp_path, clip, old, new):
    path = broken_bvh(tmp_path, clip, old, new)
    with pytest.raises(MotionFileError, match=r"broken\.bvh"):
        read_bvh(path)


def test_bvh_that_is_no_text_or_missing_is_refused(tmp_path):
    (tmp_path / "a.bvh").write_bytes(b"\xff\xfe\x00HIERARCHY")
    for name in ("a.bvh", "missing.bvh"):
        with pytest.raises(MotionFileError, match=name):
            read_bvh(tmp_path / name)


def test_bvh_says_which_joints_it_has(tmp_path, clip):
    write_bvh(tmp_path / "a.bvh", clip, SKELETON)
    with pytest.raises(MotionFileError, match="l_upper_arm"):
        read_bvh(tmp_path / "a.bvh").rotvec("LeftArm")


def test_a_take_of_beat(data_dir):
    path = data_dir / "beat_take" / "2_scott_0_1_1.bvh"
    if not path.is_file():
        pytest.skip("the BEAT take is not in the data folder")
    file = read_bvh(path)
    assert len(file.names) == 75
    assert sum(len(channels) for channels in file.channels) == file.frames.shape[1] == 228
    assert file.names[0] == "Hips"
    # The header says 120 frames per second; the sound lasts 64 s, so that there are 15.
    assert file.frame_time_s == pytest.approx(1 / 120, abs=1e-5)
    import soundfile

    seconds = soundfile.info(path.with_suffix(".flac")).duration
    assert len(file.frames) / seconds == pytest.approx(15.0, rel=0.01)
    assert np.isfinite(file.rotvec("RightArm")).all()


def test_faces_survive_json(tmp_path, clip):
    path = tmp_path / "a.json"
    write_arkit_json(path, clip)
    times_s, face = read_arkit_json(path)
    np.testing.assert_allclose(times_s, np.arange(20) / 30, atol=1e-5)
    np.testing.assert_allclose(face, clip.face, atol=1e-5)


def test_json_has_the_layout_of_beat(tmp_path, clip):
    path = tmp_path / "a.json"
    write_arkit_json(path, clip)
    document = json.loads(path.read_text())
    assert list(document) == ["names", "frames"]
    assert document["names"] == list(FACE_NAMES)
    assert len(document["frames"]) == 20
    frame = document["frames"][3]
    assert list(frame) == ["weights", "time", "rotation"]
    assert len(frame["weights"]) == 51
    assert frame["time"] == pytest.approx(0.1)
    assert frame["rotation"] == []


def test_json_is_read_by_name(tmp_path):
    path = tmp_path / "a.json"
    frames = [{"weights": [0.5, 0.25, 1.0], "time": 0.0, "rotation": []}]
    path.write_text(
        json.dumps({"names": ["tongueOut", "jawOpen", "browDownLeft"], "frames": frames})
    )
    _, face = read_arkit_json(path)
    assert face[0, FACE_NAMES.index("jawOpen")] == 0.25
    assert face[0, FACE_NAMES.index("browDownLeft")] == 1.0
    assert face.sum() == 1.25


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"names": ["jawOpen"]}', '{"names": null, "frames": []}',
        '{"names": ["jawOpen"], "frames": [{"weights": [0.1, 0.2], "time": 0}]}',
        '{"names": ["jawOpen"], "frames": [{"weights": [0.1]}]}',
        '{"names": ["jawOpen"], "frames": [{"weights": [NaN], "time": 0}]}',
        '{"names": ["jawOpen"], "frames": [{"weights": ["x"], "time": 0}]}',
    ],
)  # fmt: skip
def test_other_json_is_refused(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(MotionFileError, match=r"a\.json"):
        read_arkit_json(path)


def test_clips_survive_npz(tmp_path, clip):
    write_npz(tmp_path / "a.npz", clip)
    again = read_npz(tmp_path / "a.npz")
    assert again.fps_hz == clip.fps_hz
    assert np.array_equal(again.face, clip.face)
    assert np.array_equal(again.body, clip.body)


def test_other_npz_is_refused(tmp_path, clip):
    path = tmp_path / "a.npz"
    write_npz(path, clip)
    whole = path.read_bytes()
    arrays = dict(np.load(path))
    for change in (
        {"face_names": arrays["face_names"][::-1]},
        {"face": arrays["face"] * np.nan},
        {"face": arrays["face"][:, :50]},
        {"fps_hz": 0.0},
        {"face": np.array([{"a": 1}], dtype=object)},
    ):
        np.savez(path, **{**arrays, **change})
        with pytest.raises(MotionFileError):
            read_npz(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MotionFileError):
        read_npz(path)
    with pytest.raises(MotionFileError):
        read_npz(tmp_path / "missing.npz")
