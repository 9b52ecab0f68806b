"""What all samplers share: the settings in force, and what one window leaves for the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import TypeVar

import torch

from asynfusion_ros.networks import MannerBatch
from asynfusion_ros.sampling.branch_window import BranchWindow, Snapshot
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.onnx_branch import OnnxBranch
from asynfusion_ros.sampling.order import check_ticks, parallel, turns
from asynfusion_ros.sampling.process import Process
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.sampling.staged import Runner, StagedBranch
from asynfusion_ros.sampling.window import BRANCHES, Tick, WindowRequest, WindowResult

_WARM_UP_WINDOWS = 2
_WARM_UP_TIMEOUT_S = 120.0  # tracing takes its time on a busy machine

S = TypeVar("S", bound="WindowSampler")


class WindowSampler(ABC):
    """Samples motion windows from a checkpoint; not to be called by two threads at once."""

    def __init__(self, checkpoint: Checkpoint, settings: SamplerSettings | None = None) -> None:
        """Take the network for the method; raise CheckpointError or ConfigError if impossible."""
        self.settings = settings or SamplerSettings()
        description = checkpoint.description
        self.network = checkpoint.network(self.settings.method).eval()
        self.process = Process(
            self.settings.method,
            description.prediction,
            description.schedule,
            description.lcm_origin,
            self.settings.blend_below,
            self.settings.guidance_weights,
            self.settings.warm_begin,
            description.lcm_form,
            {branch: description.noise_shape(branch) for branch in BRANCHES},
        )
        self._check_counts(self.settings)
        self._runners = {name: self._make_runner(name) for name in BRANCHES}
        self._last: dict[str, Snapshot] = {}
        self._rows: tuple[tuple[int, int], ...] = ()  # the streams and windows of `_last`

    @abstractmethod
    def sample_window(
        self, request: WindowRequest, ticks: Sequence[Tick] | None = None
    ) -> WindowResult:
        """Sample one window; `ticks` forces the order in which branches read and publish.

        Raises SamplerError where the request does not fit the network, or a branch failed.
        """

    def set_steps(self, expression: int, gesture: int) -> None:
        """Change the step counts from the next window on; raise ConfigError if impossible."""
        settings = self.settings.replace(expression_steps=expression, gesture_steps=gesture)
        self._check_counts(settings)
        self.settings = settings

    def reset(self) -> None:
        """Forget the window before, as at the start of a stream."""
        self._last, self._rows = {}, ()

    def _keep(self, request: WindowRequest, latest: dict[str, Snapshot]) -> None:
        """Remember what the branches said last, for the window that continues this one."""
        self._last, self._rows = latest, request.rows

    def close(self) -> None:
        """End what the sampler started and free its graphs; it samples no more."""
        self.reset()
        self._runners.clear()

    def warm_up(self, frames: int | None = None) -> float:
        """Sample silence, with and without known frames, until torch has optimised its graphs.

        Forgets those windows, and returns how long the last one took [s].
        """
        sizes = self.network.settings
        silence = torch.zeros(1, frames or sizes.window_frames, sizes.audio_dim)
        manner = MannerBatch(torch.zeros(1, dtype=torch.long))
        face, body = torch.zeros(1, 1, sizes.face_dim), torch.zeros(1, 1, sizes.body_dim)
        elapsed_s, settings = 0.0, self.settings
        patient = max(settings.timeout_s, _WARM_UP_TIMEOUT_S)
        self.settings = settings.replace(timeout_s=patient)
        for known in ((None, None), (face, body)):
            for index in range(_WARM_UP_WINDOWS):
                request = WindowRequest(index, silence, manner, *known)
                elapsed_s = self.sample_window(request).timings.total_s
        self.settings = settings
        self.reset()
        return elapsed_s

    def __enter__(self: S) -> S:
        """Return the sampler itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _make_runner(self, branch: str) -> Runner:
        module = self.network.expression if branch == "expression" else self.network.gesture
        on_cpu = module.position.device.type == "cpu"
        if self.settings.runtime == "onnx" or (self.settings.runtime == "auto" and on_cpu):
            return OnnxBranch(module, self.settings.threads_per_branch)
        return StagedBranch(module, self.settings.traced)

    def _check_counts(self, settings: SamplerSettings) -> None:
        for branch in BRANCHES:
            self.process.times(settings.steps_of(branch), warm=True)

    def _check(self, request: WindowRequest) -> None:
        request.check(self.network.settings)

    def _open(self, branch: str, request: WindowRequest) -> BranchWindow:
        warm = request.known(branch) is not None
        times = self.process.times(self.settings.steps_of(branch), warm)
        return BranchWindow(self._runners[branch], self.process, times, request)

    def _joint_steps(self, request: WindowRequest) -> int:
        """Return how many first steps the branches take together, block by block."""
        if self.settings.coupling == "synchronous":
            return self.settings.expression_steps
        batch, frames, _ = request.audio.shape
        rows = 2 * batch if self.process.guided else batch
        before = tuple((seed, window - 1) for seed, window in request.rows)
        follows = self._rows == before and all(
            last.features[0].shape[:2] == (rows, frames) for last in self._last.values()
        )
        return 0 if self.settings.cold_start == "previous" and follows else 1

    def _ticks(self, joint_steps: int, forced: Sequence[Tick] | None) -> tuple[Tick, ...] | None:
        """Return the order to keep; None leaves it free."""
        counts = self.settings.expression_steps, self.settings.gesture_steps
        if forced is not None:
            check_ticks(forced, *counts, joint_steps)
            return tuple(forced)
        if self.settings.pacing == "free":
            return None
        make = turns if self.settings.pacing == "turns" else parallel
        return make(*counts, joint_steps)
