"""In which order two branches with different step counts read and publish features.

Two virtual clocks divide the window's time: step k of n runs from k/n to (k + 1)/n, so that equal
clock times are about equal diffusion times.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from asynfusion_ros.errors import SamplerError
from asynfusion_ros.sampling.window import BRANCHES, Tick


def interleave(expression_steps: int, gesture_steps: int) -> tuple[tuple[str, int], ...]:
    """Return (branch, step) of all steps in the order of their virtual start, expression first.

    For 2 and 4 steps: e0 g0 g1 e1 g2 g3.
    """
    counts = (expression_steps, gesture_steps)
    starts = [
        (Fraction(step, count), branch, step)
        for branch, count in enumerate(counts)
        for step in range(count)
    ]
    return tuple((BRANCHES[branch], step) for _, branch, step in sorted(starts))


def turns(expression_steps: int, gesture_steps: int, joint_steps: int = 0) -> tuple[Tick, ...]:
    """Return the ticks of `interleave`: each step reads, runs and publishes before the next.

    The first `joint_steps` of each branch run in lock-step and have no ticks.
    """
    order = interleave(expression_steps, gesture_steps)
    return tuple(
        Tick(branch, step, kind)
        for branch, step in order
        if step >= joint_steps
        for kind in ("read", "publish")
    )


def parallel(expression_steps: int, gesture_steps: int, joint_steps: int = 0) -> tuple[Tick, ...]:
    """Return the ticks of branches side by side: step k of n reads at k/n, publishes at (k + 1)/n.

    At equal times publications come first. Threads that keep this order lose little time to it.
    """
    timed = []
    for branch, count in enumerate((expression_steps, gesture_steps)):
        for step in range(joint_steps, count):
            timed.append((Fraction(step, count), 1, branch, step))
            timed.append((Fraction(step + 1, count), 0, branch, step))
    kinds = ("publish", "read")
    return tuple(
        Tick(BRANCHES[branch], step, kinds[kind]) for _, kind, branch, step in sorted(timed)
    )


def check_ticks(
    ticks: Sequence[Tick], expression_steps: int, gesture_steps: int, joint_steps: int
) -> None:
    """Raise SamplerError unless every branch reads and publishes each of its steps, in order."""
    for branch, count in zip(BRANCHES, (expression_steps, gesture_steps), strict=True):
        expected = [(s, kind) for s in range(joint_steps, count) for kind in ("read", "publish")]
        found = [(tick.step, tick.kind) for tick in ticks if tick.branch == branch]
        if found != expected:
            raise SamplerError(
                f"the forced order has {branch} do {found}; it must do {expected}, in this order"
            )
