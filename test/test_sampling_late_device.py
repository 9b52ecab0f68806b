"""The graph sampler on a device that is late and unordered: nothing is read before it is there."""

import pytest
from graph_helpers import EXACT, MODEL, any_order, distance, plain
from sampling_helpers import make_request
from simulated_device import RaceError, SimulatedDevice

from asynfusion_ros.sampling.graphs import GraphSampler


@pytest.mark.parametrize("execution", ["sequential", "threaded"])
@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_device_does_first_the_motion_is_the_same(execution, seed):
    settings, device = EXACT.replace(execution=execution), SimulatedDevice(seed)
    with GraphSampler(MODEL, settings, device) as graphs:
        for index in range(4):
            request = make_request(index, known=2 * (index > 0), batch=2)
            order = None if index % 2 else any_order(seed + index)
            result = graphs.sample_window(request, ticks=order)
            assert distance(result, plain().sample_window(request, ticks=order)) < 1e-5


def test_branches_overlap_on_the_device():
    device, together = SimulatedDevice(1), set()
    begin = device._begin

    def watch(lane):
        begin(lane)
        together.add(frozenset(running.work.name.split()[0] for running in device.running))

    device._begin = watch
    with GraphSampler(MODEL, EXACT, device) as graphs:
        graphs.sample_window(make_request())
    assert frozenset({"expression", "gesture"}) in together


@pytest.mark.parametrize("deaf", ["lane 0", "lane 1", "caller"])
def test_a_lane_that_does_not_wait_is_found_out(deaf):
    found = 0
    for seed in range(12):
        request = make_request(1, known=2)
        with GraphSampler(MODEL, EXACT, SimulatedDevice(seed, deaf)) as graphs:
            try:
                results = [graphs.sample_window(request) for _ in range(2)]
            except RaceError:
                found += 1
                continue
            found += any(distance(r, plain().sample_window(request)) > 1e-5 for r in results)
    assert found >= 10


def test_no_step_waits_for_more_than_it_hears():
    device = SimulatedDevice()
    with GraphSampler(MODEL, EXACT, device) as graphs:
        graphs.sample_window(make_request())
        window = next(iter(graphs._recorded.values()))
    heard = {step: heard for step, heard in window.plan.heard.items() if step[0] == "gesture"}
    assert all(said <= own // 2 for (_, own), (_, said) in heard.items())
    slots = {name for work in window.steps.values() for name in work.work.writes if "slot" in name}
    written = [n for w in window.steps.values() for n in w.work.writes if "slot" in n]
    assert len(written) == len(slots)  # no slot is written twice in a window
