"""Where sound without stamps lies: one rule for whoever hears it beside the avatar."""

from __future__ import annotations

PAUSE_S = 0.2
"""Sound without a stamp that comes no later than this goes on where the last ended, as it does
in the avatar by its `arrival_allowance_s`."""


class Stamper:
    """Gives sound the stamps that the avatar gives it, packet by packet of one topic."""

    def __init__(self) -> None:
        """Know of no sound."""
        self._name = ""  # whose sound came last
        self._end_s = 0.0  # up to where it reaches
        self._due_s = 0.0  # by when more of it must come, to go on from there

    def stamp(self, name: str, stamp_s: float | None, duration_s: float, now_s: float) -> float:
        """Return where sound of the utterance `name` begins [s] that came at `now_s`."""
        if stamp_s is None:
            goes_on = name == self._name and now_s < self._due_s
            stamp_s = self._end_s if goes_on else now_s
        self._name, self._end_s = name, stamp_s + duration_s
        self._due_s = max(self._end_s, now_s + duration_s) + PAUSE_S  # their clock may be slow
        return stamp_s

    def interrupt(self, name: str) -> None:
        """Let nothing go on where the utterance `name` ended."""
        if name == self._name:
            self._due_s = 0.0
