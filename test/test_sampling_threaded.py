import gc
import math
import random
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from sampling_helpers import TINY, make_request, same

from asynfusion_ros.errors import SamplerError, StateError
from asynfusion_ros.sampling import (
    SamplerSettings,
    SequentialSampler,
    ThreadedSampler,
    Tick,
    build_sampler,
    untrained_checkpoint,
)
from asynfusion_ros.sampling.order import check_ticks, parallel, turns

MODEL = untrained_checkpoint(TINY)


# Plain torch: as exact, and quicker to make (see test_sampling_staged.py).
QUICK = {"traced": False, "runtime": "torch"}


@pytest.fixture
def make():
    made = []

    def build(**changes):
        made.append(
            ThreadedSampler(MODEL, SamplerSettings(**{"timeout_s": 60.0, **QUICK, **changes}))
        )
        return made[-1]

    yield build
    for sampler in made:
        sampler.close()


def in_turn(**changes):
    return SequentialSampler(MODEL, SamplerSettings(**{**QUICK, **changes}))


def any_order(expression, gesture, joint, seed):
    """Some legal order of reads and publications, drawn at random."""
    draw = random.Random(seed)
    todo = {
        branch: [Tick(branch, s, kind) for s in range(joint, count) for kind in ("read", "publish")]
        for branch, count in (("expression", expression), ("gesture", gesture))
    }
    order = []
    while any(todo.values()):
        order.append(todo[draw.choice([b for b in todo if todo[b]])].pop(0))
    return tuple(order)


@pytest.mark.parametrize("pacing", ["turns", "parallel"])
@pytest.mark.parametrize(
    ("method", "runtime", "traced"),
    [("lcm", "torch", True), ("lcm", "onnx", False), ("ddim", "torch", False)],
)
@pytest.mark.parametrize("cold_start", ["lockstep", "previous"])
def test_a_paced_run_equals_the_sequential_one_bit_for_bit(
    make, pacing, method, runtime, traced, cold_start
):
    options = {"pacing": pacing, "method": method, "cold_start": cold_start, "runtime": runtime}
    threaded, sequential = make(traced=traced, **options), in_turn(**options)
    for index in range(4):
        request = make_request(index, known=3 * (index > 0), batch=2)
        assert same(threaded.sample_window(request), sequential.sample_window(request))


def test_synchronous_threads_equal_the_sequential_run(make):
    options = {"coupling": "synchronous", "expression_steps": 6, "gesture_steps": 6}
    threaded, sequential = make(**options), in_turn(**options)
    for index in range(4):
        request = make_request(index, known=2)
        assert same(threaded.sample_window(request), sequential.sample_window(request))


def test_any_forced_order_is_kept_and_equals_its_sequential_replay(make):
    threaded, sequential = make(), in_turn()
    results = []
    for seed in range(30):
        order = any_order(4, 8, 1, seed)
        request = make_request(0, known=2)
        result = threaded.sample_window(request, ticks=order)
        assert result.timings.trace == order
        assert same(result, sequential.sample_window(request, ticks=order))
        results.append(result)
    assert len({tuple(result.body.flatten().tolist()) for result in results}) > 5


@pytest.mark.parametrize("cold_start", ["lockstep", "previous"])
def test_a_free_run_is_one_of_the_legal_orders(make, cold_start):
    threaded, sequential = make(cold_start=cold_start), in_turn(cold_start=cold_start)
    for index in range(30):
        request = make_request(index, known=2 * (index > 0))
        free = threaded.sample_window(request)
        joint = 1 if cold_start == "lockstep" or index == 0 else 0
        check_ticks(free.timings.trace, 4, 8, joint)
        assert same(free, sequential.sample_window(request, ticks=free.timings.trace))


def test_an_order_that_cannot_be_is_refused_and_harms_nothing(make):
    threaded = make()
    with pytest.raises(SamplerError, match="forced order"):
        threaded.sample_window(make_request(), ticks=turns(4, 8, 0))
    assert threaded.failed is None
    threaded.sample_window(make_request())


def test_timings_tell_the_age_of_what_was_heard(make):
    timings = make(pacing="parallel").sample_window(make_request()).timings
    for branch in (timings.expression, timings.gesture):
        assert math.isnan(branch.partner_age_s[0])
        assert all(0.0 <= age < timings.total_s for age in branch.partner_age_s[1:])
    assert timings.trace == parallel(4, 8, 1)
    assert max(timings.expression.total_s, timings.gesture.total_s) <= timings.total_s


def fail_at(sampler, branch, calls):
    """Let one branch's network raise on its `calls`-th step."""
    runner, count = sampler._runners[branch], [0]

    def watch(original):
        def call(*arguments):
            count[0] += 1
            if count[0] == calls:
                raise ArithmeticError("the sky fell")
            return original(*arguments)

        return call

    runner.start, runner.step = watch(runner.start), watch(runner.step)


@pytest.mark.parametrize("branch", ["expression", "gesture"])
@pytest.mark.parametrize("call", [1, 3])
@pytest.mark.parametrize("pacing", ["free", "turns", "parallel"])
def test_a_crash_in_a_branch_comes_back_with_its_traceback(make, branch, call, pacing):
    threaded = make(pacing=pacing)
    fail_at(threaded, branch, call)
    start_s = time.monotonic()
    with pytest.raises(SamplerError, match="the sky fell") as caught:
        threaded.sample_window(make_request())
    assert time.monotonic() - start_s < 30.0  # long before the timeout
    assert isinstance(caught.value.__cause__, ArithmeticError | SamplerError)
    assert f"the {branch} branch failed" in threaded.failed
    assert "Traceback" in threaded.failed
    with pytest.raises(SamplerError, match="reset"):
        threaded.sample_window(make_request())
    threaded.reset()
    assert threaded.failed is None
    expected = in_turn(pacing=pacing).sample_window(make_request(1), ticks=turns(4, 8, 1))
    assert same(threaded.sample_window(make_request(1), ticks=turns(4, 8, 1)), expected)


def test_a_branch_that_hangs_times_out_and_can_be_reset_once_it_is_free(make):
    threaded, release = make(timeout_s=0.2), threading.Event()
    runner = threaded._runners["gesture"]
    original = runner.step
    runner.step = lambda *arguments: release.wait(30.0) and original(*arguments)
    with pytest.raises(SamplerError, match=r"0\.2 s"):
        threaded.sample_window(make_request())
    with pytest.raises(SamplerError, match="still computes"):
        threaded.reset()
    release.set()
    runner.step = original
    threaded.reset()
    threaded.sample_window(make_request())


def test_closing_ends_the_threads_and_can_be_repeated(make):
    before = threading.active_count()
    with ThreadedSampler(MODEL) as threaded:
        assert threading.active_count() == before + 2
        threaded.sample_window(make_request())
    assert threading.active_count() == before
    threaded.close()
    with pytest.raises(StateError, match="closed"):
        threaded.sample_window(make_request())


def test_a_forgotten_sampler_ends_its_threads():
    before = threading.active_count()
    threaded = ThreadedSampler(MODEL)
    threaded.sample_window(make_request())
    del threaded
    gc.collect()
    deadline = time.monotonic() + 5.0
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", [ThreadedSampler, SequentialSampler])
def test_other_threads_keep_their_tensor_threads(kind):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with kind(MODEL, SamplerSettings(**QUICK)) as sampler:
            sampler.sample_window(make_request())
            assert torch.get_num_threads() == 3
            with ThreadPoolExecutor(1) as later:
                assert later.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)


def test_the_factory_follows_the_settings():
    for execution, kind in (("threaded", ThreadedSampler), ("sequential", SequentialSampler)):
        with build_sampler(MODEL, SamplerSettings(execution=execution)) as sampler:
            assert type(sampler) is kind


class Marked:
    """Stands for a branch's window: its features carry (window, step), checked when read."""

    depth = 3

    def __init__(self, name, index, count, delays):
        self.name, self.times = name, tuple(range(count))[::-1]
        self.index, self.delays = index, delays
        self.x = torch.zeros(1, 1, 1)
        self.steps = count
        self.heard = []

    def trade(self, step, exchange):
        return self.step(step, [exchange(block, self.say(step)) for block in range(self.depth)])

    def say(self, step):
        return torch.tensor([self.index, step])

    def step(self, step, partner):
        features = tuple(self.say(step) for _ in range(self.depth))
        heard = []
        for said in partner:
            if self.delays.random() < 0.1:
                time.sleep(self.delays.random() * 2e-4)
            heard.append(tuple(said.tolist()))
        assert len(set(heard)) == 1, f"torn snapshot {heard}"
        window, partner_step = heard[0]
        if step == 0:
            assert heard[0] == (self.index, 0), "the joint step heard another step"
        assert window == self.index, "heard another window"
        assert not self.heard or partner_step >= self.heard[-1], "time ran backwards"
        self.heard.append(partner_step)
        return features


def stress(sampler, windows):
    delays = random.Random(0)
    sampler._open = lambda name, request: Marked(
        name, request.index, sampler.settings.steps_of(name), delays
    )
    request = make_request(frames=1)
    threads = threading.active_count()
    grown = 0
    for index in range(windows):
        if index == windows // 10:
            gc.collect()
            tracemalloc.start()
            grown = tracemalloc.get_traced_memory()[0]
        object.__setattr__(request, "index", index)
        sampler.sample_window(request)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - grown
    tracemalloc.stop()
    assert threading.active_count() == threads
    assert grown < 200_000, f"{grown} bytes more after {windows} windows"


def test_hundreds_of_windows_with_random_delays(make):
    stress(make(expression_steps=1, gesture_steps=2), 400)


@pytest.mark.slow
def test_ten_thousand_windows_with_random_delays(make):
    stress(make(expression_steps=1, gesture_steps=2), 10_000)
