"""The command `robot`, as a newcomer uses it."""

import json

import pytest

pytest.importorskip("yourdfpy", reason="yourdfpy is not installed")

from robot_helpers import FIXTURES, build_urdf, part_of, speech_motion

from asynfusion_ros.cli import main
from asynfusion_ros.motion.npz import write_npz


@pytest.fixture
def urdf(tmp_path):
    path = tmp_path / "bot.urdf"
    path.write_text(build_urdf("icub"))
    return path


@pytest.fixture
def motion(tmp_path):
    write_npz(tmp_path / "clip.npz", part_of(speech_motion(), 100))
    return tmp_path / "clip.npz"


def test_guess_then_check(urdf, motion, tmp_path, capsys):
    out = tmp_path / "maps" / "bot.yaml"
    assert main(["robot", "guess", str(urdf), "--out", str(out), "--motion", str(motion)]) == 0
    said = capsys.readouterr().out
    assert "l arm: l_shoulder_pitch" in said
    assert f"wrote {out}" in said
    report = tmp_path / "report.json"
    argv = ["robot", "check", str(out), "--urdf", str(urdf), "--motion", str(motion)]
    assert main([*argv, "--report", str(report)]) == 0
    assert "passes" in capsys.readouterr().out
    figures = json.loads(report.read_text())
    assert figures["passes"]
    assert figures["clipped"] < 0.02


def test_a_map_for_another_robot_is_refused_with_what_is_there(urdf, motion, capsys):
    argv = ["robot", "check", "jvrc1", "--urdf", str(urdf), "--motion", str(motion)]
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "NECK_Y" in said
    assert "neck_yaw" in said


def test_a_description_that_is_not_installed_is_named(motion, capsys, monkeypatch):
    monkeypatch.setattr("asynfusion_ros.retarget.robot_map.find_urdf", lambda _: None)
    assert main(["robot", "check", "jvrc1", "--motion", str(motion)]) == 2
    assert "pip install jvrc-description" in capsys.readouterr().err


def test_broken_files_are_refused_in_one_line(tmp_path, motion, capsys):
    (tmp_path / "broken.urdf").write_text("<robot name='x'><link")
    argv = ["robot", "guess", str(tmp_path / "broken.urdf"), "--out", str(tmp_path / "m.yaml")]
    assert main(argv) == 2
    assert "not readable XML" in capsys.readouterr().err
    argv = ["robot", "check", "jvrc1", "--urdf", str(FIXTURES / "none.urdf")]
    assert main([*argv, "--motion", str(motion)]) == 2
    assert "does not exist" in capsys.readouterr().err
