"""A first map for a robot that has none, from the names and the places of its joints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.retarget.entries import WORDS, Groups, read_axis
from asynfusion_ros.retarget.model import RobotJoint, RobotModel

Array = npt.NDArray[np.float64]

_SIDE = re.compile(
    r"(?i:left|right)|(?<![A-Za-z0-9])[lrLR](?![A-Za-z0-9])|^[LR](?=[A-Z][a-z])|(?<=[a-z])[LR]$"
)
_OTHER = {"left": "right", "Left": "Right", "LEFT": "RIGHT", "l": "r", "L": "R"}
_OTHER |= {theirs: ours for ours, theirs in _OTHER.items()}
_LEG = re.compile(r"hip|knee|ankle|leg|foot|toe|thigh|wheel|caster|crotch", re.I)
_FINGER = re.compile(
    r"finger|thumb|index|middle|ring|pinky|little|hand_?\d|grip|knuckle|palm|^[lr]_?hand$", re.I
)
_ARM = re.compile(r"shoulder|elbow|wrist|arm|humer|clavic|prosup", re.I)
_HEAD = re.compile(r"neck|head|cervic", re.I)
_FACE = re.compile(r"eye|lid|brow|jaw|mouth|lip|antenna|ear(?![a-z])|camera", re.I)
_LIMB = 0.05  # m: joints nearer than this sit in one place
_PARALLEL = 0.9  # cosine between axes that turn about one direction
_WORD = 0.97  # cosine to an axis from which a direction has that axis' name
_DRIVES = (
    (re.compile(r"jaw|mouth", re.I), "jawOpen"),
    (re.compile(r"lid|blink", re.I), "eyeBlink{}"),
    (re.compile(r"brow", re.I), "browInnerUp"),
    (re.compile(r"antenna|ear(?![a-z])", re.I), "browInnerUp"),
)


@dataclass
class Guess:
    """What was guessed, ready to be written, and notes on it.

    `guessed` says on what each entry rests, `lacking` which parts of the avatar nothing follows,
    `unused` which joints of arms, head and torso are left alone.
    """

    name: str
    forward: str = "x"
    left: str = "y"
    parts: dict[str, Groups] = field(default_factory=dict)
    zero_pose: dict[str, str | list[float]] = field(default_factory=dict)
    drives: dict[str, dict[str, float]] = field(default_factory=dict)
    joints: dict[str, dict[str, float]] = field(default_factory=dict)
    guessed: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def guess_map(model: RobotModel) -> Guess:
    """Guess a map; raise MotionFileError where the robot has neither head, torso nor arms."""
    guess = Guess(re.sub(r"\W+", "_", model.name).strip("_").lower() or "robot")
    arms = {side: _find_arm(model, side) for side in "lr"}
    _guess_axes(guess, model, arms)
    for side, arm in arms.items():
        if arm:
            _add_arm(guess, model, side, arm)
        else:
            guess.lacking.append(f"no {'left' if side == 'l' else 'right'} arm was found by name")
    trunk = _torso_link(model, arms)
    head = [j for j in _free(model) if _HEAD.search(j.name) and not _FACE.search(j.name)]
    trunk = trunk or (head[0].parent if head else "")
    torso = [j for j in model.chain(trunk) if _usable(j) and not _LEG.search(j.name)]
    torso = [joint for joint in torso if joint not in head]
    _add_turned(guess, model, "chest", torso)
    _add_turned(guess, model, "head", head)
    _add_drives(guess, model)
    if not guess.parts:
        raise MotionFileError(
            f"{model.name} has no joints that look like head, torso or arms; it has "
            f"{', '.join(model.command_names) or 'none that move'}. Write the map by hand: "
            "docs/robots.md"
        )
    used = {j for groups in guess.parts.values() for g in groups for j in g} | set(guess.drives)
    guess.unused = [j.name for j in _free(model) if j.name not in used and not _LEG.search(j.name)]
    return guess


def side_of(name: str, model: RobotModel) -> str:
    """Return `l` or `r` where a joint's name says so and one of the other side has its like."""
    match = _SIDE.search(name)
    return match.group()[0].lower() if match and _partner(name) in model.by_name else ""


def _partner(name: str) -> str:
    """Return the name of a joint's like on the other side."""
    return _SIDE.sub(lambda match: _OTHER.get(match.group(), match.group()), name, count=1)


def _usable(joint: RobotJoint) -> bool:
    return joint.turns and joint.mimic is None


def _free(model: RobotModel) -> list[RobotJoint]:
    return [joint for joint in model.joints if _usable(joint)]


def _find_arm(model: RobotModel, side: str) -> list[RobotJoint]:
    """Return the joints of the longest chain of one side that is neither leg nor finger."""
    arms: list[list[RobotJoint]] = []
    for joint in _free(model):
        if side_of(joint.name, model) != side or _FINGER.search(joint.name):
            continue
        chain = [j for j in model.chain(joint.child) if _usable(j)]
        chain = [j for j in chain if side_of(j.name, model) == side]
        chain = [j for j in chain if not _FINGER.search(j.name) and not _HEAD.search(j.name)]
        chain = [j for j in chain if not _FACE.search(j.name) and not _LEG.search(j.name)]
        if chain and any(_ARM.search(j.name) or _ARM.search(j.child) for j in chain):
            arms.append(chain)
    return max(arms, key=len, default=[])


def _torso_link(model: RobotModel, arms: dict[str, list[RobotJoint]]) -> str:
    return next((arm[0].parent for arm in arms.values() if arm), "")


def _guess_axes(guess: Guess, model: RobotModel, arms: dict[str, list[RobotJoint]]) -> None:
    pairs = [(arms["l"][:1], arms["r"][:1])]
    for name, joint in model.by_name.items():  # legs, eyes and antennas tell the sides as well
        if side_of(name, model) == "l":
            pairs.append(([joint], [model.by_name[_partner(name)]]))
    for left, right in pairs:
        if not (left and right):
            continue
        across = model.zero_place(left[0].name) - model.zero_place(right[0].name)
        index = int(np.argmax(np.abs(across[:2])))
        if abs(across[index]) > 0.01:
            sign = "" if across[index] > 0.0 else "-"
            guess.left = sign + "xy"[index]
            # forward = left x up
            turned = {"y": "x", "-y": "-x", "x": "-y", "-x": "y"}
            guess.forward = turned[guess.left]
            guess.guessed.append(
                f"axes: forward {guess.forward}, left {guess.left}, since {left[0].name} and "
                f"{right[0].name} lie so"
            )
            return
    guess.guessed.append("axes: forward x, left y, the custom; nothing of this robot tells")


def _frame(guess: Guess) -> Array:
    rows = [read_axis(guess.forward), read_axis(guess.left), (0.0, 0.0, 1.0)]
    return np.array(rows)


def _add_arm(guess: Guess, model: RobotModel, side: str, arm: Sequence[RobotJoint]) -> None:
    """Deal the joints out in chain order: two point the upper arm, two the forearm, the rest turn.

    An arm's third joint nearly always twists the upper arm, which swings the forearm.
    """
    groups = _grouped(guess, model, [joint.name for joint in arm])
    upper, fore, hand = groups[:2], groups[2:4], _hand(guess, model, groups[4:7])
    for part, chosen in (("upper_arm", upper), ("forearm", fore), ("hand", hand)):
        if chosen:
            guess.parts[f"{side}_{part}"] = tuple(chosen)
        else:
            guess.lacking.append(f"{side}_{part}: the arm has {len(groups)} joints")
    frame = _frame(guess)
    shoulder = frame @ model.zero_place(upper[-1][0])
    elbow = frame @ model.zero_place(fore[-1][0]) if fore else shoulder
    wrist = frame @ (model.zero_place(hand[-1][0]) if hand else _tip(model, arm[-1]))
    if np.linalg.norm(wrist - elbow) < _LIMB:  # a forearm's joints may sit at the elbow
        wrist = frame @ _tip(model, arm[-1])
    for part, start, end in (("upper_arm", shoulder, elbow), ("forearm", elbow, wrist)):
        length = float(np.linalg.norm(end - start))
        if length >= _LIMB and f"{side}_{part}" in guess.parts:
            guess.zero_pose[f"{side}_{part}"] = _direction((end - start) / length)
    names = ", ".join(joint.name for joint in arm)
    guess.guessed.append(f"{side} arm: {names}, by name and order in the chain")
    guess.guessed.append(f"{side} zero pose: {_said(guess, side)}, by the places of its joints")


def _said(guess: Guess, side: str) -> str:
    said = [f"{p} {v}" for p, v in guess.zero_pose.items() if p.startswith(side)]
    return ", ".join(said) or "out to the side"


def _tip(model: RobotModel, joint: RobotJoint) -> Array:
    """Return the place of the link below a joint that is farthest from it."""
    start = model.zero_place(joint.name)
    below = [
        frame[:3, 3] for link, frame in model.zero_frames.items() if joint in model.chain(link)
    ]
    return np.asarray(max(below, key=lambda place: float(np.linalg.norm(place - start))))


def _hand(guess: Guess, model: RobotModel, groups: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Leave out a third joint that turns as the first does: the pair would have no answer."""
    if len(groups) == 3:
        first, third = model.zero_axis(groups[0][0]), model.zero_axis(groups[2][0])
        if abs(float(first @ third)) > _PARALLEL:
            guess.guessed.append(f"{groups[2][0]} stays at 0: it repeats {groups[0][0]}")
            return groups[:2]
    return groups


def _direction(vector: Array) -> str | list[float]:
    word, closeness = max(
        ((word, float(np.dot(axis, vector))) for word, axis in WORDS.items()), key=lambda i: i[1]
    )
    return word if closeness > _WORD else [round(float(v), 2) for v in vector]


def _grouped(guess: Guess, model: RobotModel, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Join neighbours that turn about one direction, so that they share it."""
    groups: list[tuple[str, ...]] = []
    for name in names:
        axis = model.zero_axis(name)
        if groups and abs(float(axis @ model.zero_axis(groups[-1][0]))) > _PARALLEL:
            groups[-1] = (*groups[-1], name)
            guess.guessed.append(f"{' and '.join(groups[-1])} share one direction")
        else:
            groups.append((name,))
    return groups


def _add_turned(guess: Guess, model: RobotModel, part: str, joints: Sequence[RobotJoint]) -> None:
    groups = _grouped(guess, model, [joint.name for joint in joints])
    if not groups:
        guess.lacking.append(f"{part}: no joint was found for it")
        return
    guess.parts[part] = tuple(groups[:3])
    names = ", ".join(name for group in groups[:3] for name in group)
    guess.guessed.append(f"{part}: {names}, by {'name' if part == 'head' else 'place'}")


def _add_drives(guess: Guess, model: RobotModel) -> None:
    """Let jaws, lids, brows and antennas follow the face, over the range that they have."""
    for name in model.command_names:
        joint = model.by_name[name]
        for pattern, source in _DRIVES:
            span = joint.upper if abs(joint.upper) >= abs(joint.lower) else joint.lower
            if pattern.search(name) and np.isfinite(span):
                side = {"l": "Left", "r": "Right"}.get(side_of(name, model), "Left")
                guess.drives[name] = {source.format(side): round(float(np.clip(span, -1, 1)), 2)}
                guess.guessed.append(f"{name} follows {source.format(side)}: check its direction")
                break
