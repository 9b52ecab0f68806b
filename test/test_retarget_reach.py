"""Arms in reach space: elbows and wrists at the human's places, scaled, and never beyond limits."""

from dataclasses import replace

import numpy as np
import pytest
from robot_helpers import part_of, robot, speech_motion

from asynfusion_ros.errors import ConfigError, MotionFileError
from asynfusion_ros.retarget import reach
from asynfusion_ros.retarget.check import check_motion
from asynfusion_ros.retarget.retargeter import Retargeter
from asynfusion_ros.retarget.robot_map import RobotMap


def reaching(name):
    robot_map, model = robot(name)
    return replace(robot_map, mode="reach"), model


@pytest.fixture
def _mink():
    pytest.importorskip("mink", reason="mink is not installed")


@pytest.mark.usefixtures("_mink")
@pytest.mark.parametrize("name", ["jvrc1", "icub"])
def test_wrists_follow_within_limits(name):
    report = check_motion(*reaching(name), part_of(speech_motion(), 60))
    assert report.beyond == report.nan == 0
    assert min(report.wrists.values()) > 0.9


@pytest.mark.usefixtures("_mink")
def test_elbow_and_wrist_stand_at_the_human_s_places_scaled():
    robot_map, model = reaching("jvrc1")
    retargeter = Retargeter(robot_map, model)
    clip = part_of(speech_motion(), 20)
    positions, _ = retargeter.retarget(clip)
    solver = retargeter._reach
    frames = model.frames(dict(zip(retargeter.names, positions[-1], strict=True)))
    arm = solver._arms[0]
    elbow, wrist, shoulder = (
        frames[link][:3, 3] for link in (arm.elbow.frame_name, arm.wrist.frame_name, arm.shoulder)
    )
    upper, whole = np.linalg.norm(elbow - shoulder), arm.lengths_m[0]
    assert upper == pytest.approx(whole, abs=0.01)
    assert np.linalg.norm(wrist - shoulder) <= sum(arm.lengths_m[1:]) + 0.01


@pytest.mark.usefixtures("_mink")
def test_what_lies_beyond_the_limits_is_counted_and_not_sent():
    robot_map, model = reaching("jvrc1")
    tight = {name: {"limits": [-0.05, 0.05]} for name in robot_map.parts["l_forearm"][-1]}
    narrow = RobotMap.from_dict(
        {
            "parts": {k: [list(g) for g in v] for k, v in robot_map.parts.items()},
            "zero_pose": {k: list(v) for k, v in robot_map.zero_pose.items()},
            "joints": tight,
            "mode": "reach",
        }
    )
    retargeter = Retargeter(narrow, model)
    positions, _ = retargeter.retarget(part_of(speech_motion(), 10))
    (joint,) = tight
    column = positions[:, retargeter.names.index(joint)]
    assert np.abs(column).max() <= 0.05 + 1e-9
    assert retargeter.counts[f"clipped/{joint}"] == 10


def test_without_mink_it_says_what_to_install(monkeypatch):
    def lacking(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(reach, "import_module", lacking)
    with pytest.raises(ConfigError, match=r"asynfusion_ros\[reach\]"):
        Retargeter(*reaching("jvrc1"))


@pytest.mark.usefixtures("_mink")
def test_a_robot_without_arms_cannot_reach():
    with pytest.raises(MotionFileError, match="needs an arm"):
        Retargeter(*reaching("reachy_mini"))


def test_modes_have_names(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text("parts: {head: [NECK_Y]}\nmode: grasp\n")
    with pytest.raises(MotionFileError, match="angles, reach"):
        RobotMap.load(path)
