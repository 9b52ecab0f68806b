"""In whose manner a running avatar moves: the one that it began with, or what it was told since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.streaming.chunk import WindowGenerator
from asynfusion_ros.streaming.mailbox import Mailbox
from asynfusion_ros.streaming.settings import EngineSettings


class Manners:
    """Changes the manner from the next window on; what the model does not know changes nothing."""

    def __init__(
        self, generator: WindowGenerator, settings: EngineSettings, mailbox: Mailbox
    ) -> None:
        """Begin with the manner of the settings."""
        self._generator, self._mailbox = generator, mailbox
        self._began = settings

    @property
    def current(self) -> Manner:
        """The manner in force."""
        return self._mailbox.manner or self._generator.begin(self._began.seed).manner

    def choose(self, speaker: int, words: str, emotion: str = "") -> Manner:
        """Return the manner that settings ask for; raise ConfigError if the model cannot."""
        about = self._generator.description
        return about.choose_manner(speaker, words, emotion, self._began.seed)

    def take(self, manner: Manner) -> None:
        """Move in this manner; raise ConfigError if the model cannot."""
        self._generator.begin(manner=manner)
        self._mailbox.set_manner(manner)

    def begin_as(self, speaker: int, words: str, emotion: str) -> None:
        """Move as if the avatar had begun so; raise ConfigError if the model cannot."""
        self.take(self.choose(speaker, words, emotion))
        self._began = self._began.replace(speaker=speaker, style=words, emotion=emotion)

    def set_speaker(self, speaker: int) -> None:
        """Move as another speaker, in the styles of the beginning; raise ConfigError if unknown."""
        fresh = self.choose(speaker, self._began.style)
        self.take(replace(fresh, emotion=self.current.emotion))

    def set_style(self, style: Sequence[float], emotion: str = "", words: str = "") -> None:
        """Move in another style, in numbers or in words, and emotion.

        Where there is neither, styles are those of the beginning. Raises ConfigError where there
        are both, or the model does not know them.
        """
        if words and len(style):
            raise ConfigError(f"{len(style)} style values and {words!r} as well; send one of both")
        fresh = self.choose(self.current.speaker, words or self._began.style, emotion)
        values = tuple(float(value) for value in style) or fresh.style
        self.take(replace(fresh, style=values))

    def describe(self) -> str:
        """Return a line that names the model's styles and emotions."""
        about = self._generator.description
        return f"styles: {list(about.style_names)}, emotions: {list(about.emotions)}"
