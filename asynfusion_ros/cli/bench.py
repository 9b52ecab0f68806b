"""The command `bench`: how fast it is here, beside baselines and the machine's limits."""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from tqdm import tqdm

from asynfusion_ros.bench.floors import measure_floors
from asynfusion_ros.bench.live import measure_live
from asynfusion_ros.bench.page import draw_plot, make_page
from asynfusion_ros.bench.streams import (
    HOPS,
    measure_growth,
    most_streams,
    time_hops,
    time_streams,
)
from asynfusion_ros.bench.windows import (
    REFERENCE,
    Extent,
    describe_step,
    time_reference,
    time_windows,
)
from asynfusion_ros.cli.info import DEFAULT_MODEL
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.windows import FPS_HZ

LIVE = {
    "default": {},
    "short delay": {"hop_frames": 6, "overlap_frames": 24, "compute_allowance_s": 0.15},
}


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("bench", help="measure speed beside baselines and limits")
    parser.add_argument("--checkpoint", type=Path, default=None, help=f"default: {DEFAULT_MODEL}")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and parts")
    parser.add_argument(
        "--live", action=argparse.BooleanOptionalAction, default=True, help="run the ROS graph, too"
    )
    parser.add_argument(
        "--hours", type=float, default=0.0, help="measure only a stream this long, for growth"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write a Markdown page and plot")
    parser.set_defaults(run=run_bench)


def run_bench(arguments: argparse.Namespace) -> int:
    """Measure everything, print the page, and write what was asked for."""
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda, but torch finds no GPU here; use --device cpu")
    if arguments.hours:
        return run_growth(arguments)
    document = measure(arguments)
    page = make_page(document)
    print(page)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if arguments.page is not None:
        plot = arguments.page.with_suffix(".png")
        draw_plot(document, plot)
        arguments.page.write_text(f"{page}\n![Times and delays]({plot.name})\n", encoding="utf-8")
    return 0


def run_growth(arguments: argparse.Namespace) -> int:
    """Measure a long stream alone; print and write its figures."""
    settings = EngineSettings()
    windows = round(arguments.hours * 3600.0 * FPS_HZ / settings.hop_frames)
    if windows < 2:
        raise ConfigError(f"--hours {arguments.hours} is shorter than two windows; give more")
    folder = arguments.checkpoint or find_resource(DEFAULT_MODEL)
    checkpoint = Checkpoint.load(folder, torch.device(arguments.device))
    text = json.dumps(measure_growth(checkpoint, settings, windows), indent=1)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 0


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return all figures as plain values."""
    device, quick = torch.device(arguments.device), bool(arguments.quick)
    folder = arguments.checkpoint or find_resource(DEFAULT_MODEL)
    checkpoint = Checkpoint.load(folder, device)
    cores = os.cpu_count() or 1
    torch.set_num_threads(1)  # floors and helpers are those of one core
    floors, extent = measure_floors(device, quick), Extent()
    document: dict[str, Any] = {
        "command": f"asynfusion bench{' --quick' if quick else ''} --device {device.type}",
        "machine": describe_machine(device, cores),
        "model": checkpoint.description.to_dict()["network"],
        "floors": floors.to_dict(),
        "extent": asdict(extent),
        "hop_s": (extent.frames - extent.known) / checkpoint.description.fps_hz,
        "step": describe_step(checkpoint, floors, extent),
    }
    rounds, calls = (4, 3) if quick else (8, 5)
    with tqdm(total=rounds, desc="windows", unit=" rounds") as bar:
        document["windows"] = time_windows(
            checkpoint,
            cores=cores,
            rounds=rounds,
            calls=calls,
            extent=extent,
            progress=lambda done: bar.update(),
        )
    if not quick:
        document["reference"] = {
            REFERENCE: time_reference(device, cores, 63, 3),
            "reference-27": time_reference(device, cores, 27, 3),
        }
    document["hops"] = time_hops(checkpoint, 20, HOPS[1:2]) if quick else time_hops(checkpoint, 60)
    settings = EngineSettings()
    document["streams_hop_s"] = settings.hop_frames / checkpoint.description.fps_hz
    counts = (1, 2) if quick else (1, 2, 3, 4, 6)
    document["streams"] = time_streams(checkpoint, counts, settings, 2.0 if quick else 8.0)
    document["max_streams"] = most_streams(document["streams"])
    document["growth"] = measure_growth(checkpoint, settings, 60 if quick else 300)
    if arguments.live:
        seconds = 5.0 if quick else 25.0
        chosen = dict(list(LIVE.items())[:1]) if quick else LIVE
        document["live"] = {
            name: measure_live(given, seconds, folder) for name, given in chosen.items()
        }
    return document


def describe_machine(device: torch.device, cores: int) -> dict[str, str]:
    """Return what the figures belong to."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{cores} CPU cores"
    return {
        "device": name,
        "processor": _processor(),
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()
