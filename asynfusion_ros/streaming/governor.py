"""Sheds work while windows come too late, and takes it back when there is time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Steps:
    """What is spent on a window.

    Attributes:
        expression: sampling steps of the face.
        gesture: sampling steps of the body.
        overlap_frames: at most so many known frames before the new ones; None for all. Windows
            without the others are shorter, and cost less.
        pose_stride: every how many-th pose is published.
    """

    expression: int
    gesture: int
    overlap_frames: int | None = None
    pose_stride: int = 1


SHORT_OVERLAPS = (24, 12)  # frames; less would show at the seams
SLOW_STRIDE = 2
_LATE_LOAD = 0.9  # compute time over hop from which windows will come late
_EASY_LOAD = 0.6
_EASY_WINDOWS = 20  # that many easy windows in a row before one step comes back


class StepGovernor:
    """Sheds gesture steps, expression steps, overlap, frame rate; climbs back notch by notch."""

    def __init__(self, full: Steps, enabled: bool = True) -> None:
        """Start with all steps; when not `enabled`, stay there."""
        self._ladder = ladder(full) if enabled else [full]
        self._rung = 0
        self._easy = 0

    @property
    def steps(self) -> Steps:
        """The steps in force."""
        return self._ladder[self._rung]

    def observe(self, load: float, missed: bool) -> int:
        """Take in one window's compute time over its hop; return -1, 0 or 1 as steps change."""
        if (missed or load > _LATE_LOAD) and self._rung < len(self._ladder) - 1:
            self._rung, self._easy = self._rung + 1, 0
            return -1
        self._easy = self._easy + 1 if load < _EASY_LOAD and not missed else 0
        if self._easy >= _EASY_WINDOWS and self._rung > 0:
            self._rung, self._easy = self._rung - 1, 0
            return 1
        return 0


def ladder(full: Steps) -> list[Steps]:
    """Return what is spent from full to least.

    Gesture steps are halved first, then expression steps; then windows get shorter, and at last
    every second pose is left out.
    """
    rungs = [full]
    gesture = full.gesture
    while gesture > max(2, full.expression // 2):
        gesture = max(2, gesture // 2)
        rungs.append(Steps(full.expression, gesture))
    expression = full.expression
    while expression > 2:
        expression = max(2, expression // 2)
        rungs.append(Steps(expression, gesture))
    rungs += [Steps(expression, gesture, overlap) for overlap in SHORT_OVERLAPS]
    return [*rungs, Steps(expression, gesture, SHORT_OVERLAPS[-1], SLOW_STRIDE)]
