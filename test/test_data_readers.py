"""Recordings are read into one contract; what is broken is reported, not guessed."""

import numpy as np
import pytest
import soundfile
from data_helpers import make_rotations, write_manifest, write_mouth_take, write_take

from asynfusion_ros.data.mouth30 import read_mouth30
from asynfusion_ros.data.recording import read_sound, smooth_motion
from asynfusion_ros.data.talk30 import JOINTS, mirror_body, read_talk30
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.rotations import geodesic_angle_rad, mean_rotation
from asynfusion_ros.motion.skeleton import Skeleton


def read_one(folder, **take):
    write_manifest(folder, [write_take(folder, "a", **take)])
    recordings, faults = read_talk30(folder)
    assert faults == []
    return recordings[0]


def constant(joint, rotation, frames=66):
    rotations = make_rotations(frames)
    rotations[joint] = np.tile(np.float32(rotation), (frames, 1))
    return rotations


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ((0.4, 0, 0), (0, 0.4, 0)),  # about the axis to the person's left
        ((0, 0.4, 0), (0, 0, 0.4)),  # about the vertical axis
        ((0, 0, 0.4), (0.4, 0, 0)),  # about the axis that points forward
    ],
)
def test_a_turn_lands_on_the_axis_it_is_about(tmp_path, theirs, ours):
    take = read_one(tmp_path, rotations=constant("l_forearm", theirs))
    forearm = take.clip.body.reshape(-1, 8, 3)[:, JOINTS.index("l_forearm")]
    np.testing.assert_allclose(forearm, np.tile(ours, (66, 1)), atol=1e-5)


def test_a_hanging_left_arm_hangs_in_our_skeleton(tmp_path):
    """In talk30 the left arm points along +x; -90 degrees about z (forward) lets it hang."""
    rotations = constant("l_upper_arm", (0, 0, -np.pi / 2))
    body = read_one(tmp_path, rotations=rotations).clip.body[30].reshape(8, 3)
    only_arm = np.zeros((8, 3))
    only_arm[JOINTS.index("l_upper_arm")] = body[JOINTS.index("l_upper_arm")]
    places = Skeleton.load().forward_kinematics(only_arm.ravel())
    np.testing.assert_allclose(places["l_hand"], places["l_upper_arm"] - (0, 0, 0.53), atol=1e-3)


def test_chest_and_head_turn_about_their_mean_and_arms_do_not(tmp_path):
    rotations = make_rotations(300)
    for joint in ("chest", "head", "r_upper_arm"):
        rotations[joint] = rotations[joint] + np.float32([0.5, 0.2, -0.3])
    body = read_one(tmp_path, frames=300, rotations=rotations).clip.body.reshape(-1, 8, 3)
    for joint in ("chest", "head"):
        mean = mean_rotation(body[:, JOINTS.index(joint)])
        assert geodesic_angle_rad(mean, np.zeros(3)) < 0.01
    arm = mean_rotation(body[:, JOINTS.index("r_upper_arm")])
    assert geodesic_angle_rad(arm, np.zeros(3)) > 0.4


@pytest.mark.parametrize(
    ("tier", "measured"),
    [("A", set(JOINTS)), ("B", set(JOINTS) - {"l_hand", "r_hand"}), ("F", {"head"})],
)
def test_a_tier_says_which_joints_were_measured(tmp_path, tier, measured):
    clip = read_one(tmp_path, tier=tier).clip
    mask = clip.body_mask.reshape(-1, 8, 3)
    for index, joint in enumerate(JOINTS):
        assert (mask[:, index] == (joint in measured)).all()
        assert clip.body.reshape(-1, 8, 3)[:, index].any() == (joint in measured)
    assert clip.face_mask is None


def test_a_take_says_where_it_comes_from(tmp_path):
    take = read_one(tmp_path, split="val", seed=4)
    assert (take.name, take.source, take.licence, take.split) == ("a", "source4", "MIT", "val")
    assert take.clip.fps_hz == 30.0
    assert len(take.clip) == 66
    assert take.samples.shape == (35_200,)
    assert ((take.clip.face >= 0) & (take.clip.face <= 1)).all()


def truncate(path):
    path.write_bytes(path.read_bytes()[:3000])


def change_arrays(path, **changes):
    arrays = {**dict(np.load(path)), **changes}
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


def with_nan(shape):
    values = np.zeros(shape, np.float32)
    values[7] = np.nan
    return values


BREAKS = {
    "truncated sound": lambda f: truncate(f / "bad.flac"),
    "missing sound": lambda f: (f / "bad.flac").unlink(),
    "short sound": lambda f: soundfile.write(f / "bad.flac", np.zeros(16_000), 16_000),
    "empty sound": lambda f: soundfile.write(f / "bad.flac", np.zeros(0), 16_000),
    "other rate": lambda f: soundfile.write(f / "bad.flac", np.zeros(97_020), 44_100),
    "truncated arrays": lambda f: truncate(f / "bad.npz"),
    "missing arrays file": lambda f: (f / "bad.npz").unlink(),
    "missing array": lambda f: change_arrays(f / "bad.npz", rot_chest=None),
    "nan in face": lambda f: change_arrays(f / "bad.npz", face=with_nan((66, 51))),
    "nan in body": lambda f: change_arrays(f / "bad.npz", rot_r_hand=with_nan((66, 3))),
    "lengths": lambda f: change_arrays(f / "bad.npz", rot_chest=np.zeros((60, 3))),
    "other channels": lambda f: change_arrays(f / "bad.npz", face=np.zeros((66, 52))),
    "objects": lambda f: change_arrays(f / "bad.npz", face=np.array([{}] * 66, object)),
}


@pytest.mark.parametrize("break_it", BREAKS.values(), ids=BREAKS)
def test_a_broken_take_is_reported_and_the_others_are_read(tmp_path, break_it):
    rows = [write_take(tmp_path, name) for name in ("first", "bad", "last")]
    write_manifest(tmp_path, rows)
    break_it(tmp_path)
    recordings, faults = read_talk30(tmp_path)
    assert [r.name for r in recordings] == ["first", "last"]
    assert [fault.file for fault in faults] == ["bad"]
    assert "bad" in faults[0].reason


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"id": "x", "tier": "Z", "split": "train"}'])
def test_a_broken_line_of_the_manifest_is_reported_by_its_number(tmp_path, line):
    write_manifest(tmp_path, [write_take(tmp_path, "good"), line])
    recordings, faults = read_talk30(tmp_path)
    assert [r.name for r in recordings] == ["good"]
    assert [fault.file for fault in faults] == ["manifest.jsonl:2"]


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"manifest\.jsonl"):
        read_talk30(tmp_path)
    with pytest.raises(DataError, match="npz"):
        read_mouth30(tmp_path)
    write_manifest(tmp_path, [write_take(tmp_path, "a")])
    (tmp_path / "face_names.json").write_text('["jawOpen"]')
    with pytest.raises(DataError, match="face_names"):
        read_talk30(tmp_path)


def test_mouth30_measures_only_what_moves(tmp_path):
    write_mouth_take(tmp_path, "a")
    write_mouth_take(tmp_path, "b", seed=1)
    write_mouth_take(tmp_path, "bad")
    truncate(tmp_path / "bad.npz")
    recordings, faults = read_mouth30(tmp_path)
    assert [r.name for r in recordings] == ["a", "b"]
    assert [fault.file for fault in faults] == ["bad.npz"]
    clip = recordings[0].clip
    active = {FACE_NAMES[i] for i in np.flatnonzero(clip.face_mask[0])}
    assert active == {"jawOpen", "mouthPucker"}
    assert not clip.body_mask.any()
    assert recordings[0].split == "train"


def test_nan_in_sound_is_refused(tmp_path):
    samples = np.zeros(1600, np.float32)
    samples[5] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(DataError, match="NaN"):
        read_sound(tmp_path / "a.wav")


def test_two_channels_become_one(tmp_path):
    stereo = np.stack([np.full(1600, 0.5), np.full(1600, -0.1)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_sound(tmp_path / "a.wav"), 0.2, atol=1e-6)


def test_smoothing_keeps_gestures_without_delay_and_removes_jitter():
    time_s = np.arange(300) / 30.0
    gesture, jitter = np.sin(2 * np.pi * time_s), np.sin(2 * np.pi * 13 * time_s)
    smooth = smooth_motion((gesture + 0.2 * jitter)[:, None], 30.0, 6.0)[:, 0]
    assert np.abs(smooth - gesture)[30:-30].max() < 0.02
    assert np.allclose(smooth_motion(np.ones((5, 3)), 30.0, 6.0), 1.0)


def test_the_mirror_is_its_own_inverse():
    body = np.random.default_rng(0).normal(size=(7, 24)).astype(np.float32)
    assert np.array_equal(mirror_body(mirror_body(body)), body)


def test_the_mirror_puts_every_joint_on_the_other_side():
    body = np.random.default_rng(0).uniform(-1, 1, (7, 24)).astype(np.float32)
    skeleton = Skeleton.load()
    places = skeleton.forward_kinematics(body)
    mirrored = skeleton.forward_kinematics(mirror_body(body))
    for joint in JOINTS:
        other = {"l_": "r_", "r_": "l_"}.get(joint[:2], joint[:2]) + joint[2:]
        np.testing.assert_allclose(mirrored[other], places[joint] * (1, -1, 1), atol=1e-6)


def test_all_real_recordings_are_read(data_dir):
    recordings, faults = read_talk30(data_dir / "talk30")
    assert faults == []
    assert {r.split for r in recordings} == {"train", "val", "test"}
    assert all(np.isfinite(r.clip.body).all() for r in recordings)
