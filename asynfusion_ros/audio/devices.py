"""PortAudio, which knows the microphones and loudspeakers of this machine."""

from __future__ import annotations

from typing import Any

from asynfusion_ros.errors import AudioError


def import_portaudio() -> Any:
    """Return the module sounddevice; raise AudioError, saying what to do, where it is missing."""
    try:
        import sounddevice  # noqa: PLC0415 (needs PortAudio, which recordings do not)
    except (ImportError, OSError) as error:
        raise AudioError(
            f"microphones and loudspeakers need PortAudio ({error}); run `apt install "
            "libportaudio2` and `pip install sounddevice`"
        ) from error
    return sounddevice


def find_devices_again() -> None:
    """Let PortAudio look for devices that were plugged in since; streams must be closed."""
    portaudio = import_portaudio()
    for step in ("_terminate", "_initialize"):  # it offers no other way
        getattr(portaudio, step, lambda: None)()


def read_device(words: str) -> int | str | None:
    """Return the device that a setting names, by number or by name; None is the system's own."""
    return int(words) if words.isdecimal() else words or None
