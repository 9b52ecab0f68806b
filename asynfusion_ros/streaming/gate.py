"""Which packets are believed, and which are somebody else's: by their source and their stamps."""

from __future__ import annotations

from collections import Counter

from asynfusion_ros.streaming.intake import REWIND_S, AudioTimeline, Packet, drop

FAR_AHEAD_S = 5.0  # a single packet further ahead is not believed
FOLLOWS_S = 0.5  # but together with one that begins so near its end


class LoneGuard:
    """Holds back a single packet that lies far ahead, lest a wrong stamp keeps the floor till then.

    It is believed where the next packet of its source continues it, or when its time comes.
    """

    def __init__(self, counts: Counter[str]) -> None:
        """Hold nothing yet; packets that turn out to be strays are counted."""
        self._counts = counts
        self._lone: Packet | None = None

    @property
    def waiting(self) -> int:
        """Samples of the packet that is held back."""
        return 0 if self._lone is None else len(self._lone.samples)

    def admit(self, packet: Packet, expected_s: float) -> list[Packet]:
        """Return the packets to take now: none, this one, or the one held back and this one.

        `expected_s` is what a packet may lie next to: the present, or the end of what waits.
        """
        lone = self._lone
        follows = (
            lone is not None
            and packet.source == lone.source
            and abs(packet.stamp_s - lone.end_s) <= FOLLOWS_S
        )
        if lone is not None and follows:
            self._lone = None
            return [lone, packet]
        if not packet.stamp_s > expected_s + FAR_AHEAD_S:  # as a packet without a stamp
            return [packet]
        self.close()
        self._lone = packet
        return []

    def release(self, now_s: float) -> list[Packet]:
        """Return the packet that was held back, once its time `now_s` is there."""
        lone = self._lone
        if lone is None or lone.stamp_s > now_s:
            return []
        self._lone = None
        return [lone]

    def close(self) -> None:
        """Drop what is held back."""
        if self._lone is not None:
            drop(self._lone, "other_source", self._counts)
            self._lone = None


class SourceGate:
    """Decides which packets belong to a stream: the first source wins, a single stray is dropped.

    A packet that repeats what was just heard is a duplicate. One whose stamp lies elsewhere waits
    for the next: where that one continues the stray, the source has jumped and both are let in;
    where it continues the line, the stray came from somebody else.
    """

    def __init__(self, source: str, tolerance_s: float, counts: Counter[str]) -> None:
        """Let in packets of `source`."""
        self._source = source
        self._tolerance_s = tolerance_s
        self._counts = counts
        self._stray: Packet | None = None

    def admit(self, packet: Packet, line: AudioTimeline) -> list[Packet]:
        """Return the packets to write now: none, this one, or a stray and this one."""
        stray = self._stray
        follows = stray is not None and abs(packet.stamp_s - stray.end_s) <= self._tolerance_s
        if line.filled:  # nobody speaks: whoever comes now is the source
            follows = follows and packet.source == self._source
            self._source = packet.source
            return self._let_in(packet, follows)
        if packet.source != self._source:
            drop(packet, "other_source", self._counts)
            return []
        if abs(packet.stamp_s - line.expected_s) <= self._tolerance_s:
            return self._let_in(packet, follows=False)
        if -REWIND_S < packet.end_s - line.expected_s <= self._tolerance_s:
            drop(packet, "duplicates", self._counts)
            return []
        if follows:
            return self._let_in(packet, follows=True)
        self._drop_stray()
        self._stray = packet
        return []

    def release(self, due_s: float, line: AudioTimeline) -> Packet | None:
        """Return the waiting stray, if it lies ahead and its time `due_s` has come."""
        stray = self._stray
        if stray is None or not line.expected_s < stray.stamp_s <= due_s:
            return None
        self._stray = None
        return stray

    @property
    def stray(self) -> Packet | None:
        """The packet that waits for the next one."""
        return self._stray

    @property
    def waiting(self) -> int:
        """Samples of the stray that waits for the next packet."""
        return 0 if self._stray is None else len(self._stray.samples)

    def close(self) -> None:
        """End with the stream: a stray that waits is dropped."""
        self._drop_stray()

    def _let_in(self, packet: Packet, follows: bool) -> list[Packet]:
        """Return a packet that is let in, and before it the stray, if that `follows`."""
        stray = self._stray
        if stray is not None and follows:
            self._stray = None
            return [stray, packet]
        self._drop_stray()
        return [packet]

    def _drop_stray(self) -> None:
        if self._stray is not None:
            drop(self._stray, "other_source", self._counts)
            self._stray = None
