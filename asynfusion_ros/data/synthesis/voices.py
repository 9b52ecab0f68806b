"""The voices that can speak training data: their settings, and the list of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asynfusion_ros.data.recording import SPLITS
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.files import read_yaml, refuse
from asynfusion_ros.resources import find_resource
from asynfusion_ros.settings import Settings, setting

ENGINES = ("hibari", "kokoro")


@dataclass(frozen=True)
class Voice(Settings):
    """One voice of an engine; pitch, intonation, tilt and breath only move those of hibari."""

    name: str = setting(doc="Name; of kokoro, that of the style file")
    engine: str = setting("hibari", doc="What speaks", choices=ENGINES)
    split: str = setting("train", doc="Where its takes belong", choices=SPLITS)
    british: bool = setting(False, doc="Reads British pronunciations")
    pitch: float = setting(1.0, doc="Pitch over the base voice's", minimum=0.4, maximum=2.0)
    formant: float = setting(1.0, doc="Formants over the base voice's", minimum=0.7, maximum=1.4)
    rate: float = setting(1.0, doc="Pace over the base voice's", minimum=0.5, maximum=2.0)
    intonation: float = setting(1.0, doc="Movement of pitch in octaves", minimum=0.0, maximum=2.0)
    tilt_db: float = setting(
        0.0, doc="Gain at 8 kHz against 500 Hz", unit="dB", minimum=-12.0, maximum=12.0
    )
    breath_db: float = setting(0.0, doc="Gain of the noise", unit="dB", minimum=-12.0, maximum=12.0)

    @property
    def key(self) -> str:
        """Engine and name, unlike those of any other voice."""
        return f"{self.engine}-{self.name}"


def load_voices(path: Path | None = None) -> tuple[Voice, ...]:
    """Read the voices (default: config/synthesis/voices.yaml); raise ConfigError on a bad entry."""
    path = path or find_resource("config/synthesis/voices.yaml")
    document = read_yaml(Path(path), ConfigError)
    if not isinstance(document, dict) or set(document) - set(ENGINES):
        raise ConfigError(f"{path}: expected voices by engine; the engines are {list(ENGINES)}")
    with refuse(ConfigError, f"{path}: each engine needs a list of voices, each with its settings"):
        voices = tuple(
            Voice.from_dict({"engine": engine, **values})
            for engine, entries in document.items()
            for values in entries
        )
    keys = [voice.key for voice in voices]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ConfigError(f"{path} names {twice} more than once; give each voice its own name")
    return voices


def choose_voices(voices: Sequence[Voice], wanted: Sequence[str]) -> tuple[Voice, ...]:
    """Return the voices whose engine, split or key is `wanted` (all, where nothing is).

    Raises ConfigError where a wanted name fits none.
    """
    chosen = [v for v in voices if not wanted or {v.engine, v.split, v.key} & set(wanted)]
    known = {name for v in voices for name in (v.engine, v.split, v.key)}
    unknown = sorted(set(wanted) - known)
    if unknown or not chosen:
        raise ConfigError(f"no voice is called {unknown}; choose among {sorted(known)}")
    return tuple(chosen)
