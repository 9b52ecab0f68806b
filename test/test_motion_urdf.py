"""The URDF is the skeleton: another reader finds the same joints and places."""

from xml.etree import ElementTree as Xml

import numpy as np
import pytest

from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.motion.urdf import ROOT_LINK, build_urdf

SKELETON = Skeleton.load()


def test_the_committed_file_is_up_to_date(repo):
    committed = (repo / "urdf" / "avatar.urdf").read_text(encoding="utf-8")
    assert committed == build_urdf(SKELETON), (
        "run: python -m asynfusion_ros.motion.urdf > urdf/avatar.urdf"
    )


def test_joints_carry_the_published_names_limits_and_speeds():
    joints = Xml.fromstring(build_urdf(SKELETON)).findall("joint")
    assert {joint.get("name") for joint in joints} == set(SKELETON.robot_joint_names)
    for joint in joints:
        index = SKELETON.robot_joint_names.index(joint.get("name"))
        limit = joint.find("limit")
        assert float(limit.get("lower")) == pytest.approx(SKELETON.lower_rad[index])
        assert float(limit.get("upper")) == pytest.approx(SKELETON.upper_rad[index])
        assert float(limit.get("velocity")) == pytest.approx(SKELETON.velocity_rad_s[index])


def test_it_is_one_tree():
    robot = Xml.fromstring(build_urdf(SKELETON))
    links = [link.get("name") for link in robot.findall("link")]
    children = [joint.find("child").get("link") for joint in robot.findall("joint")]
    assert len(set(links)) == len(links)
    assert set(links) - set(children) == {ROOT_LINK}
    assert len(set(children)) == len(children)


def test_each_link_has_one_material_for_rviz_shows_no_more():
    for link in Xml.fromstring(build_urdf(SKELETON)).findall("link"):
        materials = {each.get("name") for each in link.findall("visual/material")}
        assert len(materials) <= 1, link.get("name")


def test_another_reader_finds_the_same_places(repo):
    yourdfpy = pytest.importorskip("yourdfpy")
    robot = yourdfpy.URDF.load(str(repo / "urdf" / "avatar.urdf"), load_meshes=False)
    rng = np.random.default_rng(0)
    for _ in range(5):
        positions = rng.uniform(SKELETON.lower_rad, SKELETON.upper_rad)
        robot.update_cfg(dict(zip(SKELETON.robot_joint_names, positions, strict=True)))
        body = SKELETON.body_from_ball_angles(positions[:24])
        for name, place in SKELETON.forward_kinematics(body, positions[24:]).items():
            if not name.endswith("_tip"):
                found = robot.get_transform(name, ROOT_LINK)[:3, 3]
                np.testing.assert_allclose(found, place, atol=1e-4, err_msg=name)
