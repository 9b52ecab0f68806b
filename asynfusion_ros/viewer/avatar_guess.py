"""A first map for a user's avatar: which of its bones and morphs do what ours do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import yaml

from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.avatar_file import AvatarFile

FINGERS: Final = ("thumb", "index", "middle", "ring", "pinky")
_VRM_BONES = {"chest": ("upperChest", "chest", "spine"), "neck": ("neck",), "head": ("head",)}
_VRM_ARMS = {"upper_arm": "UpperArm", "forearm": "LowerArm", "hand": "Hand"}
_VRM_FINGERS = {"thumb": "Thumb", "index": "Index", "middle": "Middle", "ring": "Ring",
                "pinky": "Little"}  # fmt: skip
_PHALANGES = (("Proximal", "Metacarpal"), ("Intermediate", "Proximal"), ("Distal", "Distal"))

# Words of bones by link, tried in this order; a side is looked for apart.
_WORDS: dict[str, tuple[str, ...]] = {
    "chest": ("upperchest", "spine3", "spine003", "spine2", "spine02", "chest", "spine1", "torso",
              "spine"),
    "neck": ("neck", "neck1", "neck01"),
    "head": ("head",),
    "eye": ("eye", "eyeball", "faceeye"),
    "upper_arm": ("upperarm", "uparm", "arm"),
    "forearm": ("forearm", "lowerarm", "loarm", "elbow"),
    "hand": ("hand", "wrist"),
}  # fmt: skip
_RIG = re.compile(
    r"^(mixamorig\d*|bip\d*|jbipc|jbipl|jbipr|jbip|def|org|cc_base|cc|rig|armature)[:_ .]+", re.I
)

# What ARKit weights do to the mouth shapes of VRM and of the Oculus visemes, and to blinks.
_SHAPES: Final[dict[str, dict[str, float]]] = {
    "aa": {"jawOpen": 1.3},
    "ih": {"mouthStretchLeft": 0.5, "mouthStretchRight": 0.5},
    "ou": {"mouthPucker": 1.0},
    "ee": {"mouthSmileLeft": 0.25, "mouthSmileRight": 0.25, "mouthDimpleLeft": 0.25,
           "mouthDimpleRight": 0.25},
    "oh": {"mouthFunnel": 1.0},
    "happy": {"mouthSmileLeft": 0.3, "mouthSmileRight": 0.3},
    "sad": {"mouthFrownLeft": 0.3, "mouthFrownRight": 0.3},
    "surprised": {"browInnerUp": 0.5},
    "blink": {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5},
    "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
}  # fmt: skip
_VISEMES: Final = {"aa": "aa", "ih": "ih", "i": "ih", "ou": "ou", "u": "ou", "e": "ee",
                   "oh": "oh", "o": "oh"}  # fmt: skip
_LIPS: Final = {"mouthPressLeft": 0.5, "mouthPressRight": 0.5, "mouthClose": 0.5}


@dataclass
class AvatarGuess:
    """A map ready to be written; `guessed` says on what it rests, `lacking` what does not move."""

    bones: dict[str, str] = field(default_factory=dict)
    morphs: dict[str, dict[str, float]] = field(default_factory=dict)
    guessed: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)

    def write(self, avatar: str) -> str:
        """Return the text of a map file for the file `avatar`."""
        lines = ["# Which bones and morphs of the avatar follow ours; docs/viewer.md tells more.",
                 "# Check it with `asynfusion avatar check THIS_FILE`."]  # fmt: skip
        for title, notes in (("guessed", self.guessed), ("lacking", self.lacking)):
            lines += [f"# {title}: {note}" for note in notes]
        lines.append(f"avatar: {_flow(avatar)}")
        lines.append("straighten: true # arms that rest lower than a T are lifted into one first")
        lines.append("bones: # ours: the file's" if self.bones else "bones: {}")
        lines += [f"  {ours}: {_flow(theirs)}" for ours, theirs in self.bones.items()]
        lines.append("morphs: # the file's: what it gets of each ARKit weight")
        lines[-1] = lines[-1] if self.morphs else "morphs: {}"
        lines += [f"  {_flow(theirs)}: {_flow(row)}" for theirs, row in self.morphs.items()]
        return "\n".join(lines) + "\n"


def _flow(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def guess_avatar(file: AvatarFile) -> AvatarGuess:
    """Guess a map: by the humanoid of a VRM, else by names; morphs by ARKit, VRM, visemes."""
    guess = AvatarGuess()
    if file.humanoid:
        _bones_of_vrm(guess, file)
        guess.guessed.append(f"bones: by the humanoid of VRM {file.vrm}")
    else:
        _bones_by_name(guess, file)
        if guess.bones:
            guess.guessed.append("bones: by their names")
    lacking = [name for name in Skeleton.load().joint_names if name not in guess.bones]
    if lacking:
        guess.lacking.append(f"no bone was found for {', '.join(lacking)}")
    _morphs(guess, file)
    return guess


def _bones_of_vrm(guess: AvatarGuess, file: AvatarFile) -> None:
    has = file.humanoid
    for ours, choices in _VRM_BONES.items():
        found = next((has[name] for name in choices if name in has), None)
        if found is not None:
            guess.bones[ours] = found
    for side, word in (("l", "left"), ("r", "right")):
        pairs = {f"{side}_{ours}": word + theirs for ours, theirs in _VRM_ARMS.items()}
        pairs[f"{side}_eye"] = word + "Eye"
        for finger, theirs in _VRM_FINGERS.items():
            for number, (plain, thumb) in enumerate(_PHALANGES, 1):
                which = thumb if finger == "thumb" and file.vrm == 1 else plain
                pairs[f"{side}_{finger}_{number}"] = word + theirs + which
        guess.bones |= {ours: has[theirs] for ours, theirs in pairs.items() if theirs in has}


def _bones_by_name(guess: AvatarGuess, file: AvatarFile) -> None:
    names = file.bones or file.nodes
    words = {name: _plain(name) for name in names if name}
    for ours in ("chest", "neck", "head"):
        _take(guess, ours, _WORDS[ours], {n: w for n, (w, side) in words.items() if not side})
    for side in "lr":
        mine = {name: word for name, (word, of) in words.items() if of == side}
        for ours in ("eye", "upper_arm", "forearm", "hand"):
            _take(guess, f"{side}_{ours}", _WORDS[ours], mine)
        for finger in FINGERS:
            for number in (1, 2, 3):
                _take(guess, f"{side}_{finger}_{number}", _finger_words(finger, number), mine)


def _finger_words(finger: str, number: int) -> list[str]:
    stems = [finger, "little"] if finger == "pinky" else [finger]
    starts = ("", "hand", "finger", "f")
    return [
        f"{start}{stem}{zero}{number}" for stem in stems for start in starts for zero in ("", "0")
    ]


def _plain(name: str) -> tuple[str, str]:
    """Return a bone's name without rig, side and marks, and its side: l, r or nothing."""
    bare = _RIG.sub("", name)
    side = ""
    for mark, pattern in (
        ("l", r"left|(?<![a-z])l(?![a-z])"),
        ("r", r"right|(?<![a-z])r(?![a-z])"),
    ):
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[LR])(?=[A-Z][a-z])", " ", bare).lower()
        if re.search(pattern, spaced.replace("_", " ").replace(".", " ")):
            side = mark
            bare = re.sub(pattern, "", spaced.replace("_", " ").replace(".", " "))
            break
    return re.sub(r"[^a-z0-9]", "", bare.lower()), side


def _take(guess: AvatarGuess, ours: str, forms: Iterable[str], words: dict[str, str]) -> None:
    for form in forms:
        found = [name for name, word in words.items() if word == form]
        if found:
            guess.bones[ours] = found[0]
            return


def _morphs(guess: AvatarGuess, file: AvatarFile) -> None:
    if not file.morphs:
        guess.lacking.append(
            "no morph targets: the face cannot move (a GLB needs some, such as ARKit's)"
        )
        return
    ours = {_bare(name): name for name in ARKIT_NAMES}
    for name in file.morphs:
        if _bare(name) in ours:
            guess.morphs[name] = {ours[_bare(name)]: 1.0}
    count = len(guess.morphs)
    if count:
        guess.guessed.append(f"{count} morphs: by ARKit's names")
    have = {source for row in guess.morphs.values() for source in row}
    if "jawOpen" not in have:
        _mouth(guess, file)
    missing = [name for name in ("jawOpen", "eyeBlinkLeft") if name not in
               {source for row in guess.morphs.values() for source in row}]  # fmt: skip
    if missing:
        shown = ", ".join(file.morphs[:20])
        guess.lacking.append(f"nothing answers to {', '.join(missing)}; morphs are: {shown}")


def _mouth(guess: AvatarGuess, file: AvatarFile) -> None:
    """Use VRM's expressions or the Oculus visemes."""
    both = {"blinkLeft", "blinkRight"} <= set(file.expressions)
    for name, binds in file.expressions.items():
        if name in _SHAPES and binds and not (name == "blink" and both):
            for morph, weight in binds.items():
                row = guess.morphs.setdefault(morph, {})
                for source, factor in _SHAPES[name].items():
                    row[source] = round(row.get(source, 0.0) + weight * factor, 3)
    if file.expressions:
        guess.guessed.append(f"morphs: by the expressions of VRM {file.vrm}")
        return
    found = 0
    for name in file.morphs:
        viseme = re.sub(r"(?i)^.*viseme_?", "", name).lower() if "viseme" in name.lower() else ""
        if viseme in _VISEMES:
            guess.morphs[name] = dict(_SHAPES[_VISEMES[viseme]])
            found += 1
        elif viseme == "pp":
            guess.morphs[name] = dict(_LIPS)
            found += 1
    if found:
        guess.guessed.append(f"{found} morphs: by the names of visemes")


def _bare(name: str) -> str:
    """Return a morph's name without prefix and marks, sides spelt out: `Face.eyeBlink_L`."""
    last = re.split(r"[.:]", name)[-1]
    spelt = re.sub(r"_L$", "Left", re.sub(r"_R$", "Right", last))
    return re.sub(r"[^a-z0-9]", "", spelt.lower())
