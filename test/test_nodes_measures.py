"""The probe's figures against streams whose figures are known."""

import json

import numpy as np
import pytest

from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.nodes.measures import (
    Recording,
    count_mismatches,
    jitters_ms,
    message_latencies_s,
    summarise,
    write_report,
)

JOINTS = ("head_yaw", "l_shoulder_yaw", "r_elbow_pitch")


def record(count=61, delay_s=0.8):
    recording = Recording()
    for k in range(count):
        stamp_s = 100.0 + k / 60
        stamp_ns = round(stamp_s * 1e9)
        weights = np.zeros(52, np.float32)
        weights[ARKIT_NAMES.index("jawOpen")] = 0.5 * (k % 2)
        recording.add_joints(stamp_s + delay_s, stamp_ns, JOINTS, [9.0 * k, 0.1 * k, 0.0])
        recording.add_face(stamp_s + delay_s, stamp_ns, ARKIT_NAMES, weights)
    recording.audio = [(100.0 + k / 50, 100.0 + (k + 1) / 50, 100.02 + k / 50) for k in range(60)]
    values = {
        "hop_s": "0.4",
        "look_ahead_s": "0.1",
        "window_ms_p50": "90",
        "real_time_factor": "0.2",
    }
    recording.diagnostics = [
        (100.0, {**values, "rss_mb": "400", "cpu_s": "1.0", "count_audio_gaps": "0"}),
        (110.0, {**values, "rss_mb": "410", "cpu_s": "6.0", "count_audio_gaps": "2"}),
    ]
    recording.stolen_s = 0.02
    return recording


def test_known_figures():
    report = summarise(record())
    assert report["joint_states_hz"] == pytest.approx(60.0)
    assert report["blendshapes_hz"] == pytest.approx(60.0)
    assert report["stamp_mismatches"] == 0
    assert report["latency_ms"]["end_to_end_p50"] == pytest.approx(800.0, abs=0.01)
    assert report["latency_ms"]["jitter_p99"] == pytest.approx(0.0, abs=0.01)
    assert 0 <= 800 - report["latency_ms"]["message_to_joint_p99"] <= 21
    assert report["latency_ms"]["hop"] == pytest.approx(400.0)
    assert report["latency_ms"]["compute_p50"] == 90.0
    assert report["mouth_range"] == pytest.approx(0.5)
    assert report["arm_path_rad"] == pytest.approx(6.0)  # the head's yaw does not count
    assert report["rss_growth_mb"] == 10.0
    assert report["cpu_cores"] == pytest.approx(0.5)
    assert report["audio_gaps"] == 2
    assert report["stolen_share"] == pytest.approx(0.02)


def test_nothing_heard_gives_nulls_not_errors(tmp_path):
    report = summarise(Recording())
    assert report["joint_states_hz"] is None
    assert report["latency_ms"]["end_to_end_p50"] is None
    write_report(tmp_path / "deep" / "report.json", report)
    assert json.loads((tmp_path / "deep" / "report.json").read_text()) == report


def test_frames_that_are_not_finite_are_counted():
    recording = Recording()
    recording.add_joints(0.0, 1, JOINTS, [0.0, np.nan, 0.0])
    recording.add_face(0.0, 1, ["jawOpen"], [np.inf])
    assert recording.nan_frames == 2


def test_mismatches_count_only_where_both_were_heard():
    assert count_mismatches([1, 2, 3, 4], [3, 4, 5, 6]) == 0
    assert count_mismatches([1, 2, 4], [1, 3, 4]) == 2
    assert count_mismatches([], [1, 2]) == 2


def test_message_latency_needs_a_message_that_covers_the_stamp():
    audio = [(10.0, 10.1, 10.15)]
    latencies = message_latencies_s(audio, np.array([9.9, 10.05, 10.2]), np.array([11.0] * 3))
    assert latencies == pytest.approx([0.85])


def test_jitter_is_the_distance_from_the_median_delay():
    np.testing.assert_allclose(jitters_ms(np.array([5.0, 5.0, 5.0, 8.0, 4.0])), [0, 0, 0, 3, 1])
    assert len(jitters_ms(np.zeros(0))) == 0
