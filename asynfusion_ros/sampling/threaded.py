"""Each branch in its own thread, at its own pace, hearing its partner's newest features."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from asynfusion_ros.errors import SamplerError
from asynfusion_ros.networks.branch import Exchange
from asynfusion_ros.sampling.branch_log import BranchLog
from asynfusion_ros.sampling.branch_window import BranchWindow, Snapshot
from asynfusion_ros.sampling.buffer import FeatureBuffer
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.executor import BranchExecutor, DeviceLane
from asynfusion_ros.sampling.in_threads import SamplerInThreads
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.sampling.window import (
    BRANCHES,
    BranchTimings,
    Tick,
    WindowRequest,
    WindowResult,
    WindowTimings,
)


class _Done(NamedTuple):
    """One branch's window: motion (B, T, D), its timings, and the event that completes it."""

    x: Tensor
    timings: BranchTimings
    event: object


class ThreadedSampler(SamplerInThreads):
    """Asynchronous sampling in two persistent threads (one per branch), joined at each window.

    Steps taken together (the cold start) trade features block by block through the buffer: the same
    numbers as in one thread, whatever the timing. A branch that raises or does not answer fails the
    window with SamplerError; `failed` then holds the traceback until `reset`.
    """

    def __init__(self, checkpoint: Checkpoint, settings: SamplerSettings | None = None) -> None:
        """Start both threads."""
        super().__init__(checkpoint, settings)
        device = next(self.network.parameters()).device
        threads = self.settings.threads_per_branch
        self._lanes = {name: DeviceLane(device) for name in BRANCHES}
        self._own({name: BranchExecutor(f"{name} branch", threads) for name in BRANCHES})

    def sample_window(
        self, request: WindowRequest, ticks: Sequence[Tick] | None = None
    ) -> WindowResult:
        """Sample one window; see WindowSampler."""
        start_s = time.perf_counter()
        self._check_state()
        self._check(request)
        joint = self._joint_steps(request)
        buffer = FeatureBuffer(
            self._last, joint, self.settings.timeout_s, self._ticks(joint, ticks)
        )
        ready = _mark_caller(request.audio)
        self._futures = [
            self._executors[name].submit(partial(self._run, name, request, buffer, joint, ready))
            for name in BRANCHES
        ]
        face, body = self._collect(buffer)
        self._keep(request, buffer.latest)
        elapsed_s = time.perf_counter() - start_s
        timings = WindowTimings(elapsed_s, face.timings, body.timings, buffer.trace)
        return WindowResult(face.x.clone(), body.x.clone(), timings)

    def _run(
        self, name: str, request: WindowRequest, buffer: FeatureBuffer, joint: int, ready: object
    ) -> _Done:
        """Run one branch's window in its thread; whatever it raises ends its partner's waits."""
        lane, log = self._lanes[name], BranchLog()
        try:
            with lane.active():
                lane.receive((request.audio,), ready)
                window = self._open(name, request)
                log.opened()
                for step in range(window.steps):
                    self._step(window, step, buffer, joint, log)
                return _Done(window.x, log.timings(), lane.mark())
        except BaseException:
            buffer.fail(f"the {name} branch failed:\n{traceback.format_exc()}")
            raise

    def _step(
        self, window: BranchWindow, step: int, buffer: FeatureBuffer, joint: int, log: BranchLog
    ) -> None:
        """Read, run one step and publish."""
        name, t = window.name, window.times[step]
        lane = self._lanes[name]
        if step < joint:
            log.read(None, t)
            features = window.trade(step, _trading(name, step, buffer, lane))
        else:
            snapshot = buffer.read(name, step)
            log.read(snapshot, t)
            if snapshot is not None:
                lane.receive(snapshot.features, snapshot.event)
            features = window.step(step, None if snapshot is None else snapshot.features)
        now_s = time.perf_counter()
        event = lane.mark()
        buffer.publish(name, Snapshot(window.index, step, t, features, now_s, event))
        log.stepped()

    def _collect(self, buffer: FeatureBuffer) -> tuple[_Done, _Done]:
        """Wait for both branches; raise SamplerError with the first failure."""
        timeout_s = self.settings.timeout_s
        done, busy = wait(self._futures, timeout_s, return_when=FIRST_EXCEPTION)
        if busy and not any(future.exception() for future in done):
            buffer.fail(f"the window took longer than {timeout_s} s")
        wait(self._futures, timeout_s)
        self._failed = buffer.failure
        if self._failed:
            causes = [f.exception() for f in self._futures if f.done()]
            raise SamplerError(self._failed) from next((c for c in causes if c), None)
        face, body = (future.result() for future in self._futures)
        for result in (face, body):
            _wait_in_caller(result)
        return face, body


def _trading(name: str, step: int, buffer: FeatureBuffer, lane: DeviceLane) -> Exchange:
    """Return the exchange of a step that both branches take together."""

    def exchange(block: int, own: Tensor) -> Tensor:
        features, event = buffer.trade(name, step, block, (own, lane.mark()))
        lane.receive((features,), event)
        return features

    return exchange


def _mark_caller(tensor: Tensor) -> object:
    """Return an event that completes with the caller's queued work on `tensor`; None on the CPU."""
    return torch.cuda.current_stream(tensor.device).record_event() if tensor.is_cuda else None


def _wait_in_caller(done: _Done) -> None:
    if done.x.is_cuda:
        stream = torch.cuda.current_stream(done.x.device)
        stream.wait_event(done.event)  # type: ignore[arg-type]
        done.x.record_stream(stream)
