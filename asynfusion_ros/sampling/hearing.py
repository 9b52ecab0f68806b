"""Who hears which step of whom, fixed before a window begins.

Launches run far ahead of a GPU, so "the newest features" would mean those of whoever launches
faster. The order of reads and publications is therefore laid down beforehand, and all that is left
of it on the device is: this step needs that step's features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from asynfusion_ros.sampling.window import BRANCHES, Tick, partner_of

Step = tuple[str, int]
"""A branch and the number of one of its steps."""


@dataclass(frozen=True)
class HearingPlan:
    """The steps of a window and what each hears.

    Attributes:
        counts: steps of expression and gesture.
        joint_steps: leading steps, one at least, that both take together, block by block.
        ticks: the order of reads and publications after those.
        deaf: branches that hear nothing, because the network's interaction says so.
    """

    counts: tuple[int, int]
    joint_steps: int
    ticks: tuple[Tick, ...]
    deaf: frozenset[str] = frozenset()

    @cached_property
    def heard(self) -> dict[Step, Step]:
        """The partner's step whose features a step needs, for each that hears any."""
        newest = dict.fromkeys(BRANCHES, self.joint_steps - 1)
        heard = {}
        for tick in self.ticks:
            partner = partner_of(tick.branch)
            if tick.kind == "publish":
                newest[tick.branch] = tick.step
            elif tick.branch not in self.deaf:
                heard[tick.branch, tick.step] = (partner, newest[partner])
        return heard

    @property
    def launches(self) -> tuple[Step, ...]:
        """All steps after the joint ones, each after the step that it hears."""
        return tuple((tick.branch, tick.step) for tick in self.ticks if tick.kind == "publish")

    def of(self, branch: str) -> Iterator[Step]:
        """Yield the steps of one branch after the joint ones."""
        count = self.counts[BRANCHES.index(branch)]
        return ((branch, step) for step in range(self.joint_steps, count))
