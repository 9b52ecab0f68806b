"""Faults on a live ROS graph: emergency stop, clocks, models, peers, disks and networks."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytestmark = pytest.mark.ros

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from ros_helpers import DOMAIN, Talker, collect, ros_graph, stub_engine, wait_for  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Bool  # noqa: E402
from streaming_stubs import speech_like  # noqa: E402

from asynfusion_ros.networks import NetworkSettings  # noqa: E402
from asynfusion_ros.nodes import interface  # noqa: E402
from asynfusion_ros.nodes.avatar_node import AvatarNode  # noqa: E402
from asynfusion_ros.nodes.conversions import to_seconds, to_time  # noqa: E402
from asynfusion_ros.nodes.diagnostics import read_diagnostics  # noqa: E402
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint  # noqa: E402

SPEECH = speech_like(2.0)
START_S = 90.0
LOST_DOMAIN = DOMAIN + 6  # killed processes haunt a domain for a while


@pytest.fixture
def graph():
    with ros_graph(LOST_DOMAIN) as graph:
        yield graph


def joints_of(node):
    return collect(node, JointState, interface.JOINT_STATES, interface.MOTION_QOS)


class Diagnostics:
    """The avatar's values as they come."""

    def __init__(self, node):
        self._seen = collect(node, DiagnosticArray, interface.DIAGNOSTICS, interface.MOTION_QOS)

    def get(self, name):
        values = [read_diagnostics(m) for at, m in self._seen if at > time.time() - 3.0]
        found = [each[name] for each in values if each and name in each]
        return found[-1] if found else None


def waving_engine(avatar, settings, limiter, clock, warn):
    """An engine whose arms never rest."""
    engine = stub_engine(avatar, settings, limiter, clock, warn)
    generator = engine._generator
    step = generator.step

    def wave(samples, state, steps=None):
        chunk, after = step(samples, state, steps)
        frames = chunk.first_frame + np.arange(len(chunk.body))
        chunk.body[:] = 0.4 * np.sin(2 * np.pi * 0.5 * frames / 30)[:, None]
        return chunk, after

    generator.step = wave
    return engine


def speed(messages, last=10):
    """Largest joint speed of the last poses [rad/s]."""
    return max((np.abs(m.velocity).max() for _, m in messages[-last:]), default=0.0)


def test_an_emergency_stop_halts_the_joints_and_is_taken_back(graph):
    node = graph.add(AvatarNode, make_engine=waving_engine)
    observer = graph.node()
    joints, said = joints_of(observer), Diagnostics(observer)
    stop = observer.create_publisher(Bool, "/avatar/stop", interface.MOTION_QOS)
    wait_for(stop.get_subscription_count)
    with Talker(observer, SPEECH):
        wait_for(lambda: speed(joints) > 0.3)
        stop.publish(Bool(data=True))
        wait_for(lambda: len(joints) > 20 and speed(joints) < 1e-3)
        wait_for(lambda: said.get("halted") == "True")
        halted = len(joints)
        graph.change(node, "deactivate", "activate")  # it outlives changes of state
        wait_for(lambda: len(joints) > halted + 60)
        assert speed(joints, 50) < 1e-3
        stop.publish(Bool(data=False))
        wait_for(lambda: speed(joints) > 0.3)
    wait_for(lambda: said.get("halted") == "False")


class SimulatedTime:
    """Publishes /clock at 100 Hz, from whatever second is set."""

    def __init__(self, node, now_s):
        self.now_s = now_s
        self._publisher = node.create_publisher(Clock, "/clock", 10)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._stop.wait(0.01):
            self.now_s += 0.01
            self._publisher.publish(Clock(clock=to_time(self.now_s)))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(5.0)


def test_a_simulation_that_begins_again_is_followed(graph):
    from asynfusion_ros.msg import AudioChunk

    from asynfusion_ros.nodes.conversions import make_chunk

    node = graph.add(AvatarNode, make_engine=stub_engine, parameters={"use_sim_time": True})
    observer = graph.node()
    joints = joints_of(observer)
    sound = observer.create_publisher(AudioChunk, interface.AUDIO, interface.AUDIO_QOS)

    def speak_until(done):
        end_s = time.monotonic() + 30.0
        while not done():
            assert time.monotonic() < end_s, "no speech"
            stamp_s = simulation.now_s - 0.05
            sound.publish(make_chunk(SPEECH[:800], 16000, stamp_s, f"{round(stamp_s)}"))
            time.sleep(0.05)

    def stamps_s():
        return [to_seconds(m.header.stamp) for _, m in joints]

    with SimulatedTime(observer, 5000.0) as simulation:
        wait_for(lambda: node.state == "active")
        speak_until(lambda: len(joints) > 100)
        before = len(joints)
        simulation.now_s = 10.0  # as a bag that is played in a loop
        speak_until(lambda: len(joints) > before + 150)
    assert stamps_s()[before - 1] > 4000.0
    assert stamps_s()[-1] < 100.0
    assert all(np.isfinite(m.position).all() for _, m in joints)
    assert node.state == "active"


def test_another_model_is_taken_by_configuring_anew(graph, tmp_path):
    small = NetworkSettings(width=16, depth=1, heads=2)
    for name, speakers in (("one", 3), ("two", 5)):
        untrained_checkpoint(NetworkSettings(**{**small.to_dict(), "speakers": speakers})).save(
            tmp_path / name
        )
    node = graph.add(AvatarNode, parameters={"checkpoint": str(tmp_path / "one")})
    wait_for(lambda: node.state == "active", START_S)
    joints = joints_of(graph.node())

    def speakers():
        return node._parts.engine._generator.description.network.speakers

    assert speakers() == 3
    node.set_parameters([Parameter("checkpoint", value=str(tmp_path / "two"))])
    assert speakers() == 3, "the running one goes on with what it has"
    graph.change(node, "deactivate", "cleanup", "configure", "activate")
    assert (node.state, speakers()) == ("active", 5)
    seen = len(joints)
    wait_for(lambda: len(joints) > seen + 30)
    (tmp_path / "two" / "config.json").write_text("{}")  # damaged while it runs
    graph.change(node, "deactivate", "cleanup", "configure")
    assert node.state == "unconfigured"


# ---- other processes ----------------------------------------------------------------------------

PEER = """
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import JointState
rclpy.init()
node = Node("peer")
node.create_subscription(JointState, "joint_states", lambda m: print("heard", flush=True), 10)
rclpy.spin(node)
"""


def run(command, **options):
    environment = {**os.environ, "ROS_DOMAIN_ID": str(LOST_DOMAIN), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, text=True, **options)


@pytest.mark.slow
def test_a_subscriber_that_is_killed_does_not_hold_up_the_others(graph):
    node = graph.add(AvatarNode, make_engine=stub_engine)
    wait_for(lambda: node.state == "active")
    joints = joints_of(graph.node())
    for _ in range(3):
        with run([sys.executable, "-c", PEER], stdout=subprocess.PIPE) as peer:
            peer.stdout.readline()  # reliable, and it hears
            peer.kill()
        time.sleep(1.0)  # its queue fills now
        begin, begin_s = len(joints), time.monotonic()
        wait_for(lambda begin=begin: len(joints) > begin + 120)
        assert time.monotonic() - begin_s < 10.0
    assert node.state == "active"


@pytest.mark.slow
def test_a_recorder_whose_disk_is_full_lives_on(graph, tmp_path):
    pytest.importorskip("mcap", reason="mcap is not installed")
    node = graph.add(AvatarNode, make_engine=stub_engine)
    wait_for(lambda: node.state == "active")
    observer = graph.node()
    seen = collect(observer, DiagnosticArray, interface.DIAGNOSTICS, interface.MOTION_QOS)
    file = tmp_path / "a.mcap"
    command = [sys.executable, "-m", "asynfusion_ros.nodes.start", "recorder_node", "--ros-args"]
    command += ["-p", f"file:={file}"]

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    def lost():
        entries = [s for _, m in seen for s in m.status if s.name == "asynfusion: recorder"]
        values = {item.key: item.value for item in entries[-1].values} if entries else {}
        return int(values.get("lost", "0"))

    process = run(command, stderr=subprocess.DEVNULL, preexec_fn=limit)
    try:
        with Talker(observer, SPEECH):
            first = wait_for(lost, START_S)
            wait_for(lambda: lost() > first, START_S)
        assert process.poll() is None
        assert file.stat().st_size <= 100_000
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


NETWORK = Path(__file__).with_name("lost_network.py")


def may_have_a_network_of_its_own():
    try:
        return subprocess.run(["unshare", "-n", "-m", "true"], check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not may_have_a_network_of_its_own(), reason="needs the right to unshare")
def test_a_network_that_is_down_for_a_while_is_used_again(repo):
    path = os.pathsep.join([str(repo), os.environ.get("PYTHONPATH", "")])
    found = subprocess.run(
        ["unshare", "-n", "-m", sys.executable, str(NETWORK)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    assert "poses again" in found.stdout
