"""How somebody moves, in a few numbers that can be measured on any clip and asked of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import ConfigError, MotionFileError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, mouth_opening
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.rotations import geodesic_angle_rad
from asynfusion_ros.motion.skeleton import Skeleton

Array = npt.NDArray[np.float32]

STYLE_NAMES = (
    *("energy", "reach", "height", "head", "brows", "mouth", "smile"),
    *("brow_height", "frown", "squint", "lids", "gaze_height"),
    *("corners", "upper_lip", "press", "shrug"),
    *("elbow_bend", "forearm_raise", "elbows_forward", "wrist_bend", "wrist_raise"),
    *("gaze_side", "mouth_side", "dimple_side", "hands_side", "elbows_side"),
)
"""The styles: how lively somebody is, what face and arms rest in, and what sets their left apart
from their right; see `describe_style`."""

BODY_STYLES = (
    *("energy", "reach", "height", "head"),
    *("elbow_bend", "forearm_raise", "elbows_forward", "wrist_bend", "wrist_raise"),
    *("hands_side", "elbows_side"),
)
"""Those that a body tells; the others are the face's."""

SIDED_STYLES = tuple(name for name in STYLE_NAMES if name.endswith("_side"))
"""Those whose sign a mirror changes; more is more to the left, or of the left."""

MOST_STYLE = 5.0
"""No style can be asked to be further from the mean of a model's people, in standard deviations."""

PIECE_FRAMES = 60
"""Styles are means over pieces of this length, so that long and short clips compare."""

_SLOWEST_RAD_S = 0.01
_ARMS = ("l_upper_arm", "l_forearm", "r_upper_arm", "r_forearm")
_HANDS = ("l_hand", "r_hand")
_BROWS_UP = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
_BROWS_DOWN = ("browDownLeft", "browDownRight")
_RESTING = {
    "smile": (("mouthSmileLeft", "mouthSmileRight"), ()),
    "brow_height": (_BROWS_UP, ()),
    "frown": (_BROWS_DOWN, ()),
    "squint": (("eyeSquintLeft", "eyeSquintRight"), ()),
    "gaze_height": (
        ("eyeLookUpLeft", "eyeLookUpRight"),
        ("eyeLookDownLeft", "eyeLookDownRight"),
    ),
    "corners": ((), ("mouthFrownLeft", "mouthFrownRight")),
    "upper_lip": (("mouthUpperUpLeft", "mouthUpperUpRight"), ()),
    "press": (("mouthPressLeft", "mouthPressRight"), ()),
    "shrug": (("mouthShrugUpper", "mouthShrugLower"), ()),
    "gaze_side": (
        ("eyeLookOutLeft", "eyeLookInRight"),
        ("eyeLookInLeft", "eyeLookOutRight"),
    ),
    "mouth_side": (("mouthLeft", "jawLeft"), ("mouthRight", "jawRight")),
    "dimple_side": (("mouthDimpleLeft",), ("mouthDimpleRight",)),
}
"""Styles that are a mean over all frames: of some weights, less that of others."""
_LIDS = ("eyeBlinkLeft", "eyeBlinkRight")
_BENDS = {
    "elbow_bend": ("forearm", 2, -1.0),
    "forearm_raise": ("forearm", 0, 1.0),
    "wrist_bend": ("hand", 2, -1.0),
    "wrist_raise": ("hand", 0, 1.0),
}
"""Styles that are the mean of both sides' rotations about an axis of the left one's frame."""
_SIDED = ("forearm", "hand")


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
    """Return the styles (S,) of a clip and whether each could be measured (S,), 1 or 0.

    energy: log of the mean angular speed of the arms [rad/s]; reach: mean distance of the hands
    from the middle of the chest, sideways and forward [m]; height: mean height of the hands over
    the elbows' rest [m]; head: log of the mean angular speed of the head [rad/s]; brows: standard
    deviation of raised less lowered brows; mouth: spread of the mouth's opening between its 10th
    and 90th percentile. Of the face at rest: smile, brow_height, frown, squint, gaze_height,
    corners (of the mouth, 0 or drawn down), upper_lip, press and shrug, means of their weights;
    lids: the median of eyeBlink, how far open eyes are shut. Of the arms at rest: elbow_bend and
    wrist_bend (inwards), forearm_raise and wrist_raise [rad], elbows_forward [m]. These are the
    same seen in a mirror; SIDED_STYLES change their sign: gaze_side and mouth_side, to the person's
    left, dimple_side, hands_side [m] and elbows_side [rad], how much deeper the left dimple is than
    the right, higher the left hand, more bent the left elbow. Pieces in which something was not
    measured do not count for what needs it. Raises MotionFileError on a clip shorter than a piece.
    """
    if len(clip) < PIECE_FRAMES:
        raise MotionFileError(
            f"a clip of {len(clip)} frames; style needs at least {PIECE_FRAMES} (better some "
            "seconds)"
        )
    skeleton = skeleton or Skeleton.load()
    starts = range(0, len(clip) - PIECE_FRAMES + 1, PIECE_FRAMES)
    pieces = [slice(start, start + PIECE_FRAMES) for start in starts]
    found = []
    for piece in pieces:
        body = _describe_body(clip.body[piece], clip.fps_hz, skeleton)
        found.append({**body, **_describe_face(clip.face[piece])})
    rows = [[values[name] for name in STYLE_NAMES] for values in found]
    known = np.array([_measured(clip, p, skeleton) for p in pieces])
    weights = np.where(known.any(axis=0), known, 1.0)
    return np.average(rows, axis=0, weights=weights).astype(np.float32), known.max(axis=0)


def mirror_style(styles: npt.ArrayLike) -> Array:
    """Return styles (..., S) of STYLE_NAMES seen in a mirror."""
    values = np.asarray(styles, np.float32)
    return np.where(np.isin(STYLE_NAMES, SIDED_STYLES), -values, values)


def _describe_face(face: Array) -> dict[str, float]:
    """Return the styles of a face (T, 51)."""
    brows = _mean(face, _BROWS_UP) - _mean(face, _BROWS_DOWN)
    low, high = np.percentile(mouth_opening(face), [10.0, 90.0])
    resting = {
        name: float((_mean(face, more) - _mean(face, less)).mean())
        for name, (more, less) in _RESTING.items()
    }
    lids = float(np.median(_mean(face, _LIDS)))
    return {**resting, "lids": lids, "brows": float(brows.std()), "mouth": float(high - low)}


def _describe_body(body: Array, fps_hz: float, skeleton: Skeleton) -> dict[str, float]:
    """Return the styles of a body (T, 24) in rotation vectors."""
    names = skeleton.joint_names
    joints = body.reshape(len(body), -1, 3).astype(np.float64)
    speeds = geodesic_angle_rad(joints[:-1], joints[1:]).mean(axis=0) * fps_hz
    arms = np.mean([speeds[names.index(arm)] for arm in _ARMS])
    places = skeleton.forward_kinematics(body)
    hands, elbows = (
        [places[f"{side}_{part}"] - places["chest"] for side in "lr"]
        for part in ("hand", "forearm")
    )
    left, right = (joints[:, [names.index(f"{side}_{part}") for part in _SIDED]] for side in "lr")
    right = right * (-1.0, 1.0, -1.0)  # as the left
    both = (left + right).mean(axis=0) / 2.0  # (parts, 3)
    bends = (left - right).mean(axis=0)[_SIDED.index("forearm")]  # (3,)
    return {
        "energy": float(np.log(max(arms, _SLOWEST_RAD_S))),
        "reach": float(np.mean([np.linalg.norm(hand[:, :2], axis=1).mean() for hand in hands])),
        "height": float(np.mean([hand[:, 2].mean() for hand in hands])),
        "head": float(np.log(max(speeds[names.index("head")], _SLOWEST_RAD_S))),
        "elbows_forward": float(np.mean([elbow[:, 0].mean() for elbow in elbows])),
        "hands_side": float((hands[0][:, 2] - hands[1][:, 2]).mean()),
        "elbows_side": float(-bends[2]),
        **{
            name: float(sign * both[_SIDED.index(part), axis])
            for name, (part, axis, sign) in _BENDS.items()
        },
    }


def _mean(face: Array, names: tuple[str, ...]) -> Array:
    """Return the mean (T,) of named weights; 0 of none."""
    if not names:
        return np.zeros(len(face), np.float32)
    return np.asarray(face[:, [FACE_NAMES.index(name) for name in names]].mean(axis=1))


def _measured(clip: MotionClip, piece: slice, skeleton: Skeleton) -> Array:
    """Return which styles (S,) the piece tells: 1 where all that they need was measured.

    What a face rests in is told by whole faces only: one that speaks by rule rests in nothing.
    """
    body, face = (
        np.ones(values.shape[1]) if mask is None else mask[piece].min(axis=0)
        for values, mask in ((clip.body, clip.body_mask), (clip.face, clip.face_mask))
    )
    joints = dict(zip(skeleton.joint_names, body.reshape(-1, 3).min(axis=1), strict=True))
    arms = min(joints[arm] for arm in _ARMS)
    hands = min(arms, *(joints[hand] for hand in _HANDS))
    known = dict.fromkeys(STYLE_NAMES, float(face.min()))
    known |= dict.fromkeys(("energy", "reach", "height"), arms)
    known |= dict.fromkeys(("elbow_bend", "forearm_raise", "elbows_forward"), arms)
    known |= dict.fromkeys(("hands_side", "elbows_side"), arms)
    known |= dict.fromkeys(("wrist_bend", "wrist_raise"), hands)
    known["head"] = joints["head"]
    for name, needed in (("brows", _BROWS_UP + _BROWS_DOWN), ("mouth", ("jawOpen",))):
        known[name] = float(min(face[FACE_NAMES.index(channel)] for channel in needed))
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
    wrong = [v for v in style if not np.isnan(v) and not -MOST_STYLE <= v <= MOST_STYLE]
    if wrong:
        raise ConfigError(
            f"style values {wrong}; they are standard deviations between -{MOST_STYLE:g} and "
            f"{MOST_STYLE:g}, NaN for open"
        )
