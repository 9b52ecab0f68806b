"""A window of fixed sizes and order as recorded work: one piece for each step of each branch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from asynfusion_ros.networks import BranchState, DualBranchDiT, MannerBatch
from asynfusion_ros.sampling.affine import AffineSteps
from asynfusion_ros.sampling.counter_noise import burst_keys, row_keys
from asynfusion_ros.sampling.device_work import Lane, Recorded, Work, WorkDevice
from asynfusion_ros.sampling.hearing import HearingPlan, Step
from asynfusion_ros.sampling.noise import WindowNoise
from asynfusion_ros.sampling.process import Process
from asynfusion_ros.sampling.static_branch import StaticBranch, WindowShape, lay_out
from asynfusion_ros.sampling.tray import Layout, Tray
from asynfusion_ros.sampling.window import BRANCHES, WindowRequest, partner_of


@dataclass(frozen=True)
class Lanes:
    """The lanes of both branches; the same one twice where they run in turn."""

    expression: Lane
    gesture: Lane

    def __getitem__(self, branch: str) -> Lane:
        """Return the lane of a branch."""
        lane: Lane = getattr(self, branch)
        return lane

    @property
    def apart(self) -> bool:
        """Whether the branches may run at the same time."""
        return self.expression is not self.gesture

    def fork(self) -> None:
        """Let the gesture's lane wait for what the expression's was given so far."""
        if self.apart:
            self.gesture.wait(self.expression.mark())

    def join(self) -> None:
        """Let the expression's lane wait for what the gesture's was given since the fork."""
        if self.apart:
            self.expression.wait(self.gesture.mark())

    def meet(self) -> None:
        """Let each lane wait for what the other was given so far."""
        if self.apart:
            marks = self.expression.mark(), self.gesture.mark()
            self.expression.wait(marks[1])
            self.gesture.wait(marks[0])


class RecordedWindow:
    """Memory and recorded work of windows of one shape and plan.

    Each step has a slot of its own for its features, so that within a window nothing is written
    twice: what a partner still reads cannot be overwritten. Slots that nobody hears do not exist.
    """

    def __init__(
        self,
        network: DualBranchDiT,
        process: Process,
        plan: HearingPlan,
        shape: WindowShape,
        device: WorkDevice,
        lanes: Lanes,
        precision: str,
    ) -> None:
        """Allocate, and record all work."""
        self.plan, self.shape, self._lanes = plan, shape, lanes
        self._device, self._precision, self._process = device, precision, process
        times = {b: process.times(n) for b, n in zip(BRANCHES, plan.counts, strict=True)}
        self.times: Mapping[str, tuple[int, ...]] = times
        self._draw_counts = {b: AffineSteps.of(process, t).draw_count for b, t in times.items()}
        self.tray = Tray(self._layout(network), device.device)
        self._branches = {
            b: StaticBranch(getattr(network, b), process, times[b], shape, self.tray)
            for b in BRANCHES
        }
        wanted = set(plan.heard.values())
        self._slots = {step: self._branches[step[0]].new_slot() for step in sorted(wanted)}
        self._record()

    def load(self, request: WindowRequest) -> None:
        """Lay a request on the tray; rows beyond its batch keep what they held."""
        tray, manner = self.tray, request.manner
        tray.put("audio", request.audio)
        tray.put("speaker", manner.speaker)
        if self.shape.emotion and manner.emotion is not None:
            tray.put("emotion", manner.emotion)
        style = manner.style
        if style is None:
            style = torch.full((manner.speaker.shape[0], tray["style"].shape[1]), torch.nan)
        tray.put("style", style)
        for branch in BRANCHES:
            self._load_branch(branch, request)

    def motion(self, branch: str) -> Tensor:
        """Return where the motion (B, T, D) of a branch lies, on the device."""
        return self._branches[branch].x

    def _load_branch(self, branch: str, request: WindowRequest) -> None:
        batch, frames, _ = request.audio.shape
        size = (batch, frames, self._branches[branch].branch.dim)
        known = request.known(branch)
        count = 0 if known is None else known.shape[1]
        self.tray.put(f"{branch}.count", torch.full((batch,), float(count)))
        if known is not None:
            padded = known.new_zeros(size)
            padded[:, :count] = known
            self.tray.put(f"{branch}.known", padded)
        if not self.shape.host_noise:
            self.tray.put(f"{branch}.keys", row_keys(request, branch))
            self.tray.put(f"{branch}.burst_keys", burst_keys(request))
            return
        own = WindowNoise(request, branch, size, self._process.noise.get(branch))
        noise = [own.draw(number) for number in range(self._draw_counts[branch])]
        self.tray.put(f"{branch}.noise", torch.stack(noise), dim=1)

    def _layout(self, network: DualBranchDiT) -> Layout:
        batch, frames = self.shape.batch, self.shape.frames
        sizes = network.settings
        layout = {
            "audio": (torch.float32, (batch, frames, sizes.audio_dim)),
            "speaker": (torch.int64, (batch,)),
            "emotion": (torch.int64, (batch,)),
            "style": (torch.float32, (batch, sizes.styles)),
        }
        for branch in BRANCHES:
            layout.update(lay_out(getattr(network, branch), self.shape, self._draw_counts[branch]))
        return layout

    def _record(self) -> None:
        device, both = self._device, self._device.pool()
        pools = {lane: device.pool() for lane in dict.fromkeys(self._lanes[b] for b in BRANCHES)}
        first = self._lanes.expression
        self.send = Work("send", self.tray.send, frozenset({"request"}), frozenset({"tray"}))
        self.condition = device.record(self._condition_work(), first, both)
        self.joint: list[Recorded] = [
            device.record(self._joint_work(step), first, both)
            for step in range(self.plan.joint_steps)
        ]
        self.steps: dict[Step, Recorded] = {}
        for step in self.plan.launches:
            lane = self._lanes[step[0]]
            self.steps[step] = device.record(self._step_work(step), lane, pools[lane])

    def _condition_work(self) -> Work:
        def run() -> None:
            with self._computing():
                self._lanes.fork()
                for branch, static in self._branches.items():
                    with self._lanes[branch].active():
                        emotion = self.tray["emotion"] if self.shape.emotion else None
                        manner = MannerBatch(self.tray["speaker"], self.tray["style"], emotion)
                        static.begin(self.tray["audio"], manner)
                self._lanes.join()

        tables = {f"{b}.{what}" for b in BRANCHES for what in ("tables", "x")}
        return Work("condition", run, frozenset({"tray"}), frozenset(tables))

    def _joint_work(self, step: int) -> Work:
        def run() -> None:
            with self._computing():
                self._lanes.fork()
                self._step_together(step)

        tables = {f"{b}.{what}" for b in BRANCHES for what in ("tables", "x")}
        said = {_name(key) for key in self._slots if key[1] == step}
        return Work(
            f"joint {step}", run, frozenset(tables), frozenset({f"{b}.x" for b in BRANCHES} | said)
        )

    def _step_together(self, step: int) -> None:
        """Take a step of both branches, each on its lane, trading features after each block."""
        lanes, branches = self._lanes, self._branches
        states: dict[str, BranchState] = {}
        said: dict[str, list[Tensor]] = {b: [] for b in BRANCHES}
        for name in BRANCHES:
            with lanes[name].active():
                states[name] = branches[name].enter(step)
        for index in range(len(branches["expression"].branch.blocks)):
            for name in BRANCHES:
                with lanes[name].active():
                    said[name].append(branches[name].block(index, states[name]))
            lanes.meet()
            for name in BRANCHES:
                own, partner = said[name][index], said[partner_of(name)][index]
                with lanes[name].active():
                    states[name] = branches[name].branch.interact(index, states[name], own, partner)
        for name in BRANCHES:
            with lanes[name].active():
                if (name, step) in self._slots:
                    torch.stack(said[name], out=self._slots[name, step])
                branches[name].leave(step, states[name])
        lanes.join()  # and only now may `said` go

    def _step_work(self, step: Step) -> Work:
        branch, index = step
        partner = self.plan.heard.get(step)
        heard = None if partner is None else self._slots[partner]
        slot = self._slots.get(step)

        def run() -> None:
            with self._computing():
                self._branches[branch].step(index, heard, slot)

        reads = {f"{branch}.tables", f"{branch}.x"} | ({_name(partner)} if partner else set())
        writes = {f"{branch}.x"} | ({_name(step)} if slot is not None else set())
        return Work(f"{branch} {index}", run, frozenset(reads), frozenset(writes))

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Compute in the chosen precision: without TF32, and without casts that autocast keeps."""
        kind, low = self._device.device.type, self._precision == "bf16"
        with (
            torch.autocast(kind, torch.bfloat16, enabled=low, cache_enabled=False),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        ):
            yield


def _name(step: Step) -> str:
    """Return the name of the slot of a step."""
    return f"{step[0]}.slot {step[1]}"
