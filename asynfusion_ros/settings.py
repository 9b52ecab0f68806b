"""Settings as frozen dataclasses whose fields carry their unit, range and meaning.

One truth for every default: nodes declare their parameters from these fields, the command line
parses them, checkpoints store them, and the tables in the documentation are checked against them.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from asynfusion_ros.errors import ConfigError, brief
from asynfusion_ros.files import read_yaml

S = TypeVar("S", bound="Settings")


@dataclass(frozen=True)
class SettingInfo:
    """What a setting means: `doc`, `unit`, inclusive range [`minimum`, `maximum`], `choices`."""

    doc: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] | None = None

    def check(self, name: str, value: Any) -> None:
        """Raise ConfigError if `value` lies outside the range or the choices."""
        if self.choices is not None and value not in self.choices:
            raise ConfigError(f"{name} is {brief(value)}; choose one of {list(self.choices)}")
        if not isinstance(value, (int, float)):
            return
        low = float("-inf") if self.minimum is None else self.minimum
        high = float("inf") if self.maximum is None else self.maximum
        if not low <= value <= high:
            unit = f" {self.unit}" if self.unit else ""
            raise ConfigError(f"{name} is {brief(value)}{unit}; it must {self._range()}{unit}")

    def _range(self) -> str:
        if self.maximum is None:
            return f"be at least {self.minimum}"
        if self.minimum is None:
            return f"be at most {self.maximum}"
        return f"lie in [{self.minimum}, {self.maximum}]"


def setting(
    default: Any = dataclasses.MISSING,
    *,
    doc: str,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[Any, ...] | None = None,
) -> Any:
    """Return a dataclass field that carries a SettingInfo as its metadata."""
    info = SettingInfo(doc, unit, minimum, maximum, choices)
    return field(default=default, metadata={"setting": info})


@dataclass(frozen=True)
class Settings:
    """Base of all settings: checks types and ranges on construction, converts to and from dicts."""

    def __post_init__(self) -> None:
        """Check every field against its annotation and its SettingInfo; raise ConfigError."""
        hints = typing.get_type_hints(type(self))
        for name, info in self.describe():
            value = getattr(self, name)
            label = f"{type(self).__name__}.{name}"
            _check_type(label, value, hints[name])
            if value is not None:
                info.check(label, value)

    @classmethod
    def describe(cls) -> Iterator[tuple[str, SettingInfo]]:
        """Yield (name, SettingInfo) of each field, in order of declaration."""
        for item in fields(cls):
            yield item.name, item.metadata.get("setting", SettingInfo(doc=""))

    @classmethod
    def from_dict(cls: type[S], values: Mapping[str, Any]) -> S:
        """Build from a mapping; unknown names raise ConfigError and list the known ones."""
        known = [item.name for item in fields(cls)]
        unknown = sorted(brief(name) for name in set(values) - set(known))
        if unknown:
            raise ConfigError(
                f"{cls.__name__} has no setting [{brief(', '.join(unknown))}]; it has {known}"
            )
        return cls(**{name: _tuplify(value) for name, value in values.items()})

    @classmethod
    def from_yaml(cls: type[S], path: Path, section: str | None = None) -> S:
        """Read from a YAML file, or from one top-level `section` of it; raise ConfigError."""
        document = read_yaml(path, ConfigError) or {}
        if section is not None and isinstance(document, Mapping):
            document = document.get(section, {})
        if not isinstance(document, Mapping):
            raise ConfigError(f"{path}: expected a mapping of settings, found {type(document)}")
        return cls.from_dict(document)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON and YAML can hold (tuples become lists)."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def replace(self: S, **changes: Any) -> S:
        """Return a copy with some settings changed, checked again."""
        return dataclasses.replace(self, **changes)


def _tuplify(value: Any) -> Any:
    return tuple(_tuplify(item) for item in value) if isinstance(value, list) else value


def _check_type(label: str, value: Any, hint: Any) -> None:
    """Raise ConfigError unless `value` fits `hint` (an int passes for a float, a bool for none)."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        allowed: tuple[Any, ...] = typing.get_args(hint)
    else:
        allowed = (hint,)
    plain = tuple(typing.get_origin(item) or item for item in allowed)
    plain = tuple(item for item in plain if isinstance(item, type))
    if isinstance(value, bool):
        fits = bool in plain
    elif isinstance(value, int):
        fits = int in plain or float in plain
    else:
        fits = isinstance(value, plain)
    if not fits:
        raise ConfigError(f"{label} is {brief(value)} ({type(value).__name__}); expected {hint}")


def settings_from_text(kind: type[S], values: Mapping[str, str]) -> S:
    """Build settings from words such as a command line gives; raise ConfigError."""
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ConfigError(f"{kind.__name__} has no setting {brief(unknown)}; it has {list(hints)}")
    return kind.from_dict({k: _value(f"{k}:={v}", hints[k], v) for k, v in values.items()})


def _value(label: str, hint: Any, text: str) -> Any:
    parsers: dict[Any, Callable[[str], Any]] = {bool: _flag, int: int, float: float, str: str}
    try:
        return parsers[hint](text)
    except ValueError as error:
        kind = hint.__name__
        article = "an" if kind[0] in "aeiou" else "a"
        raise ConfigError(f"{brief(label)} is not {article} {kind}") from error


def _flag(text: str) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True}
    words |= {"false": False, "no": False, "off": False, "0": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]
