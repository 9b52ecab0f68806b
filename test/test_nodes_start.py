"""How a node's process begins: stopped while it imports, or refused by ROS, it says so plainly."""

import os
import subprocess
import sys

import pytest

STOPPED = """
import os, signal, sys, time
from asynfusion_ros.nodes import start
def slow(name):
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    time.sleep(20.0)
start.import_module = slow
sys.exit(start.start_node("avatar_node"))
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_process_that_is_stopped_while_it_imports_ends_in_silence(number):
    command = [sys.executable, "-c", STOPPED, number]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.ros
def test_where_ros_cannot_write_its_log_the_way_out_is_named():
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
    command = [sys.executable, "-m", "asynfusion_ros.nodes.start", "board_node"]
    environment = {**os.environ, "ROS_LOG_DIR": "/dev/null/log"}
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert ended.returncode == 2
    assert "ROS 2 does not start" in ended.stderr
    assert "set ROS_LOG_DIR to a folder" in ended.stderr
    assert "Traceback" not in ended.stderr
