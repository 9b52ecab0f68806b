"""The loudspeaker node plays what is said with its pose, through the topics of a running avatar."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytestmark = pytest.mark.ros

from asynfusion_ros.msg import AudioChunk, FaceBlendshapes  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from ros_helpers import FakeSpeaker, call, collect, ros_graph, stub_engine, wait_for  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from asynfusion_ros.errors import AudioError  # noqa: E402
from asynfusion_ros.nodes import interface  # noqa: E402
from asynfusion_ros.nodes.avatar_node import AvatarNode  # noqa: E402
from asynfusion_ros.nodes.conversions import make_chunk, to_seconds  # noqa: E402
from asynfusion_ros.nodes.loudspeaker_node import STATUS_NAME, LoudspeakerNode  # noqa: E402

TONE = 0.5 * np.sin(np.arange(4000) / 4).astype(np.float32)  # a quarter of a second


class Stage:
    """An avatar, a loudspeaker, and somebody who speaks and watches."""

    def __init__(self, graph, **parameters):
        self.avatar = graph.add(AvatarNode, make_engine=stub_engine)
        node = graph.add(LoudspeakerNode, make_speaker=FakeSpeaker, parameters=parameters)
        self.node, self.speaker = node, node.speaker
        self.observer = graph.node()
        self.faces = collect(
            self.observer, FaceBlendshapes, interface.BLENDSHAPES, interface.MOTION_QOS
        )
        self.audio = self.observer.create_publisher(
            AudioChunk, interface.AUDIO, interface.AUDIO_QOS
        )
        wait_for(lambda: self.audio.get_subscription_count() == 2)
        wait_for(lambda: self.avatar.state == "active" and self.faces)

    def say(self, name, pieces, stamp_s=0.0):
        for number in range(pieces):
            at_s = stamp_s and stamp_s + number * len(TONE) / 16000
            self.audio.publish(make_chunk(TONE, 16000, at_s, "dialogue", name))

    def shown_s(self, stamp_s):
        """When the pose of a stamp came, by the monotonic clock."""
        offset_s = time.time() - time.monotonic()
        return next(at_s for at_s, m in self.faces if to_seconds(m.header.stamp) >= stamp_s) - (
            offset_s
        )


def test_an_answer_is_heard_with_its_first_pose():
    with ros_graph() as graph:
        stage = Stage(graph)
        stamp_s = time.time()
        stage.say("answer", 8, stamp_s)
        wait_for(lambda: len(stage.speaker.loud()) > 190)
        loud_s = np.array(stage.speaker.loud())
        assert abs(loud_s[0] - stage.shown_s(stamp_s)) < 0.06
        assert loud_s[0] - stage.shown_s(stamp_s) == pytest.approx(0.0, abs=0.06)
        assert np.diff(loud_s).max() < 0.02  # two seconds without a hole
        assert abs(stage.node.playout.error_s) < 0.06


def test_a_delay_is_added_where_joints_lag():
    with ros_graph() as graph:
        stage = Stage(graph, delay_s=0.4)
        stamp_s = time.time()
        stage.say("answer", 8, stamp_s)
        wait_for(stage.speaker.loud)
        assert stage.speaker.loud()[0] - stage.shown_s(stamp_s) == pytest.approx(0.4, abs=0.06)


@pytest.mark.parametrize("name", ["answer", ""])
def test_a_flush_is_silence(name):
    with ros_graph() as graph:
        stage = Stage(graph)
        stage.say(name, 40)  # ten seconds, without stamps
        wait_for(lambda: len(stage.speaker.loud()) > 20)
        assert call(stage.observer, Trigger, "avatar/flush").success
        wait_for(lambda: not any(block.any() for _, block in stage.speaker.blocks[-10:]))
        assert stage.node.playout.waiting_s == 0.0
        heard = len(stage.speaker.loud())
        stage.say("next", 4)
        wait_for(lambda: len(stage.speaker.loud()) > heard + 80)


def test_nonsense_is_counted_and_told_and_what_follows_is_heard():
    with ros_graph() as graph:
        stage = Stage(graph)
        told = collect(stage.observer, DiagnosticArray, interface.DIAGNOSTICS, interface.MOTION_QOS)
        bad = make_chunk(TONE, 16000, 0.0, "dialogue", "answer")
        for wrong in ({"encoding": "MP3"}, {"sample_rate": 0}, {"channels": 0}):
            for name, value in wrong.items():
                kept = getattr(bad, name)
                setattr(bad, name, value)
                stage.audio.publish(bad)
                setattr(bad, name, kept)
        stage.say("answer", 4)
        wait_for(lambda: len(stage.speaker.loud()) > 90)

        def values():
            own = [s for _, m in told for s in m.status if s.name == STATUS_NAME]
            return {v.key: v.value for v in own[-1].values} if own else {}

        wait_for(lambda: values().get("refused_messages") == "3")
        assert abs(float(values()["sound_behind_pose_ms"])) < 60.0


def test_sound_without_an_avatar_waits_and_says_so(capfd):
    with ros_graph() as graph:
        node = graph.add(LoudspeakerNode, make_speaker=FakeSpeaker)
        observer = graph.node()
        audio = observer.create_publisher(AudioChunk, interface.AUDIO, interface.AUDIO_QOS)
        wait_for(audio.get_subscription_count)
        audio.publish(make_chunk(TONE, 16000, time.time(), "dialogue", "a"))
        heard = ""

        def warned():
            nonlocal heard
            heard += "".join(capfd.readouterr())
            return "is the avatar active?" in heard

        wait_for(warned)
        assert not node.speaker.loud()


def test_without_a_loudspeaker_it_says_so():
    def none(device):
        raise AudioError("the default loudspeaker cannot play")

    with ros_graph() as graph, pytest.raises(AudioError, match="cannot play"):
        graph.add(LoudspeakerNode, make_speaker=none)
