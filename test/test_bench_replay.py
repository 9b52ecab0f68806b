"""Replayed windows are timed beside each other, and their kernels counted."""

import json

import pytest
import torch

from asynfusion_ros.bench.floors import Floors
from asynfusion_ros.bench.replay import OURS, WAYS, kernels_in_turn, main, time_batches, time_ways
from asynfusion_ros.bench.subjects import make_request
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling import GraphSampler, SamplerSettings, untrained_checkpoint

SIZES = NetworkSettings(audio_dim=7, width=16, depth=2, heads=2, window_frames=12)
MODEL = untrained_checkpoint(SIZES)
FLOORS = Floors(1e12, 1e12, 1e12, 1e-6, 1e-6, 1e-6)


def test_ways_are_timed_beside_each_other():
    rows = time_ways(MODEL, FLOORS, frames=10, rounds=1, calls=2)
    assert set(rows) == set(WAYS)
    assert rows[OURS]["ratio"] == 1.0
    for row in rows.values():
        assert row["launch_floor_s"] == pytest.approx(1e-6 * row["kernels_in_turn"])
        assert row["times_floor"] > 0.0


def test_kernels_in_turn_follow_the_steps():
    counts = {}
    for name, settings in WAYS.items():
        with GraphSampler(MODEL, SamplerSettings(**settings)) as sampler:
            counts[name] = kernels_in_turn(sampler, 12)
    assert 1.2 < counts["async-4-8"] / counts[OURS] < 1.8  # 12 branch steps against 8
    assert 1.5 < counts["sync-8-8"] / counts[OURS] < 2.1  # 16 against 8


def test_streams_share_a_batch():
    rows = time_batches(MODEL, (1, 3), hop_s=0.4, calls=2)
    assert list(rows) == [1, 3]
    for batch, row in rows.items():
        assert row["streams"] == int(batch * 0.4 / row["p50_s"])


def test_rows_of_a_request_are_streams_of_their_own():
    request = make_request(SIZES, 3, frames=10)
    assert len(set(request.origins)) == 3
    assert request.known_face.shape == (3, 8, 51)
    assert torch.equal(request.audio, make_request(SIZES, 3, frames=10).audio)


def test_one_command_writes_all_figures(tmp_path, repo, capsys):
    out = tmp_path / "replay.json"
    config = repo / "config" / "smoke.yaml"
    options = ["--device", "cpu", "--quick", "--config", str(config), "--json", str(out)]
    assert main(options) == 0
    document = json.loads(out.read_text())
    assert set(document["windows"]) == {"34", "60"}
    assert document["streams"]["8"]["p50_s"] > 0.0
    assert json.loads(capsys.readouterr().out) == document
