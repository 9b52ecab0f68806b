"""Both branches in one thread, in an order that is fixed beforehand."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import torch

from asynfusion_ros.networks import Features
from asynfusion_ros.sampling.base import WindowSampler
from asynfusion_ros.sampling.branch_log import BranchLog
from asynfusion_ros.sampling.branch_window import (
    BranchWindow,
    Snapshot,
    joint_step,
)
from asynfusion_ros.sampling.executor import tensor_threads
from asynfusion_ros.sampling.order import turns
from asynfusion_ros.sampling.window import (
    BRANCHES,
    Tick,
    WindowRequest,
    WindowResult,
    WindowTimings,
    partner_of,
)


class SequentialSampler(WindowSampler):
    """DDIM and LCM sampling, synchronous or asynchronous, without threads: always reproducible.

    Given the trace of a threaded run as `ticks` it repeats that run, on the CPU bit for bit.
    """

    def sample_window(
        self, request: WindowRequest, ticks: Sequence[Tick] | None = None
    ) -> WindowResult:
        """Sample one window; see WindowSampler."""
        start_s = time.perf_counter()
        self._check(request)
        joint = self._joint_steps(request)
        order = self._ticks(joint, ticks)
        if order is None:
            order = turns(self.settings.expression_steps, self.settings.gesture_steps, joint)
        with torch.inference_mode(), tensor_threads(self.settings.threads_per_branch):
            run = _Run(self._open, self._last, request)
            for step in range(joint):
                run.step_together(step)
            for tick in order:
                run.follow(tick)
        self._keep(request, run.latest)
        face, body = (run.windows[name].x.clone() for name in BRANCHES)
        times = [run.logs[name].timings() for name in BRANCHES]
        elapsed_s = time.perf_counter() - start_s
        return WindowResult(face, body, WindowTimings(elapsed_s, times[0], times[1], order))


class _Run:
    """One window under way."""

    def __init__(
        self,
        open_window: Callable[[str, WindowRequest], BranchWindow],
        before: Mapping[str, Snapshot],
        request: WindowRequest,
    ) -> None:
        self.request = request
        self.latest = dict(before)
        self.windows: dict[str, BranchWindow] = {}
        self.logs: dict[str, BranchLog] = {}
        self._heard: dict[str, Snapshot | None] = {}
        for name in BRANCHES:
            self.logs[name] = BranchLog()
            self.windows[name] = open_window(name, request)
            self.logs[name].opened()

    def step_together(self, step: int) -> None:
        """Run one step of both branches in lock-step; each is charged the time of both."""
        for log in self.logs.values():
            log.mark()
        windows = [self.windows[name] for name in BRANCHES]
        said = joint_step(windows[0], windows[1], step)
        for name, features in zip(BRANCHES, said, strict=True):
            self.logs[name].read(None, self.windows[name].times[step])
            self._publish(name, step, features)

    def follow(self, tick: Tick) -> None:
        """Read, or run and publish, as `tick` says."""
        name, window = tick.branch, self.windows[tick.branch]
        if tick.kind == "read":
            snapshot = self._heard[name] = self.latest.get(partner_of(name))
            self.logs[name].read(snapshot, window.times[tick.step])
            return
        self.logs[name].mark()
        heard = self._heard[name]
        features = window.step(tick.step, None if heard is None else heard.features)
        self._publish(name, tick.step, features)

    def _publish(self, name: str, step: int, features: Features) -> None:
        t = self.windows[name].times[step]
        self.latest[name] = Snapshot(self.request.index, step, t, features, time.perf_counter())
        self.logs[name].stepped()
