"""The board beside the avatar in RViz: its text and meter, and as a node in a graph."""

import numpy as np
import pytest

from asynfusion_ros.nodes.board import QUIETEST_DB, SILENT_AFTER_S, LevelMeter, render_board
from asynfusion_ros.nodes.health import BAD, OK, OLD_S, WARN, Health

NAME = "asynfusion: avatar"
VALUES = {
    "real_time_factor": "0.3412", "hop_s": "0.4000", "window_ms_p50": "132.100",
    "output_delay_s": "1.0000", "count_samples_dropped": "0",
}  # fmt: skip


def health(level=0, message="active, speech", seen_s=99.5, **values):
    return Health(seen_s, level, message, {**VALUES, **values})


def sine(amplitude):
    return (amplitude * np.sin(np.linspace(0.0, 200.0 * np.pi, 16000))).astype(np.float32)


@pytest.mark.parametrize(("amplitude", "level_db"), [(1.0, -3.01), (0.1, -23.01), (0.001, -60.0)])
def test_a_sine_has_the_level_of_its_root_mean_square(amplitude, level_db):
    meter = LevelMeter()
    meter.add(sine(amplitude), 10.0)
    assert meter.level_db(10.0) == pytest.approx(level_db, abs=0.02)
    assert meter.share(10.0) == pytest.approx(1.0 - level_db / QUIETEST_DB, abs=0.001)


def test_the_level_rises_at_once_falls_slowly_and_ends_with_the_sound():
    meter = LevelMeter()
    assert meter.share(0.0) == 0.0
    meter.add(sine(1.0), 10.0)
    meter.add(sine(0.01), 10.1)
    assert meter.level_db(10.1) == pytest.approx(-3.01 - 4.0, abs=0.02)
    meter.add(sine(0.5), 10.2)
    assert meter.level_db(10.2) == pytest.approx(-9.03, abs=0.02)
    assert meter.level_db(10.2 + SILENT_AFTER_S + 0.01) == QUIETEST_DB


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_samples_that_are_no_sound_keep_the_level_in_its_range(value):
    meter = LevelMeter()
    meter.add(np.full(160, value, np.float32), 1.0)
    meter.add(np.zeros(0, np.float32), 1.0)
    assert QUIETEST_DB <= meter.level_db(1.0) <= 0.0


def test_the_text_tells_state_speed_and_what_was_lost():
    text, style = render_board({NAME: health()}, 100.0)
    assert text.splitlines() == [
        "avatar: active, speech",
        "1000 ms from sound to pose",
        "0.34 of real time, window 132 of 400 ms",
    ]
    assert style == OK
    lost = {"count_samples_dropped": "640", "node_refused_messages": "7"}
    text, style = render_board({NAME: health(level=1, **lost)}, 100.0)
    assert text.splitlines()[3:] == ["640 samples dropped", "7 messages refused"]
    assert style == WARN


def test_the_worst_of_all_nodes_colours_it_and_who_is_silent_is_named():
    recorder = Health(99.5, 2, "disk full", {})
    text, style = render_board({NAME: health(), "asynfusion: recorder": recorder}, 100.0)
    assert "recorder: disk full" in text
    assert style == BAD
    text, style = render_board({NAME: health(seen_s=0.0)}, OLD_S + 7.0)
    assert text.startswith("avatar: not heard for 10 s")
    assert style == BAD
    assert render_board({}, 0.0) == ("the avatar loads, or does not run", WARN)


@pytest.mark.ros
def test_the_node_shows_sound_and_diagnostics_where_anybody_looks():
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
    from asynfusion_ros.msg import AudioChunk
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
    from ros_helpers import collect, ros_graph, wait_for
    from visualization_msgs.msg import Marker, MarkerArray

    from asynfusion_ros.nodes import interface
    from asynfusion_ros.nodes.board_node import BoardNode
    from asynfusion_ros.nodes.conversions import make_chunk
    from asynfusion_ros.nodes.settings import BoardSettings

    with ros_graph() as graph:
        graph.add(BoardNode, parameters={"rate_hz": 50.0, "frame_id": "base", "height_m": 2.0})
        observer = graph.node()
        boards = collect(observer, MarkerArray, interface.BOARD, interface.MOTION_QOS)
        states = observer.create_publisher(
            DiagnosticArray, interface.DIAGNOSTICS, interface.MOTION_QOS
        )
        sound = observer.create_publisher(AudioChunk, interface.AUDIO, interface.AUDIO_QOS)
        wait_for(lambda: boards)
        text, bar, back = boards[0][1].markers
        full_m = 6 * BoardSettings.letters_m
        assert (text.text, bar.scale.z) == (
            "the avatar loads, or does not run",
            pytest.approx(0.01 * full_m),
        )
        narrow_m = bar.pose.position.y
        entry = DiagnosticStatus(name=NAME, level=DiagnosticStatus.WARN, message="active, starved")
        entry.values = [KeyValue(key=k, value=v) for k, v in VALUES.items()]
        bad = AudioChunk(sample_rate=0, channels=1, encoding="S16LE", data=b"\0\0")

        def say():
            states.publish(DiagnosticArray(status=[entry]))
            sound.publish(bad)  # is passed over
            sound.publish(make_chunk(sine(1.0), 16000, 1.0, "somebody"))
            text, bar, _ = boards[-1][1].markers
            return bar.scale.z > 0.83 * full_m and "starved" in text.text

        wait_for(say)
        text, bar, back = boards[-1][1].markers
    assert (text.type, bar.type) == (Marker.TEXT_VIEW_FACING, Marker.CUBE)
    assert {marker.header.frame_id for marker in (text, bar, back)} == {"base"}
    assert 0.0 < text.scale.x < text.scale.z  # the width of a space
    assert back.scale.z > full_m
    assert back.pose.position.x < bar.pose.position.x - 0.5 * bar.scale.x
    assert bar.pose.position.y == back.pose.position.y > narrow_m  # a longer text is wider
    assert bar.pose.position.y > 0.25 * text.scale.z * max(map(len, text.text.splitlines()))
    assert len({marker.id for marker in (text, bar, back)}) == 3
    assert text.pose.position.z == pytest.approx(2.0)
    bottom = bar.pose.position.z - 0.5 * bar.scale.z
    assert bottom == pytest.approx(2.0 - 0.5 * full_m)
    assert text.color.r > text.color.b
