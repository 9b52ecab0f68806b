"""The engine's own thread: it starts, stops while busy, and says what it died of."""

import threading

import numpy as np
import pytest
from streaming_stubs import (
    IDLE_FACE,
    RATE_HZ,
    make_engine,
)

from asynfusion_ros.errors import StateError
from asynfusion_ros.streaming.clock import SystemClock
from asynfusion_ros.streaming.thread import MOST_FAILURES


def crash():
    raise RuntimeError("the sampler broke")


def test_a_crash_is_reported_and_poses_go_on():
    engine, _, generator = make_engine(SystemClock())
    generator.before_step = crash
    engine.start()
    engine._thread.join(10)
    status = engine.status()
    assert status.state == "failed"
    assert "the sampler broke" in status.failure
    engine.push_audio(None, np.zeros(160, np.float32), RATE_HZ)
    assert engine.frame_at(0.0).face == pytest.approx(IDLE_FACE)
    generator.before_step = lambda: None
    engine.start()
    assert engine.status().state != "failed"
    engine.stop()
    assert generator.resets == MOST_FAILURES + 1
    assert status.counts["restarts"] == MOST_FAILURES - 1


def test_start_and_stop_twice():
    engine, _, _ = make_engine(SystemClock())
    for _ in range(2):
        engine.start()
        engine.start()
        engine.stop()
        engine.stop()
    assert engine.status().state == "stopped"


def test_stop_while_busy_says_so_and_succeeds_later():
    engine, _, generator = make_engine(SystemClock())
    entered, leave = threading.Event(), threading.Event()

    def hang():
        entered.set()
        leave.wait(20)

    generator.before_step = hang
    engine.start()
    assert entered.wait(10)
    with pytest.raises(StateError, match="busy"):
        engine.stop(timeout_s=0.05)
    leave.set()
    engine.stop(timeout_s=10)
    assert engine.status().state == "stopped"
