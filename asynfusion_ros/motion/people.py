"""Whom a model can be asked to be: styles by name, of a clip, or of a person whom nobody is."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import ConfigError, brief
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import STYLE_NAMES, describe_style, read_style
from asynfusion_ros.motion.normalisation import ChannelStatistics

Array = npt.NDArray[np.float32]

ANYONE = "anyone"
"""The word that asks for a drawn person."""

OPEN = "open"
"""The word that asks for nobody: all styles that are not named stay open."""

MOST_DEVIATIONS = 2.0
"""No style of a drawn person is further from the mean, in standard deviations."""

MOST_MEASURED = 3.0
"""Nor is one that was measured: some seconds tell more than lasts, and few people are so far."""

_MOST_CORRELATION = 1.001  # rounded
_MOST_DIGITS = 9


@dataclass(frozen=True)
class People:
    """How the people that a model learned from move.

    Attributes:
        names: the styles, in order.
        styles: mean and spread of each over the takes; None where there are no styles.
        correlation: how they go together (S, S); None where each goes alone.
    """

    names: tuple[str, ...]
    styles: ChannelStatistics | None
    correlation: Array | None

    def read(self, text: str, seed: int = 0) -> tuple[float, ...]:
        """Return the styles (S,) that words ask for, NaN where open; empty where all are.

        'energy=1.5, smile=-1' names some. The others are those of a person whom `seed` decides,
        with 'anyone=7' of the seventh; with 'open', or where it is not known how styles go
        together and nobody says 'anyone', they stay open. Raises ConfigError on other words.
        """
        words = text.replace(",", " ").split()
        persons = [word for word in words if word.partition("=")[0] == ANYONE]
        named = [word for word in words if word not in persons and word != OPEN]
        values = read_style(" ".join(named), self.names)
        if not persons and self.correlation is not None and OPEN not in words:
            persons = [ANYONE]
        if not persons:
            return values
        drawn = self.draw(_read_person(persons[-1], seed))
        values = values or (float("nan"),) * len(self.names)
        return tuple(d if isnan(v) else v for v, d in zip(values, drawn, strict=True))

    def draw(self, seed: int) -> tuple[float, ...]:
        """Return the styles (S,) of a person whom nobody is; raise ConfigError without styles."""
        if not self.names:
            raise ConfigError(f"style {ANYONE!r}: this model was trained without styles")
        alone = np.eye(len(self.names))
        return draw_style(alone if self.correlation is None else self.correlation, seed)

    def measure(self, clip: MotionClip) -> tuple[float, ...]:
        """Return the styles (S,) of a clip, NaN where they were not measured.

        Raises ConfigError without styles, MotionFileError on a clip that is too short for any.
        """
        if self.styles is None:
            raise ConfigError("this model was trained without styles; no clip can tell it one")
        values, known = describe_style(clip)
        told = dict(zip(STYLE_NAMES, np.where(known > 0, values, np.nan), strict=True))
        own = self.styles.normalise([told.get(name, np.nan) for name in self.names])
        return tuple(float(v) for v in np.clip(own, -MOST_MEASURED, MOST_MEASURED))


def measure_correlation(styles: npt.ArrayLike) -> Array:
    """Return how styles (N, S) of takes go together, (S, S); NaN is what a take does not tell.

    Each pair is measured over the takes that tell both; the nearest valid correlation by its
    eigenvalues is returned. Styles that hardly vary, or are never told together, go with nothing.
    """
    rows = np.asarray(styles, np.float64)
    known = np.isfinite(rows).astype(np.float64)  # (N, S)
    values = np.where(known > 0, rows, 0.0)
    pairs = np.maximum(known.T @ known, 1.0)  # (S, S)
    mean = values.T @ known / pairs  # of style i where j is known as well
    spread = np.maximum((values**2).T @ known / pairs - mean**2, 0.0)
    together = values.T @ values / pairs - mean * mean.T
    scale = np.sqrt(spread * spread.T)
    matrix = np.where(scale > 0, together / np.where(scale > 0, scale, 1.0), 0.0)
    np.fill_diagonal(matrix, 1.0)
    roots, vectors = np.linalg.eigh(matrix)
    valid = (vectors * np.maximum(roots, 1e-6)) @ vectors.T
    size = np.sqrt(np.diagonal(valid))
    return np.asarray(valid / np.outer(size, size), np.float32)


def is_correlation(matrix: Array) -> bool:
    """Tell whether an array is a square of numbers from -1 to 1."""
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    return square and bool((np.abs(matrix) < _MOST_CORRELATION).all())


def draw_style(correlation: npt.ArrayLike, seed: int) -> tuple[float, ...]:
    """Return styles (S,) in standard deviations, normal and so correlated, as `seed` decides."""
    matrix = np.asarray(correlation, np.float64)
    roots, vectors = np.linalg.eigh(matrix)
    normal = np.random.default_rng((seed, len(matrix))).standard_normal(len(matrix))
    drawn = vectors @ (np.sqrt(np.maximum(roots, 0.0)) * normal)
    return tuple(float(v) for v in np.clip(drawn, -MOST_DEVIATIONS, MOST_DEVIATIONS))


def _read_person(word: str, seed: int) -> int:
    """Return who 'anyone' (`seed` decides) or 'anyone=7' is; raise ConfigError on other numbers."""
    _, given, number = word.partition("=")
    if not given:
        return seed
    if not (number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS):
        raise ConfigError(f"style {brief(word)!r}; write {ANYONE}, or {ANYONE}=7 for the seventh")
    return int(number)
