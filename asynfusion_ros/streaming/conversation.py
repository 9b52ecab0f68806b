"""Who speaks, and how far each utterance has come, as a dialogue manager wants to know it."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal, NamedTuple

IDLE, LISTENING, SPEAKING = "idle", "listening", "speaking"
BEGUN, ENDED, INTERRUPTED = "begun", "ended", "interrupted"

Verdict = Literal["take", "drop", "interrupt"]

MOST_ABANDONED = 1024
"""So many utterances are remembered after they were interrupted."""

_MOST_CHANGES = 256
_MOST_VOICED = 64
_MOST_CUES = 16
_TAIL_S = 0.15  # voice is found to end a little later than it does
_LATEST_CUE_S = 0.5  # a sign that comes later seems to mean something else
_UNPLACED_S = 5.0  # an utterance of which nothing is used for so long was refused
_LATER_S = 0.02  # a stamp that lies further ahead than this is a plan, not a report


class Change(NamedTuple):
    """A change of state, or an event of an utterance.

    Attributes:
        clock_s: when it is on screen [s].
        audio_time_s: the audio time shown then [s].
        state: IDLE, LISTENING or SPEAKING, from then on.
        event: BEGUN, ENDED or INTERRUPTED; empty where only the state changed.
        utterance: its name; empty where none plays.
        played_s: how much of it has been shown [s].
    """

    clock_s: float
    audio_time_s: float
    state: str
    event: str
    utterance: str
    played_s: float


@dataclass
class _Utterance:
    """One that was let in: where it lies in the audio time of a stream, and what was shown of it.

    `epoch` is -1 until the engine thread has laid its first packet on a line.
    """

    name: str
    begin_s: float
    end_s: float
    seen_s: float
    epoch: int = -1
    begun: bool = False
    played_s: float = 0.0


class Conversation:
    """Follows utterances from their first packet to their last pose, and who is speaking.

    One name plays at a time. The first packet of another name interrupts it, unless that packet is
    stamped for later, behind its end: then it follows. An interrupted name never comes back.
    Thread-safe; its lock is taken last and nothing else is taken while it is held.
    """

    def __init__(self) -> None:
        """Begin idle."""
        self.state = IDLE
        self._lock = threading.Lock()
        self._live: list[_Utterance] = []
        self._cut: list[_Utterance] = []  # interrupted, and not yet told
        self._nameless = False  # whether sound without a name came that was not interrupted
        self._abandoned: OrderedDict[str, None] = OrderedDict()
        self._voiced: deque[tuple[int, float, float]] = deque(maxlen=_MOST_VOICED)
        self._other_until_s = -math.inf
        self._cues: deque[float] = deque(maxlen=_MOST_CUES)
        self._ended = (-1, 0.0)  # stream, and time until which voice is an utterance's last
        self._told = False  # what the first state is
        self._changes: deque[Change] = deque(maxlen=_MOST_CHANGES)

    # ---- callers that hand in audio ------------------------------------------------------------

    def admit(self, name: str, stamp_s: float | None, duration_s: float, now_s: float) -> Verdict:
        """Say what to do with a packet of utterance `name` (not empty) that came at `now_s`.

        `interrupt` means that all that plays is to be dropped before this packet is taken; it is
        marked as interrupted here.
        """
        with self._lock:
            if name in self._abandoned:
                return "drop"
            begin_s = now_s if stamp_s is None else stamp_s
            for each in self._live:
                if each.name == name:
                    if each.epoch < 0:
                        each.seen_s = now_s
                        each.end_s += duration_s
                    return "take"
            others = bool(self._live)
            planned = stamp_s is not None and stamp_s > now_s + _LATER_S
            follows = others and planned and begin_s >= self._live[-1].end_s - _LATER_S
            if others and not follows:
                self._abandon()
            self._live.append(_Utterance(name, begin_s, begin_s + duration_s, now_s))
            return "interrupt" if others and not follows else "take"

    def admit_nameless(self) -> None:
        """Tell that sound without a name came: it is told when that is interrupted, too."""
        with self._lock:
            self._nameless = True

    def abandon(self) -> None:
        """Interrupt whatever plays or waits: what comes of it from now on is dropped."""
        with self._lock:
            self._abandon()

    def _abandon(self) -> None:
        for each in self._live:
            self._abandoned[each.name] = None
        while len(self._abandoned) > MOST_ABANDONED:
            self._abandoned.popitem(last=False)
        if self._nameless:
            self._cut.append(_Utterance("", 0.0, 0.0, 0.0))
        self._cut += self._live
        self._live, self._nameless = [], False

    # ---- the engine thread ---------------------------------------------------------------------

    def place(self, name: str, epoch: int, begin_s: float, end_s: float) -> None:
        """Tell that audio of `name` lies from `begin_s` to `end_s` of the stream `epoch`."""
        with self._lock:
            for each in self._live:
                if each.name != name:
                    continue
                if each.epoch != epoch:
                    said_s = each.end_s - each.begin_s if each.begun else 0.0  # before this stream
                    each.epoch, each.begin_s = epoch, begin_s - said_s
                each.end_s = end_s

    def hear(self, epoch: int, begin_s: float, end_s: float) -> None:
        """Tell that there is speech from `begin_s` to `end_s` (infinite: so far) of a stream."""
        with self._lock:
            if self._voiced and self._voiced[-1][:2] == (epoch, begin_s):
                self._voiced.pop()
            self._voiced.append((epoch, begin_s, end_s))

    def hear_other(self, until_s: float) -> None:
        """Tell that the interlocutor counts as speaking until `until_s` of the clock."""
        with self._lock:
            self._other_until_s = until_s

    def cue(self, at_s: float) -> None:
        """Tell that a sign of listening would be in place at `at_s` of the clock."""
        with self._lock:
            self._cues.append(at_s)

    # ---- playback ------------------------------------------------------------------------------

    def show(
        self, clock_s: float, audio_time_s: float, epoch: int | None, held: Container[int]
    ) -> None:
        """Take in that `audio_time_s` of stream `epoch` is on screen at `clock_s`.

        `held` are the streams that may still be shown; `epoch` is None where nothing is.
        """
        with self._lock:
            events = [(INTERRUPTED, each) for each in self._cut]
            self._cut = []
            for each in tuple(self._live):
                events += self._follow(each, clock_s, audio_time_s, epoch, held)
            before, self.state = self.state, self._judge(clock_s, audio_time_s, epoch)
            for event, each in events:
                self._tell(clock_s, audio_time_s, event, each)
            if not events and (self.state != before or not self._told):
                playing = next((each for each in self._live if each.begun), None)
                self._tell(clock_s, audio_time_s, "", playing)

    def attention(self, clock_s: float) -> tuple[bool, bool]:
        """Return whether the avatar listens, and whether a sign of that is in place now."""
        with self._lock:
            due = [at_s for at_s in self._cues if at_s <= clock_s]
            self._cues = deque((at_s for at_s in self._cues if at_s > clock_s), _MOST_CUES)
            cue = any(clock_s - at_s < _LATEST_CUE_S for at_s in due)
            return self.state == LISTENING, cue

    def take_changes(self) -> list[Change]:
        """Return and forget what has changed since the last call, oldest first."""
        with self._lock:
            changes = list(self._changes)
            self._changes.clear()
            return changes

    def restate(self, clock_s: float, audio_time_s: float) -> Change:
        """Return what goes on at `clock_s`, though nothing has changed."""
        with self._lock:
            playing = next((each for each in self._live if each.begun), None)
            return self._change(clock_s, audio_time_s, "", playing)

    @property
    def playing(self) -> str:
        """Name of the utterance that is on screen; empty where there is none."""
        with self._lock:
            return next((each.name for each in self._live if each.begun), "")

    def _follow(
        self,
        each: _Utterance,
        clock_s: float,
        audio_time_s: float,
        epoch: int | None,
        held: Container[int],
    ) -> list[tuple[str, _Utterance]]:
        """Return the events of an utterance at this moment, and bring it up to date."""
        if each.epoch < 0:
            lost = clock_s - each.seen_s > _UNPLACED_S
        else:
            lost = each.epoch not in held or (epoch is not None and each.epoch < epoch)
        if lost:
            self._live.remove(each)
            return [(INTERRUPTED, each)]
        if each.epoch != epoch:
            return []
        events = []
        if not each.begun and audio_time_s >= each.begin_s:
            each.begun = True
            events.append((BEGUN, each))
        if each.begun:
            each.played_s = min(audio_time_s, each.end_s) - each.begin_s
        if audio_time_s >= each.end_s:
            self._live.remove(each)
            self._ended = (epoch, each.end_s + _TAIL_S)
            events.append((ENDED, each))
        return events

    def _judge(self, clock_s: float, audio_time_s: float, epoch: int | None) -> str:
        if any(each.begun for each in self._live):
            return SPEAKING
        ended = self._ended[0] == epoch and audio_time_s < self._ended[1]
        voiced = any(e == epoch and begin <= audio_time_s < end for e, begin, end in self._voiced)
        if voiced and not ended:
            return SPEAKING
        return LISTENING if clock_s < self._other_until_s else IDLE

    def _tell(
        self, clock_s: float, audio_time_s: float, event: str, about: _Utterance | None
    ) -> None:
        self._told = True
        self._changes.append(self._change(clock_s, audio_time_s, event, about))

    def _change(
        self, clock_s: float, audio_time_s: float, event: str, about: _Utterance | None
    ) -> Change:
        name, played_s = ("", 0.0) if about is None else (about.name, about.played_s)
        return Change(clock_s, audio_time_s, self.state, event, name, played_s)
