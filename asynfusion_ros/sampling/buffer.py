"""What two branch threads see of each other in one window, all under one lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from asynfusion_ros.errors import SamplerError
from asynfusion_ros.sampling.branch_window import Snapshot
from asynfusion_ros.sampling.window import Tick, partner_of

Said = tuple[Tensor, Any]
"""Features (B, T, W) of one block and the device event that completes them."""


class FeatureBuffer:
    """The newest snapshot of each branch, and a meeting place for steps taken together.

    There is one buffer per window: a thread left over from a failed window holds that window's
    buffer and cannot disturb the next. Publication swaps a reference under the lock, which is never
    held during tensor work. Every wait ends: by what it waits for, by the partner's failure, or by
    the timeout.
    """

    def __init__(
        self,
        before: Mapping[str, Snapshot],
        joint_steps: int,
        timeout_s: float,
        order: Sequence[Tick] | None = None,
    ) -> None:
        """Begin a window.

        Args:
            before: newest snapshots of the window before, where they may be read.
            joint_steps: leading steps that the branches take together, by `trade`.
            timeout_s: longest wait [s].
            order: order of reads and publications to keep; None leaves it free.
        """
        self._changed = threading.Condition()
        self._latest = dict(before)
        self._joint_steps = joint_steps
        self._timeout_s = timeout_s
        self._order = None if order is None else tuple(order)
        self._said: dict[tuple[str, int, int], Said] = {}
        self._trace: list[Tick] = []
        self._joined: set[str] = set()
        self._failure: str | None = None

    @property
    def latest(self) -> dict[str, Snapshot]:
        """The newest snapshot of each branch."""
        with self._changed:
            return dict(self._latest)

    @property
    def trace(self) -> tuple[Tick, ...]:
        """Reads and publications in the order in which they happened, lock-step ones left out."""
        with self._changed:
            return tuple(self._trace)

    @property
    def failure(self) -> str | None:
        """Why the window failed; None while it has not."""
        with self._changed:
            return self._failure

    def fail(self, reason: str) -> None:
        """End all waits of this window with `reason`; only the first reason is kept."""
        with self._changed:
            self._failure = self._failure or reason
            self._changed.notify_all()

    def publish(self, branch: str, snapshot: Snapshot) -> None:
        """Make `snapshot` what the partner reads from now on."""
        with self._changed:
            self._keep_order(Tick(branch, snapshot.step, "publish"))
            self._latest[branch] = snapshot
            self._changed.notify_all()

    def read(self, branch: str, step: int) -> Snapshot | None:
        """Return the partner's newest snapshot for `step`; None where it never published."""
        partner = partner_of(branch)
        with self._changed:
            if self._joint_steps:
                self._wait(lambda: partner in self._joined, f"{partner}'s joint steps")
            self._keep_order(Tick(branch, step, "read"))
            self._changed.notify_all()
            return self._latest.get(partner)

    def trade(self, branch: str, step: int, block: int, own: Said) -> Said:
        """Give the own features of one block of a joint step, return the partner's."""
        partner = partner_of(branch)
        key = (partner, step, block)
        with self._changed:
            self._said[branch, step, block] = own
            self._changed.notify_all()
            self._wait(lambda: key in self._said, f"{partner}'s step {step}, block {block}")
            return self._said.pop(key)

    def _keep_order(self, tick: Tick) -> None:
        """Record `tick`, once it is its turn."""
        if tick.step < self._joint_steps:
            if tick.step == self._joint_steps - 1:
                self._joined.add(tick.branch)
            return
        if self._order is not None:
            order = self._order
            self._wait(
                lambda: len(self._trace) < len(order) and order[len(self._trace)] == tick,
                f"the turn of {tick}",
            )
        self._trace.append(tick)

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        """Wait under the lock until `ready`; raise SamplerError on failure or timeout."""
        arrived = self._changed.wait_for(lambda: ready() or self._failure, self._timeout_s)
        if self._failure:
            raise SamplerError(f"gave up waiting for {what}: {self._failure}")
        if not arrived:
            raise SamplerError(
                f"{what} did not arrive within {self._timeout_s} s; the machine may be overloaded: "
                "raise timeout_s or lower the number of steps"
            )
