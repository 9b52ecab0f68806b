"""What a device can do at best: the floors that measured times are held against.

Each is measured in the same run as what it bounds, on a CPU as on a GPU, and is the median of
several rounds.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

ROUNDS = 7
_VIEWS = frozenset(
    {"view", "_unsafe_view", "split", "chunk", "transpose", "unsqueeze", "squeeze", "slice"}
    | {"select", "expand", "permute", "unbind", "t", "detach", "alias", "split_with_sizes"}
)


@dataclass(frozen=True)
class Floors:
    """The measured limits of a device.

    Attributes:
        copy_bytes_per_s: bytes read and written by a large copy.
        fp32_flops_per_s, bf16_flops_per_s: operations of a large matrix product.
        launch_s: time of one tiny operation called from Python, back to back.
        graph_launch_s: time of one replay of a graph of one tiny kernel (CPU: of a traced call).
        graph_kernel_s: time of one tiny kernel more in a graph (CPU: of an operation in a trace).
    """

    copy_bytes_per_s: float
    fp32_flops_per_s: float
    bf16_flops_per_s: float
    launch_s: float
    graph_launch_s: float
    graph_kernel_s: float

    def bound_s(
        self, flops: float, moved_bytes: float, kernels: int, precision: str = "bf16"
    ) -> dict[str, float]:
        """Return how long work takes at least by each limit [s].

        The work's bound is the largest of them; which it is says what to improve.
        """
        rate = self.bf16_flops_per_s if precision == "bf16" else self.fp32_flops_per_s
        return {
            "arithmetic": flops / rate,
            "memory": moved_bytes / self.copy_bytes_per_s,
            "launches": kernels * self.graph_kernel_s + self.graph_launch_s,
        }

    def to_dict(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return asdict(self)


def measure_floors(device: torch.device, quick: bool = False) -> Floors:
    """Measure all floors of a device, in a second or two; `quick` takes smaller pieces."""
    return Floors(
        copy_bytes_per_s=copy_bandwidth(device, megabytes=64 if quick else 256),
        fp32_flops_per_s=matmul_rate(device, torch.float32, _size(device, quick)),
        bf16_flops_per_s=matmul_rate(device, torch.bfloat16, _size(device, quick)),
        launch_s=launch_cost(device),
        graph_launch_s=replay_cost(device, kernels=1),
        graph_kernel_s=kernel_cost(device),
    )


def copy_bandwidth(device: torch.device, megabytes: int = 256) -> float:
    """Return the bytes read and written per second by a copy of `megabytes`."""
    source = torch.zeros(megabytes * 1_000_000, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2.0 * source.numel() / median_s(lambda: target.copy_(source), device)


def matmul_rate(device: torch.device, kind: torch.dtype, size: int) -> float:
    """Return the operations per second of a product of two square matrices of `size`."""
    left, right = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    out = torch.empty_like(left)
    return 2.0 * size**3 / median_s(lambda: torch.mm(left, right, out=out), device)


def launch_cost(device: torch.device, calls: int = 500) -> float:
    """Return the time of one tiny operation [s] among `calls` that Python makes back to back."""
    number = torch.zeros(1, device=device)

    def run() -> None:
        for _ in range(calls):
            number.add_(1.0)

    return median_s(run, device) / calls


def replay_cost(device: torch.device, kernels: int, replays: int = 50) -> float:
    """Return the time of one replay [s] of a graph of `kernels` tiny kernels, one after another.

    On a CPU a traced function stands for the graph.
    """
    replay = _record_chain(device, kernels)

    def run() -> None:
        for _ in range(replays):
            replay()

    return median_s(run, device) / replays


def kernel_cost(device: torch.device) -> float:
    """Return the time of one tiny kernel more in a graph [s]."""
    few, many = 10, 210
    difference = replay_cost(device, many, 20) - replay_cost(device, few, 20)
    return max(difference, 0.0) / (many - few)


def median_s(run: Callable[[], Any], device: torch.device, rounds: int = ROUNDS) -> float:
    """Return the median time of `run` [s] on the device's own clock, after two runs to warm up."""
    for _ in range(2):
        run()
    return statistics.median(_time_s(run, device) for _ in range(rounds))


def count_kernels(run: Callable[[], Any]) -> int:
    """Return how many operations on tensors `run` makes that are no mere views.

    About the kernels that a GPU launches for it; fused attention counts once.
    """
    with _Counter() as counter:
        run()
    return int(counter.count)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function.overloadpacket.__name__ not in _VIEWS:
            self.count += 1
        return function(*args, **(kwargs or {}))


def _size(device: torch.device, quick: bool) -> int:
    if device.type == "cuda":
        return 8192
    return 512 if quick else 1024


def _time_s(run: Callable[[], Any], device: torch.device) -> float:
    if device.type != "cuda":
        begin_s = time.perf_counter()
        run()
        return time.perf_counter() - begin_s
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    first.record()
    run()
    last.record()
    torch.cuda.synchronize(device)
    return 1e-3 * float(first.elapsed_time(last))


def _record_chain(device: torch.device, kernels: int) -> Callable[[], Any]:
    number = torch.zeros(1, device=device)

    def chain(x: Tensor) -> Tensor:
        for _ in range(kernels):
            x = x + 1.0
        return x

    if device.type != "cuda":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer's own deprecation
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                chain, number, check_trace=False
            )
        return lambda: traced(number)
    chain(number)
    torch.cuda.synchronize(device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        chain(number)

    def replay() -> Tensor:
        graph.replay()
        return number  # which the graph reads, and which lives as long as it

    return replay
