"""Sentences to speak, drawn from a grammar of everyday English (config/synthesis/text.yaml)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.files import read_yaml
from asynfusion_ros.resources import find_resource

START = "text"
_SLOT = re.compile(r"\{(\w+)\}")
_WEIGHT = re.compile(r"(\d+)\* +(.*)", re.DOTALL)
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeioAEIO]|u(?!s|ni))")
_DEEPEST = 8


@dataclass(frozen=True)
class Grammar:
    """Rules by name: the lines of each and how often each is drawn, beginning at "text"."""

    rules: Mapping[str, tuple[tuple[str, float], ...]]

    @classmethod
    def load(cls, path: Path | None = None) -> Grammar:
        """Read a grammar (default: config/synthesis/text.yaml).

        Raises ConfigError where the file is no mapping from names to lists of lines, or a slot has
        no rule.
        """
        path = path or find_resource("config/synthesis/text.yaml")
        document = read_yaml(Path(path), ConfigError)
        if not isinstance(document, dict) or START not in document:
            raise ConfigError(f"{path}: expected lists of lines by name, one of them {START!r}")
        for name, lines in document.items():
            if not isinstance(lines, list) or not lines:
                raise ConfigError(f"{path}: {name} is {lines!r}; give it a list of lines")
        rules = {name: _weighted([str(line) for line in lines]) for name, lines in document.items()}
        unknown = {s for lines in rules.values() for line, _ in lines for s in _SLOT.findall(line)}
        unknown -= set(rules)
        if unknown:
            raise ConfigError(f"{path} has slots without a rule: {sorted(unknown)}; add them")
        return cls(rules)

    def sentence(self, rng: np.random.Generator) -> str:
        """Return one sentence; the same generator state gives the same one."""
        text = self._fill("{" + START + "}", rng, 0)
        text = " ".join(_ARTICLE.sub(r"\1n ", text).split())
        return text[0].upper() + text[1:]

    def _fill(self, line: str, rng: np.random.Generator, depth: int) -> str:
        if depth > _DEEPEST:
            raise ConfigError(f"the grammar goes deeper than {_DEEPEST} slots at {line!r}")
        used: list[str] = []

        def fill(match: re.Match[str]) -> str:
            word = self._fill(self._draw(match[1], rng, used), rng, depth + 1)
            used.append(word)
            return word

        return _SLOT.sub(fill, line)

    def _draw(self, name: str, rng: np.random.Generator, used: Sequence[str]) -> str:
        """Draw a line of a rule; not one that this sentence has already used, if possible."""
        lines = [pair for pair in self.rules[name] if pair[0] not in used] or self.rules[name]
        weights = np.array([weight for _, weight in lines])
        return lines[int(rng.choice(len(lines), p=weights / weights.sum()))][0]


def _weighted(lines: Sequence[str]) -> tuple[tuple[str, float], ...]:
    pairs = [(_WEIGHT.fullmatch(line), line) for line in lines]
    return tuple((m[2], float(m[1])) if m else (line, 1.0) for m, line in pairs)
