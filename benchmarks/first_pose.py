"""How soon an answer is on screen: from publishing an utterance to its first pose, by ROS topics.

python benchmarks/first_pose.py [--checkpoint models/small] [--device cpu] [--json first_pose.json]

Starts the avatar, publishes utterances of three seconds at once, as a synthesiser does, and waits
for the first of `joint_states` whose stamp lies in each. `--no-prompt` shows each after the usual
delay.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

DOMAIN = "78"  # apart from what else may run on this network
os.environ["ROS_DOMAIN_ID"] = DOMAIN

import numpy as np  # noqa: E402
import rclpy  # noqa: E402
from asynfusion_ros.msg import AudioChunk, ConversationState  # noqa: E402
from rclpy.node import Node  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from asynfusion_ros.audio.resample import load_audio  # noqa: E402
from asynfusion_ros.nodes import interface  # noqa: E402
from asynfusion_ros.nodes.conversions import make_chunk, to_seconds  # noqa: E402

SPEECH = Path(__file__).resolve().parents[1] / "models" / "demo" / "speech.wav"
RATE_HZ = 16000
UTTERANCE_S, CHUNK_S, PAUSE_S = 3.0, 0.1, 1.0
START_UP_S, PATIENCE_S = 120.0, 10.0


class Asker(Node):
    """Publishes utterances and waits for their first pose and their end."""

    def __init__(self) -> None:
        """Subscribe to what the avatar says and does."""
        super().__init__("asker")
        self.poses: list[tuple[float, float]] = []  # arrival and stamp [s]
        self.delays_s: dict[str, float] = {}
        self.ended: set[str] = set()
        self._audio = self.create_publisher(AudioChunk, interface.AUDIO, interface.AUDIO_QOS)
        self.create_subscription(
            JointState, interface.JOINT_STATES, self._take_pose, interface.MOTION_QOS
        )
        self.create_subscription(
            ConversationState, interface.AVATAR_STATE, self._take_state, interface.EVENTS_QOS
        )

    def ask(self, name: str, samples: np.ndarray) -> float:
        """Publish an utterance; return how long its first pose took [s]."""
        begin_s, step = self.now_s(), round(CHUNK_S * RATE_HZ)
        for first in range(0, len(samples), step):
            stamp_s = begin_s + first / RATE_HZ
            chunk = make_chunk(samples[first : first + step], RATE_HZ, stamp_s, "asker", name)
            self._audio.publish(chunk)
        self.wait(lambda: name in self.ended)
        return min(at_s for at_s, stamp_s in self.poses if stamp_s >= begin_s) - begin_s

    def wait(self, condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Spin until `condition()` holds; raise TimeoutError where it does not."""
        end_s = time.monotonic() + patience_s
        while not condition():
            rclpy.spin_once(self, timeout_sec=0.1)
            if time.monotonic() > end_s:
                raise TimeoutError(f"nothing came for {patience_s:g} s")

    def rest(self, seconds: float) -> None:
        """Spin for a while."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            rclpy.spin_once(self, timeout_sec=0.01)

    def now_s(self) -> float:
        """Return the time [s]."""
        return self.get_clock().now().nanoseconds * 1e-9

    def _take_pose(self, message: JointState) -> None:
        self.poses.append((self.now_s(), to_seconds(message.header.stamp)))

    def _take_state(self, message: ConversationState) -> None:
        if message.event == ConversationState.EVENT_BEGUN:
            self.delays_s[message.utterance] = message.output_delay_s
        elif message.event == ConversationState.EVENT_ENDED:
            self.ended.add(message.utterance)


@contextmanager
def avatar(checkpoint: Path | None, device: str, prompt: bool) -> Iterator[None]:
    """Run the avatar alone, without a page."""
    command = [sys.executable, "-m", "asynfusion_ros.nodes.start", "avatar_node", "--ros-args"]
    command += ["-p", f"device:={device}", "-p", f"prompt:={str(prompt).lower()}"]
    command += [] if checkpoint is None else ["-p", f"checkpoint:={checkpoint.resolve()}"]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--no-prompt", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    speech, draw = load_audio(SPEECH), np.random.default_rng(0)
    rclpy.init()
    asker = Asker()
    waits_s = []
    with avatar(arguments.checkpoint, arguments.device, not arguments.no_prompt):
        asker.wait(lambda: asker.poses, START_UP_S)
        asker.rest(3.0)
        for number in range(arguments.count):
            first = int(draw.integers(0, len(speech) - UTTERANCE_S * RATE_HZ))
            samples = speech[first : first + round(UTTERANCE_S * RATE_HZ)]
            waits_s.append(asker.ask(f"answer {number}", samples))
            asker.rest(PAUSE_S * draw.random())
            asker.poses.clear()
    delays_s = list(asker.delays_s.values())
    report = {
        "utterances": len(waits_s),
        "first_pose_p50_ms": 1e3 * float(np.median(waits_s)),
        "first_pose_p95_ms": 1e3 * float(np.percentile(waits_s, 95)),
        "first_pose_most_ms": 1e3 * max(waits_s),
        "delay_told_p50_ms": 1e3 * float(np.median(delays_s)),
    }
    print(json.dumps(report, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
