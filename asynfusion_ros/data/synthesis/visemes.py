"""The table of what phonemes ask of the mouth (config/synthesis/visemes.yaml), as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.data.synthesis.phonemes import VOWELS, TimedSpeech
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.files import read_yaml, refuse
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.resources import find_resource

Array = npt.NDArray[np.float64]

ARTICULATORS = ("jaw", "close", "tuck", "round", "flare", "spread", "lower", "upper")


@dataclass(frozen=True)
class Viseme:
    """Targets (A,) and strengths (A,) of the articulators, and the core as shares of the length."""

    target: Array
    strength: Array
    core: tuple[float, float]


@dataclass(frozen=True)
class Segments:
    """S stretches of speech, each with one viseme.

    `core_s` (S, 2), `target` (S, A), `strength` (S, A); `length_s` (S,) and `stress` (S,) of the
    phoneme each belongs to, `vowel` (S,) whether that is a vowel.
    """

    core_s: Array
    target: Array
    strength: Array
    length_s: Array
    stress: Array
    vowel: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class VisemeTable:
    """Visemes by phoneme, glides, time constants (A,) [s], and the map (A, 51) to ARKit weights."""

    visemes: Mapping[str, Viseme]
    glides: Mapping[str, tuple[str, str, float]]
    lead_s: Array
    lag_s: Array
    weights: Array

    @classmethod
    def load(cls, path: Path | None = None) -> VisemeTable:
        """Read a table (default: config/synthesis/visemes.yaml); raise ConfigError on a fault."""
        path = path or find_resource("config/synthesis/visemes.yaml")
        document = read_yaml(Path(path), ConfigError)
        with refuse(ConfigError, f"{path} has a wrong or missing entry"):
            visemes = {
                phoneme: _viseme(entry)
                for entry in document["visemes"].values()
                for phoneme in str(entry["phonemes"]).split()
            }
            glides = {
                name: (str(a), str(b), float(share))
                for name, (a, b, share) in document["glides"].items()
            }
            times = [document["articulators"][name] for name in ARTICULATORS]
            lead_s = np.array([float(entry["lead_s"]) for entry in times])
            lag_s = np.array([float(entry["lag_s"]) for entry in times])
            weights = _weights(document["weights"])
        unknown = {part for a, b, _ in glides.values() for part in (a, b)} - set(visemes)
        if unknown or (lead_s <= 0).any() or (lag_s <= 0).any():
            raise ConfigError(
                f"{path}: glides must be made of visemes ({sorted(unknown)} are none) and times "
                "must be above 0"
            )
        return cls(visemes, glides, lead_s, lag_s, weights)

    def segments(self, speech: TimedSpeech) -> Segments:
        """Return the visemes of a speech; raise ConfigError for a phoneme that has none."""
        rows: list[tuple[Viseme, float, float]] = []
        owners: list[int] = []
        for index, (name, (start, end)) in enumerate(
            zip(speech.phonemes, speech.time_s.astype(np.float64), strict=True)
        ):
            first, second, share = self.glides.get(name, (name, name, 1.0))
            middle = start + share * (end - start)
            rows.append((self._of(first), start, middle))
            owners.append(index)
            if name in self.glides:
                rows.append((self._of(second), middle, end))
                owners.append(index)
        core = [(a + v.core[0] * (b - a), a + v.core[1] * (b - a)) for v, a, b in rows]
        return Segments(
            np.array(core),
            np.stack([viseme.target for viseme, _, _ in rows]),
            np.stack([viseme.strength for viseme, _, _ in rows]),
            np.diff(speech.time_s.astype(np.float64), axis=1)[owners, 0],
            speech.stress.astype(np.float64)[owners],
            np.isin(np.array(speech.phonemes)[owners], list(VOWELS)),
        )

    def _of(self, name: str) -> Viseme:
        if name not in self.visemes:
            raise ConfigError(
                f"the phoneme {name!r} has no viseme; add it to one of {sorted(self.visemes)}"
            )
        return self.visemes[name]


def _viseme(entry: Mapping[str, Any]) -> Viseme:
    known = {"phonemes", "core", "else", *ARTICULATORS}
    if set(entry) - known:
        raise ValueError(f"{sorted(set(entry) - known)} are no articulators")
    pairs = [entry.get(name, (0.0, entry["else"])) for name in ARTICULATORS]
    table = np.array(pairs, np.float64)
    begin, end = (float(share) for share in entry["core"])
    if not 0.0 <= begin <= end <= 1.0 or (table < 0).any():
        raise ValueError(f"core {entry['core']} must rise within 0..1, and no value be negative")
    return Viseme(table[:, 0], table[:, 1], (begin, end))


def _weights(entries: Mapping[str, Mapping[str, float]]) -> Array:
    """Return the gains (A, 51); a channel of two sides is named without them."""
    gains = np.zeros((len(ARTICULATORS), len(FACE_NAMES)))
    for channel, parts in entries.items():
        names = [n for n in (channel, f"{channel}Left", f"{channel}Right") if n in FACE_NAMES]
        if not names:
            raise ValueError(f"{channel} is no ARKit blendshape")
        for name in names:
            for articulator, gain in parts.items():
                gains[ARTICULATORS.index(articulator), FACE_NAMES.index(name)] = float(gain)
    return gains
