"""Utterances, their markers and listening, through the topics of a running node."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytestmark = pytest.mark.ros

from asynfusion_ros.msg import AudioChunk, ConversationState  # noqa: E402
from ros_helpers import collect, ros_graph, stub_engine, wait_for  # noqa: E402
from streaming_stubs import speech_like  # noqa: E402

from asynfusion_ros.nodes import interface  # noqa: E402
from asynfusion_ros.nodes.avatar_node import AvatarNode  # noqa: E402
from asynfusion_ros.nodes.conversions import make_chunk, to_seconds  # noqa: E402

STATE_TOPIC = "/avatar/state"


@pytest.fixture
def graph():
    with ros_graph() as graph:
        yield graph


def start(graph, **parameters):
    node = graph.add(AvatarNode, make_engine=stub_engine, parameters=parameters)
    wait_for(lambda: node.state == "active")
    return node


def publisher_of(observer, topic):
    publisher = observer.create_publisher(AudioChunk, topic, interface.AUDIO_QOS)
    wait_for(publisher.get_subscription_count)
    return publisher


def speak(publisher, samples, utterance=""):
    for first in range(0, len(samples), 4000):
        piece = samples[first : first + 4000]
        publisher.publish(make_chunk(piece, 16000, 0.0, "dialogue", utterance))
        time.sleep(0.02)


def events(states):
    return [(m.event, m.utterance) for _, m in states if m.event]


def test_a_dialogue_manager_hears_when_an_utterance_begins_ends_or_is_interrupted(graph):
    node, observer = start(graph), graph.node()
    states = collect(observer, ConversationState, STATE_TOPIC, interface.EVENTS_QOS)
    assert wait_for(lambda: states)[0][1].state == "idle"
    audio = publisher_of(observer, interface.AUDIO)
    said_s = time.time()
    speak(audio, speech_like(1.0), "first")
    wait_for(lambda: ("ended", "first") in events(states))
    begun = next(m for _, m in states if m.event == "begun")
    delay_s = node._parts.engine.output_delay_s
    assert begun.output_delay_s == pytest.approx(delay_s)
    shown_s, heard_s = to_seconds(begun.header.stamp), to_seconds(begun.audio_stamp)
    assert shown_s - heard_s == pytest.approx(delay_s, abs=1e-6)
    assert shown_s - said_s == pytest.approx(delay_s, abs=0.3)
    speak(audio, speech_like(6.0), "second")
    wait_for(lambda: ("begun", "second") in events(states))
    speak(audio, speech_like(1.0), "third")
    wait_for(lambda: ("ended", "third") in events(states))
    assert events(states) == [
        ("begun", "first"), ("ended", "first"), ("begun", "second"),
        ("interrupted", "second"), ("begun", "third"), ("ended", "third"),
    ]  # fmt: skip
    late = collect(graph.node("late"), ConversationState, STATE_TOPIC, interface.EVENTS_QOS)
    wait_for(lambda: events(late) and events(late)[-1] == ("ended", "third"))


def test_it_listens_while_the_other_speaks(graph):
    start(graph, listen=True, listen_hold_s=0.5)
    observer = graph.node()
    states = collect(observer, ConversationState, STATE_TOPIC, interface.EVENTS_QOS)
    other = publisher_of(observer, interface.LISTEN_AUDIO)
    speak(other, np.tile(speech_like(0.5), 2))
    wait_for(lambda: any(m.state == "listening" for _, m in states))
    wait_for(lambda: states[-1][1].state == "idle")


def test_without_the_parameter_nobody_hears_the_other(graph):
    start(graph)
    assert graph.node().count_subscribers("/" + interface.LISTEN_AUDIO) == 0
