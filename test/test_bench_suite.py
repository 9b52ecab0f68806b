"""The benchmark's arithmetic on known times, and each of its parts at the smallest size."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from test_streaming_generator import NETWORK, LoudnessExtractor

from asynfusion_ros.bench import streams
from asynfusion_ros.bench.floors import Floors
from asynfusion_ros.bench.live import measure_live
from asynfusion_ros.bench.measure import Ratio, Timing, time_in_turns
from asynfusion_ros.bench.page import draw_plot, make_page
from asynfusion_ros.bench.windows import OURS, Extent, describe_step, strategies, time_windows
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.streaming.settings import EngineSettings

TINY = untrained_checkpoint(NETWORK)
FLOORS = Floors(1e10, 1e11, 2e11, 1e-6, 2e-6, 1e-6)


def test_timings_are_quantiles():
    timing = Timing.of(np.arange(1, 102) / 100.0)
    assert (timing.p50_s, timing.p95_s, timing.p99_s) == pytest.approx((0.51, 0.96, 1.0))
    assert (timing.least_s, timing.count) == (0.01, 101)


def test_a_ratio_is_taken_round_by_round():
    slow, fast = [2.0, 2.0, 8.0, 8.0], [1.0, 1.0, 4.0, 4.0]  # the second round was disturbed
    assert vars(Ratio.of(slow, fast, 2)) == {"ratio": 2.0, "low": 2.0, "high": 2.0}


def test_subjects_take_turns():
    order = []
    subjects = {name: (lambda name=name: order.append(name)) for name in "ab"}
    seconds = time_in_turns(subjects, rounds=2, calls=2)
    assert {name: len(times) for name, times in seconds.items()} == {"a": 4, "b": 4}
    assert "".join(order) == "aaabbb" + "aaabbb" * 2


def test_every_strategy_is_timed_beside_ours():
    extent = Extent(frames=20)
    rows = time_windows(TINY, cores=2, rounds=2, calls=1, extent=extent)
    assert set(rows) == set(strategies(2))
    assert rows[OURS]["ratio"] == {"ratio": 1.0, "low": 1.0, "high": 1.0}
    assert all(0.0 < row["least_s"] <= row["p50_s"] <= row["p99_s"] for row in rows.values())


def test_a_step_s_work_is_that_of_its_products():
    width, frames = NETWORK.width, 20
    work = describe_step(TINY, FLOORS, Extent(frames=frames))
    hidden = round(NETWORK.mlp_ratio * width)
    block = 4 * width * width + 2 * width * hidden  # attention's maps and the MLP
    products = NETWORK.depth * 2 * block * frames  # as many again in the interaction
    attention = NETWORK.depth * 2 * 2 * frames * frames * width
    ends = 2 * frames * width * NETWORK.body_dim
    context = (2 + 6 * NETWORK.depth + 2) * width * width  # of time and modulations, one row
    assert work["flops"] == pytest.approx(2.0 * (products + attention + ends + context), rel=0.01)
    assert work["bound_s"]["arithmetic"] == pytest.approx(work["flops"] / 1e11)


@pytest.fixture
def cheap(monkeypatch):
    monkeypatch.setattr(streams, "open_extractor", lambda description: LoudnessExtractor())
    monkeypatch.setattr(
        streams.MotionGenerator, "open", lambda checkpoint, settings: make_generator(settings)
    )


def make_generator(settings):

    from asynfusion_ros.streaming.generator import MotionGenerator, open_sampler

    torch.set_num_threads(1)
    quick = settings.replace(expression_steps=1, gesture_steps=1)
    sampler = open_sampler(TINY, quick.sampler_settings())
    return MotionGenerator(TINY, LoudnessExtractor(), sampler, quick)


def test_streams_run_in_real_time_and_are_counted(cheap):
    rows = streams.time_streams(TINY, (1, 3), EngineSettings(hop_frames=3), 1.0)
    assert [rows[count]["count"] for count in (1, 3)] == [10, 30]
    assert all(row["p50_s"] > 0.0 and row["windows_per_batch"] >= 1.0 for row in rows.values())
    sustained = {1: {"sustained": True}, 2: {"sustained": True}, 4: {"sustained": False}}
    assert streams.most_streams({**sustained, 8: {"sustained": True}}) == 2


def test_a_page_has_every_part(cheap, tmp_path):
    extent = Extent(frames=20)
    document = {
        "command": "asynfusion bench",
        "machine": {"device": "a machine", "Python": "3"},
        "floors": FLOORS.to_dict(),
        "extent": vars(extent) | {"known": 16},
        "hop_s": 0.4,
        "step": describe_step(TINY, FLOORS, extent),
        "windows": time_windows(TINY, cores=1, rounds=1, calls=1, extent=extent),
        "hops": streams.time_hops(TINY, 20),
        "streams": streams.time_streams(TINY, (1,), EngineSettings(), 1.0),
        "streams_hop_s": 0.4,
        "max_streams": 1,
        "growth": streams.measure_growth(TINY, EngineSettings(), 20),
    }
    page = make_page(json.loads(json.dumps(document)))
    for title in ("What the machine can do", "One window", "Hops", "Many streams"):
        assert f"\n## {title}" in page
    assert "nan" not in page
    draw_plot(document, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_a_graph_that_does_not_run_is_said(monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(ConfigError, match=r"(?s)ended with 1.*--no-live"):
        measure_live({}, 1.0, Path("nowhere"))
