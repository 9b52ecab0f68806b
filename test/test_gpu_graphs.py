"""CUDA graphs on a real GPU against the plain sampler on the CPU."""

import random

import pytest
import torch
from sampling_helpers import DIMS, TINY, make_request

from asynfusion_ros.networks import MannerBatch, NetworkSettings
from asynfusion_ros.sampling import (
    Checkpoint,
    SamplerSettings,
    SequentialSampler,
    ThreadedSampler,
    Tick,
    WindowRequest,
    untrained_checkpoint,
)
from asynfusion_ros.sampling.counter_noise import normal, row_keys
from asynfusion_ros.sampling.graphs import GraphSampler

pytestmark = pytest.mark.gpu

EXACT = SamplerSettings(graph_precision="fp32", pacing="parallel", runtime="torch", traced=False)
BASE = NetworkSettings(width=384, depth=8, heads=6)
LIMITS = {"fp32": 1e-4, "bf16": 1e-2}


def pair(settings, network=TINY):
    """The same random weights on the CPU and on the GPU."""
    plain = SequentialSampler(
        untrained_checkpoint(network), settings.replace(execution="sequential")
    )
    return plain, GraphSampler(untrained_checkpoint(network).to("cuda"), settings)


def request_for(sizes, batch, known, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731
    return WindowRequest(
        3,
        draw(batch, sizes.window_frames, sizes.audio_dim),
        MannerBatch(torch.arange(batch)),
        draw(batch, known, sizes.face_dim) if known else None,
        draw(batch, known, sizes.body_dim) if known else None,
        seed,
    )


def distance(found, expected):
    """The largest relative error of face and body."""
    pairs = ((found.face, expected.face), (found.body, expected.body))
    return max(float((a.cpu() - b).norm() / b.norm()) for a, b in pairs)


def any_order(seed, counts=(4, 8)):
    rng, left = random.Random(seed), {}
    for name, count in zip(DIMS, counts, strict=True):
        left[name] = [Tick(name, s, k) for s in range(1, count) for k in ("read", "publish")]
    order = []
    while any(left.values()):
        order.append(left[rng.choice([name for name in left if left[name]])].pop(0))
    return tuple(order)


@pytest.mark.parametrize("execution", ["sequential", "threaded"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pacing": "turns"},
        {"coupling": "synchronous", "expression_steps": 8},
        {"method": "ddim", "expression_steps": 5, "gesture_steps": 10, "guidance": 2.0},
    ],
    ids=["parallel", "turns", "synchronous", "guided"],
)
def test_fp32_is_the_cpu_sampler(execution, changes):
    plain, graphs = pair(EXACT.replace(execution=execution, **changes))
    with graphs:
        for index, known in ((0, 0), (1, 3), (2, 1)):
            request = make_request(index, known=known, batch=3)
            expected = plain.sample_window(request)
            assert distance(graphs.sample_window(request), expected) < LIMITS["fp32"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("batch", [1, 5])
def test_the_model_that_ships(repo, precision, batch):
    path = repo / "models" / "small"
    settings = EXACT.replace(graph_precision=precision)
    plain = SequentialSampler(Checkpoint.load(path), settings.replace(execution="sequential"))
    with GraphSampler(Checkpoint.load(path, "cuda"), settings) as graphs:
        for known in (0, 48):
            request = request_for(plain.network.settings, batch, known)
            expected = plain.sample_window(request)
            assert distance(graphs.sample_window(request), expected) < LIMITS[precision]


def test_the_base_size_in_fp32():
    plain, graphs = pair(EXACT, BASE)
    request = request_for(BASE, 2, 26)
    with graphs:
        assert distance(graphs.sample_window(request), plain.sample_window(request)) < 1e-4


def test_forced_orders_and_stress():
    plain, graphs = pair(EXACT)
    with graphs:
        for index in range(200):
            order = any_order(index % 10)
            request = make_request(index, known=index % 4, batch=1 + index % 3)
            result = graphs.sample_window(request, ticks=order)
            if index % 5 == 0:
                expected = plain.sample_window(request, ticks=order)
                assert distance(result, expected) < LIMITS["fp32"]


def test_threads_that_launch_kernels_agree_too():
    plain = SequentialSampler(untrained_checkpoint(TINY), EXACT.replace(execution="sequential"))
    with ThreadedSampler(untrained_checkpoint(TINY).to("cuda"), EXACT) as eager:
        request = make_request(known=2, batch=2)
        # Eager convolutions may use TF32.
        assert distance(eager.sample_window(request), plain.sample_window(request)) < 2e-3


def test_nothing_waits_for_the_device_inside_a_window(monkeypatch):
    _, graphs = pair(EXACT)
    with graphs:
        request = make_request(known=2)
        graphs.sample_window(request)
        begin, fetch = graphs._begin, graphs._fetch

        def watched(window):
            torch.cuda.set_sync_debug_mode("error")
            return begin(window)

        def unwatched(window, batch):
            torch.cuda.set_sync_debug_mode("default")
            return fetch(window, batch)

        monkeypatch.setattr(graphs, "_begin", watched)
        monkeypatch.setattr(graphs, "_fetch", unwatched)
        try:
            graphs.sample_window(request)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_branches_overlap_in_time():
    spent = {}
    for execution in ("sequential", "threaded"):
        _, graphs = pair(EXACT.replace(graph_precision="bf16", execution=execution), BASE)
        with graphs:
            for _ in range(5):
                timings = graphs.sample_window(request_for(BASE, 1, 48)).timings
        spent[execution] = timings.gesture.total_s
        if execution == "sequential":
            spent[execution] += sum(timings.expression.steps_s[1:])
    assert spent["threaded"] < 0.9 * spent["sequential"]


def test_replay_takes_no_memory():
    _, graphs = pair(EXACT)
    with graphs:
        request = make_request(known=2, batch=4)
        graphs.sample_window(request)
        before = torch.cuda.memory_allocated()
        for _ in range(50):
            graphs.sample_window(request)
        assert torch.cuda.memory_allocated() <= before + 4096


def test_requests_that_lie_on_the_device_are_taken_as_they_are():
    plain, graphs = pair(EXACT)
    request = make_request(known=2, batch=2)
    there = make_request(
        audio=request.audio.cuda(),
        manner=request.manner.to(torch.device("cuda")),
        known_face=request.known_face.cuda(),
        known_body=request.known_body.cuda(),
    )
    with graphs:
        assert distance(graphs.sample_window(there), plain.sample_window(request)) < 1e-4


def test_the_device_draws_the_same_noise():
    keys, places = row_keys(make_request(batch=4), "gesture"), torch.arange(10_000)
    found = normal(keys.cuda(), places.cuda()).cpu()
    torch.testing.assert_close(found, normal(keys, places), rtol=1e-4, atol=1e-5)
