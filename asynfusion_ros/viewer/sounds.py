"""Which sound a page plays: stamps for what has none, and an end for what was interrupted."""

from __future__ import annotations

from collections import OrderedDict

from asynfusion_ros.audio.stamps import Stamper
from asynfusion_ros.streaming.conversation import MOST_ABANDONED
from asynfusion_ros.streaming.door import LONGEST_NAME

_NUMBERS = 1 << 16


class Sounds:
    """Gives each utterance a number on the wire, and knows which ones nobody is to hear any more.

    All sound without a name counts as one utterance until it is interrupted, then as another.
    """

    def __init__(self) -> None:
        """Know of no sound."""
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._hushed: OrderedDict[str, None] = OrderedDict()
        self._next = 0
        self._stamper = Stamper()

    def admit(
        self, name: str, stamp_s: float | None, duration_s: float, now_s: float
    ) -> tuple[int, float] | None:
        """Return number and stamp [s] of sound that came at `now_s`.

        None if nobody is to hear it: what was interrupted, and names that the avatar refuses.
        """
        if name in self._hushed or len(name) > LONGEST_NAME:
            return None
        return self._number(name), self._stamper.stamp(name, stamp_s, duration_s, now_s)

    def hush(self, name: str) -> int | None:
        """Return the number of an utterance that was interrupted; None if it was never heard.

        What else comes of it is not admitted. Sound without a name begins anew.
        """
        if 0 < len(name) <= LONGEST_NAME:
            self._hushed[name] = None
            if len(self._hushed) > MOST_ABANDONED:
                self._hushed.popitem(last=False)
        self._stamper.interrupt(name)
        return self._numbers.pop(name, None)

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = self._next
            self._next = (self._next + 1) % _NUMBERS
            if len(self._numbers) > MOST_ABANDONED:
                self._numbers.popitem(last=False)
        return self._numbers[name]
