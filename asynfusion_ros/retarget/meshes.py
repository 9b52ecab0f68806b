"""Where the meshes lie that a robot's URDF names; one answer for RViz, the page and the checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote
from xml.sax.saxutils import escape, unescape

from asynfusion_ros.retarget.places import share_roots

MESHES: Final = (".stl", ".dae", ".obj", ".glb")
_DEEPEST = 6  # folders of a package above the one of its URDF, that one included
_PACKAGES = ("package", "model")
_QUOTES = {"&quot;": '"', "&apos;": "'"}
_NAMED = re.compile(r"<!--.*?-->|(<mesh\b[^>]*?\bfilename\s*=\s*)([\"'])(.*?)\2", re.DOTALL)


def find_mesh(name: str, folder: Path | None) -> Path | None:
    """Return the file of a mesh that a URDF in `folder` names, or None.

    Only files that end as meshes do, of installed packages, of the package in which the URDF
    lies, or below `folder`: a stranger's URDF opens nothing else. Some URDFs write
    `package://assets/x.stl` and mean the folder assets beside them.
    """
    for path in _candidates(name, folder):
        if path.suffix.lower() in MESHES and path.is_file():
            return path
    return None


def mesh_is_there(name: str, folder: Path) -> bool:
    """Tell whether a mesh that a URDF in `folder` names can be found, wherever it points."""
    if any(path.is_file() for path in _candidates(name, folder)):
        return True
    path = _plain_path(name)
    return path is not None and (Path(folder) / path).is_file()


def locate_meshes(urdf: str, folder: Path) -> tuple[str, list[str]]:
    """Return a URDF of `folder` whose meshes RViz can open, and the names of those not found.

    RViz knows packages that ROS has installed and full paths, but neither pip's packages nor
    what lies beside the URDF: what is found becomes a file://, the rest stays as it was.
    """
    missing: dict[str, None] = {}

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:  # a comment
            return match[0]
        name = unescape(match[3], _QUOTES)
        path = find_mesh(name, folder)
        if path is None:
            if not mesh_is_there(name, folder):
                missing[name] = None
            return match[0]
        return match[1] + match[2] + escape(path.as_uri(), {'"': "&quot;"}) + match[2]

    return _NAMED.sub(replace, urdf), list(missing)


def _candidates(name: str, folder: Path | None) -> Iterator[Path]:
    """Yield where a mesh may lie; never outside its root, wherever links and dots lead."""
    scheme, mark, inside = name.partition("://")
    package = inside.partition("/")[0]
    if scheme in _PACKAGES and mark:
        if package in ("", ".", ".."):
            return
        roots = [(root, root / package) for root in (*share_roots(), *_around(folder, package))]
    elif scheme == "file" and mark:
        inside = unquote(inside)
        roots = [(root, root) for root in (*share_roots(), *_own(folder))]
    else:
        inside = name
        roots = [(folder, folder)] if folder is not None else []
    for root, base in roots:
        try:
            path = (root / inside).resolve()
            if path.is_relative_to(base.resolve()):
                yield path
        except (OSError, ValueError):
            continue


def _around(folder: Path | None, package: str) -> Iterator[Path]:
    """Yield what holds `package` where nobody has installed it: beside a URDF, around it."""
    if folder is None:
        return
    yield folder
    for above in _above(folder):
        if above.name == package:
            yield above.parent
        if (above / package / "package.xml").is_file():
            yield above


def _own(folder: Path | None) -> Iterator[Path]:
    """Yield a URDF's folder, and the ROS package in which it lies."""
    if folder is None:
        return
    yield folder
    for above in _above(folder):
        if (above / "package.xml").is_file():
            yield above


def _above(folder: Path) -> list[Path]:
    resolved = Path(folder).resolve()
    return [resolved, *resolved.parents][:_DEEPEST]


def _plain_path(name: str) -> Path | None:
    scheme, mark, inside = name.partition("://")
    if not mark:
        return Path(name)
    return Path(unquote(inside)) if scheme == "file" else None
