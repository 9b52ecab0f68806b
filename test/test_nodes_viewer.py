"""The viewer node hands over what the topics say, pose by pose."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytestmark = pytest.mark.ros

from asynfusion_ros.msg import AudioChunk, ConversationState  # noqa: E402
from ros_helpers import Talker, collect, ros_graph, stub_engine, wait_for  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from streaming_stubs import speech_like  # noqa: E402

from asynfusion_ros.errors import ConfigError  # noqa: E402
from asynfusion_ros.nodes import interface  # noqa: E402
from asynfusion_ros.nodes.avatar_node import AvatarNode  # noqa: E402
from asynfusion_ros.nodes.conversions import make_chunk, to_seconds  # noqa: E402
from asynfusion_ros.nodes.viewer_node import ViewerNode  # noqa: E402


class Recorder:
    """Stands in for the server's ways in."""

    def __init__(self, server):
        self.motion, self.audio, self.status, self.texts, self.robot = [], [], [], [], []
        self.hushed = []
        server.push_motion = lambda *values: self.motion.append(values)
        server.push_audio = lambda *values: self.audio.append(values)
        server.push_hush = self.hushed.append
        server.push_status = self.status.append
        server.push_subtitle = self.texts.append
        server.push_robot = lambda *values: self.robot.append(values)


def test_motion_audio_and_diagnostics_are_handed_over():
    with ros_graph() as graph:
        viewer = graph.add(ViewerNode, parameters={"port": 0})
        seen = Recorder(viewer.server)
        avatar = graph.add(AvatarNode, make_engine=stub_engine)
        wait_for(lambda: avatar.state == "active")
        with Talker(graph.node(), speech_like(1.0)):
            wait_for(lambda: seen.motion and seen.audio and seen.status)
        stamp_s, joints, positions, face, weights = seen.motion[-1]
        assert abs(time.time() - stamp_s) < 10
        assert len(joints) == len(positions) == 54
        assert len(face) == len(weights) == 52
        _, samples, rate_hz, _ = seen.audio[0]
        assert (samples.dtype, len(samples), rate_hz) == (np.int16, 640, 16000)
        assert seen.status[-1]["lifecycle"] in ("active", "inactive", "unconfigured")


@pytest.mark.parametrize("late_s", [0.0, 0.6, 1.3])
def test_page_and_avatar_agree_when_sound_without_stamps_is_heard(late_s):
    with ros_graph() as graph:
        viewer = graph.add(ViewerNode, parameters={"port": 0})
        seen = Recorder(viewer.server)
        avatar = graph.add(AvatarNode, make_engine=stub_engine)
        wait_for(lambda: avatar.state == "active")
        node = graph.node()
        states = collect(
            node, ConversationState, f"/{interface.AVATAR_STATE}", interface.EVENTS_QOS
        )
        audio = node.create_publisher(AudioChunk, interface.AUDIO, interface.AUDIO_QOS)
        wait_for(lambda: audio.get_subscription_count() == 2)
        second = speech_like(1.0)
        for pause_s in (late_s, 0.0):  # the second sentence before the first ends, or after
            for piece in np.split(second, 4):
                audio.publish(make_chunk(piece, 16000, 0.0, "dialogue", "a"))
            time.sleep(pause_s)

        def ends_s():
            return [to_seconds(m.audio_stamp) for _, m in states if m.event == "ended"]

        wait_for(lambda: len(ends_s()) == (2 if late_s > 1 else 1))
        last_s, samples, rate_hz, _ = seen.audio[-1]
        assert len(seen.audio) == 8
        assert ends_s()[-1] == pytest.approx(last_s + len(samples) / rate_hz, abs=0.03)


def test_sound_that_was_interrupted_is_hushed():
    with ros_graph() as graph:
        viewer = graph.add(ViewerNode, parameters={"port": 0})
        seen = Recorder(viewer.server)
        avatar = graph.add(AvatarNode, make_engine=stub_engine)
        wait_for(lambda: avatar.state == "active")
        node = graph.node()
        audio = node.create_publisher(AudioChunk, interface.AUDIO, interface.AUDIO_QOS)
        wait_for(lambda: audio.get_subscription_count() == 2)
        second = speech_like(1.0)

        def say(utterance, rate_hz=16000):
            audio.publish(make_chunk(second, rate_hz, 0.0, "dialogue", utterance))

        for _ in range(3):
            say("a")
        say("a", rate_hz=0)  # refused, and nothing falls over
        wait_for(lambda: len(seen.audio) == 3)
        stamps_s = [stamp_s for stamp_s, *_ in seen.audio]
        assert np.diff(stamps_s) == pytest.approx([1.0, 1.0])
        say("b")
        wait_for(lambda: seen.hushed)
        say("a")
        wait_for(lambda: viewer._counts["hushed_messages"])
        say("")
        wait_for(lambda: len(seen.audio) == 5)
        flush = node.create_client(Trigger, "/avatar/flush")
        flush.wait_for_service()
        flush.call_async(Trigger.Request())
        a, _, _, b, nameless = (sound for *_, sound in seen.audio)
        wait_for(lambda: nameless in seen.hushed)
        say("")  # another sound without a name
        wait_for(lambda: len(seen.audio) == 6)
        assert seen.hushed[0] == a
        assert len({a, b, nameless, seen.audio[-1][-1]}) == 4
        assert viewer._counts["refused_messages"] == 1


def test_subtitles_and_a_robot_are_handed_over():
    from sensor_msgs.msg import JointState
    from std_msgs.msg import String

    with ros_graph() as graph:
        viewer = graph.add(ViewerNode, parameters={"port": 0})
        seen = Recorder(viewer.server)
        node = graph.node()
        say = node.create_publisher(String, interface.SUBTITLES, 10)
        tell = node.create_publisher(String, interface.ROBOT_DESCRIPTION, interface.LATCHED_QOS)
        move = node.create_publisher(JointState, interface.ROBOT_JOINT_STATES, 10)
        tell.publish(String(data="<html/>"))  # refused, and nothing falls over
        tell.publish(String(data='<robot name="r"><link name="base"/></robot>'))

        def everything():
            say.publish(String(data="Hello."))
            move.publish(JointState(name=["pan"], position=[0.5]))
            return seen.texts and seen.robot

        wait_for(everything)
        assert seen.texts[0] == "Hello."
        assert list(seen.robot[0][1]) == ["pan"]


def test_an_avatar_that_is_not_there_is_told():
    with ros_graph() as graph, pytest.raises(ConfigError, match="gone"):
        graph.add(ViewerNode, parameters={"port": 0, "avatar": "gone.vrm"})


def test_a_port_that_is_taken_is_told_with_the_remedy():
    with ros_graph() as graph:
        first = graph.add(ViewerNode, parameters={"port": 0})
        port = int(first.server.address.rpartition(":")[2])
        with pytest.raises(ConfigError, match="choose another port"):
            graph.add(ViewerNode, parameters={"port": port})
