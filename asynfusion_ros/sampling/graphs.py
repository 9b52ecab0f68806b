"""Sampling by replay: one CUDA graph for each step of each branch, on the branch's own stream.

A step of a network of this size is hundreds of short kernels, and Python cannot launch them as fast
as a GPU runs them. Recorded as a graph, a step is one launch. The host then only says in which
order: a thread for each branch launches its steps, and an event guards each set of features that
crosses over.
"""

from __future__ import annotations

import copy
import math
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from functools import partial

import torch

from asynfusion_ros.errors import ConfigError, SamplerError
from asynfusion_ros.networks import DualBranchDiT
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.device_timings import measure
from asynfusion_ros.sampling.device_work import Event, Work, WorkDevice, open_device
from asynfusion_ros.sampling.executor import BranchExecutor
from asynfusion_ros.sampling.hearing import HearingPlan, Step
from asynfusion_ros.sampling.in_threads import SamplerInThreads
from asynfusion_ros.sampling.launches import Launches
from asynfusion_ros.sampling.order import check_ticks, parallel, turns
from asynfusion_ros.sampling.recorded_window import Lanes, RecordedWindow
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.sampling.staged import Runner, StagedBranch
from asynfusion_ros.sampling.static_branch import WindowShape, bake
from asynfusion_ros.sampling.window import (
    BRANCHES,
    Tick,
    WindowRequest,
    WindowResult,
    WindowTimings,
)

MOST_RECORDED = 16
"""Windows of different shapes, step counts or orders that are kept recorded."""

_KEY = tuple[WindowShape, tuple[int, int], int, tuple[Tick, ...]]


def bucket(batch: int) -> int:
    """Return the batch size that is recorded for `batch` rows: 2^k or 3 * 2^k, the next above."""
    power = 1 << max(0, math.ceil(math.log2(batch)))
    return 3 * power // 4 if power >= 4 and batch <= 3 * power // 4 else power


class GraphSampler(SamplerInThreads):
    """Samples windows by replaying recorded work, in threads or in turn, on a GPU or the CPU.

    Who hears which step of whom is fixed before a window begins: by `pacing`, where 'free' stands
    for 'parallel', or by forced ticks. The numbers are those of SequentialSampler for the same
    ticks, within rounding. Every window begins in lock-step, whatever `cold_start`: side by side on
    a GPU, such a step takes no longer than another. Launches never wait for the device; the host
    does so once, at the end of a window.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: SamplerSettings | None = None,
        device: WorkDevice | None = None,
    ) -> None:
        """Take the network in the precision of the settings; work is recorded when needed.

        Raises ConfigError for a warm start, which graphs do not know.
        """
        super().__init__(checkpoint, settings)
        if self.settings.warm_begin != 1.0:
            raise ConfigError(
                f"warm_begin is {self.settings.warm_begin}; recorded graphs start from noise: "
                "leave it at 1, or choose graphs: false"
            )
        self._device = device or open_device(checkpoint.device)
        precision = self.settings.graph_precision
        self._baked: DualBranchDiT = (
            copy.deepcopy(self.network) if precision == "bf16" else (self.network)
        )
        for branch in BRANCHES:
            bake(getattr(self._baked, branch), precision)
        first = self._device.lane()
        threaded = self.settings.execution == "threaded"
        # The body takes more steps: what it launches goes first.
        self._lanes = Lanes(first, self._device.lane(urgent=True) if threaded else first)
        if threaded:
            self._own({name: BranchExecutor(f"{name} launches", 1) for name in BRANCHES})
        self._recorded: OrderedDict[_KEY, RecordedWindow] = OrderedDict()

    def sample_window(
        self, request: WindowRequest, ticks: Sequence[Tick] | None = None
    ) -> WindowResult:
        """Sample one window; see WindowSampler. The motion lies on the device."""
        start_s = time.perf_counter()
        self._check_state()
        self._check(request)
        batch, frames, _ = request.audio.shape
        with torch.inference_mode():
            window = self._find(batch, frames, request.manner.emotion is not None, ticks)
            window.load(request)
            marks = self._begin(window)
            launches = Launches(self.settings.timeout_s)
            if self._executors:
                self._launch_in_threads(window, marks[-1], launches)
            else:
                self._launch(window, window.plan.launches, marks[-1], launches)
            face, body = self._fetch(window, batch)
        seconds = self._device.seconds
        timings = [measure(window, branch, marks, launches, seconds) for branch in BRANCHES]
        elapsed_s = time.perf_counter() - start_s
        spent = WindowTimings(elapsed_s, timings[0], timings[1], window.plan.ticks)
        return WindowResult(face, body, spent)

    def prepare(
        self, batch: int, frames: int | None = None, emotion: bool = False
    ) -> RecordedWindow:
        """Record what windows of `batch` rows need, so that the first of them is no slower.

        Returns what was recorded. `frames` is the model's window where None; `emotion` says whether
        requests name any.
        """
        self._check_state()
        with torch.inference_mode():
            sizes = self.network.settings
            return self._find(batch, frames or sizes.window_frames, emotion, None)

    def close(self) -> None:
        """End the threads and forget all recorded work; calling it again is harmless."""
        super().close()
        self._recorded.clear()

    def _make_runner(self, branch: str) -> Runner:
        """Return what the base class asks for; recorded work takes its place."""
        return StagedBranch(getattr(self.network, branch), traced=False)

    def _find(
        self, batch: int, frames: int, emotion: bool, ticks: Sequence[Tick] | None
    ) -> RecordedWindow:
        """Return recorded work for such a window; record it where there is none yet."""
        host = self.settings.graph_noise == "host"
        shape = WindowShape(bucket(batch), frames, emotion, host)
        plan = self._plan(ticks)
        key = (shape, plan.counts, plan.joint_steps, plan.ticks)
        window = self._recorded.pop(key, None)
        if window is None:
            window = RecordedWindow(
                self._baked,
                self.process,
                plan,
                shape,
                self._device,
                self._lanes,
                self.settings.graph_precision,
            )
        self._recorded[key] = window  # the newest last
        while len(self._recorded) > MOST_RECORDED:
            self._recorded.popitem(last=False)
        return window

    def _plan(self, forced: Sequence[Tick] | None) -> HearingPlan:
        counts = self.settings.expression_steps, self.settings.gesture_steps
        joint = counts[0] if self.settings.coupling == "synchronous" else 1
        if forced is not None:
            check_ticks(forced, *counts, joint)
        make = turns if self.settings.pacing == "turns" else parallel
        ticks = make(*counts, joint) if forced is None else forced
        deaf = [b for b in BRANCHES if not getattr(self.network, b).listens]
        return HearingPlan(counts, joint, tuple(ticks), frozenset(deaf))

    def _begin(self, window: RecordedWindow) -> list[Event]:
        """Launch what both branches do together; return the events around each part of it."""
        first, caller = self._lanes.expression, self._device.caller()
        first.wait(caller.mark())
        if self._lanes.apart:
            first.wait(self._lanes.gesture.mark())
        marks = [first.mark()]
        first.run(window.send)
        for recorded in (window.condition, *window.joint):
            first.launch(recorded)
            marks.append(first.mark())
        return marks

    def _launch(
        self, window: RecordedWindow, steps: Sequence[Step], since: Event, launches: Launches
    ) -> None:
        """Launch steps of one lane, each behind what it hears."""
        if not steps:
            return
        lane = self._lanes[steps[0][0]]
        lane.wait(since)
        for step in steps:
            heard = window.plan.heard.get(step)
            if heard is not None and heard[1] >= window.plan.joint_steps:
                lane.wait(launches.end_of(heard))
            lane.launch(window.steps[step])
            end = lane.mark()
            launches.announce(step, since, end)
            since = end

    def _launch_in_threads(self, window: RecordedWindow, since: Event, launches: Launches) -> None:
        """Let each branch's thread launch its steps; raise SamplerError with the first failure."""
        jobs = {
            branch: partial(self._launch, window, tuple(window.plan.of(branch)), since, launches)
            for branch in BRANCHES
        }
        self._futures = [
            self._executors[branch].submit(partial(_guard, branch, job, launches))
            for branch, job in jobs.items()
        ]
        timeout_s = self.settings.timeout_s
        done, busy = wait(self._futures, timeout_s, return_when=FIRST_EXCEPTION)
        if busy and not any(future.exception() for future in done):
            launches.fail(f"the window took longer than {timeout_s} s")
        wait(self._futures, timeout_s)
        self._failed = launches.failure
        if self._failed:
            causes = [f.exception() for f in self._futures if f.done()]
            raise SamplerError(self._failed) from next((c for c in causes if c), None)

    def _fetch(self, window: RecordedWindow, batch: int) -> list[torch.Tensor]:
        """Return copies of the motion of both branches, once they are done."""
        caller = self._device.caller()
        motion: list[torch.Tensor] = []
        for branch in BRANCHES:
            caller.wait(self._lanes[branch].mark())

        def copy_motion() -> None:
            motion.extend(window.motion(branch)[:batch].clone() for branch in BRANCHES)

        reads = frozenset(f"{branch}.x" for branch in BRANCHES)
        caller.run(Work("result", copy_motion, reads, frozenset({"result"})))
        caller.mark().synchronize()
        return motion


def _guard(branch: str, job: Callable[[], None], launches: Launches) -> None:
    """Run a thread's launches; whatever they raise ends the partner's waits."""
    try:
        job()
    except BaseException:
        launches.fail(f"the {branch} branch failed:\n{traceback.format_exc()}")
        raise
