"""Phonemes with their times: what a voice said, and when.

The alphabet is the one that the voices read: IPA, with capitals for diphthongs (A eɪ, I aɪ, O oʊ,
Q əʊ, W aʊ, Y ɔɪ) and T for the flapped t. A pause is the phoneme "_".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.errors import DataError

Array = npt.NDArray[np.float32]

PAUSE = "_"
VOWELS = frozenset("AIOQWYaeiouæɐɑɒɔəɚɛɜɪʊʌᵊᵻ")  # noqa: RUF001
STOPS = frozenset("pbtdkɡʔTɾ")  # noqa: RUF001
SILENT = frozenset(';:,.!?—…"()“” ')
STRESSES = {"ˈ": 1.0, "ˌ": 0.5}  # noqa: RUF001
LONG = "ː"  # noqa: RUF001

JOINING_PAUSE_S = 0.075
"""A gap between words this short is spoken through: its neighbours share it."""

LONGEST_S = {"stop": 0.13, "consonant": 0.24, "vowel": 0.40}
"""Before a pause the duration model counts silence to the last phoneme; this much is speech."""


@dataclass(frozen=True)
class TimedSpeech:
    """Speech (N,) in [-1, 1] at 16 kHz with its P phonemes.

    `time_s` (P, 2) holds start and end of each, without gap or overlap; `stress` (P,) is 1 on the
    main stress of a word, 0.5 on a second one, 0 elsewhere.
    """

    samples: Array
    phonemes: tuple[str, ...]
    time_s: Array
    stress: Array

    def __post_init__(self) -> None:
        """Check lengths and order; raise DataError."""
        count = len(self.phonemes)
        if self.time_s.shape != (count, 2) or self.stress.shape != (count,):
            raise DataError(
                f"{count} phonemes have times {self.time_s.shape} and stresses "
                f"{self.stress.shape}; they need ({count}, 2) and ({count},)"
            )
        if (np.diff(self.time_s.ravel()) < -1e-4).any():
            raise DataError("phoneme times must not run backwards; sort them")

    @property
    def duration_s(self) -> float:
        """Length of the sound."""
        return len(self.samples) / SAMPLE_RATE_HZ


def time_phonemes(
    characters: Sequence[str], durations_s: npt.ArrayLike, offset_s: float
) -> tuple[tuple[str, ...], Array, Array]:
    """Return phonemes, times (P, 2) [s] and stresses (P,) of a voice's characters.

    `durations_s` (C,) has one entry per character, marks and spaces included; `offset_s` is how
    late the durations run behind the sound. A stress mark's time goes to the phoneme after it, a
    length mark's to the one before, a short gap's half to each neighbour; punctuation and long gaps
    become pauses; speech ends LONGEST_S after the start of the last phoneme before a pause.
    """
    ends = np.cumsum(np.asarray(durations_s, np.float64)) - offset_s
    if len(characters) != len(ends):
        raise DataError(f"{len(characters)} characters have {len(ends)} durations")
    rows: list[list[float]] = []
    names: list[str] = []
    start, stress = 0.0, 0.0
    for character, end in zip(characters, np.maximum(ends, 0.0), strict=True):
        if character in STRESSES:
            stress = STRESSES[character]
            continue  # `start` stays, so the next phoneme takes this time
        if character == LONG:  # of a pause, where the voice does not know the vowel before it
            if not names:
                continue
            rows[-1][1] = end
        else:
            name = PAUSE if character in SILENT or not character else character
            if name == PAUSE and names and names[-1] == PAUSE:
                rows[-1][1] = end
            else:
                names.append(name)
                rows.append([start, end, 0.0 if name == PAUSE else stress])
                stress = 0.0 if name != PAUSE else stress
        start = end
    return _tidy(names, rows)


def _tidy(names: list[str], rows: list[list[float]]) -> tuple[tuple[str, ...], Array, Array]:
    kept: list[int] = []
    for i, name in enumerate(names):
        inner = 0 < i < len(names) - 1
        if name == PAUSE and inner and rows[i][1] - rows[i][0] <= JOINING_PAUSE_S:
            middle = 0.5 * (rows[i][0] + rows[i][1])
            rows[i - 1][1] = rows[i + 1][0] = middle
        elif rows[i][1] > rows[i][0]:
            kept.append(i)
    for i, following in pairwise(kept):
        if names[following] == PAUSE and names[i] != PAUSE:
            rows[i][1] = min(rows[i][1], rows[i][0] + _longest_s(names[i]))
            rows[following][0] = rows[i][1]
    table = np.asarray([rows[i] for i in kept], np.float32).reshape(-1, 3)
    return tuple(names[i] for i in kept), table[:, :2], table[:, 2]


def _longest_s(name: str) -> float:
    kind = "stop" if name in STOPS else "vowel" if name in VOWELS else "consonant"
    return LONGEST_S[kind]


def join_speech(parts: Sequence[TimedSpeech], gaps_s: Sequence[float]) -> TimedSpeech:
    """Return the parts one after another; `gaps_s` (len(parts) + 1,) of silence lie around them.

    Neighbouring pauses become one.
    """
    pieces: list[Array] = []
    names: list[str] = []
    rows: list[tuple[float, float, float]] = []
    count = 0
    for part, gap_s in zip((*parts, None), gaps_s, strict=True):
        silence = np.zeros(round(gap_s * SAMPLE_RATE_HZ), np.float32)
        pieces += [silence] if part is None else [silence, part.samples]
        base_s = (count + silence.size) / SAMPLE_RATE_HZ
        names.append(PAUSE)
        rows.append((count / SAMPLE_RATE_HZ, base_s, 0.0))
        count += silence.size
        if part is not None:
            count += part.samples.size
            last_s = count / SAMPLE_RATE_HZ
            names += part.phonemes
            rows += [
                (base_s + float(a), min(base_s + float(b), last_s), float(c))
                for (a, b), c in zip(part.time_s, part.stress, strict=True)
            ]
            rows[-1] = (rows[-1][0], last_s, rows[-1][2])
    return _merge_pauses(np.concatenate(pieces), names, rows)


def _merge_pauses(
    samples: Array, names: list[str], rows: list[tuple[float, float, float]]
) -> TimedSpeech:
    merged: list[tuple[str, tuple[float, float, float]]] = []
    for name, row in zip(names, rows, strict=True):
        if merged and name == merged[-1][0] == PAUSE:
            row = (merged.pop()[1][0], row[1], 0.0)  # noqa: PLW2901
        if row[1] > row[0]:
            merged.append((name, row))
    table = np.asarray([row for _, row in merged], np.float32)
    return TimedSpeech(samples, tuple(name for name, _ in merged), table[:, :2], table[:, 2])
