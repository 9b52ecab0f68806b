"""The audio source sends every sample in order and on time, and says what is wrong."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytestmark = pytest.mark.ros

from asynfusion_ros.msg import AudioChunk  # noqa: E402
from ros_helpers import DOMAIN, collect, ros_graph, wait_for  # noqa: E402

from asynfusion_ros.audio.sources import SourceChunk  # noqa: E402
from asynfusion_ros.errors import AudioError  # noqa: E402
from asynfusion_ros.nodes import interface  # noqa: E402
from asynfusion_ros.nodes.audio_source_node import AudioSourceNode  # noqa: E402
from asynfusion_ros.nodes.conversions import to_seconds  # noqa: E402
from asynfusion_ros.nodes.pacing import ChunkReader, ClockFollower, repeat  # noqa: E402


@pytest.fixture
def graph():
    with ros_graph() as graph:
        yield graph


@pytest.fixture
def recording(tmp_path):
    samples = np.linspace(-0.5, 0.5, 16000, dtype=np.float32)
    path = tmp_path / "ramp.wav"
    soundfile.write(path, samples, 16000, subtype="PCM_16")
    return path, samples


def hear(graph, path, **parameters):
    observer = graph.node()
    chunks = collect(observer, AudioChunk, interface.AUDIO, interface.AUDIO_QOS)
    given = {"wav": str(path), "listener": "observer", "wait_s": 20.0, **parameters}
    node = graph.add(AudioSourceNode, parameters=given)
    wait_for(lambda: node.exit_status is not None)
    return node, chunks


@pytest.mark.parametrize("rate", [1.0, 5.0])
def test_all_samples_arrive_in_order_at_the_pace_asked_for(graph, recording, rate):
    path, samples = recording
    node, chunks = hear(graph, path, rate=rate)
    assert node.exit_status == 0
    heard = np.concatenate([np.frombuffer(m.data, "<i2") for _, m in chunks]) / 32768
    assert np.abs(heard - samples).max() < 1e-4
    stamps_s = np.array([to_seconds(m.header.stamp) for _, m in chunks])
    assert np.diff(stamps_s) == pytest.approx(0.02, abs=1e-6)
    took_s = chunks[-1][0] - chunks[0][0]
    assert 0.98 / rate - 0.15 < took_s < 0.98 / rate + 0.6  # a busy machine may end it late
    assert {m.source for _, m in chunks} == {"/audio_source"}


class Beeps:
    """A source of two chunks, which may be heard again."""

    def __iter__(self):
        for k in range(2):
            yield SourceChunk(np.ones(160, np.float32), 16000, 0.01 * k)

    def close(self):
        pass


def test_a_loop_goes_on_in_time_after_its_pause():
    chunks = repeat(Beeps(), loop=True, pause_s=1.0)
    starts = [next(chunks).start_s for _ in range(5)]
    assert starts == pytest.approx([0.0, 0.01, 1.02, 1.03, 2.04])
    assert len(list(repeat(Beeps(), loop=False, pause_s=1.0))) == 2


def test_a_source_that_breaks_is_told_after_what_came_before():
    def breaks():
        yield from Beeps()
        raise AudioError("damaged after 0.02 s")

    reader = ChunkReader(breaks())
    wait_for(lambda: reader.failure)
    assert len(list(reader.take_until(0.015))) == 1
    assert not reader.ended
    assert len(list(reader.take_until(9.0))) == 1
    assert reader.ended


def test_a_missing_recording_is_one_line_and_status_2(repo):
    environment = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)}
    begin_s = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "asynfusion_ros.nodes.start", "audio_source_node",
         "--ros-args", "-p", "wav:=none.wav"],
        cwd=repo, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 2
    assert "none.wav" in run.stderr
    assert "give a wav or flac file" in run.stderr
    assert "Traceback" not in run.stderr
    assert time.monotonic() - begin_s < 50


def test_stamps_of_a_microphone_follow_our_clock_evenly():
    follower, draw = ClockFollower(), np.random.default_rng(0)
    counted_s = np.arange(0.0, 3600.0, 0.04)
    true_s = 100.0 + counted_s * (1.0 - 200e-6)
    late_s = draw.uniform(0.0, 0.02, len(counted_s))
    stamps_s = [
        follower.follow(c, t + d, 0.04) for c, t, d in zip(counted_s, true_s, late_s, strict=True)
    ]
    off_s = np.array(stamps_s) - true_s
    assert np.abs(off_s[1000:] - off_s[1000:].mean()).max() < 0.005
    assert np.abs(np.diff(stamps_s) - 0.04).max() < 0.001
    assert follower.follow(counted_s[-1] + 5.04, true_s[-1] + 8.0, 0.04) == true_s[-1] + 8.0
