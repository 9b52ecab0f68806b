"""The terminal view: from canned diagnostics, and of a live graph."""

import io
import random

import pytest

from asynfusion_ros.nodes.health import OLD_S, Health, to_number
from asynfusion_ros.nodes.top_screen import Meter, render_screen, to_text

VALUES = {
    "real_time_factor": "0.3412", "hop_s": "0.4000", "window_ms_p50": "132.100",
    "window_ms_p99": "217.400", "output_delay_s": "1.0000", "stream_offset_s": "0.0300",
    "expression_steps": "4", "gesture_steps": "8", "overlap_frames": "48", "pose_stride": "1",
    "queue_depth_s": "0.7300", "audio_ahead_s": "0.0000", "rss_mb": "512.3", "cpu_s": "61.20",
    "count_windows": "400", "count_samples_dropped": "0", "node_refused_messages": "0",
}  # fmt: skip
NAME = "asynfusion: avatar"


def meters(rate_hz=60.0):
    meter = Meter()
    for k in range(601):
        meter.add(90.0 + k / rate_hz)
    return {"joint_states": meter, "audio": Meter()}


def screen(values=None, level=0, message="active, speech", now_s=100.0, seen_s=99.5, **more):
    health = {NAME: Health(seen_s, level, message, {**VALUES, **(values or {})}), **more}
    return to_text(render_screen(health, meters(), now_s), colour=False, size=(90, 60))


def test_a_healthy_avatar_on_one_page():
    text = screen()
    for part in (
        "avatar        active, speech",
        "joint_states               60.0 Hz         17 ms",
        "audio                       0.0 Hz",
        "[|||||||             ] 0.34 of real time",
        "p50 132 ms, p99 217 ms of 400 ms",
        "1000 ms from sound to pose, source behind by 30 ms",
        "face 4, body 8, 48 known frames, every pose",
        "0.73 s of motion",
        "512 MB, 61 s of CPU",
        "nothing was lost since the start",
    ):
        assert part in text, text


def test_trouble_is_named_and_coloured():
    worse = {
        "real_time_factor": "1.4", "window_ms_p99": "900", "pose_stride": "2",
        "queue_depth_s": "-0.3", "count_samples_dropped": "640", "node_refused_messages": "7",
    }  # fmt: skip
    text = screen(worse)
    assert "[||||||||||||||||||||] 1.40 of real time" in text
    assert "every 2nd pose" in text
    assert "  640 samples dropped\n  7 messages refused" in text
    health = {NAME: Health(99.5, 2, "failed", {**VALUES, **worse})}
    painted = to_text(render_screen(health, meters(), 100.0), colour=True, size=(90, 60))
    assert "\x1b[31;1mfailed\x1b[0m" in painted
    assert "\x1b[31;1mp99 900 ms\x1b[0m" in painted
    assert painted.count("\x1b[0m") == painted.count("m") - painted.replace("\x1b[0m", "").count(
        "m"
    )


def test_who_is_gone_and_who_was_never_there():
    assert f"not heard for {OLD_S + 2:.0f} s" in screen(seen_s=100.0 - OLD_S - 2)
    assert "no diagnostics yet" in to_text(render_screen({}, {}, 0.0), False, (80, 24))


def test_a_recorder_beside_it_has_a_line_of_its_own():
    recorder = Health(99.0, 1, "12 messages lost: No space left on device", {})
    assert "recorder      12 messages lost" in screen(**{"asynfusion: recorder": recorder})


@pytest.mark.parametrize("size", [(20, 5), (1, 2), (200, 60)])
def test_it_keeps_to_the_terminal(size):
    health = {NAME: Health(99.5, 0, "x" * 500, VALUES)}
    for text in (to_text(render_screen(health, meters(), 100.0), False, size),):
        assert all(len(line) <= size[0] for line in text.splitlines())
        assert len(text.splitlines()) < size[1]


def test_strangers_cannot_write_to_the_terminal():
    rng = random.Random(0)
    for _ in range(300):
        junk = "".join(chr(rng.choice((27, 7, 10, 65, 0x202E, 0x1F600))) for _ in range(9))
        stranger = {f"asynfusion: {junk}": Health(99.0, rng.randrange(256), junk, {})}
        text = screen({key: junk for key in VALUES}, message=junk, **stranger)
        assert "\x1b" not in text
        assert "\x07" not in text
    for word in ("nan", "inf", "-1e999", "1e300", "", "x"):
        assert to_number(word) == 0.0


@pytest.mark.ros
def test_a_live_graph_is_watched():
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
    from ros_helpers import DOMAIN, Talker, ros_graph, stub_engine, wait_for
    from streaming_stubs import speech_like

    from asynfusion_ros.nodes.avatar_node import AvatarNode
    from asynfusion_ros.nodes.top_node import TopNode

    out = io.StringIO()
    with ros_graph(DOMAIN + 5) as graph:
        avatar = graph.add(AvatarNode, make_engine=stub_engine)
        wait_for(lambda: avatar.state == "active")
        with Talker(graph.node(), speech_like(2.0)):
            top = graph.add(TopNode, out=out, period_s=0.5, times=12)
            wait_for(lambda: top.exit_status == 0)
    last = out.getvalue().rpartition("asynfusion top")[2]
    assert "avatar        active" in last
    rate_hz = float(last.split("joint_states")[1].split()[0])
    assert rate_hz > 5.0  # on a machine that is busy
    assert "\x1b" not in last
