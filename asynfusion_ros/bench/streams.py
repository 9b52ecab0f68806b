"""Whole windows, from samples to motion: by hop, and for many streams on one engine."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.bench.measure import Timing
from asynfusion_ros.evaluation.generators import open_generator
from asynfusion_ros.sampling import Checkpoint
from asynfusion_ros.streaming.generator import MotionGenerator, open_extractor
from asynfusion_ros.streaming.rolling import RollingGenerator
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.sharing import SharedGenerator, SharingCounts
from asynfusion_ros.streaming.windows import FPS_HZ, SAMPLE_RATE_HZ

Array = npt.NDArray[np.float32]

SUSTAINED = 0.8  # a hop is sustained where the 99th percentile of windows takes less of it


@dataclass(frozen=True)
class Way:
    """A way to a short hop: what it is, the engine's settings, levels of a rolling schedule."""

    title: str
    settings: dict[str, Any]
    levels: int = 0

    def open(self, checkpoint: Checkpoint, hop_frames: int) -> MotionGenerator:
        """Return a generator that goes this way."""
        settings = EngineSettings(hop_frames=hop_frames, **self.settings)
        if self.levels:
            extractor = open_extractor(checkpoint.description)
            return RollingGenerator(checkpoint, extractor, settings, self.levels)
        return MotionGenerator.open(checkpoint, settings)


WAYS = {
    "whole": Way("all 60 frames, from noise", {}),
    "short": Way("24 frames of overlap, from noise", {"overlap_frames": 24}),
    "warm": Way(
        "24 frames of overlap, 3/5 steps from the last pose noised by 0.6",
        {
            "overlap_frames": 24,
            "warm_begin": 0.6,
            "expression_steps": 3,
            "gesture_steps": 5,
        },
    ),
    "rolling": Way("rolling schedule of 4 levels, one evaluation (on torch)", {}, levels=4),
}
HOPS = (3, 6, 12)
MANY_WINDOWS = 10_000


def make_speech(seconds: float, seed: int = 0) -> Array:
    """Return noise with the rhythm of syllables, 16 kHz in [-1, 1]: its cost is that of speech."""
    count = round(seconds * SAMPLE_RATE_HZ)
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    rhythm = 0.5 + 0.5 * np.sin(2.0 * np.pi * 4.0 * time_s)
    noise = np.random.default_rng(seed).normal(0.0, 0.1, count)
    return np.clip(noise * rhythm, -1.0, 1.0).astype(np.float32)


def time_hops(
    checkpoint: Checkpoint, windows: int, hops: Sequence[int] = HOPS
) -> dict[str, dict[str, Any]]:
    """Return the time of whole windows for every way and hop, and the real-time factor."""
    results = {}
    for way_name, way in WAYS.items():
        for hop in hops:
            generator = way.open(checkpoint, hop)
            generator.warm_up(6)
            timing, feature_s = _time_generator(generator, windows)
            generator.close()
            hop_s = hop / FPS_HZ
            look_ahead_s = checkpoint.description.look_ahead_s
            look_ahead_s += generator.delay_s if isinstance(generator, RollingGenerator) else 0.0
            results[f"{way_name}-{hop}"] = {
                "title": way.title,
                "hop_s": hop_s,
                **timing.to_dict(),
                "features_s": feature_s,
                "real_time_factor": timing.p50_s / hop_s,
                "latency_s": hop_s + look_ahead_s + timing.p50_s,
                "sustained": timing.p99_s < SUSTAINED * hop_s,
            }
    return results


def _time_generator(generator: MotionGenerator, windows: int) -> tuple[Timing, float]:
    """Return the times of whole windows of one stream, and the median of their features' [s]."""
    speech = make_speech(windows * generator.plan.hop_s + 4.0)
    state, seconds, features = generator.begin(), [], []
    for index in range(windows):
        first = index * round(generator.plan.hop_s * SAMPLE_RATE_HZ)
        chunk, state = generator.step(speech[first : first + generator.plan.sample_count], state)
        if state.face is not None and len(state.face) >= generator.settled_frames:
            seconds.append(chunk.timings.total_s)
            features.append(chunk.timings.feature_s)
    return Timing.of(seconds), float(np.median(features))


def time_streams(
    checkpoint: Checkpoint, counts: Sequence[int], settings: EngineSettings, seconds: float
) -> dict[int, dict[str, Any]]:
    """Return how late windows of so many streams come that run in real time for `seconds`.

    Streams begin apart from each other by chance, as people do. `sustained` says whether the 99th
    percentile of windows came before the next was due.
    """
    return {count: _run_streams(checkpoint, count, settings, seconds) for count in counts}


def _run_streams(
    checkpoint: Checkpoint, count: int, settings: EngineSettings, seconds: float
) -> dict[str, Any]:
    shared = SharedGenerator(MotionGenerator.open(checkpoint, settings))
    shared.generator.warm_up(6)
    shared.counts = SharingCounts()
    waits: list[list[float]] = [[] for _ in range(count)]
    offsets = np.random.default_rng(0).uniform(0.0, shared.generator.plan.hop_s, count)
    begin_s = time.perf_counter() + 0.2

    def run(number: int) -> None:
        stream, plan = shared.open_stream(), shared.generator.plan
        state = stream.begin(seed=number)
        speech = make_speech(4.0, number)[: plan.sample_count]
        for index in range(round(seconds / plan.hop_s)):
            due_s = begin_s + offsets[number] + index * plan.hop_s
            time.sleep(max(0.0, due_s - time.perf_counter()))
            _, state = stream.step(speech, state)
            waits[number].append(time.perf_counter() - due_s)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hop_s, counted = shared.generator.plan.hop_s, shared.counts
    shared.close()
    timing = Timing.of([wait for of_stream in waits for wait in of_stream])
    worst = max(float(np.median(of_stream)) for of_stream in waits)
    best = min(float(np.median(of_stream)) for of_stream in waits)
    return {
        **timing.to_dict(),
        "hop_s": hop_s,
        "windows_per_batch": counted.windows / max(1, counted.batches),
        "unfairness": worst / best,
        "sustained": timing.p99_s < hop_s,
    }


def most_streams(streams: dict[int, dict[str, Any]]) -> int:
    """Return the largest number of streams that were sustained, and all below it."""
    held = 0
    for count in sorted(streams):
        if not streams[count]["sustained"]:
            break
        held = count
    return held


def measure_growth(
    checkpoint: Checkpoint, settings: EngineSettings, windows: int
) -> dict[str, float]:
    """Return how time and memory of a long stream grow: its second half over its first.

    `memory_growth_mb` is what the process's peak rose by during the second half. Every window hears
    the same sound; beyond MANY_WINDOWS its features are computed once.
    """
    if windows > MANY_WINDOWS:
        generator: MotionGenerator = open_generator(checkpoint, settings)
    else:
        generator = MotionGenerator.open(checkpoint, settings)
    generator.warm_up(6)
    speech = make_speech(4.0)[: generator.plan.sample_count]
    state, halves, peaks = generator.begin(), [], []
    for _ in range(2):
        seconds = []
        for _ in range(windows // 2):
            chunk, state = generator.step(speech, state)
            seconds.append(chunk.timings.total_s)
        halves.append(float(np.median(seconds)))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0)
    generator.close()
    return {
        "windows": float(windows),
        "audio_s": windows * settings.hop_frames / FPS_HZ,
        "time_growth": halves[1] / halves[0],
        "memory_growth_mb": peaks[1] - peaks[0],
    }
