"""The entries of a robot map, and how they are read from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from asynfusion_ros.errors import brief

Groups = tuple[tuple[str, ...], ...]

PARTS = (
    "chest", "head", "l_upper_arm", "l_forearm", "l_hand", "r_upper_arm", "r_forearm", "r_hand",
)  # fmt: skip
"""The avatar's parts that joints can follow, in the order in which they are solved."""

WORDS = {
    "forward": (1.0, 0.0, 0.0), "back": (-1.0, 0.0, 0.0), "left": (0.0, 1.0, 0.0),
    "right": (0.0, -1.0, 0.0), "up": (0.0, 0.0, 1.0), "down": (0.0, 0.0, -1.0),
}  # fmt: skip
"""Directions seen from the robot; x forward, y left, z up."""

_AXES = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True)
class Tuning:
    """How one joint differs from what geometry asks: q = rest + offset + scale (asked - rest).

    `limits` (rad or m) and `velocity` (rad/s) narrow what the URDF allows.
    """

    scale: float = 1.0
    offset: float = 0.0
    limits: tuple[float, float] | None = None
    velocity: float | None = None


@dataclass(frozen=True)
class Leg:
    """One leg of a platform: its motor, and the three joints of the ball where its rod begins.

    The rod ends at the link `end` of the platform; of the leg by which the URDF hangs the
    platform, at the three joints `ball`.
    """

    motor: str
    rod: tuple[str, str, str]
    end: str | None = None
    ball: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class Platform:
    """A head on six levers with rods (Stewart), which stands `lift_m` higher than at zero.

    `scale` says how much of the avatar's head turn it makes.
    """

    lift_m: float
    scale: float
    legs: tuple[Leg, ...]


def read_names(values: Any) -> tuple[str, ...]:
    """Return a list of names; raise ValueError where it is none."""
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{brief(values)} must be a list of names")
    return tuple(values)


def read_groups(part: str, values: Any) -> Groups:
    """Return the joints of a part in order, those that share a place together; raise ValueError."""
    if isinstance(values, str) or not values:
        raise ValueError(f"{part}: {brief(values)} must be a list of one to three joints")
    groups = tuple((v,) if isinstance(v, str) else read_names(v) for v in values)
    if len(groups) > 3 or not all(groups):
        raise ValueError(
            f"{part} lists {len(groups)} joints; a part takes one to three, and joints that turn "
            "about one direction share a place: [yaw, [pitch_1, pitch_2], roll]"
        )
    return groups


def read_axis(value: Any) -> tuple[float, ...]:
    """Return the unit vector that x, -x, y, -y, z or -z names; raise ValueError for others."""
    text = str(value)
    letter = text.lstrip("+-")
    if letter not in _AXES or len(text) > 2:
        raise ValueError(f"axes: {brief(value)}; write x, -x, y, -y, z or -z")
    vector = [0.0, 0.0, 0.0]
    vector[_AXES[letter]] = -1.0 if text.startswith("-") else 1.0
    return tuple(vector)


def read_directions(values: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Return the unit vectors of a zero pose, words or three numbers each; raise ValueError."""
    found = {}
    for part, value in values.items():
        vector = WORDS[value] if isinstance(value, str) else tuple(float(v) for v in value)
        length = float(np.linalg.norm(vector))
        if len(vector) != 3 or not 0.0 < length < np.inf:
            raise ValueError(f"zero_pose of {part} is {brief(value)}; write {list(WORDS)} or x y z")
        found[str(part)] = tuple(v / length for v in vector)
    return found


def read_numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return finite numbers by name; raise ValueError where it is none."""
    found = {str(name): float(value) for name, value in values.items()}
    if not np.isfinite(list(found.values())).all():
        raise ValueError(f"{brief(values)} must be finite numbers")
    return found


def read_tuning(joint: str, values: Mapping[str, Any]) -> Tuning:
    """Return the tuning of one joint; raise ValueError where it is none."""
    if unknown := sorted(set(values) - set(Tuning.__dataclass_fields__)):
        known = list(Tuning.__dataclass_fields__)
        raise ValueError(f"joints: {joint} has unknown entries {brief(unknown)}; known: {known}")
    plain = read_numbers({k: v for k, v in values.items() if k != "limits"})
    limits = values.get("limits")
    bounds = None if limits is None else (float(limits[0]), float(limits[1]))
    if bounds is not None and not bounds[0] <= bounds[1]:
        raise ValueError(f"joints: {joint} has limits {bounds}; lower comes first")
    if plain.get("velocity", 1.0) <= 0.0:
        raise ValueError(f"joints: {joint} has velocity {plain['velocity']}; it must be above 0")
    return Tuning(**plain, limits=bounds)  # type: ignore[arg-type]  # names were checked


def read_platform(values: Mapping[str, Any]) -> Platform:
    """Return the platform that a map describes; raise ValueError where it is none."""
    legs = []
    for row in values["legs"]:
        end, ball = row.get("end"), row.get("ball")
        if (end is None) == (ball is None):
            raise ValueError(
                f"leg {brief(row)} needs the link `end` or the joints `ball`, one of both"
            )
        legs.append(Leg(str(row["motor"]), _three(row["rod"]), end, ball and _three(ball)))
    sizes = read_numbers({"lift_m": values.get("lift_m", 0.0), "scale": values.get("scale", 1.0)})
    return Platform(sizes["lift_m"], sizes["scale"], tuple(legs))


def _three(values: Any) -> tuple[str, str, str]:
    first, second, third = read_names(values)
    return first, second, third
