"""A profiler's trace becomes lanes, and lanes a picture."""

import json

import pytest

from asynfusion_ros.bench.timeline import (
    draw_lanes,
    join_spans,
    main,
    overlap_s,
    read_lanes,
)
from asynfusion_ros.errors import DataError


def write_trace(path, events):
    path.write_text(json.dumps({"traceEvents": events}))
    return path


def kernel(tid, begin_us, duration_us, cat="kernel"):
    return {"ph": "X", "cat": cat, "tid": tid, "ts": begin_us, "dur": duration_us}


def test_streams_are_lanes_and_the_busiest_comes_first(tmp_path):
    events = [kernel(7, 0, 10), kernel(13, 5, 10), kernel(13, 15, 10), kernel(7, 30, 5)]
    events += [kernel(1, 0, 900, cat="cpu_op"), {"ph": "i", "cat": "kernel"}]
    lanes = read_lanes(write_trace(tmp_path / "trace.json", events))
    assert list(lanes) == ["13", "7"]
    assert lanes["13"] == [pytest.approx((5e-6, 25e-6))]
    assert overlap_s(lanes["13"], lanes["7"]) == pytest.approx(5e-6)


def test_spans_are_joined_where_they_touch():
    assert join_spans([(3, 4), (0, 1), (1, 2), (0.5, 0.7)]) == [(0, 2), (3, 4)]
    assert join_spans([(0, 1), (2, 3)], gap_s=1.0) == [(0, 3)]


@pytest.mark.parametrize(
    "text", ["{}", "[1, 2]", '{"traceEvents": [{"ph": "X", "cat": "kernel"}]}']
)
def test_what_is_no_trace_is_refused(tmp_path, text):
    path = tmp_path / "trace.json"
    path.write_text(text)
    with pytest.raises(DataError, match="trace"):
        read_lanes(path)


def test_a_trace_without_work_is_refused(tmp_path):
    with pytest.raises(DataError, match="no work"):
        read_lanes(write_trace(tmp_path / "trace.json", []))


def test_one_command_makes_picture_and_trace(tmp_path, repo, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "lanes.png"
    config = repo / "config" / "smoke.yaml"
    assert main(["--device", "cpu", "--config", str(config), "--out", str(out)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["gesture_busy_ms"] >= figures["both_busy_ms"] >= 0.0
    assert out.read_bytes().startswith(b"\x89PNG")
    draw_lanes({"only": [(0.0, 1.0)]}, "one lane", tmp_path / "one.png")
