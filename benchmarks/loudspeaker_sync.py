"""How far sound is from its pose: what PulseAudio really played, against `face/blendshapes`.

With PulseAudio and ALSA's plugin for it as the default device, and a sink that nobody hears:

pactl load-module module-null-sink sink_name=out rate=48000
python benchmarks/loudspeaker_sync.py [--live] [--json sync.json]

Starts the avatar and the loudspeaker node, speaks, records the sink's monitor by `parec`, and finds
each half second of what was said in it. Those that are mostly silence are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ["ROS_DOMAIN_ID"] = "79"  # apart from what else may run on this network

import numpy as np
import rclpy
from asynfusion_ros.msg import AudioChunk, FaceBlendshapes
from rclpy.node import Node
from rclpy.publisher import Publisher
from scipy.signal import correlate

from asynfusion_ros.audio.resample import load_audio
from asynfusion_ros.nodes import interface
from asynfusion_ros.nodes.conversions import make_chunk, to_seconds

SPEECH = Path(__file__).resolve().parents[1] / "models" / "demo" / "speech.wav"
RATE_HZ = 16000
UTTERANCE_S, LONGEST_DELAY_S, START_UP_S = 3.0, 2.0, 120.0
PIECE_S = 0.5  # short, for what is stretched a little is less like itself
LOUD_SHARE, SURE = 0.5, 0.7  # of 10 ms in which something is said; of likeness


class Monitor:
    """Records what a sink plays, with the time of each sample."""

    def __init__(self, source: str) -> None:
        """Begin to record."""
        words = ["parec", "-d", source, f"--rate={RATE_HZ}", "--channels=1", "--format=s16le"]
        self._process = subprocess.Popen([*words, "--latency-msec=10"], stdout=subprocess.PIPE)
        self._blocks: list[tuple[float, np.ndarray]] = []
        threading.Thread(target=self._pump, daemon=True).start()

    def _pump(self) -> None:
        while block := self._process.stdout.read(320):
            self._blocks.append((time.time(), np.frombuffer(block, "<i2")))

    def stop(self) -> tuple[float, np.ndarray]:
        """Return when the first sample was heard, and all of them."""
        self._process.kill()
        blocks = self._blocks[:]
        ends = np.cumsum([len(samples) for _, samples in blocks])
        begins_s = np.array([at_s for at_s, _ in blocks]) - ends / RATE_HZ
        samples = np.concatenate([samples for _, samples in blocks])
        return float(np.percentile(begins_s, 5)), samples / 32768.0  # what came late was held up


@contextmanager
def running(*names: str) -> Iterator[None]:
    """Run nodes of the package."""
    command = [sys.executable, "-m", "asynfusion_ros.nodes.start"]
    processes = [subprocess.Popen([*command, name]) for name in names]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait(10.0)


def say(audio: Publisher, name: str, samples: np.ndarray, live: bool) -> float:
    """Publish speech, at once or as it would be heard; return the stamp of its begin."""
    begin_s, step = time.time(), 320 if live else 1600
    for first in range(0, len(samples), step):
        stamp_s = begin_s + first / RATE_HZ
        piece = samples[first : first + step]
        if live:
            time.sleep(max(0.0, stamp_s + len(piece) / RATE_HZ - time.time()))
        audio.publish(make_chunk(piece, RATE_HZ, stamp_s, "me", name))
    time.sleep(0.0 if live else len(samples) / RATE_HZ)
    return begin_s


def offsets_ms(
    said: list[tuple[float, np.ndarray]],
    poses: list[tuple[float, float]],
    begin_s: float,
    heard: np.ndarray,
) -> list[float]:
    """Return how long after its pose each piece of speech was heard."""
    found = []
    arrivals_s, stamps_s = np.array(poses).T
    for stamp_s, samples in said:
        first = max(0, round((stamp_s - begin_s) * RATE_HZ))
        part = heard[first : first + round((UTTERANCE_S + LONGEST_DELAY_S) * RATE_HZ)]
        for at_s in np.arange(0.0, UTTERANCE_S, PIECE_S):
            spoken = samples[round(at_s * RATE_HZ) :][: round(PIECE_S * RATE_HZ)]
            loud = np.abs(spoken).reshape(-1, 160).max(axis=1) > 0.02
            if loud.mean() < LOUD_SHARE:
                continue
            likeness = correlate(part, spoken, "valid")
            place = int(np.argmax(likeness))
            sure = likeness[place] / (
                np.linalg.norm(spoken) * np.linalg.norm(part[place:][: len(spoken)]) + 1e-9
            )
            heard_s = begin_s + (first + place) / RATE_HZ
            pose = np.flatnonzero((stamps_s >= stamp_s + at_s) & (arrivals_s > stamp_s))[0]
            found += [1e3 * (heard_s - arrivals_s[pose])] if sure > SURE else []
    return found


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--live", action="store_true", help="at the pace of a microphone")
    parser.add_argument("--source", default="out.monitor")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    speech, draw = load_audio(SPEECH), np.random.default_rng(0)
    rclpy.init()
    node, poses, said = Node("asker"), [], []

    def take(message: FaceBlendshapes) -> None:
        poses.append((time.time(), to_seconds(message.header.stamp)))

    node.create_subscription(FaceBlendshapes, interface.BLENDSHAPES, take, interface.MOTION_QOS)
    audio = node.create_publisher(AudioChunk, interface.AUDIO, interface.AUDIO_QOS)
    threading.Thread(target=rclpy.spin, args=(node,), daemon=True).start()
    with running("avatar_node", "loudspeaker_node"):
        end_s = time.monotonic() + START_UP_S
        while not poses or audio.get_subscription_count() < 2:
            time.sleep(0.1)
            if time.monotonic() > end_s:
                raise TimeoutError("the avatar or the loudspeaker did not start")
        time.sleep(3.0)
        monitor = Monitor(arguments.source)
        time.sleep(1.0)
        for number in range(arguments.count):
            first = int(draw.integers(0, len(speech) - UTTERANCE_S * RATE_HZ))
            samples = speech[first : first + round(UTTERANCE_S * RATE_HZ)]
            name = "" if arguments.live else f"u{number}"
            said.append((say(audio, name, samples, arguments.live), samples))
            time.sleep(1.2 + 0.5 * draw.random())
        time.sleep(1.0)
        found = offsets_ms(said, poses[:], *monitor.stop())
    report = {
        "pieces": len(found),
        "sound_after_pose_median_ms": float(np.median(found)),
        "sound_after_pose_least_ms": min(found),
        "sound_after_pose_most_ms": max(found),
    }
    print(json.dumps(report, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    rclpy.shutdown()


if __name__ == "__main__":
    main()
