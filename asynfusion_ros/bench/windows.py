"""What a window of each sampling strategy costs, beside baselines and the machine's floors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from asynfusion_ros.bench.floors import Floors, count_kernels
from asynfusion_ros.bench.measure import Ratio, Subject, Timing, time_in_turns
from asynfusion_ros.bench.reference import NEW_SECONDS, build_reference
from asynfusion_ros.bench.subjects import make_request
from asynfusion_ros.networks import MannerBatch
from asynfusion_ros.sampling import Checkpoint, SamplerSettings, WindowRequest, build_sampler

OURS = "async-4-8-threads"
REFERENCE = "reference-63"
_DDIM = {"method": "ddim", "expression_steps": 25, "gesture_steps": 25}
_SYNC = {"expression_steps": 8, "gesture_steps": 8}
_TOGETHER = {"coupling": "synchronous", "execution": "sequential"}
_PREVIOUS = {"cold_start": "previous"}


@dataclass(frozen=True)
class Strategy:
    """A way to sample a window: its settings, and the branch steps that it is made of."""

    title: str
    settings: dict[str, Any]
    branch_steps: int


def strategies(cores: int) -> dict[str, Strategy]:
    """Return all that is compared; `cores` is what "all cores" means."""

    def make(title: str, steps: int, **settings: Any) -> Strategy:
        return Strategy(title, settings, steps)

    return {
        OURS: make("async 4/8, a thread for each branch", 12, **_PREVIOUS),
        "async-4-8-lockstep": make("the same, first step in lock-step", 12),
        "async-4-8": make("async 4/8, one thread", 12, execution="sequential", **_PREVIOUS),
        "sync-8-8": make("sync 8/8, one thread", 16, **_SYNC, **_TOGETHER),
        "sync-8-8-cores": make(
            "sync 8/8, all cores", 16, **_SYNC, **_TOGETHER, threads_per_branch=cores
        ),
        "ddim-25-25": make("DDIM 25/25, one thread", 50, **_DDIM, **_TOGETHER),
        "ddim-25-25-cores": make(
            "DDIM 25/25, all cores", 50, **_DDIM, **_TOGETHER, threads_per_branch=cores
        ),
        "async-4-8-torch": make(
            "async 4/8 on torch, a thread for each branch", 12, runtime="torch", **_PREVIOUS
        ),
    }


@dataclass(frozen=True)
class Extent:
    """The size of the windows that are timed: rows, frames, and how many are known already."""

    batch: int = 1
    frames: int = 60
    known: int = 48


@contextmanager
def open_strategies(
    checkpoint: Checkpoint, chosen: dict[str, Strategy], extent: Extent
) -> Iterator[dict[str, Subject]]:
    """Give a subject for each strategy: sample the next window of a stream."""
    with ExitStack() as stack:
        subjects = {}
        for name, strategy in chosen.items():
            settings = SamplerSettings(timeout_s=600.0, **strategy.settings)
            sampler = stack.enter_context(build_sampler(checkpoint, settings))
            subjects[name] = _next_window(sampler.sample_window, checkpoint, extent)
        yield subjects


def time_windows(
    checkpoint: Checkpoint,
    *,
    cores: int,
    rounds: int,
    calls: int,
    extent: Extent,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Return times, and ratios to ours, of all strategies."""
    chosen = strategies(cores)
    with open_strategies(checkpoint, chosen, extent) as subjects:
        seconds = time_in_turns(subjects, rounds, calls, progress)
    return {
        name: {
            "title": strategy.title,
            "branch_steps": strategy.branch_steps,
            **Timing.of(seconds[name]).to_dict(),
            "ratio": vars(Ratio.of(seconds[name], seconds[OURS], rounds)),
        }
        for name, strategy in chosen.items()
    }


def time_reference(
    device: torch.device, cores: int, evaluations: int, calls: int
) -> dict[str, Any]:
    """Return the reference's time per window, and per second of motion that it adds."""
    before = torch.get_num_threads()
    torch.set_num_threads(cores)
    try:
        window = build_reference(device, evaluations)
        with torch.inference_mode():
            seconds = time_in_turns({"reference": window}, 1, calls)["reference"]
    finally:
        torch.set_num_threads(before)
    timing = Timing.of(seconds)
    return {
        "title": f"DiffSHEG form, {evaluations} evaluations, all cores",
        "evaluations": evaluations,
        "new_s": NEW_SECONDS,
        **timing.to_dict(),
        "per_second_of_motion": timing.p50_s / NEW_SECONDS,
    }


def describe_step(checkpoint: Checkpoint, floors: Floors, extent: Extent) -> dict[str, Any]:
    """Return the work of one step of one branch, and how long the machine needs for it at least."""
    branch = checkpoint.network("lcm").gesture
    device = branch.position.device
    audio = torch.zeros(extent.batch, extent.frames, branch.encode_audio.first.in_channels)
    x = torch.zeros(extent.batch, extent.frames, branch.dim, device=device)
    t = torch.zeros(extent.batch, dtype=torch.long, device=device)
    manner = MannerBatch(torch.zeros(extent.batch, dtype=torch.long)).to(device)
    with torch.inference_mode():
        condition = branch.condition(audio.to(device), manner)
        _, partner = branch.forward_with_partner(x, t, condition, None, None)

        def step() -> None:
            branch.forward_with_partner(x, t, condition, None, partner)

        with FlopCounterMode(display=False, custom_mapping=_ATTENTION) as counter:
            step()
        kernels = count_kernels(step)
    flops = float(counter.get_total_flops())
    steps = sum(p.numel() for p in branch.blocks.parameters())
    steps += sum(p.numel() for p in branch.interactions.parameters())
    precision = "fp32" if device.type == "cpu" else "bf16"
    moved = float(steps * (4 if precision == "fp32" else 2))
    return {
        "flops": flops,
        "weights_bytes": moved,
        "kernels": kernels,
        "bound_s": floors.bound_s(flops, moved, kernels, precision),
    }


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Return the operations of fused attention on the CPU, which torch's counter does not know."""
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


_ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}


def _next_window(
    sample: Callable[[WindowRequest], Any], checkpoint: Checkpoint, extent: Extent
) -> Subject:
    """Return what samples window after window of a stream of random speech."""
    request = make_request(checkpoint.description.network, extent.batch, extent.frames)
    request = replace(request, audio=request.audio.to(checkpoint.device))
    index = count()

    def run() -> None:
        window = next(index)
        rows = tuple((row, window) for row in range(extent.batch))
        result = sample(replace(request, index=window, origins=rows))
        if result.face.is_cuda:
            torch.cuda.synchronize()

    return run
