"""Faults injected into the engine and its sources, in fake time where it counts.

What must hold: the avatar goes on, or says why not; poses stay finite and come without end; nothing
is left behind. The real processes are in test_faults_ros.py, the table in docs/reliability.md.
"""

import os
import random
import threading
import time

import numpy as np
import pytest
from streaming_stubs import RATE_HZ, TINY, Player, StubGenerator, make_engine, speech_like

from asynfusion_ros.errors import SamplerError
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.sampling.threaded import ThreadedSampler
from asynfusion_ros.streaming.thread import FAILURES_S, MOST_FAILURES

CYCLES = int(os.environ.get("ASYNFUSION_FAULT_CYCLES", "200"))


def send(player, seconds, at_s=None, stamp_s=None):
    """Live speech in chunks of 0.1 s from now on, or stamped otherwise."""
    now_s = player.clock.now_s() if at_s is None else at_s
    samples = speech_like(seconds)
    for first in range(0, len(samples), 1600):
        begin_s = first / RATE_HZ
        stamp = (now_s if stamp_s is None else stamp_s) + begin_s
        player.send(now_s + begin_s + 0.1, stamp, samples[first : first + 1600])


def speaks(player, seconds=1.0):
    """Whether speech was shown in the last seconds."""
    after_s = player.clock.now_s() - seconds
    return any(frame.state == "speech" for now_s, frame in player.frames if now_s > after_s)


def assert_poses_are_whole(player):
    """One finite pose for each tick."""
    for _, frame in player.frames:
        assert np.isfinite(frame.face).all()
        assert np.isfinite(frame.joint_positions).all()


def assert_audio_is_accounted_for(engine):
    """Every sample that came in was used, dropped and counted, or waits."""
    counts = engine.status().counts
    where = ("samples_used", "samples_dropped", "samples_waiting")
    assert counts["samples_in"] == sum(counts[name] for name in where) > 0, counts


class Live:
    """An engine on its own thread while fake time goes by."""

    def __init__(self):
        self.said = []
        self.engine, self.clock, self.generator = make_engine(warn=self.said.append)
        self.player = Player(self.engine, self.clock)
        self.engine.advance = lambda: time.sleep(0.0005)  # the thread does that here
        self.engine.start()

    def run(self, seconds):
        self.player.run(seconds)

    def fail_once(self, error):
        def fail():
            self.generator.before_step = lambda: None
            raise error

        self.generator.before_step = fail

    @property
    def restarts(self):
        return self.engine.status().counts["restarts"]


@pytest.fixture
def live():
    live = Live()
    yield live
    live.generator.before_step = lambda: None
    live.engine.close()
    assert not any(t.name == "avatar-engine" and t.is_alive() for t in threading.enumerate())


# ---- the engine's thread ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error"), SamplerError("the window took too long"), MemoryError(),
     SystemExit(3)],
    ids=["crash", "timeout", "memory", "exit"],
)  # fmt: skip
def test_a_window_that_fails_is_thrown_away_and_speech_goes_on(live, error):
    send(live.player, 12.0)
    live.run(3.0)
    assert speaks(live.player)
    live.fail_once(error)
    live.run(6.0)
    assert live.restarts == 1
    assert speaks(live.player)
    assert live.engine.status().state != "failed"
    assert sum("begins anew" in text for text in live.said) == 1
    assert_poses_are_whole(live.player)


def test_rare_failures_never_add_up(live):
    for number in range(1, 3 * MOST_FAILURES):
        live.fail_once(RuntimeError("now and then"))
        live.run(2.0)
        assert live.restarts == number
        live.clock.advance(FAILURES_S)
    assert live.engine.status().state != "failed"


def test_constant_failure_is_given_up_said_and_mended_by_a_start(live):
    def fail():
        raise RuntimeError("always")

    live.generator.before_step = fail
    live.run(3.0)
    status = live.engine.status()
    assert (status.state, live.restarts) == ("failed", MOST_FAILURES - 1)
    assert "always" in status.failure
    assert_poses_are_whole(live.player)  # it rests
    live.generator.before_step = lambda: None
    live.engine.start()
    send(live.player, 4.0)
    live.run(3.5)
    assert speaks(live.player)


def test_a_reset_that_fails_as_well_is_a_failure_like_others(live):
    def reset():
        raise SamplerError("a branch still computes")

    live.fail_once(RuntimeError("first"))
    live.generator.reset = reset
    live.run(2.0)
    assert live.engine.status().state == "failed"
    assert "still computes" in live.engine.status().failure


# ---- the source and the clock -------------------------------------------------------------------


def test_a_source_that_dies_and_comes_back_is_heard_again():
    engine, clock, _ = make_engine()
    player = Player(engine, clock)
    for stamp_s in (None, 5.0, None):  # the second one counts from another zero
        send(player, 3.0, stamp_s=stamp_s)
        player.run(4.0)
        assert speaks(player, 2.0)
        player.run(8.0)
        assert engine.status().state == "idle"
    assert_poses_are_whole(player)


@pytest.mark.parametrize("source", ["", "somebody else"])
@pytest.mark.parametrize("before_s", [0.0, 3.0])
def test_a_packet_with_a_stamp_far_ahead_does_not_keep_the_floor_until_then(source, before_s):
    engine, clock, _ = make_engine()
    player = Player(engine, clock)
    if before_s:
        send(player, before_s)
    player.run(before_s + 4.0)
    now_s = clock.now_s()
    player.send(now_s + 0.1, now_s + 80.0, speech_like(0.1), source=source)
    player.run(0.5)
    send(player, 3.0)
    player.run(3.0)
    assert speaks(player)
    player.run(3.0)
    send(player, 2.0, stamp_s=clock.now_s() + 30.0)  # who speaks ahead sends more than one
    player.run(31.5)
    assert speaks(player)
    player.run(60.0)
    counts = engine.status().counts
    went = sum(counts[f"samples_{way}"] for way in ("used", "dropped", "waiting"))
    assert counts["samples_in"] == went


@pytest.mark.parametrize("jump_s", [-1e6, -3600.0, -5.0, -0.5, 0.7, 20.0, 3600.0, 1e6])
def test_a_clock_that_jumps_is_followed_within_two_seconds(jump_s):
    engine, clock, generator = make_engine()
    player = Player(engine, clock)
    send(player, 3.0)
    player.run(3.0)
    clock.advance(jump_s)
    player.arrivals.clear()
    windows = len(generator.windows)
    send(player, 6.0)
    player.run(5.0)
    assert speaks(player)
    assert len(generator.windows) - windows < 40, "what nobody will see is not computed"
    assert_poses_are_whole(player)


@pytest.mark.parametrize("seed", range(3))
def test_minutes_of_every_fault_at_once(seed):
    rng = random.Random(seed)
    engine, clock, _ = make_engine()
    player = Player(engine, clock)
    for _ in range(60):
        kind = rng.randrange(7)
        if kind <= 2:
            send(player, rng.uniform(0.2, 3.0))
        elif kind == 3:
            clock.advance(rng.choice((-100.0, -0.3, 0.3, 100.0)))
            player.arrivals.clear()
        elif kind == 4:
            rng.choice((engine.flush, engine.reset))()
        elif kind == 5:
            noise = np.float32([np.nan, np.inf, 7.0] * 300)
            engine.push_audio(clock.now_s() + rng.uniform(-9, 9), noise, 48000, "other")
        player.run(rng.uniform(0.1, 2.0))
    assert_poses_are_whole(player)
    player.run(15.0)
    assert engine.status().state == "idle"
    assert_audio_is_accounted_for(engine)
    send(player, 3.0)
    player.run(3.0)
    assert speaks(player)
    assert_audio_is_accounted_for(engine)


def test_audio_that_nobody_hears_is_counted_by_cause():
    engine, clock, _ = make_engine(max_queue_s=3.0)
    player = Player(engine, clock)
    now_s = clock.now_s()

    def push(stamp_s, seconds=0.1, source="", rate_hz=RATE_HZ):
        engine.push_audio(stamp_s, np.full(round(seconds * rate_hz), 0.1), rate_hz, source)
        engine.advance()

    for k in range(20):
        push(now_s + k / 10, rate_hz=44100 if k > 9 else RATE_HZ)
    push(now_s + 1.9)  # again
    push(now_s + 1.95)  # half of it again, and a stray
    push(now_s + 2.0, source="somebody else")
    push(now_s - 500.0)  # another stray
    assert engine.status().counts["samples_waiting"] == 1600
    assert_audio_is_accounted_for(engine)
    for k in range(30):
        push(now_s + 2.0 + k / 10, 0.5)  # far ahead
    for _ in range(9):
        engine.push_audio(None, np.full(8000, 0.1), RATE_HZ)  # faster than it is taken
    assert_audio_is_accounted_for(engine)
    engine.flush()
    player.run(1.0)
    assert_audio_is_accounted_for(engine)
    counts = engine.status().counts
    causes = ("duplicates", "other_source", "queue_full", "inbox_full", "flushed_packets")
    assert all(counts[cause] > 0 for cause in causes), counts


# ---- again and again ----------------------------------------------------------------------------


def resident_mb():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.timeout(3600)
def test_engines_and_samplers_that_come_and_go_leave_no_thread_and_no_memory():
    checkpoint = untrained_checkpoint(TINY)
    settings = SamplerSettings(expression_steps=1, gesture_steps=2)
    threads, middle_mb = threading.active_count(), 0.0
    for cycle in range(CYCLES):
        sampler = ThreadedSampler(checkpoint, settings)
        engine, clock, _ = make_engine(generator=StubGenerator())
        engine.start()
        engine.push_audio(clock.now_s(), np.zeros(1600, np.float32), RATE_HZ)
        engine.close()
        sampler.close()
        if cycle == CYCLES // 2:
            middle_mb = resident_mb()
    assert threading.active_count() == threads
    growth_mb = resident_mb() - middle_mb
    print(f"{CYCLES} cycles, {growth_mb:.2f} MB more after the second half")
    assert growth_mb < 8.0 + 1e-3 * CYCLES
