"""The branches side by side on a device: a profiler's trace of one window as a picture.

python3 -m asynfusion_ros.bench.timeline --device cuda --out docs/images/gpu_timeline.png
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from asynfusion_ros.bench.subjects import make_request, open_model
from asynfusion_ros.errors import ConfigError, DataError
from asynfusion_ros.files import read_json, refuse
from asynfusion_ros.sampling import GraphSampler, SamplerSettings
from asynfusion_ros.sampling.window import WindowRequest

Span = tuple[float, float]
"""Begin and end [s] on the trace's clock."""

_WARM_WINDOWS = 5
_LANES = ("gesture", "expression")  # the one with more steps has more work


def record_trace(sampler: GraphSampler, request: WindowRequest, path: Path) -> None:
    """Write the trace of one window, after some that warm up, in Chrome's format."""
    for _ in range(_WARM_WINDOWS):
        sampler.sample_window(request)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=kinds) as profile:
        sampler.sample_window(request)
    profile.export_chrome_trace(str(path))


def read_lanes(path: Path) -> dict[str, list[Span]]:
    """Return when each lane of a trace was at work, the one with most work first.

    Lanes are the GPU's streams; threads, where the trace has no work of a GPU. Raises DataError
    where the file is no trace.
    """
    document = read_json(path, DataError, most_bytes=512 * 1024**2)
    with refuse(DataError, f"{path} is no trace of a profiler"):
        events = [event for event in document["traceEvents"] if event.get("ph") == "X"]
        kernels = [event for event in events if event.get("cat") in ("kernel", "gpu_memcpy")]
        chosen = kernels or [event for event in events if event.get("cat") == "cpu_op"]
        lanes: dict[str, list[Span]] = defaultdict(list)
        for event in chosen:
            begin_s = 1e-6 * float(event["ts"])
            lanes[str(event["tid"])].append((begin_s, begin_s + 1e-6 * float(event["dur"])))
    if not lanes:
        raise DataError(f"{path} holds no work of a device; record it again while one works")
    joined = {name: join_spans(spans) for name, spans in lanes.items()}
    return dict(sorted(joined.items(), key=lambda item: -_busy_s(item[1])))


def join_spans(spans: Sequence[Span], gap_s: float = 0.0) -> list[Span]:
    """Return spans in order, those that touch or lie within `gap_s` of each other as one."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1] + gap_s:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def overlap_s(one: Sequence[Span], other: Sequence[Span]) -> float:
    """Return how long both of two lanes, of joined spans, were at work [s]."""
    both = _busy_s(join_spans([*one, *other]))
    return _busy_s(one) + _busy_s(other) - both


def draw_lanes(lanes: Mapping[str, Sequence[Span]], title: str, path: Path) -> None:
    """Draw the two busiest lanes over time; raise ConfigError where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("pictures need matplotlib; install asynfusion_ros[evaluation]") from error
    shown = list(lanes.items())[: len(_LANES)]
    origin = min(spans[0][0] for _, spans in shown)
    figure = Figure(figsize=(9.0, 0.9 + 0.6 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    for row, (_, spans) in enumerate(shown):
        bars = [(1e3 * (begin - origin), 1e3 * (end - begin)) for begin, end in spans]
        axes.broken_barh(bars, (row - 0.4, 0.8), color=f"C{row}", linewidth=0)
    axes.set_yticks(range(len(shown)), _LANES[: len(shown)])
    axes.set_xlabel("ms")
    axes.set_title(title, fontsize="medium")
    figure.savefig(path, dpi=150)


def main(argv: Sequence[str] | None = None) -> int:
    """Record a window, write trace and picture, say how long the branches were at work at once."""
    parser = argparse.ArgumentParser(prog="asynfusion_ros.bench.timeline", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="model (default: random, of --config)")
    parser.add_argument("--config", type=Path, help="YAML whose network section gives the size")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="picture; the trace lies beside it")
    arguments = parser.parse_args(argv)
    checkpoint = open_model(arguments.checkpoint, arguments.config, arguments.device)
    sampler = GraphSampler(checkpoint, SamplerSettings())
    trace = arguments.out.with_suffix(".json")
    with sampler:
        request = make_request(sampler.network.settings, arguments.batch)
        record_trace(sampler, request, trace)
    lanes = read_lanes(trace)
    first, second = [*lanes.values(), [], []][:2]
    figures: dict[str, Any] = {
        "gesture_busy_ms": 1e3 * _busy_s(first),
        "expression_busy_ms": 1e3 * _busy_s(second),
        "both_busy_ms": 1e3 * overlap_s(first, second),
    }
    title = f"One window, {arguments.batch} at a time: work of the two branches on the device"
    draw_lanes(lanes, title, arguments.out)
    print(json.dumps(figures))
    return 0


def _busy_s(spans: Sequence[Span]) -> float:
    return sum(end - begin for begin, end in spans)


if __name__ == "__main__":
    raise SystemExit(main())
