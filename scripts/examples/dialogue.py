"""A dialogue node: text comes in pieces, speech and a moving avatar go out, until it is hushed.

    asynfusion up --audio topic
    python scripts/examples/dialogue.py

    ros2 topic pub --once /dialogue/say std_msgs/msg/String "{data: 'Good morning. Shall we?'}"
    ros2 service call /dialogue/hush std_srvs/srv/Trigger

`~/say` takes text, whole or piece by piece as a language model makes it; each sentence is spoken
as soon as it is whole. `~/heard` takes what the person said; a language model answers (`--chat`,
any server with OpenAI's interface: Ollama, llama.cpp, vLLM). `~/hush` stops speech and motion. With
`--microphone` whoever speaks interrupts; use headphones or a microphone that cancels echoes.

Another voice: give `Speaker` any object with two methods, `sample_rate_hz()` and `speak(text)`,
which yields mono samples in [-1, 1] piece by piece.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import rclpy
from asynfusion_ros.msg import AudioChunk
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from std_srvs.srv import Trigger

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.audio.sentences import SentenceCutter, cut_sentences
from asynfusion_ros.audio.sources import MicSource
from asynfusion_ros.audio.tts import SpeechSynthesiser, default_synthesiser
from asynfusion_ros.audio.vad import VoiceActivityDetector
from asynfusion_ros.nodes.conversions import make_chunk
from asynfusion_ros.nodes.interface import AUDIO, AUDIO_QOS

CHUNK_S = 0.05
AHEAD_S = 1.5  # speech is sent this far ahead of its time, and no further: enough to begin at once
PAUSE_S = 0.7  # text without an end of sentence is spoken after so long without more of it
INTERRUPTION_S = 0.25  # the person must speak this long to interrupt
SYSTEM = "You are a friendly guide. Answer in one to three short sentences of plain text."

Send = Callable[[np.ndarray, int, float, str], None]


class Speaker:
    """Speaks sentences in a thread of its own, a little ahead of time, until it is hushed."""

    def __init__(self, voice: SpeechSynthesiser, send: Send, now: Callable[[], float]) -> None:
        """Speak with `voice`; `send(samples, rate, stamp, utterance)` takes the chunks."""
        self._voice, self._send, self._now = voice, send, now
        self._sentences: queue.Queue[tuple[int, str, str]] = queue.Queue()
        self._hushes = 0
        self._lock = threading.Lock()  # of what follows
        self._end_s = 0.0  # when what was sent will have been spoken
        threading.Thread(target=self._work, name="speaker", daemon=True).start()

    @property
    def speaking(self) -> bool:
        """Whether something is being spoken or waits to be."""
        return not self._sentences.empty() or self._now() < self._end_s

    def say(self, sentence: str, utterance: str) -> None:
        """Speak a sentence after those that wait."""
        self._sentences.put((self._hushes, sentence, utterance))

    def hush(self) -> None:
        """Drop all that waits, and what is being spoken."""
        with self._lock:
            self._hushes += 1
            self._end_s = 0.0

    def _work(self) -> None:
        while True:
            begun, sentence, utterance = self._sentences.get()
            if begun != self._hushes:
                continue
            for samples in self._voice.speak(sentence):
                self._speak(samples, begun, utterance)

    def _speak(self, samples: np.ndarray, begun: int, utterance: str) -> None:
        rate_hz = self._voice.sample_rate_hz()
        step = round(CHUNK_S * rate_hz)
        for first in range(0, len(samples), step):
            while self._end_s > self._now() + AHEAD_S and begun == self._hushes:
                time.sleep(CHUNK_S / 2)
            chunk = samples[first : first + step]
            with self._lock:
                if begun != self._hushes:
                    return
                stamp_s = max(self._end_s, self._now())  # on time, or as soon as possible
                self._send(chunk, rate_hz, stamp_s, utterance)
                self._end_s = stamp_s + len(chunk) / rate_hz


class Dialogue(Node):
    """Cuts text into sentences, has them spoken, and stops everything when it is hushed."""

    def __init__(
        self, voice: SpeechSynthesiser, reply: Callable[[str], Iterator[str]], **options: Any
    ) -> None:
        """Speak with `voice`; `reply(heard)` yields the pieces of an answer."""
        super().__init__("dialogue", **options)
        self._publisher = self.create_publisher(AudioChunk, AUDIO, AUDIO_QOS)
        self._flush = self.create_client(Trigger, "avatar/flush")
        self.speaker = Speaker(voice, self._send, self._now)
        self._reply = reply
        self._cutter, self._last_s = SentenceCutter(), 0.0
        self._numbers, self._utterance = count(1), ""
        self._answers = 0
        self.create_subscription(String, "~/say", self._take_text, 10)
        self.create_subscription(String, "~/heard", self._take_heard, 10)
        self.create_service(Trigger, "~/hush", self._take_hush)
        self.create_timer(0.1, self._finish_text)

    def hush(self) -> None:
        """Stop speech and motion, and forget the rest of the text."""
        self._answers += 1
        self._cutter, self._utterance = SentenceCutter(), ""
        self.speaker.hush()
        if self._flush.service_is_ready():
            self._flush.call_async(Trigger.Request())

    def _take_text(self, message: String) -> None:
        self._utterance = self._utterance or self._name_utterance()
        self._last_s = time.monotonic()
        for sentence in self._cutter.push(message.data):
            self.speaker.say(sentence, self._utterance)

    def _finish_text(self) -> None:
        if self._utterance and time.monotonic() - self._last_s > PAUSE_S:
            for sentence in self._cutter.flush():
                self.speaker.say(sentence, self._utterance)
            self._utterance = ""

    def _take_heard(self, message: String) -> None:
        if self.speaker.speaking:
            self.hush()
        self._answers += 1
        answering = (message.data, self._answers, self._name_utterance())
        threading.Thread(target=self._answer, args=answering, daemon=True).start()

    def _answer(self, heard: str, number: int, utterance: str) -> None:
        try:
            for sentence in cut_sentences(self._reply(heard)):
                if number != self._answers:
                    return
                self.speaker.say(sentence, utterance)
        except (OSError, ValueError, KeyError) as error:
            self.get_logger().error(f"no answer to {heard!r}: {error}")

    def _take_hush(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.hush()
        response.success = True
        return response

    def _name_utterance(self) -> str:
        return f"{self.get_name()}-{next(self._numbers)}"

    def _send(self, samples: np.ndarray, rate_hz: int, stamp_s: float, utterance: str) -> None:
        name = self.get_fully_qualified_name()
        self._publisher.publish(make_chunk(samples, rate_hz, stamp_s, name, utterance))

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9


def chat(url: str, model: str, heard: str) -> Iterator[str]:
    """Yield an answer's pieces from a server with OpenAI's interface."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": heard}]
    request = urllib.request.Request(
        f"{url.rstrip('/')}/chat/completions",
        json.dumps({"model": model, "messages": messages, "stream": True}).encode(),
        {"Content-Type": "application/json",
         "Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=60.0) as lines:
        for line in lines:
            text = line.decode("utf-8").removeprefix("data:").strip()
            if text.startswith("{") and (choices := json.loads(text).get("choices")):
                yield choices[0]["delta"].get("content") or ""


def listen(dialogue: Dialogue) -> None:
    """Hush the avatar whenever somebody speaks into the microphone while it speaks."""
    detector, heard_s = VoiceActivityDetector(), 0.0
    for chunk in MicSource(sample_rate_hz=SAMPLE_RATE_HZ):
        detector.process(chunk.samples)
        heard_s = heard_s + len(chunk.samples) / SAMPLE_RATE_HZ if detector.speaking else 0.0
        if heard_s > INTERRUPTION_S and dialogue.speaker.speaking:
            dialogue.hush()


def main() -> None:
    """Run the node until it is stopped."""
    parser = argparse.ArgumentParser(description="An example of a dialogue")
    parser.add_argument("--chat", metavar="URL", help="such as http://127.0.0.1:11434/v1")
    parser.add_argument("--model", default="llama3.2", help="name of the language model")
    parser.add_argument("--microphone", action="store_true", help="whoever speaks interrupts")
    arguments, _ = parser.parse_known_args()

    def reply(heard: str) -> Iterator[str]:
        if arguments.chat:
            return chat(arguments.chat, arguments.model, heard)
        return iter([f"I heard: {heard}. Give me a language model, and I will answer."])

    voice = default_synthesiser()
    for _ in voice.speak("Hello."):  # the first sentence takes seconds: not that of the dialogue
        pass
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # Ctrl-C ends the loop
    dialogue = Dialogue(voice, reply)
    dialogue.get_logger().info("ready to speak")
    if arguments.microphone:
        threading.Thread(target=listen, args=[dialogue], daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        rclpy.spin(dialogue)


if __name__ == "__main__":
    main()
