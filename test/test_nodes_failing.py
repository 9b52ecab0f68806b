"""A configuration that fails leaves nothing behind and is tried again ever more rarely."""

import time
from itertools import pairwise

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytestmark = pytest.mark.ros

from asynfusion_ros.srv import SetSpeaker, SetStyle  # noqa: E402
from rcl_interfaces.msg import Log  # noqa: E402
from ros_helpers import call, collect, ros_graph, stub_engine, wait_for  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from asynfusion_ros.errors import ConfigError  # noqa: E402
from asynfusion_ros.nodes import avatar_node, avatar_parts  # noqa: E402
from asynfusion_ros.nodes.avatar_node import AvatarNode  # noqa: E402
from asynfusion_ros.nodes.interface import EVENTS_QOS  # noqa: E402

RETRY_S = 0.1
PARTS = ("MotionOutput", "ConversationOutput", "RobotOutput", "FaceMeshOutput")


@pytest.fixture
def graph():
    with ros_graph() as graph:
        yield graph


class Broken:
    """Stands in for a part: makes a topic, then fails, as often as `times` says."""

    def __init__(self, real, times, error=RuntimeError):
        self.real, self.left, self.error = real, times, error
        self.moments_s = []

    def __call__(self, node, *rest):
        made = self.real(node, *rest)
        if not self.left:
            return made
        self.left -= 1
        self.moments_s.append(time.monotonic())
        raise self.error("no more memory")


def counts(node):
    return len(list(node.publishers)), len(list(node.timers)), len(list(node.subscriptions))


@pytest.mark.parametrize("part", PARTS)
def test_whatever_fails_leaves_no_topic_and_no_engine_behind(graph, monkeypatch, part):
    monkeypatch.setattr(avatar_parts, part, Broken(getattr(avatar_parts, part), 3))
    engines = []

    def make_engine(*given):
        engines.append(stub_engine(*given))
        engines[-1].closed = 0
        close = engines[-1].close

        def closing():
            engines[-1].closed += 1
            close()

        engines[-1].close = closing
        return engines[-1]

    given = {"autostart": False, "face_mesh_rate_hz": 10.0}
    node = graph.add(AvatarNode, make_engine=make_engine, parameters=given)
    graph.take_over(node)
    before = counts(node)
    for _ in range(3):
        node.trigger_configure()
        assert node.state == "unconfigured"
        assert counts(node) == before
    assert [engine.closed for engine in engines] == [1, 1, 1]
    node.trigger_configure()
    assert node.state == "inactive"
    node.trigger_cleanup()
    assert counts(node) == before


def test_it_is_tried_again_ever_more_rarely_and_announced_once(graph, monkeypatch):
    monkeypatch.setattr(avatar_node, "RETRY_S", RETRY_S)
    broken = Broken(avatar_parts.RobotOutput, 4)
    monkeypatch.setattr(avatar_parts, "RobotOutput", broken)
    observer = graph.node()
    said = collect(observer, Log, "/rosout", EVENTS_QOS)  # also what came before
    node = graph.add(AvatarNode, make_engine=stub_engine)
    wait_for(lambda: node.state == "active")
    gaps_s = [b - a for a, b in pairwise(broken.moments_s)]
    for gap_s, pause_s in zip(gaps_s, (RETRY_S, 2 * RETRY_S, 4 * RETRY_S), strict=True):
        assert gap_s >= pause_s

    def announced():
        return [m.msg for _, m in said if "starting again" in m.msg]

    wait_for(lambda: len(announced()) >= 4)
    assert announced() == [f"starting again in {RETRY_S * 2**n:g} s" for n in range(4)]


def test_what_its_user_must_mend_is_not_tried_again(graph, monkeypatch):
    monkeypatch.setattr(avatar_node, "RETRY_S", RETRY_S)
    broken = Broken(avatar_parts.MotionOutput, 9, ConfigError)
    monkeypatch.setattr(avatar_parts, "MotionOutput", broken)
    node = graph.add(AvatarNode, make_engine=stub_engine)
    wait_for(lambda: broken.moments_s)
    time.sleep(4 * RETRY_S)
    assert len(broken.moments_s) == 1
    assert node.state == "unconfigured"


def test_a_retry_leaves_alone_what_its_user_has_started_meanwhile(graph, monkeypatch):
    monkeypatch.setattr(avatar_node, "RETRY_S", RETRY_S)
    broken = Broken(avatar_parts.MotionOutput, 1)
    monkeypatch.setattr(avatar_parts, "MotionOutput", broken)
    node = graph.add(AvatarNode, make_engine=stub_engine)
    spin = graph.take_over(node)
    end_s = time.monotonic() + 10.0
    while not broken.moments_s and time.monotonic() < end_s:
        spin()
    node.trigger_configure()
    end_s = time.monotonic() + 4 * RETRY_S
    while time.monotonic() < end_s:
        spin()
    assert node.state == "inactive"


@pytest.mark.parametrize(
    ("kind", "service"),
    [
        (Trigger, "avatar/flush"),
        (Trigger, "avatar/reset"),
        (SetSpeaker, "avatar/set_speaker"),
        (SetStyle, "avatar/set_style"),
    ],
)
def test_services_say_which_step_is_missing(graph, kind, service):
    node = graph.add(AvatarNode, make_engine=stub_engine, parameters={"autostart": False})
    observer = graph.node()
    answer = call(observer, kind, service)
    assert not answer.success
    assert "unconfigured" in answer.message
    assert "ros2 lifecycle set /avatar configure" in answer.message
    node.trigger_configure()
    answer = call(observer, kind, service)
    assert not answer.success
    assert "inactive" in answer.message
    assert "lifecycle set /avatar activate" in answer.message
    assert "configure" not in answer.message
    node.trigger_activate()
    assert call(observer, kind, service).success
