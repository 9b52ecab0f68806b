"""Floors are positive, in their order, and bound what they should."""

import pytest
import torch

from asynfusion_ros.bench.floors import (
    Floors,
    count_kernels,
    measure_floors,
    median_s,
    replay_cost,
)

CPU = torch.device("cpu")


def test_a_cpu_has_floors():
    floors = measure_floors(CPU, quick=True)
    assert all(value > 0.0 for name, value in floors.to_dict().items() if "kernel" not in name)
    assert 1e8 < floors.copy_bytes_per_s < 1e13
    assert 1e8 < floors.fp32_flops_per_s < 1e15
    assert floors.graph_kernel_s < 1e-3


def test_longer_graphs_take_longer():
    assert replay_cost(CPU, 400, replays=5) > replay_cost(CPU, 1, replays=5)


def test_bounds_are_work_over_rate():
    floors = Floors(4e12, 5e13, 8e14, 1e-6, 2e-6, 1e-6)
    bounds = floors.bound_s(8e11, 4e9, 98)
    assert bounds == pytest.approx({"arithmetic": 1e-3, "memory": 1e-3, "launches": 1e-4})
    assert floors.bound_s(5e13, 0.0, 0, "fp32")["arithmetic"] == 1.0


def test_views_are_no_kernels():
    x = torch.zeros(3, 4)

    def run():
        return (x + 1).relu().view(12)[:4].sum()

    assert count_kernels(run) == 3


def test_the_median_counts_every_round():
    calls = []
    assert median_s(lambda: calls.append(1), CPU, rounds=3) >= 0.0
    assert len(calls) == 5
