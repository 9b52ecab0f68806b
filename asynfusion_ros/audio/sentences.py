"""Text that comes in pieces, as from a language model, cut into what can be spoken at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

LONGEST = 240
"""Characters after which a text without an end of sentence is cut at a space."""

FIRST_CLAUSE = 24
"""So many characters suffice for a first piece that ends at a comma: speech begins sooner."""

_WIDE = "。！？"  # noqa: RUF001 (nothing need follow these)
_END = re.compile(rf"(?:[.!?…]+[\"'”’)\]]*(?=\s)|[{_WIDE}]+|\n+)")  # noqa: RUF001
_CLAUSE = re.compile(r"[,;:–—](?=\s)")  # noqa: RUF001
_SHORT = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|vs|etc|no|fig|e\.g|i\.e|[a-z])\.$", re.IGNORECASE
)
_MARKUP = re.compile(r"[*_`#]+|^\s*[-•]\s+", re.MULTILINE)


class SentenceCutter:
    """Takes pieces of text and returns sentences as soon as each is whole.

    A sentence is whole where its end is followed by a space or a new line: `3.` may become `3.5`.
    Marks of Markdown are left out, since they are not spoken.
    """

    def __init__(self) -> None:
        """Begin a text."""
        self._rest = ""
        self._begun = False

    def push(self, piece: str) -> list[str]:
        """Take a piece of any length; return the sentences that are whole now."""
        self._rest += piece
        found = []
        while (length := self._next()) is not None:
            found += self._take(length)
        return found

    def flush(self) -> list[str]:
        """Return what is left, at the end of the text; the next piece begins another."""
        found = self._take(len(self._rest))
        self._begun = False
        return found

    def _take(self, length: int) -> list[str]:
        text = " ".join(_MARKUP.sub("", self._rest[:length]).split())
        self._rest = self._rest[length:]
        if not re.search(r"\w", text):
            return []
        self._begun = True
        return [text]

    def _next(self) -> int | None:
        """Return how many characters make the next sentence, None where none is whole."""
        for match in _END.finditer(self._rest):
            if match.end() <= LONGEST and not _SHORT.search(self._rest[: match.end()]):
                return match.end()
        if not self._begun:
            clauses = (m.end() for m in _CLAUSE.finditer(self._rest))
            if (first := next((n for n in clauses if n >= FIRST_CLAUSE), None)) is not None:
                return first
        if len(self._rest) > LONGEST:
            space = self._rest.rfind(" ", 0, LONGEST)
            return space + 1 if space > 0 else LONGEST
        return None


def cut_sentences(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the sentences of a text that comes in pieces."""
    cutter = SentenceCutter()
    for piece in pieces:
        yield from cutter.push(piece)
    yield from cutter.flush()
