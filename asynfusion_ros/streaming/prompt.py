"""Speech that is there already is shown at once: the delay is chosen anew for each talkspurt.

Live sound is shown the usual delay after its stamp, for a window's sound has to come first, and
may come late. Of synthesised speech whole seconds are there as soon as it begins. What is `lead_s`
ahead of its time then, and stays so, may be shown that much sooner: only a window has to be
computed. Playout delays change between talkspurts for the same reason, where nobody sees it
(Ramjee et al. 1994).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from asynfusion_ros.streaming.intake import Packet

LEAST_GAIN_S = 0.05
"""Less than this is not worth another delay."""

_SLACK_S = 0.02  # beyond the time that the last window took
_SLOWER = 1.25  # times as long as the last one a window may take
_HOLE_S = 0.1  # without motion; the last pose is held so long


class Scene(NamedTuple):
    """What a talkspurt comes into.

    Attributes:
        now_s: the clock [s].
        delay_s: the usual time from a stamp to its pose [s].
        compute_s: what the last window took [s].
        sound_until_s: when the sound before it has been shown; minus infinity where none is.
        motion_until_s: up to when motion is made; infinity where none is, so that nothing ends.
    """

    now_s: float
    delay_s: float
    compute_s: float
    sound_until_s: float = -math.inf
    motion_until_s: float = math.inf


class Talkspurt(NamedTuple):
    """Packets to take now, and when to show the first; `show_s` is None after the usual delay."""

    packets: list[Packet]
    show_s: float | None


class PromptStart:
    """Holds back an utterance's first packets, until it is clear how far it comes ahead of time.

    They are held until `patience_s` after the first stamp, half of what live sound may be late by,
    so that they are taken then as if they had never been held.
    """

    def __init__(self, patience_s: float, most_s: float) -> None:
        """Hold nothing yet, and never more than `most_s` seconds of sound."""
        self._patience_s = patience_s
        self._most_s = most_s
        self._held: list[Packet] = []

    @property
    def waiting(self) -> int:
        """Samples of the packets that are held back."""
        return sum(len(packet.samples) for packet in self._held)

    def admit(self, packet: Packet, begins: bool) -> list[Packet]:
        """Return the packets to take at once; `begins` says that this one may be held back."""
        if not self._held:
            self._held += [_stamped(packet, packet.arrival_s)] if begins else []
            return [] if begins else [packet]
        first, last = self._held[0], self._held[-1]
        goes_on = (packet.utterance, packet.source) == (first.utterance, first.source)
        if not goes_on or last.end_s + packet.duration_s > first.stamp_s + self._most_s:
            return [*self.give_up(), packet]
        self._held.append(_stamped(packet, last.end_s))
        return []

    def pick(self, scene: Scene) -> Talkspurt | None:
        """Return the talkspurt whose time has come, or None while there is none."""
        if not self._held:
            return None
        first, last = self._held[0], self._held[-1]
        lead_s = last.end_s - scene.now_s
        trusted_s = first.stamp_s + scene.delay_s - lead_s
        ready_s = scene.now_s + _SLOWER * scene.compute_s + _SLACK_S
        soonest_s = max(ready_s, scene.sound_until_s, first.stamp_s)
        show_s = max(trusted_s, soonest_s)
        goes_on = show_s <= scene.motion_until_s + _HOLE_S
        waited = scene.now_s >= first.stamp_s + self._patience_s or scene.now_s < first.arrival_s
        if not waited and not (goes_on and trusted_s <= soonest_s):
            return None
        gained = first.stamp_s + scene.delay_s - show_s >= LEAST_GAIN_S
        return Talkspurt(self.give_up(), show_s if gained and goes_on else None)

    def give_up(self) -> list[Packet]:
        """Return what is held, and hold it no more."""
        held, self._held = self._held, []
        return held


def _stamped(packet: Packet, stamp_s: float) -> Packet:
    """Return the packet with its own stamp, or `stamp_s` where it has none."""
    return replace(packet, stamp_s=stamp_s) if math.isnan(packet.stamp_s) else packet
