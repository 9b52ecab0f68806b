"""The face node repeats the avatar's face in the dialects that were chosen, and in no others."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytestmark = pytest.mark.ros

from asynfusion_ros.msg import FaceBlendshapes  # noqa: E402
from ros_helpers import collect, ros_graph, wait_for  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402

from asynfusion_ros.errors import ConfigError, MotionFileError  # noqa: E402
from asynfusion_ros.graph import GraphArguments, describe_graph  # noqa: E402
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES, FACE_NAMES  # noqa: E402
from asynfusion_ros.nodes import dialects  # noqa: E402
from asynfusion_ros.nodes.conversions import make_blendshapes, to_time  # noqa: E402
from asynfusion_ros.nodes.dialects import FaceDialects  # noqa: E402
from asynfusion_ros.nodes.face_node import FaceNode  # noqa: E402
from asynfusion_ros.nodes.interface import (  # noqa: E402
    BLENDSHAPES,
    MOTION_QOS,
    SERVOS,
    VISEMES_TOPIC,
)


def face_of(**weights):
    face = np.zeros(len(FACE_NAMES))
    for name, weight in weights.items():
        face[FACE_NAMES.index(name)] = weight
    return face


def test_visemes_and_servos_come_with_the_face_s_stamp():
    with ros_graph() as graph:
        graph.add(FaceNode, parameters={"dialects": "visemes, servos"})
        observer = graph.node()
        visemes = collect(observer, FaceBlendshapes, VISEMES_TOPIC, MOTION_QOS)
        servos = collect(observer, Float64MultiArray, SERVOS, MOTION_QOS)
        faces = observer.create_publisher(FaceBlendshapes, BLENDSHAPES, MOTION_QOS)
        wait_for(faces.get_subscription_count)
        message = make_blendshapes("avatar")
        message.header.stamp = to_time(7.5)
        message.weight[ARKIT_NAMES.index("jawOpen")] = 0.7
        message.weight[ARKIT_NAMES.index("mouthLowerDownLeft")] = 0.3
        message.weight[ARKIT_NAMES.index("mouthLowerDownRight")] = 0.3
        wait_for(lambda: faces.publish(message) or (visemes and servos))
        assert "face/action_units" not in [n for n, _ in observer.get_topic_names_and_types()]
    said = visemes[0][1]
    assert said.header.stamp == to_time(7.5)
    assert dict(zip(said.name, said.weight, strict=True))["aa"] == pytest.approx(1.0, abs=1e-6)
    positions = dict(
        zip([d.label for d in servos[0][1].layout.dim], servos[0][1].data, strict=True)
    )
    assert positions["jaw"] == pytest.approx(0.49)
    assert positions["lid_left"] == pytest.approx(0.6)


class Room:
    """A node as far as publishers go: all that is sent is kept, and everybody listens."""

    def __init__(self):
        self.sent = {}

    def create_publisher(self, kind, topic, qos):
        listeners = SimpleNamespace(get_subscription_count=lambda: 1)
        listeners.publish = self.sent.setdefault(topic, []).append
        return listeners


def stand_in(**fields):
    header = SimpleNamespace(stamp=None)
    return SimpleNamespace(header=header, **fields)


def test_action_units_and_expressions_speak_as_hri_msgs_does(monkeypatch):
    monkeypatch.setattr(dialects, "import_module", lambda _: SimpleNamespace(
        FacialActionUnits=stand_in, Expression=stand_in))  # fmt: skip
    room = Room()
    face = FaceDialects(room, "action_units,expression", "")
    smile = face_of(mouthSmileLeft=0.9, mouthSmileRight=0.9, cheekSquintLeft=0.6,
                    cheekSquintRight=0.6)  # fmt: skip
    for index in range(120):
        face.publish(5.0 + index / 60, smile)
    units, expression = (room.sent[f"face/{name}"][-1] for name in ("action_units", "expression"))
    assert len(units.intensity) == len(units.confidence) == 99
    assert units.intensity[12] == pytest.approx(0.9)
    assert [units.confidence[12], units.confidence[99 - 1]] == [1.0, 0.0]
    assert expression.expression == "happy"
    assert expression.valence > 0.5
    assert expression.header.stamp == to_time(5.0 + 119 / 60)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"dialects": "visems"}, ConfigError, "choose of action_units"),
        ({"dialects": " , "}, ConfigError, "empty"),
        ({"dialects": "expression"}, ConfigError, "hri_msgs"),
        ({"dialects": "servos", "servos": "absent.yaml"}, ConfigError, "servos.yaml"),
    ],
)
def test_what_cannot_be_said_is_refused_at_the_start(given, error, said, monkeypatch):
    def lacking(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(dialects, "import_module", lacking)
    with ros_graph() as graph, pytest.raises(error, match=said):
        graph.add(FaceNode, parameters=given)


def test_a_map_of_servos_that_makes_no_sense_is_refused(tmp_path):
    (tmp_path / "servos.yaml").write_text("jaw: {jawOpn: 1.0}")
    given = {"dialects": "servos", "servos": str(tmp_path / "servos.yaml")}
    with ros_graph() as graph, pytest.raises(MotionFileError, match="jawOpen"):
        graph.add(FaceNode, parameters=given)


def test_the_graph_has_a_face_node_only_where_it_is_asked_for():
    assert not [spec for spec in describe_graph(GraphArguments()) if spec.name == "face"]
    (spec,) = (s for s in describe_graph(GraphArguments(face="visemes")) if s.name == "face")
    assert spec.parameters["dialects"] == "visemes"
