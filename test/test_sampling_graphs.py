"""The graph sampler on stand-ins for a GPU: the CPU, and a device that is late and unordered."""

import math
import threading
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from graph_helpers import EXACT, MODEL, any_order, distance, plain
from sampling_helpers import TINY, make_request, same
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from asynfusion_ros.errors import SamplerError, StateError
from asynfusion_ros.networks import DualBranchDiT, MannerBatch
from asynfusion_ros.sampling import untrained_checkpoint
from asynfusion_ros.sampling.device_work import HostDevice, Repeated
from asynfusion_ros.sampling.graphs import MOST_RECORDED, GraphSampler, bucket
from asynfusion_ros.sampling.launches import Launches
from asynfusion_ros.sampling.order import parallel
from asynfusion_ros.sampling.recorded_window import RecordedWindow


@pytest.mark.parametrize("execution", ["sequential", "threaded"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pacing": "turns"},
        {"method": "ddim", "expression_steps": 5, "gesture_steps": 10},
        {"method": "ddim", "expression_steps": 5, "gesture_steps": 10, "guidance": 2.5},
        {"coupling": "synchronous", "expression_steps": 8},
    ],
    ids=["parallel", "turns", "ddim", "guided", "synchronous"],
)
@pytest.mark.parametrize("known", [0, 1, 4])
def test_recorded_work_gives_what_the_plain_sampler_gives(execution, changes, known):
    settings = EXACT.replace(execution=execution, **changes)
    request = make_request(known=known, batch=3)
    with GraphSampler(MODEL, settings) as graphs:
        assert (
            distance(graphs.sample_window(request), plain(settings).sample_window(request)) < 1e-5
        )


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("interaction", ["none", "e2g", "g2e", "gated"])
def test_every_kind_of_network_can_be_recorded(prediction, interaction):
    model = untrained_checkpoint(TINY.replace(interaction=interaction), prediction=prediction)
    request = make_request(known=2)
    with GraphSampler(model, EXACT) as graphs:
        result = graphs.sample_window(request)
    assert distance(result, plain(model=model).sample_window(request)) < 1e-4


def test_forced_orders_are_kept_and_equal_their_sequential_replay():
    results = []
    with GraphSampler(MODEL, EXACT) as graphs:
        for seed in range(12):
            order, request = any_order(seed), make_request(known=2)
            result = graphs.sample_window(request, ticks=order)
            assert result.timings.trace == order
            assert distance(result, plain().sample_window(request, ticks=order)) < 1e-5
            results.append(result.body)
    assert not torch.allclose(results[0], results[1], rtol=1e-3)


def test_free_pacing_is_side_by_side_because_launches_run_ahead_of_a_device():
    with GraphSampler(MODEL, EXACT.replace(pacing="free")) as graphs:
        assert graphs.sample_window(make_request()).timings.trace == parallel(4, 8, 1)


def test_bf16_stays_close():
    request = make_request(known=2, batch=4)
    with GraphSampler(MODEL, EXACT.replace(graph_precision="bf16")) as graphs:
        assert 1e-6 < distance(graphs.sample_window(request), plain().sample_window(request)) < 2e-2
    linear = graphs.network.gesture.embed_motion.weight
    assert linear.dtype == torch.float32  # the checkpoint's own weights stay as they are


# ---- Batches -------------------------------------------------------------------------------------


def test_buckets_waste_at_most_a_third_of_their_rows():
    sizes = [bucket(batch) for batch in range(1, 300)]
    assert sizes[:12] == [1, 2, 3, 4, 6, 6, 8, 8, 12, 12, 12, 12]
    assert all(batch <= size <= 1.5 * batch for batch, size in enumerate(sizes, 1))
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("noise", ["host", "device"])
def test_rows_of_a_batch_move_as_they_would_alone(noise):
    rows = [make_request(index, known=2, seed=index) for index in range(5)]
    joined = make_request(
        audio=torch.cat([row.audio for row in rows]),
        manner=MannerBatch(torch.cat([row.manner.speaker for row in rows])),
        known_face=torch.cat([row.known_face for row in rows]),
        known_body=torch.cat([row.known_body for row in rows]),
        origins=tuple((row.seed, row.index) for row in rows),
    )
    with GraphSampler(MODEL, EXACT.replace(graph_noise=noise)) as graphs:
        together = graphs.sample_window(joined)
        for index, row in enumerate(rows):
            alone = graphs.sample_window(row)
            torch.testing.assert_close(together.face[index], alone.face[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(together.body[index], alone.body[0], rtol=1e-4, atol=1e-5)


def test_a_smaller_batch_after_a_larger_one_is_not_touched_by_its_rows():
    with GraphSampler(MODEL, EXACT) as graphs:
        first = graphs.sample_window(make_request(0, batch=3))
        graphs.sample_window(make_request(1, batch=4, known=4))
        graphs.sample_window(make_request(2, batch=3, known=5))
        again = graphs.sample_window(make_request(0, batch=3))
    assert same(first, again)


def test_work_is_recorded_once_for_each_shape_and_only_so_much_is_kept():
    with GraphSampler(MODEL, EXACT.replace(execution="sequential")) as graphs:
        recorded = []
        record = graphs._device.record
        graphs._device.record = lambda work, *rest: (
            recorded.append(work.name) or record(work, *rest)
        )
        graphs.prepare(5)
        assert len(recorded) == 1 + 1 + 3 + 7  # condition, joint step, and each branch's others
        graphs.sample_window(make_request(batch=6))
        graphs.sample_window(make_request(batch=5, known=3))
        assert len(recorded) == 12
        graphs.set_steps(2, 3)
        graphs.sample_window(make_request())
        assert len(recorded) == 12 + 1 + 1 + 1 + 2
        for batch in range(1, 99):
            graphs._recorded.setdefault(batch, None)
        graphs.sample_window(make_request(batch=2))
        assert len(graphs._recorded) <= MOST_RECORDED


def test_styles_and_emotions_reach_the_network():
    network = DualBranchDiT(TINY.replace(styles=3, emotions=4)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    model = SimpleNamespace(
        description=MODEL.description, network=lambda _: network, device=torch.device("cpu")
    )
    for manner in (
        MannerBatch(torch.tensor([1, 2]), torch.tensor([[0.3, math.nan, 1.0]] * 2)),
        MannerBatch(torch.tensor([1, 2]), None, torch.tensor([0, 3])),
        MannerBatch(torch.tensor([1, 2])),
    ):
        request = make_request(batch=2, manner=manner)
        with GraphSampler(model, EXACT) as graphs:
            result = graphs.sample_window(request)
        assert distance(result, plain(model=model).sample_window(request)) < 1e-5


class StrictMode(TorchDispatchMode):
    """Every tensor must be where the device is: a capture cannot fetch any from the host."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = tree_leaves((args, kwargs or {}))
        strangers = [x for x in given if isinstance(x, torch.Tensor) and x.device.type == "cpu"]
        assert not strangers, f"{function} takes {strangers} from the host"
        out = function(*args, **(kwargs or {}))
        made = [x for x in tree_leaves(out) if isinstance(x, torch.Tensor)]
        assert all(x.device.type == "meta" for x in made), f"{function} makes host tensors"
        return out


class ElsewhereDevice(HostDevice):
    """A device whose memory holds shapes only, so that nothing can be read from it."""

    def record(self, work, lane, pool):
        with StrictMode():
            work.run()
        return Repeated(work)


@pytest.mark.parametrize("noise", ["host", "device"])
@pytest.mark.parametrize("changes", [{}, {"method": "ddim", "guidance": 2.0}], ids=["lcm", "ddim"])
def test_recorded_work_touches_nothing_of_the_host(monkeypatch, noise, changes):
    monkeypatch.setattr(RecordedWindow, "_computing", lambda self: nullcontext())
    elsewhere = ElsewhereDevice(torch.device("meta"))
    model = untrained_checkpoint(TINY).to("meta")
    with GraphSampler(model, EXACT.replace(graph_noise=noise, **changes), elsewhere) as graphs:
        window = graphs.prepare(3)
    assert len(window.steps) >= 10
    with pytest.raises(AssertionError, match="host"), StrictMode():
        window.motion("gesture") * torch.ones(())


# ---- Faults --------------------------------------------------------------------------------------


def test_windows_begin_in_lock_step_whatever_the_cold_start():
    with GraphSampler(MODEL, EXACT.replace(cold_start="previous")) as graphs:
        for index in range(2):
            request = make_request(index)
            assert distance(graphs.sample_window(request), plain().sample_window(request)) < 1e-5


def test_a_branch_that_fails_ends_the_window_and_can_be_reset():
    with GraphSampler(MODEL, EXACT.replace(timeout_s=5.0)) as graphs:
        good = graphs.sample_window(make_request())
        window = next(iter(graphs._recorded.values()))
        step = window.steps.pop(("expression", 2))
        with pytest.raises(SamplerError, match="expression branch failed"):
            graphs.sample_window(make_request())
        with pytest.raises(SamplerError, match="reset it"):
            graphs.sample_window(make_request())
        graphs.reset()
        window.steps["expression", 2] = step
        assert same(good, graphs.sample_window(make_request()))
    with pytest.raises(StateError):
        graphs.sample_window(make_request())
    graphs.close()


def test_waits_for_launches_end():
    launches = Launches(timeout_s=0.05)
    with pytest.raises(SamplerError, match="not launched within"):
        launches.end_of(("gesture", 1))
    patient = Launches(timeout_s=5.0)
    threading.Timer(0.02, patient.announce, [("gesture", 1), "since", "end"]).start()
    assert patient.end_of(("gesture", 1)) == "end"
    patient.fail("it broke")
    with pytest.raises(SamplerError, match="it broke"):
        patient.end_of(("gesture", 2))


def test_timings_are_whole():
    with GraphSampler(MODEL, EXACT) as graphs:
        timings = graphs.sample_window(make_request()).timings
    for branch, steps in ((timings.expression, 4), (timings.gesture, 8)):
        assert len(branch.steps_s) == len(branch.partner_age_s) == len(branch.partner_lag) == steps
        assert all(second >= 0.0 for second in branch.steps_s)
        assert math.isnan(branch.partner_age_s[0])
        assert all(age >= 0.0 for age in branch.partner_age_s[1:])
    assert timings.total_s > 0.0
