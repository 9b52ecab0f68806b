"""The examples do what docs/integrations.md says of them."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytestmark = pytest.mark.ros

from asynfusion_ros.msg import AudioChunk  # noqa: E402
from ros_helpers import call, collect, ros_graph, wait_for  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from asynfusion_ros.nodes.conversions import to_seconds  # noqa: E402
from asynfusion_ros.nodes.interface import AUDIO_QOS  # noqa: E402


@pytest.fixture(scope="module")
def dialogue(repo):
    sys.path.insert(0, str(repo / "scripts" / "examples"))
    import dialogue

    yield dialogue
    sys.path.remove(str(repo / "scripts" / "examples"))


class Hummer:
    """A voice that hums 0.1 s for each word, and keeps what it was asked to say."""

    def __init__(self):
        self.said = []

    def sample_rate_hz(self):
        return 16000

    def speak(self, text):
        self.said.append(text)
        for _ in text.split():
            yield np.full(1600, 0.1, np.float32)


@pytest.fixture
def talk(dialogue):
    """(voice, dialogue node, chunks heard, function that says a piece of text)."""
    with ros_graph() as graph:
        voice = Hummer()
        replies = {"who are you": ["I am ", "an avatar. ", "And you?"]}
        flushes = []
        avatar = graph.node("avatar")
        avatar.create_service(Trigger, "avatar/flush", lambda _, r: flushes.append(1) or r)
        node = graph.spin(dialogue.Dialogue(voice, replies.get, context=graph.context))
        observer = graph.node()
        heard = collect(observer, AudioChunk, "audio", AUDIO_QOS)
        wait_for(node._publisher.get_subscription_count)
        wait_for(node._flush.service_is_ready)
        topics = {name: observer.create_publisher(String, f"dialogue/{name}", 10)
                  for name in ("say", "heard")}  # fmt: skip
        wait_for(lambda: all(p.get_subscription_count() for p in topics.values()))

        def publish(name, text):
            topics[name].publish(String(data=text))

        yield voice, observer, heard, publish, flushes


def test_pieces_become_sentences_and_sound_that_never_overlaps(talk):
    voice, _, heard, publish, _ = talk
    for piece in ("One two. ", "Three four five. Six"):
        publish("say", piece)
    wait_for(lambda: len(voice.said) == 3)
    assert voice.said == ["One two.", "Three four five.", "Six"]
    wait_for(lambda: len(heard) == 12)  # six words of two chunks
    stamps = [to_seconds(message.header.stamp) for _, message in heard]
    assert (np.diff(stamps) > 0.05 - 1e-6).all()
    assert {message.utterance for _, message in heard} == {"dialogue-1"}


def test_a_hush_ends_sound_and_motion_at_once(talk, dialogue):
    most_s = dialogue.AHEAD_S + 0.2
    voice, observer, heard, publish, flushes = talk
    publish("say", "word " * 100 + ". Another sentence. ")
    wait_for(lambda: len(heard) > 5)
    ahead_s = to_seconds(heard[-1][1].header.stamp) - time.time()
    assert ahead_s < most_s
    assert call(observer, Trigger, "dialogue/hush").success
    answered_s = time.time()
    wait_for(lambda: flushes)
    time.sleep(1.5)
    assert to_seconds(heard[-1][1].header.stamp) < answered_s + most_s  # nothing was said after it
    publish("say", "Back again. ")
    wait_for(lambda: voice.said[-1] == "Back again.")
    wait_for(lambda: heard[-1][1].utterance == "dialogue-2")


def test_what_the_person_says_is_answered(talk):
    voice, _, _, publish, _ = talk
    publish("heard", "who are you")
    wait_for(lambda: len(voice.said) == 2)
    assert voice.said == ["I am an avatar.", "And you?"]


def test_a_language_model_is_read_as_it_writes(dialogue):
    class Model(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            for piece in ("Hel", "lo. ", None):
                row = {"choices": [{"delta": {"content": piece}}]}
                self.wfile.write(f"data: {json.dumps(row)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, *_):
            pass

    asked = []
    server = HTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/v1"
        assert "".join(dialogue.chat(address, "small", "Hi")) == "Hello. "
    finally:
        server.shutdown()
        server.server_close()
    assert asked[0]["model"] == "small"
    assert asked[0]["messages"][-1] == {"role": "user", "content": "Hi"}
