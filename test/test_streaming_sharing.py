"""Many streams on one generator: the same motion, fairly, and failures stay where they belong."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from test_streaming_generator import NETWORK, LoudnessExtractor

from asynfusion_ros.errors import StateError
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.streaming.generator import MotionGenerator, open_sampler
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.sharing import SharedGenerator


def make_generator():
    settings = EngineSettings(deterministic=True, expression_steps=2, gesture_steps=3)
    checkpoint = untrained_checkpoint(NETWORK)
    weights = torch.Generator().manual_seed(0)
    with torch.no_grad():  # untrained, it would not listen
        for parameter in checkpoint.lcm.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=weights))
    sampler = open_sampler(checkpoint, settings.sampler_settings())
    return MotionGenerator(checkpoint, LoudnessExtractor(), sampler, settings)


def sounds(generator, count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        rng.normal(0, 0.1, generator.plan.sample_count).astype(np.float32) for _ in range(count)
    ]


@pytest.fixture
def shared():
    one = SharedGenerator(make_generator())
    yield one
    one.close()


def run_stream(generator, seed, windows=4):
    state, chunks = generator.begin(seed), []
    for samples in sounds(generator, windows, seed):
        chunk, state = generator.step(samples, state)
        chunks.append(chunk)
    return np.concatenate([chunk.body for chunk in chunks])


def test_streams_side_by_side_move_as_they_would_alone(shared):
    alone = [run_stream(make_generator(), seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda seed: run_stream(shared.open_stream(), seed), range(6)))
    assert np.abs(alone[0] - alone[1]).max() > 0.01
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    assert shared.counts.windows == 24
    assert 1 < shared.counts.largest <= 6


def test_what_falls_due_during_a_batch_is_one_batch_and_the_longest_wait_goes_first(shared):
    generator, begun, go = shared.generator, threading.Event(), threading.Event()
    original, batches = generator.step_many, []

    def watch(samples, states, steps=None):
        batches.append([state.seed for state in states])
        begun.set()
        assert go.wait(10.0)
        return original(samples, states, steps)

    generator.step_many = watch
    (sound,) = sounds(generator, 1)
    first = shared.ask(sound, generator.begin(0), None)
    assert begun.wait(10.0)
    _, going_on = original([sound], [generator.begin(7)])[0]
    later = [shared.ask(sound, generator.begin(seed), None) for seed in (1, 2)]
    later.append(shared.ask(sound, going_on, None))  # of another kind: it knows frames
    later.append(shared.ask(sound, generator.begin(3), None))
    go.set()
    for answer in (first, *later):
        answer.result(10.0)
    assert batches == [[0], [1, 2, 3], [7]]


def test_a_window_that_fails_fails_alone(shared):
    generator = shared.generator
    original = generator.step_many

    def fussy(samples, states, steps=None):
        if any(state.seed == 13 for state in states):
            raise ArithmeticError("thirteen")
        return original(samples, states, steps)

    generator.step_many = fussy
    (sound,) = sounds(generator, 1)
    with shared._changed:  # so that all three wait when the thread looks
        answers = {seed: shared.ask(sound, generator.begin(seed), None) for seed in (1, 13, 2)}
    with pytest.raises(ArithmeticError, match="thirteen"):
        answers[13].result(10.0)
    for seed in (1, 2):
        assert answers[seed].result(10.0)[0].body.shape == (generator.plan.hop_frames, 24)


def test_at_most_so_many_windows_share_a_batch():
    shared = SharedGenerator(make_generator(), most=2)
    (sound,) = sounds(shared.generator, 1)
    with shared._changed:
        answers = [shared.ask(sound, shared.generator.begin(s), None) for s in range(5)]
    for answer in answers:
        answer.result(10.0)
    assert (shared.counts.batches, shared.counts.largest) == (3, 2)
    shared.close()


def test_closing_ends_the_thread_and_says_so(shared):
    stream = shared.open_stream()
    shared.close()
    assert not shared._thread.is_alive()
    with pytest.raises(StateError, match="closed"):
        stream.step(*sounds(shared.generator, 1), shared.generator.begin())
