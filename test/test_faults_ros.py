"""Real processes that are killed and started again, and a lifecycle that goes round and round."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytestmark = pytest.mark.ros

from asynfusion_ros.msg import AudioChunk  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from ros_helpers import DOMAIN, collect, ros_graph, stub_engine, wait_for  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from test_faults import resident_mb  # noqa: E402

from asynfusion_ros.networks import NetworkSettings  # noqa: E402
from asynfusion_ros.nodes import interface  # noqa: E402
from asynfusion_ros.nodes.avatar_node import AvatarNode  # noqa: E402
from asynfusion_ros.nodes.diagnostics import read_diagnostics  # noqa: E402
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint  # noqa: E402

CYCLES = int(os.environ.get("ASYNFUSION_FAULT_CYCLES", "200"))
START_S = 90.0
KILLED_DOMAIN = DOMAIN + 2  # killed processes haunt a domain for a while


@pytest.fixture
def graph():
    with ros_graph(KILLED_DOMAIN) as graph:
        yield graph


@pytest.mark.timeout(7200)
def test_a_lifecycle_that_goes_round_and_round_leaves_nothing_behind(graph):
    node = graph.add(AvatarNode, make_engine=stub_engine, parameters={"autostart": False})
    spin = graph.take_over(node)  # transitions belong to the thread that spins
    held_mb, held_objects, threads = [], [], []
    for cycle in range(CYCLES):
        node.trigger_configure()
        node.trigger_activate()
        spin()
        node.trigger_deactivate()
        node.trigger_cleanup()
        spin()
        assert node.state == "unconfigured", f"cycle {cycle}"
        if cycle % (CYCLES // 10) == 0:
            gc.collect()
            held_mb.append(resident_mb())
            held_objects.append(len(gc.get_objects()))
            threads.append(threading.active_count())
    slope_mb = float(np.median(np.diff(held_mb)))  # an arena that the allocator takes is no leak
    more = float(np.median(np.diff(held_objects)))
    print(f"{CYCLES} cycles: {slope_mb:.3f} MB and {more:g} objects more in each tenth")
    assert more < 0.01 * CYCLES, held_objects
    assert threads[-1] <= max(threads[:2])
    assert slope_mb < 0.5 + 5e-4 * CYCLES
    observer = graph.node()
    wait_for(lambda: observer.count_publishers("joint_states") == 0)
    assert observer.count_subscribers("audio") == 0


@pytest.fixture
def processes():
    running = []

    def run(module, **parameters):
        words = [f"{name}:={value}" for name, value in parameters.items()]
        options = [option for word in words for option in ("-p", word)]
        environment = {**os.environ, "ROS_DOMAIN_ID": str(KILLED_DOMAIN), "OMP_NUM_THREADS": "1"}
        program = [sys.executable, "-m", "asynfusion_ros.nodes.start", module]
        command = [*program, "--ros-args", *options]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.wait(20)


def kill(process):
    """As the kernel does when memory runs out: no word of farewell."""
    process.send_signal(signal.SIGKILL)
    process.wait(20)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_avatar_and_source_may_be_killed_and_started_again(graph, processes, tmp_path):
    untrained_checkpoint(NetworkSettings(width=16, depth=1, heads=2)).save(tmp_path)
    observer = graph.node()
    joints = collect(observer, JointState, interface.JOINT_STATES, interface.MOTION_QOS)
    sound = collect(observer, AudioChunk, interface.AUDIO, interface.AUDIO_QOS)
    said = collect(observer, DiagnosticArray, interface.DIAGNOSTICS, interface.MOTION_QOS)

    def state():
        values = [read_diagnostics(m) for at, m in said[-1:] if at > time.time() - 5.0]
        return values[0].get("state") if values and values[0] else None

    def more(messages, count):
        seen = len(messages)
        wait_for(lambda: len(messages) > seen + count, START_S)

    avatar = processes("avatar_node", checkpoint=str(tmp_path), publish_tf=False)
    source = processes("audio_source_node", loop=True, loop_pause_s=0.0, listener="avatar")
    wait_for(lambda: state() in ("speech", "starved"), START_S)
    for _ in range(2):
        kill(avatar)
        joints.clear()
        more(sound, 20)  # the source does not mind
        assert len(joints) < 60, "what was on its way may still come"
        avatar = processes("avatar_node", checkpoint=str(tmp_path), publish_tf=False)
        wait_for(lambda: state() in ("speech", "starved"), START_S)
        more(joints, 60)
    kill(source)
    wait_for(lambda: state() == "idle", START_S)
    more(joints, 60)  # it idles on
    source = processes("audio_source_node", loop=True, loop_pause_s=0.0, listener="avatar")
    wait_for(lambda: state() in ("speech", "starved"), START_S)
    for process in (avatar, source):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
