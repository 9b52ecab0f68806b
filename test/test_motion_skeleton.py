"""The skeleton: what its file says, where its joints are, and what files are refused."""

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.motion.skeleton import FINGERS, Skeleton

FEW = settings(max_examples=25, deadline=None)
SKELETON = Skeleton.load()
JOINTS = ("chest", "head", "l_upper_arm", "l_forearm", "l_hand")
NAMES = (*JOINTS, "r_upper_arm", "r_forearm", "r_hand")


def pose(**rotations):
    body = np.zeros((8, 3))
    for name, rotation in rotations.items():
        body[NAMES.index(name)] = rotation
    return body.ravel()


def test_names_and_parents():
    assert SKELETON.joint_names == NAMES
    parents = {joint.name: joint.parent for joint in SKELETON.joints}
    assert parents == {
        "chest": None, "head": "chest",
        "l_upper_arm": "chest", "l_forearm": "l_upper_arm", "l_hand": "l_forearm",
        "r_upper_arm": "chest", "r_forearm": "r_upper_arm", "r_hand": "r_forearm",
    }  # fmt: skip


def test_robot_joints():
    names = SKELETON.robot_joint_names
    assert len(names) == len(set(names)) == 54
    assert names[:4] == ("chest_yaw", "chest_pitch", "chest_roll", "head_yaw")
    assert names[6] == "l_shoulder_yaw"
    fingers = [f"{side}_{name}_{i}" for side in "lr" for name in FINGERS for i in (1, 2, 3)]
    assert list(names[24:]) == fingers
    assert SKELETON.lower_rad.shape == SKELETON.upper_rad.shape == (54,)
    assert SKELETON.velocity_rad_s.shape == (54,)
    assert (SKELETON.lower_rad < SKELETON.upper_rad).all()
    assert (SKELETON.velocity_rad_s > 0).all()


def test_the_sides_have_mirrored_limits():
    low, high = SKELETON.lower_rad[:24].reshape(8, 3), SKELETON.upper_rad[:24].reshape(8, 3)
    for left, right in ((2, 5), (3, 6), (4, 7)):
        for axis, sign in ((0, -1), (1, 1), (2, -1)):  # yaw and roll turn around in a mirror
            ends = sorted((sign * low[left, axis], sign * high[left, axis]))
            assert ends == [low[right, axis], high[right, axis]]


def test_the_rest_pose_is_allowed():
    angles = SKELETON.ball_angles(SKELETON.rest_body)
    assert (angles >= SKELETON.lower_rad[:24]).all()
    assert (angles <= SKELETON.upper_rad[:24]).all()
    places = SKELETON.forward_kinematics(SKELETON.rest_body)
    assert places["l_hand"][2] < places["l_forearm"][2] < places["l_upper_arm"][2]  # arms hang


def test_no_rotation_is_a_t():
    places = SKELETON.forward_kinematics(np.zeros(24))
    shoulder = np.array([0.0, 0.18, 1.05 + 0.26])
    arm = lambda *offset: shoulder + np.array(offset)  # noqa: E731
    expected = {
        "chest": (0, 0, 1.05), "head": (0.01, 0, 1.41), "l_upper_arm": shoulder,
        "l_forearm": arm(0, 0.28, 0), "l_hand": arm(0, 0.53, 0),
        "l_index_1": arm(0.025, 0.615, 0), "l_index_2": arm(0.025, 0.655, 0),
        "l_index_3_tip": arm(0.025, 0.702, 0),
    }  # fmt: skip
    for name, place in expected.items():
        np.testing.assert_allclose(places[name], place, atol=1e-12)
        if name.startswith("l_"):
            other = np.array(place) * (1, -1, 1)
            np.testing.assert_allclose(places["r" + name[1:]], other, atol=1e-12)


def test_arms_by_hand():
    quarter = np.pi / 2
    body = pose(l_upper_arm=(-quarter, 0, 0), r_forearm=(0, 0, quarter))
    places = SKELETON.forward_kinematics(body)
    np.testing.assert_allclose(places["l_forearm"], (0, 0.18, 1.31 - 0.28), atol=1e-12)  # down
    np.testing.assert_allclose(places["l_hand"], (0, 0.18, 1.31 - 0.53), atol=1e-12)
    np.testing.assert_allclose(places["r_hand"], (0.25, -0.46, 1.31), atol=1e-12)  # forward
    turned = SKELETON.forward_kinematics(pose(chest=(0, 0, quarter)))
    np.testing.assert_allclose(turned["l_hand"], (-0.71, 0, 1.31), atol=1e-12)


def test_fingers_curl_towards_the_palm():
    bends = np.full(30, 0.5)
    flat = SKELETON.forward_kinematics(np.zeros(24))
    curled = SKELETON.forward_kinematics(np.zeros(24), bends)
    for side in "lr":
        for finger in ("index", "middle", "ring", "pinky"):
            tip = f"{side}_{finger}_3_tip"
            assert curled[tip][2] < flat[tip][2] - 0.02  # the palms look down in the T
        thumb = f"{side}_thumb_3_tip"
        assert curled[thumb][0] < flat[thumb][0]  # the thumb closes towards the fingers
    mirrored = curled["r_ring_3_tip"] * (1, -1, 1)
    np.testing.assert_allclose(curled["l_ring_3_tip"], mirrored, atol=1e-12)


def test_places_are_computed_for_many_frames_at_once():
    bodies = np.random.default_rng(0).uniform(-1, 1, (5, 24))
    bends = np.random.default_rng(1).uniform(0, 1, (5, 30))
    many = SKELETON.forward_kinematics(bodies, bends)
    for frame in range(5):
        one = SKELETON.forward_kinematics(bodies[frame], bends[frame])
        for name, place in one.items():
            np.testing.assert_allclose(many[name][frame], place, atol=1e-12)


@FEW
@given(st.lists(st.floats(0.0, 1.0), min_size=24, max_size=24))
def test_angles_and_bodies_are_inverses_within_the_limits(shares):
    low, high = SKELETON.lower_rad[:24], SKELETON.upper_rad[:24]
    angles = low + np.array(shares) * (high - low)
    body = SKELETON.body_from_ball_angles(angles)
    np.testing.assert_allclose(SKELETON.ball_angles(body), angles, atol=1e-6)


def test_near_chooses_the_whole_turn():
    body = SKELETON.body_from_ball_angles(np.full(24, 0.1))
    angles = SKELETON.ball_angles(body, near=np.full(24, 6.0))
    np.testing.assert_allclose(angles, 0.1 + 2 * np.pi, atol=1e-9)


def broken_file(tmp_path, repo, change):
    values = yaml.safe_load((repo / "config" / "upper_body.yaml").read_text())
    change(values)
    file = tmp_path / "skeleton.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.pop("ball_joints"),
        lambda v: v["ball_joints"][1].update(parent="tail"),
        lambda v: v["ball_joints"].reverse(),
        lambda v: v["ball_joints"][3].update(name="chest"),
        lambda v: v["ball_joints"][0].update(yaw=[1.0, -1.0]),
        lambda v: v["ball_joints"][0].update(roll=[-4.0, 1.0]),
        lambda v: v["ball_joints"][0].update(pitch=[0.5]),
        lambda v: v["ball_joints"][0].update(offset_m=[0.0, 0.0]),
        lambda v: v["ball_joints"][0].update(offset_m=[0.0, 0.0, float("nan")]),
        lambda v: v["ball_joints"][0].update(velocity=0.0),
        lambda v: v["fingers"].pop("thumb"),
        lambda v: v["fingers"]["ring"].update(steps_m=[[0, 0, 0]]),
    ],
)
def test_malformed_files_are_refused(tmp_path, repo, change):
    file = broken_file(tmp_path, repo, change)
    with pytest.raises(MotionFileError, match=r"skeleton\.yaml"):
        Skeleton.load(file)


@pytest.mark.parametrize("text", ["", "[1, 2", "- a\n- b\n", "\0"])
def test_files_that_hold_something_else_are_refused(tmp_path, text):
    file = tmp_path / "skeleton.yaml"
    file.write_text(text)
    with pytest.raises(MotionFileError):
        Skeleton.load(file)
    with pytest.raises(MotionFileError):
        Skeleton.load(tmp_path / "missing.yaml")
