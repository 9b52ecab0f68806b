"""A loudspeaker that asks what to play, block by block, and is opened again when it was lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from asynfusion_ros.audio.devices import find_devices_again, import_portaudio
from asynfusion_ros.audio.resample import FloatArray
from asynfusion_ros.errors import AudioError

Read = Callable[[int, float], FloatArray]
"""Returns so many samples, to be heard from a time [s] on."""

LATENCY_S = 0.04  # asked of the device; with less it runs dry while Python does something else
LOST_S = 2.0  # a loudspeaker that asks for nothing for so long is gone
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0
_LONGEST_LATENCY_S = 1.0


class Loudspeaker:
    """Plays mono sound on one device, on all its channels.

    Attributes:
        rate_hz: samples per second that it takes.
        counts: `underflows` (it had nothing to play), `losses` and `retries`.
    """

    def __init__(
        self, device: int | str | None = None, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Find a device (default: the system's); raise AudioError without PortAudio or card."""
        self._device, self._now_s = device, now_s
        self.counts: Counter[str] = Counter(underflows=0, losses=0, retries=0)
        self._read: Read | None = None
        self._stream: Any = None
        self._asked_s = 0.0  # when it asked last
        self._pause_s, self._next_s = FIRST_PAUSE_S, 0.0
        self.rate_hz = round(self._find()["default_samplerate"])

    @property
    def playing(self) -> bool:
        """Whether there is a device that asks for sound."""
        return self._stream is not None

    def start(self, read: Read) -> None:
        """Play what `read` returns, which must not wait; raise AudioError if nothing plays."""
        self._read = read
        self._open()

    def watch(self) -> str:
        """Open it again if it was lost; return what there is to tell about that. Call often."""
        now_s = self._now_s()
        if self._stream is not None and now_s - self._asked_s > LOST_S:
            self._close()
            self.counts["losses"] += 1
            self._pause_s, self._next_s = FIRST_PAUSE_S, now_s + FIRST_PAUSE_S
            return "the loudspeaker was lost and is looked for again; plug it in"
        if self._stream is not None or self._read is None or now_s < self._next_s:
            return ""
        self.counts["retries"] += 1
        try:
            find_devices_again()
            self._open()
        except AudioError:
            self._pause_s = min(2.0 * self._pause_s, LONGEST_PAUSE_S)
            self._next_s = now_s + self._pause_s
            return ""
        return "the loudspeaker is there again"

    def close(self) -> None:
        """Fall silent, and release the device."""
        self._read = None
        self._close()

    def _find(self) -> Any:
        portaudio = import_portaudio()
        try:
            return portaudio.query_devices(self._device, "output")
        except (portaudio.PortAudioError, ValueError) as error:
            raise self._refusal(error) from error

    def _open(self) -> None:
        portaudio, channels = import_portaudio(), int(self._find()["max_output_channels"])
        try:
            self._stream = portaudio.OutputStream(
                device=self._device, samplerate=self.rate_hz, channels=min(2, channels),
                dtype="float32", latency=LATENCY_S, callback=self._play,
            )  # fmt: skip
            self._asked_s = self._now_s()
            self._stream.start()
        except (portaudio.PortAudioError, ValueError) as error:
            self._close()
            raise self._refusal(error) from error

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _play(self, out: FloatArray, count: int, times: Any, status: Any) -> None:
        """Write a block (N, channels) on the device's thread; never wait."""
        self._asked_s = now_s = self._now_s()
        self.counts["underflows"] += bool(status.output_underflow)
        latency_s = times.outputBufferDacTime - times.currentTime  # nonsense with some drivers
        latency_s = min(max(0.0, latency_s), _LONGEST_LATENCY_S)
        read = self._read
        out[:] = 0.0 if read is None else read(count, now_s + latency_s)[:, None]

    def _refusal(self, error: Exception) -> AudioError:
        named = "the default loudspeaker" if self._device is None else f"{self._device!r}"
        return AudioError(
            f"{named} cannot play ({error}); `python -m sounddevice` lists the devices"
        )
