"""The errors of the package: each says what was wrong, what is allowed and what to do."""

from __future__ import annotations

from typing import Any, Final

_LONGEST: Final = 300


class AsynFusionError(Exception):
    """Base of every error that a user can mend."""


class ConfigError(AsynFusionError, ValueError):
    """A setting is out of range, unknown, or contradicts another."""


class CheckpointError(AsynFusionError):
    """A model directory is missing, corrupt, or does not match its own description."""


class AudioError(AsynFusionError):
    """Audio cannot be opened, decoded or converted."""


class MotionFileError(AsynFusionError):
    """A motion, skeleton or robot file is missing, malformed, or names unknown joints."""


class DataError(AsynFusionError):
    """A data set folder or a prepared training file is missing or malformed."""


class SamplerError(AsynFusionError):
    """A sampler executor failed or did not answer in time."""


class StateError(AsynFusionError):
    """A call came in a state that does not allow it."""


class MessageError(AsynFusionError, ValueError):
    """A message of another node makes no sense."""


def brief(value: Any) -> str:
    """Return a text, or the repr of another value, short enough for a message."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):  # numbers of thousands of digits, values without end
        text = f"a {type(value).__name__} too large to show"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
