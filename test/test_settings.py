from dataclasses import dataclass

import pytest

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.resources import find_resource
from asynfusion_ros.settings import SettingInfo, Settings, setting, settings_from_text


@dataclass(frozen=True)
class Example(Settings):
    rate_hz: float = setting(60.0, doc="rate", unit="Hz", minimum=1.0, maximum=120.0)
    mode: str = setting("a", doc="mode", choices=("a", "b"))
    steps: tuple[int, ...] = setting((4, 8), doc="steps")
    path: str | None = setting(None, doc="optional")
    on: bool = setting(True, doc="switch")


def test_round_trip_through_plain_values():
    example = Example(rate_hz=30.0, steps=(2, 3), path="x")
    assert Example.from_dict(example.to_dict()) == example


def test_yaml_section(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("engine:\n  rate_hz: 25.0\n  steps: [1, 2]\n")
    assert Example.from_yaml(file, "engine") == Example(rate_hz=25.0, steps=(1, 2))
    assert Example.from_yaml(file, "absent") == Example()


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"rate_hz": 0.0}, "must lie in"),
        ({"rate_hz": "fast"}, "expected"),
        ({"rate_hz": float("nan")}, "must lie in"),
        ({"mode": "c"}, "choose one of"),
        ({"on": 1}, "expected"),
        ({"steps": 4}, "expected"),
        ({"rate": 60.0}, "has no setting"),
        ({"path": 3}, "expected"),
    ],
)
def test_bad_values_are_refused_with_what_is_allowed(values, hint):
    with pytest.raises(ConfigError, match=hint):
        Example.from_dict(values)


def test_an_int_serves_as_a_float_but_a_bool_does_not():
    assert Example(rate_hz=30).rate_hz == 30
    with pytest.raises(ConfigError):
        Example(rate_hz=True)


def test_a_malformed_file_is_refused(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("a: [1")
    with pytest.raises(ConfigError, match="not readable YAML"):
        Example.from_yaml(file)
    with pytest.raises(ConfigError, match="does not exist"):
        Example.from_yaml(tmp_path / "none.yaml")
    file.write_text("- 1\n")
    with pytest.raises(ConfigError, match="mapping"):
        Example.from_yaml(file)


def test_a_missing_resource_names_the_places_searched():
    with pytest.raises(ConfigError, match="models/nothing"):
        find_resource("models/nothing")


@pytest.mark.parametrize(
    ("info", "value", "said"),
    [
        (SettingInfo("", minimum=0), -1, "x is -1; it must be at least 0"),
        (SettingInfo("", "m", maximum=2.5), 3.0, "x is 3.0 m; it must be at most 2.5 m"),
        (SettingInfo("", "s", 0.0, 2.5), 3.0, "x is 3.0 s; it must lie in [0.0, 2.5] s"),
    ],
)
def test_a_range_is_told_by_the_ends_it_has(info, value, said):
    with pytest.raises(ConfigError) as error:
        info.check("x", value)
    assert str(error.value) == said


@dataclass(frozen=True)
class Counted(Settings):
    count: int = setting(1, doc="how many", minimum=0)
    rate_hz: float = setting(1.0, doc="rate", unit="Hz")


@pytest.mark.parametrize(("word", "kind"), [("rate_hz", "a float"), ("count", "an int")])
def test_a_word_that_is_no_number_is_named_with_its_article(word, kind):
    with pytest.raises(ConfigError, match=f"{word}:=x is not {kind}$"):
        settings_from_text(Counted, {word: "x"})
