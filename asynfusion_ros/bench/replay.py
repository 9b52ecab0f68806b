"""Replayed windows against each other, against the launch floor, and against their batch size.

    python3 -m asynfusion_ros.bench.replay --config config/base.yaml --json replay.json

Asynchronous sampling in two lanes stands beside the same steps in one lane and beside synchronous
sampling in one lane, all replayed from graphs, in turns; then windows of more and more streams.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch

from asynfusion_ros.bench.floors import Floors, count_kernels, measure_floors
from asynfusion_ros.bench.measure import Timing, time_in_turns
from asynfusion_ros.bench.subjects import make_request, open_model
from asynfusion_ros.sampling import Checkpoint, GraphSampler, SamplerSettings
from asynfusion_ros.sampling.device_work import Recorded

OURS = "async-4-8-lanes"
WAYS: dict[str, dict[str, Any]] = {
    OURS: {},
    "async-4-8": {"execution": "sequential"},
    "sync-8-8": {
        "execution": "sequential",
        "coupling": "synchronous",
        "expression_steps": 8,
        "gesture_steps": 8,
    },
}
BATCHES = (1, 8, 32, 128, 256, 512, 1024)
PAPER_FRAMES = 34


def time_ways(
    checkpoint: Checkpoint, floors: Floors, frames: int, rounds: int, calls: int
) -> dict[str, dict[str, Any]]:
    """Return times of all ways of sampling a window, their launch floors, and ratios to ours."""
    with ExitStack() as stack:
        samplers = {
            name: stack.enter_context(GraphSampler(checkpoint, SamplerSettings(**settings)))
            for name, settings in WAYS.items()
        }
        request = make_request(checkpoint.description.network, 1, frames=frames)
        subjects = {name: partial(s.sample_window, request) for name, s in samplers.items()}
        seconds = time_in_turns(subjects, rounds, calls)
        kernels = {name: kernels_in_turn(s, frames) for name, s in samplers.items()}
    timings = {name: Timing.of(values) for name, values in seconds.items()}
    rows = {}
    for name, timing in timings.items():
        floor_s = kernels[name] * floors.graph_kernel_s
        rows[name] = {
            **timing.to_dict(),
            "kernels_in_turn": kernels[name],
            "launch_floor_s": floor_s,
            "times_floor": timing.p50_s / floor_s if floor_s else float("nan"),
            "ratio": timing.p50_s / timings[OURS].p50_s,
        }
    return rows


def kernels_in_turn(sampler: GraphSampler, frames: int) -> float:
    """Return about how many kernels of a window come one after another.

    What both branches do at the same time counts half; of their own steps, those of the branch
    that has more.
    """
    window = sampler.prepare(1, frames)

    def count(pieces: Sequence[Recorded]) -> int:
        return sum(count_kernels(piece.work.run) for piece in pieces)

    with torch.inference_mode():
        together = count([window.condition, *window.joint])
        lanes = [
            count([piece for (branch, _), piece in window.steps.items() if branch == name])
            for name in ("expression", "gesture")
        ]
    apart = sampler.settings.execution == "threaded"
    return together / 2 + max(lanes) if apart else float(together + sum(lanes))


def time_batches(
    checkpoint: Checkpoint, batches: Sequence[int], hop_s: float, calls: int
) -> dict[int, dict[str, Any]]:
    """Return times and memory of windows of so many streams, which share a batch.

    `streams` is how many one device sustains with such batches: each stream needs a window every
    `hop_s`. Ends early where the device's memory does.
    """
    settings, device = SamplerSettings(graph_noise="device"), checkpoint.device
    rows: dict[int, dict[str, Any]] = {}
    for batch in batches:
        before = _memory_bytes(device)
        try:
            with GraphSampler(checkpoint, settings) as sampler:
                request = make_request(checkpoint.description.network, batch)
                subject = partial(sampler.sample_window, request)
                timing = Timing.of(time_in_turns({"ours": subject}, 1, calls)["ours"])
                used = _memory_bytes(device) - before
        except torch.cuda.OutOfMemoryError:
            break
        rows[batch] = {
            **timing.to_dict(),
            "per_stream_s": timing.p50_s / batch,
            "streams": int(batch * hop_s / timing.p50_s),
            "memory_bytes_per_stream": used / batch,
        }
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Measure both and print or write the figures."""
    parser = argparse.ArgumentParser(prog="asynfusion_ros.bench.replay", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="model (default: random, of --config)")
    parser.add_argument("--config", type=Path, help="YAML whose network section gives the size")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--hop-s", type=float, default=0.4, help="new motion per window [s]")
    parser.add_argument("--quick", action="store_true", help="few rounds and small batches")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    arguments = parser.parse_args(argv)
    checkpoint = open_model(arguments.checkpoint, arguments.config, arguments.device)
    floors = measure_floors(torch.device(arguments.device), arguments.quick)
    rounds, calls = (2, 3) if arguments.quick else (20, 20)
    longest = checkpoint.description.network.window_frames
    document = {
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU",
        "network": checkpoint.description.network.to_dict(),
        "floors": floors.to_dict(),
        "windows": {
            frames: time_ways(checkpoint, floors, frames, rounds, calls)
            for frames in sorted({min(PAPER_FRAMES, longest), longest})
        },
        "streams": time_batches(
            checkpoint, BATCHES[:2] if arguments.quick else BATCHES, arguments.hop_s, calls
        ),
    }
    text = json.dumps(document, indent=1)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 0


def _memory_bytes(device: torch.device) -> int:
    """Return the memory that torch holds on a GPU, graphs' included; 0 on a CPU."""
    if device.type != "cuda":
        return 0
    gc.collect()
    torch.cuda.empty_cache()
    reserved: int = torch.cuda.memory_reserved(device)
    return reserved


if __name__ == "__main__":
    raise SystemExit(main())
