"""Minutes of every kind of scene and disturbance; hours are for scripts/soak.py."""

import importlib.util
import os
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

HOURS = float(os.environ.get("ASYNFUSION_SOAK_HOURS", "8"))


@pytest.fixture
def soak(repo):
    path = repo / "scripts" / "soak.py"
    spec = importlib.util.spec_from_file_location("soak", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["soak"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["soak"]


def test_a_minute_of_scenes_breaks_nothing(soak):
    report = soak.Soak(seed=5).play(hours=0.01)
    assert report["broken"] == []
    assert report["counts"]["windows"] > 60
    assert report["shown_s"]["speech"] > 10


def test_what_breaks_is_told(soak):
    play = soak.Soak(seed=1)
    play.world.watch.look(frame_of(float("nan")), 0.1)
    play.world.watch.look(frame_of(9.0), 0.1)
    play.world.engine._mailbox.count("samples_in", 7)  # as if they had been lost
    report = play.play(hours=0.001)
    said = " ".join(report["broken"])
    assert "1 poses: nan" in said
    assert "1 poses: position" in said
    assert "7 samples of audio are not accounted for" in said


def test_an_engine_that_hangs_is_told(soak, monkeypatch):
    monkeypatch.setattr("soak_world.HANG_S", 0.3)
    play, gate = soak.Soak(seed=1), threading.Event()
    play.world.engine._worker._generator.step = lambda *_: gate.wait(60.0) or 1 / 0
    try:
        report = play.play(hours=0.003)
    finally:
        play.world.engine._mailbox.running = False
        gate.set()
        play.world.engine._thread.join(10.0)
        play.world.sampler.close()
    assert any("deadlock" in text for text in report["broken"])


def frame_of(value):
    return SimpleNamespace(
        state="speech",
        face=np.zeros(51, np.float32),
        joint_positions=np.full(54, value),
        joint_velocities=np.zeros(54),
    )


@pytest.mark.parametrize("growth_mb", [0.0, 5.0])
def test_the_slope_of_the_memory_is_measured(soak, growth_mb):
    memory = [(300.0 * k, 500.0 + growth_mb * 300.0 * k / 3600.0) for k in range(50)]
    assert soak.slope_mb_per_h(memory) == pytest.approx(growth_mb, abs=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
@pytest.mark.skipif("ASYNFUSION_SOAK_HOURS" not in os.environ, reason="hours; set it to 8")
def test_hours_of_scenes_break_nothing(soak):
    report = soak.Soak().play(HOURS)
    print(report)
    assert report["broken"] == []
