"""The doctor finds what is there, and says what to do about what is not."""

import json
import socket
import sys

import pytest

from asynfusion_ros.cli import checks, main
from asynfusion_ros.cli.checks import GOOD, MISSING, POOR, Finding, Subject, examine
from asynfusion_ros.cli.doctor import describe
from asynfusion_ros.errors import CheckpointError
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint

HERE = Subject("models/small", "cpu", "127.0.0.1", 0)


def subject(**changes):
    return Subject(**{**vars(HERE), **changes})


def test_a_whole_machine_passes_and_the_report_is_json(capsys, monkeypatch):
    monkeypatch.setattr(checks, "TIMED_WINDOWS", 1)
    status = main(["doctor", "--without-ros", "--json", "--viewer-port", "0"])
    report = json.loads(capsys.readouterr().out)
    assert (status, report["ok"]) == (0, True)
    found = {check["name"]: check for check in report["checks"]}
    assert found["model"]["state"] == GOOD
    assert found["speech models"]["state"] == GOOD
    assert "ms of motion" in found["speed"]["found"]
    for check in report["checks"]:
        assert check["state"] == GOOD or check["advice"], "what is wrong comes with what to do"


def test_what_is_missing_gives_status_1_and_is_named(capsys, monkeypatch):
    monkeypatch.setattr("asynfusion_ros.cli.doctor.CHECKS", (checks.check_model, checks.check_page))
    monkeypatch.setattr(
        "asynfusion_ros.cli.doctor.ROS_CHECKS", (lambda _: Finding("ros", MISSING, "gone", "mend"),)
    )
    checks_ran = main(["doctor", "--checkpoint", "no/such/model", "--viewer-port", "0"])
    said = capsys.readouterr().out
    assert checks_ran == 1
    assert "missing: ros, model" in said
    assert "-> mend" in said
    assert "no/such/model" in said


def test_a_model_of_other_content_than_recorded_is_found(tmp_path):
    untrained_checkpoint(NetworkSettings(width=16, depth=1, heads=2)).save(tmp_path)
    assert examine(checks.check_model, subject(checkpoint=str(tmp_path))).state == GOOD
    with (tmp_path / "lcm.safetensors").open("ab") as file:
        file.write(b"x")
    finding = examine(checks.check_model, subject(checkpoint=str(tmp_path)))
    assert finding.state == MISSING
    assert "SHA-256" in finding.found


def test_a_taken_port_is_found():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        finding = examine(checks.check_page, subject(port=other.getsockname()[1]))
    assert finding.state == POOR
    assert "--viewer-port 0" in finding.advice


def test_without_ros_or_messages_it_says_how_to_come_by_them(monkeypatch):
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    assert "setup.bash" in examine(checks.check_ros, HERE).advice
    monkeypatch.setattr(checks, "find_spec", lambda name: None if "msg" in name else object())
    assert "colcon build" in examine(checks.check_ros, HERE).advice


def test_ros_that_does_not_start_is_found(monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "find_spec", lambda name: object())
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'rmw: no such library' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    finding = examine(checks.check_ros, HERE)
    assert finding.state == MISSING
    assert "rmw: no such library" in finding.found


def test_a_wanted_gpu_that_is_not_there_is_missing(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert examine(checks.check_gpu, HERE).state == GOOD
    assert examine(checks.check_gpu, subject(device="cuda")).state == MISSING


@pytest.mark.parametrize("error", [CheckpointError("broken"), RuntimeError("odd"), KeyError("x")])
def test_a_check_that_fails_itself_is_a_finding(error):
    def check_thing(subject):
        raise error

    finding = examine(check_thing, HERE)
    assert (finding.name, finding.state) == ("thing", MISSING)
    assert describe(finding).startswith("x thing")


@pytest.mark.ros
def test_the_environment_is_tried_out_with_a_message():
    pytest.importorskip("rclpy", reason="needs ROS 2")
    pytest.importorskip("asynfusion_ros.msg", reason="needs the built messages")
    finding = examine(checks.check_ros, HERE)
    assert finding.state == GOOD, finding
    assert "a message took" in finding.found
