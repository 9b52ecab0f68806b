"""One connected page: what waits to be sent to it, bounded, the newest motion first."""

from __future__ import annotations

import asyncio
from collections import Counter, deque

from aiohttp import web

MOST_MOTION_FRAMES = 30
MOST_AUDIO_FRAMES = 500


class Client:
    """A page's outbox. A slow page loses its oldest frames; nobody waits for it."""

    def __init__(self, socket: web.WebSocketResponse, counts: Counter[str]) -> None:
        """Begin with nothing to send; drops are counted in `counts`."""
        self.heard = 0  # messages that the page sent
        self._socket = socket
        self._counts = counts
        self._texts: dict[str, str] = {}
        self._motion: deque[bytes] = deque()
        self._audio: deque[bytes] = deque()
        self._filled = asyncio.Event()

    def post_text(self, kind: str, text: str) -> None:
        """Send a text; a newer one of its kind takes its place."""
        self._texts[kind] = text
        self._filled.set()

    def post_motion(self, frame: bytes) -> None:
        """Send a motion frame; the oldest goes where too many wait."""
        self._append(self._motion, frame, MOST_MOTION_FRAMES, "motion_dropped")

    def post_audio(self, frame: bytes) -> None:
        """Send an audio frame; the oldest goes where too many wait."""
        self._append(self._audio, frame, MOST_AUDIO_FRAMES, "audio_dropped")

    def _append(self, line: deque[bytes], frame: bytes, most: int, cause: str) -> None:
        if len(line) >= most:
            line.popleft()
            self._counts[cause] += 1
        line.append(frame)
        self._filled.set()

    async def send(self) -> None:
        """Send what waits, for ever; ends by cancellation or when the page is gone."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            texts, self._texts = self._texts, {}
            for text in texts.values():
                await self._socket.send_str(text)
            for line in (self._audio, self._motion):
                while line:
                    await self._socket.send_bytes(line.popleft())
