"""Where packages keep robot descriptions on this machine."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path


def find_urdf(candidates: Sequence[str]) -> Path | None:
    """Return the first file of a robot's description that an installed package brings.

    Candidates such as `jvrc_description/urdf/jvrc1.urdf` are sought among Python packages, the
    shared files of the Python environment, and those of ROS packages.
    """
    roots = list(share_roots())
    found = (root / candidate for candidate in candidates for root in roots)
    return next((path for path in found if path.is_file()), None)


def share_roots() -> Iterator[Path]:
    """Yield the folders in which packages keep robot descriptions."""
    for folder in dict.fromkeys([*sys.path, *site.getsitepackages()]):
        if folder and Path(folder).is_dir():
            yield Path(folder)
    yield Path(sys.prefix) / "share"
    for name in ("AMENT_PREFIX_PATH", "CONDA_PREFIX"):
        for prefix in os.environ.get(name, "").split(os.pathsep):
            if prefix:
                yield Path(prefix) / "share"
