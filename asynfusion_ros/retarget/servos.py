"""A face of servos: each a sum of named values of the avatar's face, within its limits."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError, brief
from asynfusion_ros.files import read_yaml, refuse
from asynfusion_ros.retarget.entries import read_numbers
from asynfusion_ros.retarget.face import FACE_SOURCES, face_values

OFFSET, LIMITS = "offset", "limits"
MOST_SERVOS = 256


@dataclass(frozen=True)
class Servo:
    """One servo: `offset` plus gains times values of the face, between `lower` and `upper`."""

    name: str
    offset: float
    gains: Mapping[str, float]
    lower: float
    upper: float


@dataclass(frozen=True)
class ServoMap:
    """The servos of a face, in the order in which their positions are sent."""

    servos: tuple[Servo, ...]

    @classmethod
    def load(cls, path: Path) -> ServoMap:
        """Read a YAML file `servo: {offset: x, limits: [a, b], jawOpen: gain, ...}`.

        Raises MotionFileError where an entry is unknown or makes no sense.
        """
        document = read_yaml(Path(path), MotionFileError)
        if not isinstance(document, Mapping) or not 1 <= len(document) <= MOST_SERVOS:
            raise MotionFileError(
                f"{path} is no map of servos; write lines such as "
                "jaw: {offset: 0.1, limits: [0, 0.5], jawOpen: 0.4, mouthClose: -0.3}"
            )
        with refuse(MotionFileError, f"{path} is no map of servos"):
            return cls(tuple(_read_servo(str(name), row) for name, row in document.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """The servos' names, in order."""
        return tuple(servo.name for servo in self.servos)

    def positions(self, face: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the servos' positions (N,), in the units of the map, for a face (51,)."""
        values = face_values(face)
        return np.array(
            [
                min(
                    max(s.offset + sum(g * values[k] for k, g in s.gains.items()), s.lower), s.upper
                )
                for s in self.servos
            ]
        )


def _read_servo(name: str, row: Mapping[str, object]) -> Servo:
    limits = row.get(LIMITS, (-np.inf, np.inf))
    lower, upper = (float(value) for value in limits)  # type: ignore[attr-defined]
    gains = read_numbers({k: v for k, v in row.items() if k != LIMITS})
    offset = gains.pop(OFFSET, 0.0)
    if not lower <= upper:
        raise MotionFileError(f"{name} has limits [{lower}, {upper}]; lower comes first")
    for source in gains:
        if source not in FACE_SOURCES:
            near = difflib.get_close_matches(source, FACE_SOURCES, 3)
            raise MotionFileError(
                f"{name} follows {brief(source)}, which a face does not have (near: {near}); write "
                "ARKit names, mouthOpening, AU1 and so on, viseme_aa and so on"
            )
    return Servo(name, offset, gains, lower, upper)
