"""Where sound comes in: checked, cut into pieces, and let in or dropped with its utterance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy.typing as npt

from asynfusion_ros.errors import AudioError
from asynfusion_ros.streaming.clock import Clock
from asynfusion_ros.streaming.conversation import Conversation
from asynfusion_ros.streaming.ear import Ear
from asynfusion_ros.streaming.intake import Packet, clean_samples, drop
from asynfusion_ros.streaming.mailbox import Mailbox

LATEST_S = 1e11  # in 3000 years
PIECE_S = 1.0  # longer packets are taken in pieces
LONGEST_NAME = 256  # characters of an utterance's name


class Door:
    """Takes sound from any thread, and never waits."""

    def __init__(
        self,
        clock: Clock,
        mailbox: Mailbox,
        conversation: Conversation,
        ear: Ear | None,
        interrupt: Callable[[], None],
    ) -> None:
        """Put packets into `mailbox`, and call `interrupt` where an utterance cuts another off."""
        self._clock = clock
        self._mailbox = mailbox
        self._conversation = conversation
        self._ear = ear
        self._interrupt = interrupt

    def push(
        self,
        stamp_s: float | None,
        samples: npt.ArrayLike,
        rate_hz: int,
        source: str = "",
        utterance: str = "",
    ) -> None:
        """Take in what the avatar says (see AvatarEngine.push_audio)."""
        if len(utterance) > LONGEST_NAME:
            raise AudioError(
                f"the utterance has a name of {len(utterance)} characters; {LONGEST_NAME} at most"
            )
        if stamp_s is not None and not abs(stamp_s) < LATEST_S:
            raise AudioError(
                f"the stamp is {stamp_s} s; send the time of the first sample, or none"
            )
        counts = Counter[str](packets=1)
        cleaned = clean_samples(samples, rate_hz, counts)
        counts["samples_in"] = len(cleaned)
        size = round(PIECE_S * rate_hz)
        first_s, now_s = float("nan") if stamp_s is None else stamp_s, self._clock.now_s()
        pieces = [
            Packet(
                first_s + at / rate_hz, cleaned[at : at + size], rate_hz, source, now_s, utterance
            )
            for at in range(0, len(cleaned), size)
        ]
        if utterance:
            duration_s = len(cleaned) / rate_hz
            verdict = self._conversation.admit(utterance, stamp_s, duration_s, now_s)
            if verdict == "interrupt":
                self._interrupt()
            elif verdict == "drop":
                for piece in pieces:
                    drop(piece, "late_utterance", counts)
                pieces = []
        else:
            self._conversation.admit_nameless()
        self._mailbox.post(pieces, counts)

    def push_listen(self, samples: npt.ArrayLike, rate_hz: int) -> None:
        """Take in what the other says; raise AudioError for a wrong rate or shape."""
        counts = Counter[str]()
        cleaned = clean_samples(samples, rate_hz, counts)
        self._mailbox.count("listen_packets")
        if self._ear is not None:
            self._ear.push(cleaned, rate_hz, self._clock.now_s())
