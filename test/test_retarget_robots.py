"""Five robots follow a minute of speech: nothing beyond a limit, hardly anything clipped."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("yourdfpy", reason="yourdfpy is not installed")

from robot_helpers import ROBOTS, part_of, robot, speech_motion

from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.rotations import rotvec_to_matrix, zyx_to_rotvec
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.retarget.check import check_motion, path_correlation
from asynfusion_ros.retarget.entries import Tuning
from asynfusion_ros.retarget.guess import guess_map, side_of
from asynfusion_ros.retarget.pose import AvatarPose, zero_alignments
from asynfusion_ros.retarget.retargeter import Retargeter
from asynfusion_ros.retarget.robot_map import RobotMap
from asynfusion_ros.retarget.stage import share
from asynfusion_ros.retarget.writing import write_guess

SKELETON = Skeleton.load()
REST = to_joint_positions(SKELETON, SKELETON.rest_body[None], 1.0)[0]
FACE = np.zeros(51, np.float32)


@pytest.mark.parametrize("name", ROBOTS)
def test_a_minute_of_speech(name):
    report = check_motion(*robot(name), speech_motion())
    assert report.seconds == 60.0
    assert report.beyond == 0
    assert report.nan == 0
    assert report.clipped < 0.02, report.by_joint
    assert set(report.wrists) == (set() if name == "reachy_mini" else {"l", "r"})
    assert min(report.wrists.values(), default=1.0) > 0.8
    assert report.passes


@pytest.mark.parametrize("name", ["jvrc1", "g1", "icub", "romeo"])
def test_a_guessed_map_moves_the_same_joints(name, tmp_path):
    known, model = robot(name)
    path = tmp_path / "map.yaml"
    path.write_text(write_guess(guess_map(model), "robot.urdf"))
    guessed = RobotMap.load(path)
    assert dict(guessed.parts) == dict(known.parts)
    assert (guessed.forward, guessed.left) == (known.forward, known.left)
    report = check_motion(guessed, model, part_of(speech_motion(), 60))
    assert min(report.wrists.values()) > 0.8


def test_suggestions_bring_what_is_asked_within_limits():
    plain, model = robot("icub")
    plain = dataclasses.replace(plain, joints={})
    clip = part_of(speech_motion(), 200)
    before = check_motion(plain, model, clip)
    assert before.clipped > 0.02
    tunings = {name: Tuning(**row) for name, row in before.suggestions.items()}
    after = check_motion(dataclasses.replace(plain, joints=tunings), model, clip)
    assert after.clipped < before.clipped / 4


def turns_of(name, positions, link):
    """How a link is turned against where it is with all joints at 0, in our axes."""
    robot_map, model = robot(name)
    zero = model.zero_frames[link][:3, :3]
    now = model.frames(positions)[link][:3, :3]
    return robot_map.frame @ now @ zero.T @ robot_map.frame.T


@pytest.mark.parametrize(("name", "link"), [("jvrc1", "NECK_P"), ("icub", "neck_yaw")])
def test_a_head_of_three_joints_turns_as_the_avatars(name, link):
    robot_map, model = robot(name)
    retargeter = Retargeter(robot_map, model)
    angles = np.array(REST)
    angles[3:6] = 0.25, -0.15, 0.1
    pose = retargeter.advance(angles, FACE, 0.0)
    made = turns_of(name, dict(zip(retargeter.names, pose.positions, strict=True)), link)
    np.testing.assert_allclose(made, rotvec_to_matrix(zyx_to_rotvec(angles[3:6])), atol=1e-4)


def test_an_arm_points_as_the_avatars():
    robot_map, model = robot("jvrc1")
    retargeter = Retargeter(robot_map, model)
    angles = np.array(REST)
    angles[6:9] = 0.2, 0.3, -0.9
    pose = retargeter.advance(angles, FACE, 0.0)
    positions = dict(zip(retargeter.names, pose.positions, strict=True))
    turned = AvatarPose(SKELETON).turns(angles)
    for part, link in (("l_upper_arm", "L_SHOULDER_Y"), ("l_forearm", "L_ELBOW_P")):
        wanted = turned[part] @ np.array([0.0, 1.0, 0.0])
        made = turns_of("jvrc1", positions, link) @ np.array([0.0, 0.0, -1.0])
        np.testing.assert_allclose(made, wanted, atol=1e-3)
    assert pose.clipped == ()


def test_legs_of_a_platform_meet_the_head_that_is_asked_for():
    robot_map, model = robot("reachy_mini")
    retargeter = Retargeter(robot_map, model)
    angles = np.array(REST)
    angles[:6] = 0.0, 0.0, 0.0, 0.3, -0.2, 0.15
    pose = retargeter.advance(angles, FACE, 0.0)
    positions = dict(zip(retargeter.names, pose.positions, strict=True))
    frames = model.frames(positions)
    head = turns_of("reachy_mini", positions, "passive_7_z")
    np.testing.assert_allclose(head, rotvec_to_matrix(zyx_to_rotvec(angles[3:6])), atol=2e-3)
    for leg in robot_map.platform.legs[:5]:
        rod = model.zero_frames[leg.end][:3, 3] - model.zero_frames[leg.rod[2]][:3, 3]
        lower = frames[leg.rod[2]]
        end = lower[:3, 3] + lower[:3, :3] @ rod
        np.testing.assert_allclose(end, frames[leg.end][:3, 3], atol=2e-4)


def test_a_platform_turns_as_far_as_its_levers_reach():
    retargeter = Retargeter(*robot("reachy_mini"))
    angles = np.array(REST)
    angles[3:6] = 0.0, 0.0, 1.2
    pose = retargeter.advance(angles, FACE, 0.0)
    assert pose.clipped == ("head",)
    assert np.isfinite(pose.positions).all()
    assert (pose.positions >= retargeter.lower - 1e-9).all()
    assert (pose.positions <= retargeter.upper + 1e-9).all()


@pytest.mark.parametrize("name", ROBOTS)
def test_any_pose_stays_within_limits_and_speeds(name):
    retargeter = Retargeter(*robot(name))
    speeds = np.array([retargeter._model.by_name[n].velocity for n in retargeter.names])
    rng = np.random.default_rng(3)
    before = retargeter.advance(REST, FACE, 0.0).positions
    for _ in range(40):
        pose = retargeter.advance(
            rng.uniform(SKELETON.lower_rad, SKELETON.upper_rad), rng.random(51), 1 / 60
        )
        assert (pose.positions >= retargeter.lower - 1e-9).all()
        assert (pose.positions <= retargeter.upper + 1e-9).all()
        assert (np.abs(pose.positions - before) <= speeds / 60 + 1e-9).all()
        before = pose.positions


def test_values_that_are_not_finite_keep_their_last_one():
    retargeter = Retargeter(*robot("jvrc1"))
    good = retargeter.advance(REST, FACE, 0.0).positions
    bad = retargeter.advance(np.full(54, np.nan), np.full(51, np.nan), 0.02)
    np.testing.assert_allclose(bad.positions, good)
    assert retargeter.counts["nan"] == 105


def test_a_mirror_swaps_sides():
    robot_map, model = robot("g1")
    mirrored = Retargeter(dataclasses.replace(robot_map, mirrored=True), model)
    plain = Retargeter(robot_map, model)
    angles = np.array(REST)
    angles[6:9] = 0.1, 0.2, -0.8  # the left upper arm
    swapped = AvatarPose(SKELETON, mirrored=True).positions(angles)
    first = mirrored.advance(angles, FACE, 0.0).positions
    second = plain.advance(swapped, FACE, 0.0).positions
    np.testing.assert_allclose(first, second, atol=1e-9)
    np.testing.assert_allclose(swapped[15:18], [-0.1, 0.2, 0.8])


def test_drives_add_up_and_mimics_follow():
    robot_map, model = robot("jvrc1")
    drives = {"L_UTHUMB": {"offset": 0.1, "jawOpen": 0.4, "AU12": 0.1}}
    retargeter = Retargeter(dataclasses.replace(robot_map, drives=drives), model)
    face = np.zeros(51)
    names = dict(zip(retargeter.names, range(99), strict=False))
    from asynfusion_ros.motion.blendshapes import FACE_NAMES

    face[FACE_NAMES.index("jawOpen")] = 0.5
    pose = retargeter.advance(REST, face, 0.0)
    assert pose.positions[names["L_UTHUMB"]] == pytest.approx(0.3)
    assert pose.positions[names["L_LTHUMB"]] == pytest.approx(0.6)
    assert pose.positions[names["L_UINDEX"]] == pytest.approx(-0.6)


def test_joints_of_one_direction_share_by_their_range():
    bounds = np.array([[-0.2, 0.6], [-0.4, 0.2]])
    assert share(0.4, bounds) == pytest.approx([0.3, 0.1])
    assert share(-0.3, bounds) == pytest.approx([-0.1, -0.2])


def test_alignments_point_as_said():
    aligned = zero_alignments({"l_upper_arm": (0, 0, -1), "l_forearm": (1, 0, 0)})
    out = np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(aligned["l_upper_arm"] @ out, [0, 0, -1], atol=1e-12)
    np.testing.assert_allclose(aligned["l_forearm"] @ out, [1, 0, 0], atol=1e-12)
    # The palm looked down in the T; it looks inwards with the forearm bent forward.
    np.testing.assert_allclose(aligned["l_forearm"] @ [0, 0, -1], [0, -1, 0], atol=1e-12)


def test_a_path_and_its_copy_elsewhere_and_larger_are_alike():
    path = np.random.default_rng(0).normal(size=(50, 3))
    assert path_correlation(path, 3.0 * path + 5.0) == pytest.approx(1.0)
    assert path_correlation(path, -path) == pytest.approx(-1.0)
    assert path_correlation(path, np.ones((50, 3))) == 0.0


def test_sides_are_read_off_names_that_have_a_like():
    _, model = robot("jvrc1")
    assert side_of("L_SHOULDER_R", model) == "l"
    assert side_of("WAIST_R", model) == ""  # roll, since there is no WAIST_L
