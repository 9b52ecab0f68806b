"""How somebody moves, in a few numbers that can be measured on any clip and asked of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import ConfigError, MotionFileError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES, mouth_opening
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.rotations import geodesic_angle_rad
from asynfusion_ros.motion.skeleton import Skeleton

Array = npt.NDArray[np.float32]

STYLE_NAMES = ("energy", "reach", "height", "head", "brows", "mouth", "smile")
"""The styles: see `describe_style`."""

PIECE_FRAMES = 60
"""Styles are means over pieces of this length, so that long and short clips compare."""

_SLOWEST_RAD_S = 0.01
_ARMS = ("l_upper_arm", "l_forearm", "r_upper_arm", "r_forearm")
_BROWS_UP = [FACE_NAMES.index(n) for n in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]
_BROWS_DOWN = [FACE_NAMES.index(n) for n in ("browDownLeft", "browDownRight")]
_SMILES = [FACE_NAMES.index(n) for n in ("mouthSmileLeft", "mouthSmileRight")]
_MOUTH = np.isin(FACE_NAMES, MOUTH_NAMES)


@dataclass(frozen=True)
class Manner:
    """Whose manner, which style, which emotion.

    Attributes:
        speaker: index of a speaker; 0 for nobody's in particular.
        style: one value per style of the model, in standard deviations of the people it learned
            from; NaN leaves one open. Empty leaves all open.
        emotion: index of an emotion; 0 leaves it open.
    """

    speaker: int = 0
    style: tuple[float, ...] = ()
    emotion: int = 0


def describe_style(clip: MotionClip, skeleton: Skeleton | None = None) -> tuple[Array, Array]:
    """Return the styles (7,) of a clip and whether each could be measured (7,), 1 or 0.

    energy: log of the mean angular speed of the arms [rad/s]; reach: mean distance of the hands
    from the middle of the chest, sideways and forward [m]; height: mean height of the hands over
    the elbows' rest [m]; head: log of the mean angular speed of the head [rad/s]; brows: standard
    deviation of raised less lowered brows; mouth: spread of the mouth's opening between its 10th
    and 90th percentile; smile: mean of mouthSmile. All are the same seen in a mirror. Pieces in
    which something was not measured do not count for what needs it. Raises MotionFileError on a
    clip shorter than a piece.
    """
    if len(clip) < PIECE_FRAMES:
        raise MotionFileError(
            f"a clip of {len(clip)} frames; style needs at least {PIECE_FRAMES} (better some "
            "seconds)"
        )
    skeleton = skeleton or Skeleton.load()
    starts = range(0, len(clip) - PIECE_FRAMES + 1, PIECE_FRAMES)
    pieces = [slice(start, start + PIECE_FRAMES) for start in starts]
    rows = [_describe_piece(clip.face[p], clip.body[p], clip.fps_hz, skeleton) for p in pieces]
    known = np.array([_measured(clip, p, skeleton) for p in pieces])
    weights = np.where(known.any(axis=0), known, 1.0)
    return np.average(rows, axis=0, weights=weights).astype(np.float32), known.max(axis=0)


def _describe_piece(face: Array, body: Array, fps_hz: float, skeleton: Skeleton) -> list[float]:
    joints = body.reshape(len(body), -1, 3).astype(np.float64)
    speeds = geodesic_angle_rad(joints[:-1], joints[1:]).mean(axis=0) * fps_hz
    names = skeleton.joint_names
    arms = np.mean([speeds[names.index(arm)] for arm in _ARMS])
    head = speeds[names.index("head")]
    places = skeleton.forward_kinematics(body)
    hands = [places[f"{side}_hand"] - places["chest"] for side in "lr"]
    brows = face[:, _BROWS_UP].mean(axis=1) - face[:, _BROWS_DOWN].mean(axis=1)
    low, high = np.percentile(mouth_opening(face), [10.0, 90.0])
    return [
        float(np.log(max(arms, _SLOWEST_RAD_S))),
        float(np.mean([np.linalg.norm(hand[:, :2], axis=1).mean() for hand in hands])),
        float(np.mean([hand[:, 2].mean() for hand in hands])),
        float(np.log(max(head, _SLOWEST_RAD_S))),
        float(brows.std()),
        float(high - low),
        float(face[:, _SMILES].mean()),
    ]


def _measured(clip: MotionClip, piece: slice, skeleton: Skeleton) -> Array:
    """Return which styles (7,) the piece tells: 1 where all that they need was measured."""
    body, face = (
        np.ones(values.shape[1]) if mask is None else mask[piece].min(axis=0)
        for values, mask in ((clip.body, clip.body_mask), (clip.face, clip.face_mask))
    )
    joints = body.reshape(-1, 3).min(axis=1)
    arms = min(joints[skeleton.joint_names.index(arm)] for arm in _ARMS)
    jaw = face[FACE_NAMES.index("jawOpen")]
    known = {
        "energy": arms,
        "reach": arms,
        "height": arms,
        "head": joints[skeleton.joint_names.index("head")],
        "brows": face[_BROWS_UP + _BROWS_DOWN].min(),
        "mouth": jaw,
        "smile": face[_SMILES].min(),
    }
    return np.array([known[name] > 0 for name in STYLE_NAMES], np.float32)


def read_style(text: str, names: tuple[str, ...]) -> tuple[float, ...]:
    """Return the style that 'energy=1.5, smile=-1' asks for; what is not named stays open.

    Raises ConfigError on an unknown name or a value that is no number in -5 to 5.
    """
    values = dict.fromkeys(names, float("nan"))
    for word in text.replace(",", " ").split():
        name, _, number = word.partition("=")
        if name not in values:
            known = f"it has {list(names)}" if names else "it was trained without styles"
            raise ConfigError(f"style {name!r} is unknown to this model; {known}")
        try:
            values[name] = float(number)
        except ValueError as error:
            raise ConfigError(f"style {word!r}; write NAME=NUMBER, such as energy=1.5") from error
    style = tuple(values.values()) if text.strip() else ()
    check_style(style, names)
    return style


def check_style(style: tuple[float, ...], names: tuple[str, ...]) -> None:
    """Raise ConfigError unless `style` has a value in -5 to 5, or NaN, for each name, or none."""
    if style and len(style) != len(names):
        raise ConfigError(
            f"{len(style)} style values; this model has {len(names)} styles {list(names)}, or send "
            "none"
        )
    wrong = [value for value in style if not np.isnan(value) and not -5.0 <= value <= 5.0]
    if wrong:
        raise ConfigError(
            f"style values {wrong}; they are standard deviations between -5 and 5, NaN for open"
        )
