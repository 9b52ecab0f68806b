"""The benchmark's figures as a Markdown page and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from asynfusion_ros.bench.windows import OURS
from asynfusion_ros.errors import ConfigError

Document = dict[str, Any]


def make_page(document: Document) -> str:
    """Return the page of a benchmark's document."""
    machine = document["machine"]
    lines = [
        f"# Benchmark on {machine['device']}",
        "",
        "```bash",
        document["command"],
        "```",
        "",
        ", ".join(f"{name} {value}" for name, value in machine.items() if name != "device") + ".",
        "",
        *_floors(document),
        *_windows(document),
    ]
    if "reference" in document:
        lines += _reference(document)
    lines += [*_hops(document), *_streams(document)]
    if "live" in document:
        lines += _live(document)
    return "\n".join(lines) + "\n"


def draw_plot(document: Document, path: Path) -> None:
    """Draw windows' times and hops' latencies; raise ConfigError without matplotlib."""
    try:
        figures = import_module("matplotlib.figure")
    except ImportError as error:
        raise ConfigError(
            "plots need matplotlib: pip install 'asynfusion_ros[evaluation]'"
        ) from error
    figure = figures.Figure(figsize=(10, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    windows = document["windows"]
    titles = [row["title"] for row in windows.values()]
    times = [1e3 * row["p50_s"] for row in windows.values()]
    colours = ["tab:orange" if name == OURS else "tab:blue" for name in windows]
    left.barh(titles[::-1], times[::-1], color=colours[::-1])
    left.set_xlabel("one window, p50 [ms]")
    for way in dict.fromkeys(name.rsplit("-", 1)[0] for name in document["hops"]):
        rows = [row for name, row in document["hops"].items() if name.rsplit("-", 1)[0] == way]
        right.plot(
            [1e3 * row["hop_s"] for row in rows],
            [1e3 * row["latency_s"] for row in rows],
            marker="o",
            label=rows[0]["title"],
        )
    right.set_xlabel("hop [ms]")
    right.set_ylabel("hop + look-ahead + compute [ms]")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower right", fontsize="small")
    figure.savefig(path, dpi=110)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [" | ".join(head), "|".join("---" for _ in head)]
    return [f"| {lines[0]} |", f"|{lines[1]}|", *(f"| {' | '.join(row)} |" for row in rows), ""]


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.1f} ms"


def _floors(document: Document) -> list[str]:
    floors, step = document["floors"], document["step"]
    bounds = ", ".join(f"{name} {_ms(bound)}" for name, bound in step["bound_s"].items())
    steps = document["windows"][OURS]
    longest = max(step["bound_s"].values())
    return [
        "## What the machine can do",
        "",
        f"Copies {floors['copy_bytes_per_s'] / 1e9:.1f} GB/s; products "
        f"{floors['fp32_flops_per_s'] / 1e9:.0f} GFLOP/s in fp32, "
        f"{floors['bf16_flops_per_s'] / 1e9:.0f} in bf16, on one core; an operation called from "
        f"Python {1e6 * floors['launch_s']:.1f} us.",
        "",
        f"A step of the gesture branch is {step['flops'] / 1e6:.0f} MFLOP on "
        f"{step['weights_bytes'] / 1e6:.1f} MB of weights in {step['kernels']} operations: at "
        f"least {bounds}. Eight of them one after another, which no sampler of 4/8 steps can "
        f"avoid, take {_ms(8.0 * longest)}; ours takes {_ms(steps['p50_s'])} for the window, "
        f"{steps['p50_s'] / (8.0 * longest):.1f} times that.",
        "",
    ]


def _windows(document: Document) -> list[str]:
    rows = [
        (
            row["title"],
            str(row["branch_steps"]),
            *(_ms(row[f"{part}_s"]) for part in ("p50", "p95", "p99")),
            "{ratio:.2f} ({low:.2f} to {high:.2f})".format(**row["ratio"]),
        )
        for row in document["windows"].values()
    ]
    head = ("window", "branch steps", "p50", "p95", "p99", "ratio to the first")
    extent = document["extent"]
    return [
        "## One window",
        "",
        f"{extent['frames']} frames of which {extent['known']} are known, network alone, "
        "strategies in turns; the ratio is the median over rounds, with quartiles.",
        "",
        *_table(head, rows),
    ]


def _reference(document: Document) -> list[str]:
    ours = document["windows"][OURS]["p50_s"] / document["hop_s"]
    new = f"{document['hop_s']:.1f} s"
    rows = [("ours, async 4/8", new, _ms(document["windows"][OURS]["p50_s"]), _ms(ours), "1")]
    rows += [
        (
            row["title"],
            f"{row['new_s']:.1f} s",
            _ms(row["p50_s"]),
            _ms(row["per_second_of_motion"]),
            f"{row['per_second_of_motion'] / ours:.0f}",
        )
        for row in document["reference"].values()
    ]
    head = ("network", "new motion of a window", "window", "a second of motion", "ratio")
    return ["## Beside a network of the DiffSHEG form", "", *_table(head, rows)]


def _hops(document: Document) -> list[str]:
    rows = [
        (
            f"{row['hop_s']:.1f} s",
            row["title"],
            _ms(row["p50_s"]),
            _ms(row["p99_s"]),
            _ms(row["features_s"]),
            f"{row['real_time_factor']:.2f}",
            f"{1e3 * row['latency_s']:.0f} ms",
            "yes" if row["sustained"] else "no",
        )
        for row in document["hops"].values()
    ]
    head = ["hop", "window", "p50", "p99", "of it features", "real-time factor"]
    head += ["hop + look-ahead + compute", "sustained"]
    return ["## Hops: from samples to motion", "", *_table(head, rows)]


def _streams(document: Document) -> list[str]:
    rows = [
        (
            str(count),
            *(_ms(row[f"{part}_s"]) for part in ("p50", "p95", "p99")),
            f"{row['windows_per_batch']:.1f}",
            f"{row['unfairness']:.2f}",
            "yes" if row["sustained"] else "no",
        )
        for count, row in document["streams"].items()
    ]
    head = ("streams", "wait p50", "p95", "p99", "windows per batch", "slowest over fastest")
    growth = document["growth"]
    return [
        "## Many streams on one engine",
        "",
        *_table((*head, "in time"), rows),
        f"`max_streams`: {document['max_streams']}, at a hop of {document['streams_hop_s']:.1f} s.",
        "",
        f"One stream of {growth['audio_s'] / 60.0:.0f} minutes of sound: a window of its second "
        f"half takes {growth['time_growth']:.2f} times as long as one of its first, and memory "
        f"rose by {growth['memory_growth_mb']:.1f} MB between them.",
        "",
    ]


def _live(document: Document) -> list[str]:
    rows = []
    for name, report in document["live"].items():
        latency = report["latency_ms"]
        rows.append(
            (
                name,
                f"{report['real_time_factor']:.2f}",
                *(f"{latency[part]:.0f} ms" for part in ("hop", "look_ahead", "compute_p50")),
                f"{latency['hop'] + latency['look_ahead'] + latency['compute_p50']:.0f} ms",
                f"{latency['end_to_end_p50']:.0f}, {latency['end_to_end_p99']:.0f} ms",
                f"{report['joint_states_hz']:.2f} Hz",
            )
        )
    head = ["graph", "real-time factor", "hop", "look-ahead", "compute p50", "sum"]
    head += ["end to end p50, p99", "joint_states"]
    return ["## The whole graph, two processes", "", *_table(head, rows)]
