"""The map of a user's avatar: a YAML file that says which bones and morphs follow ours."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asynfusion_ros.errors import ConfigError, MotionFileError, brief
from asynfusion_ros.files import read_yaml
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.avatar_file import AvatarFile
from asynfusion_ros.viewer.avatar_guess import guess_avatar

_SHOWN = 24
_MOST_FACTOR = 10.0


@dataclass(frozen=True)
class AvatarMap:
    """Which bones (ours to the file's) and morphs (the file's to ARKit weights) follow ours."""

    path: Path
    bones: Mapping[str, str]
    morphs: Mapping[str, Mapping[str, float]]
    straighten: bool = True

    @staticmethod
    def of(path: Path) -> AvatarMap:
        """Read a map, or guess one for a GLB or VRM.

        Raises ConfigError for a map that names what is not there, with what is; MotionFileError
        for a file that cannot be read, or in which neither bones nor morphs are found.
        """
        if path.suffix.lower() in (".yaml", ".yml"):
            return _read(path)
        file = AvatarFile.read(path)
        guess = guess_avatar(file)
        if not guess.bones and not guess.morphs:
            raise MotionFileError(
                f"{path} has neither bones nor morphs that could be guessed; {describe(file)}; "
                "write a map: asynfusion avatar guess"
            )
        return AvatarMap(path, guess.bones, guess.morphs)

    def for_page(self) -> dict[str, Any]:
        """Return what the page needs."""
        morphs = {name: dict(row) for name, row in self.morphs.items()}
        return {"bones": dict(self.bones), "morphs": morphs, "straighten": self.straighten}


def describe(file: AvatarFile) -> str:
    """Return what is in a file, for messages."""
    bones = _list(file.bones or file.nodes)
    return f"bones: {bones}; morphs: {_list(file.morphs)}"


def _list(names: Collection[str]) -> str:
    shown = [brief(name) for name in list(names)[:_SHOWN]]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "") if names else "none"


def our_bones() -> list[str]:
    """Return the names that a map may give bones for."""
    skeleton = Skeleton.load()
    fingers = [finger.name for finger in skeleton.fingers]
    return ["chest", "neck", *skeleton.joint_names[1:], "l_eye", "r_eye", *fingers]


def _read(path: Path) -> AvatarMap:
    content = read_yaml(path, ConfigError)
    keys = {"avatar", "straighten", "bones", "morphs"}
    if not isinstance(content, dict) or not isinstance(content.get("avatar"), str):
        raise ConfigError(
            f"{path} has no entry `avatar: FILE.glb`; begin with asynfusion avatar guess"
        )
    _check(path, "an entry", set(map(str, content)), keys)
    file = AvatarFile.read(path.parent / content["avatar"])
    bones, morphs = content.get("bones") or {}, content.get("morphs") or {}
    straighten = content.get("straighten", True)
    if not (isinstance(bones, dict) and isinstance(morphs, dict) and isinstance(straighten, bool)):
        raise ConfigError(f"{path}: bones and morphs are tables, straighten is true or false")
    _check(path, "a bone of ours", set(map(str, bones)), our_bones())
    _check(path, f"a bone of {file.path.name}", set(map(str, bones.values())), file.nodes)
    _check(path, f"a morph of {file.path.name}", set(map(str, morphs)), file.morphs)
    rows = {str(name): _factors(path, str(name), row) for name, row in morphs.items()}
    return AvatarMap(file.path, {str(k): str(v) for k, v in bones.items()}, rows, straighten)


def _factors(path: Path, morph: str, row: Any) -> dict[str, float]:
    row = {row: 1.0} if isinstance(row, str) else row
    if not isinstance(row, dict):
        raise ConfigError(
            f"{path}: {brief(morph)} needs ARKit weights and factors, {{jawOpen: 1.0}}"
        )
    _check(path, "an ARKit weight", set(map(str, row)), ARKIT_NAMES)
    for source, factor in row.items():
        number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not number or not -_MOST_FACTOR <= factor <= _MOST_FACTOR:
            raise ConfigError(f"{path}: {brief(morph)} gets {brief(factor)} of {source}; "
                              f"give a number up to {_MOST_FACTOR:g}")  # fmt: skip
    return {str(source): float(factor) for source, factor in row.items()}


def _check(path: Path, what: str, given: Collection[str], there: Collection[str]) -> None:
    """Refuse names that are not there, with the nearest ones and all that are."""
    for name in sorted(given):
        if name not in there:
            near = difflib.get_close_matches(name, list(there), 3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise ConfigError(
                f"{path}: {brief(name)} is not {what}{hint} There are: {_list(there)}"
            )
