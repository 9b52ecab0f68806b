"""The security policy allows each node just what it really says, hears and offers."""

import io
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("asynfusion_ros.msg", reason="needs the built messages")
pytest.importorskip("mcap", reason="needs mcap, of the extra record")

from ros_helpers import DOMAIN, FakeSpeaker, ros_graph, stub_engine, wait_for

from asynfusion_ros.nodes.audio_source_node import AudioSourceNode
from asynfusion_ros.nodes.avatar_node import AvatarNode
from asynfusion_ros.nodes.loudspeaker_node import LoudspeakerNode
from asynfusion_ros.nodes.probe_node import ProbeNode
from asynfusion_ros.nodes.recorder_node import RecorderNode
from asynfusion_ros.nodes.top_node import TopNode
from asynfusion_ros.nodes.viewer_node import ViewerNode

pytestmark = pytest.mark.ros
POLICY = Path(__file__).resolve().parent.parent / "config" / "sros2_policy.xml"
ALWAYS = {"/clock", "/parameter_events", "/rosout"}
# What depends on settings, on others of the same room, or on the version of ROS.
SOMETIMES = {"/face/mesh", "/tf", "/avatar/get_transition_graph"}


def allowed(node):
    """{'subscribe' | 'publish' | 'reply': full names} that the policy allows a node."""
    profile = Xml.parse(POLICY).find(f".//profile[@node='{node}']")
    found = {}
    for group in profile:
        for kind in ("subscribe", "publish", "reply"):
            if group.get(kind) == "ALLOW":
                found[kind] = {full_name(item.text, node) for item in group}
    return found


def full_name(name, node):
    if name.startswith("~"):
        return f"/{node}{name[1:]}"
    return name if name.startswith("/") else f"/{name}"


def used(observer, node):
    names = {
        "subscribe": observer.get_subscriber_names_and_types_by_node(node, "/"),
        "publish": observer.get_publisher_names_and_types_by_node(node, "/"),
        "reply": observer.get_service_names_and_types_by_node(node, "/"),
    }
    return {kind: {name for name, _ in found} for kind, found in names.items()}


def test_every_node_may_do_what_it_does_and_nothing_else(tmp_path):
    with ros_graph(DOMAIN + 3) as graph:  # where no other test's nodes linger
        quiet = {"source": "wav", "wait_s": 600.0, "listener": "nobody"}
        nodes = [
            graph.add(
                AvatarNode,
                make_engine=stub_engine,
                parameters={"autostart": False, "face_mesh_rate_hz": 1.0, "listen": True},
            ),
            graph.add(AudioSourceNode, parameters=quiet),
            graph.add(ViewerNode, parameters={"port": 0}),
            graph.add(LoudspeakerNode, make_speaker=FakeSpeaker),
            graph.add(ProbeNode, parameters={"wait_s": 600.0}),
            graph.add(RecorderNode, parameters={"file": str(tmp_path / "a.mcap")}),
            graph.add(TopNode, out=io.StringIO(), period_s=60.0),
        ]
        nodes[0].trigger_configure()
        nodes[0].trigger_activate()
        observer = graph.node()
        for node in nodes:
            name = node.get_name()
            wait_for(lambda name=name: name in observer.get_node_names())
            may = allowed(name)
            for kind in used(observer, name):
                needed = may.get(kind, set()) - ALWAYS - SOMETIMES
                names = set()

                def idle(kind=kind, needed=needed, name=name, names=names):
                    names |= used(observer, name)[kind]  # discovery takes its time
                    return needed - names

                wait_for(lambda idle=idle: not idle())
                assert names <= may.get(kind, set()), f"{name} may not {kind} all that it does"


def test_every_node_of_the_graph_has_a_profile():
    from asynfusion_ros.graph import PACKAGE, GraphArguments, describe_graph

    specs = describe_graph(GraphArguments(report="report.json", record="a.mcap", loudspeaker=True))
    ours = {spec.name for spec in specs if spec.package == PACKAGE} | {
        "retarget",
        "face",
        "replay",
        "top",
    }
    assert ours == {profile.get("node") for profile in Xml.parse(POLICY).iter("profile")}
