"""Maps and URDFs that do not fit are refused with what is there."""

import pytest

pytest.importorskip("yourdfpy", reason="yourdfpy is not installed")

import yaml
from robot_helpers import ROBOTS, build_urdf, robot

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.retarget.guess import guess_map
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.places import find_urdf
from asynfusion_ros.retarget.retargeter import Retargeter
from asynfusion_ros.retarget.robot_map import RobotMap, find_map


@pytest.mark.parametrize("name", ROBOTS)
def test_ready_maps_fit_their_robots(name):
    robot_map, model = robot(name)
    robot_map.check(model)
    assert robot_map.name == name
    assert robot_map.urdf


def changed(tmp_path, **entries):
    document = yaml.safe_load(find_map("jvrc1").read_text())
    document.update(entries)
    path = tmp_path / "map.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"parts": {"head": ["NECK_X"]}}, r"NECK_X \(near: NECK_.\).*WAIST_Y"),
        ({"parts": {"head": ["L_UINDEX"]}}, "it follows L_UTHUMB"),
        ({"joints": {"ELBOW": {"scale": 0.5}}}, "ELBOW .near: "),
        ({"rest": {"KNEE": 0.5}}, "KNEE"),
        ({"controllers": {"arm": ["L_WRIST_X"]}}, "L_WRIST_X"),
        ({"drives": {"NECK_P": {"jawOpen": 1}}}, "more than once"),
        ({"drives": {"L_WRIST_Y": {"jawOpenn": 1}}}, "jawOpen"),
    ],
)
def test_a_map_of_joints_that_are_not_there(tmp_path, entries, said):
    robot_map = RobotMap.load(changed(tmp_path, **entries))
    with pytest.raises(MotionFileError, match=said):
        Retargeter(robot_map, robot("jvrc1")[1])


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"part": {}}, "unknown entries"),
        ({"parts": {"hed": ["NECK_Y"]}}, "parts are"),
        ({"parts": {"head": "NECK_Y"}}, "list of one to three"),
        ({"parts": {"head": ["a", "b", "c", "d"]}}, "one to three"),
        ({"parts": 5}, "no robot map"),
        ({"axes": {"forward": "w"}}, "write x"),
        ({"zero_pose": {"l_hand": "sideways"}}, "no robot map"),
        ({"zero_pose": {"l_hand": [0, 0, 0]}}, "write .'forward'"),
        ({"joints": {"NECK_Y": {"scal": 1}}}, "scal"),
        ({"joints": {"NECK_Y": {"limits": [1, -1]}}}, "lower comes first"),
        ({"joints": {"NECK_Y": {"velocity": 0}}}, "above 0"),
        ({"drives": {"NECK_Y": {"jawOpen": "wide"}}}, "no robot map"),
        ({"rest": {"NECK_Y": float("nan")}}, "finite"),
        ({"platform": {"legs": [{"motor": "a", "rod": ["b", "c", "d"]}]}}, "one of both"),
    ],
)
def test_entries_that_make_no_sense(tmp_path, entries, said):
    with pytest.raises(MotionFileError, match=said):
        RobotMap.load(changed(tmp_path, **entries))


def test_a_map_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(MotionFileError, match=r"did you mean jvrc1\?.*reachy_mini"):
        find_map("jvrc")


ONE_JOINT = """<robot name="x"><link name="a"/><link name="b"/>
<joint name="j" type="revolute"><parent link="a"/><child link="b"/><axis xyz="0 0 1"/>
<limit lower="-1" upper="1" velocity="1" effort="1"/></joint></robot>"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not readable XML"),
        (ONE_JOINT[:80], "not readable XML"),
        ("<mujoco/>", "not <robot>"),
        ("<!DOCTYPE robot [<!ENTITY a 'b'>]>" + ONE_JOINT, "entities"),
        (ONE_JOINT.replace('name="x"', 'name="x" xmlns:xacro="http://ros.org/xacro"').replace(
            "</robot>", '<xacro:arm/></robot>'), "xacro"),
        (ONE_JOINT.replace('<child link="b"/>', ""), "no robot description"),
        (ONE_JOINT.replace('<child link="b"/>', '<child link="c"/>'), "not there"),
        (ONE_JOINT.replace('lower="-1"', 'lower="2"'), "lower <= upper"),
        (ONE_JOINT.replace('lower="-1"', 'lower="low"'), "no robot description"),
        (ONE_JOINT.replace('0 0 1', '0 0 0'), "axis that is not zero"),
        (ONE_JOINT.replace('<parent link="a"/>', '<parent link="b"/>'), "ring"),
        (ONE_JOINT.replace('<link name="b"/>', '<link name="b"/><link name="c"/>'), "no tree"),
        ('<robot name="x"/>', "no tree"),
    ],
)  # fmt: skip
def test_a_urdf_that_is_none(text, said):
    with pytest.raises(MotionFileError, match=said):
        RobotModel.from_text(text)


def test_a_robot_without_arms_head_or_torso():
    with pytest.raises(MotionFileError, match="it has j"):
        guess_map(RobotModel.from_text(ONE_JOINT))


def test_a_map_that_is_not_ready_is_answered_with_those_that_are():
    with pytest.raises(MotionFileError, match=r"no map nonesuch\. Ready are \['g1'"):
        find_map("nonesuch")
    with pytest.raises(MotionFileError, match=r"no map jvrc; did you mean jvrc1\? Ready are"):
        find_map("jvrc")


def test_meshes_that_are_missing_are_listed(tmp_path):
    mesh = '<visual><geometry><mesh filename="{}"/></geometry></visual>'
    names = ["package://bot/meshes/a.stl", "meshes/b.stl", "/nowhere/c.dae"]
    shapes = "".join(mesh.format(name) for name in names)
    text = ONE_JOINT.replace('<link name="b"/>', f'<link name="b">{shapes}</link>')
    (tmp_path / "bot" / "urdf").mkdir(parents=True)
    (tmp_path / "bot" / "meshes").mkdir()
    (tmp_path / "bot" / "meshes" / "a.stl").touch()
    path = tmp_path / "bot" / "urdf" / "x.urdf"
    path.write_text(text)
    model = RobotModel.load(path)
    assert model.meshes == tuple(names)
    assert model.missing_meshes(path.parent) == names[1:]


def test_descriptions_are_found_where_packages_put_them(tmp_path, monkeypatch):
    (tmp_path / "share" / "bot_description").mkdir(parents=True)
    path = tmp_path / "share" / "bot_description" / "bot.urdf"
    path.write_text(build_urdf("g1"))
    assert find_urdf(["bot_description/bot.urdf"]) is None
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert find_urdf(["other.urdf", "bot_description/bot.urdf"]) == path


def test_speeds_without_meaning_are_replaced():
    model = RobotModel.from_text(ONE_JOINT.replace('velocity="1"', 'velocity="50000"'))
    assert model.by_name["j"].velocity == 10.0
