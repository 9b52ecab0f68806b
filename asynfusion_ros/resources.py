"""Where the files that come with the package lie: models, configuration, URDF, web page."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePath

from asynfusion_ros.errors import ConfigError, brief
from asynfusion_ros.files import refuse

_PACKAGE = "asynfusion_ros"


def _candidate_roots() -> Iterator[Path]:
    yield Path(__file__).resolve().parent.parent  # source tree, also through --symlink-install
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            yield Path(prefix) / "share" / _PACKAGE
    for ancestor in Path(__file__).resolve().parents:
        yield ancestor / "share" / _PACKAGE
    yield Path(sys.prefix) / "share" / _PACKAGE


def find_resource(relative: str) -> Path:
    """Return the path of a file or folder that comes with the package, such as `models/small`.

    Looks in the source tree, the ROS prefixes, then the Python prefix; raises ConfigError with the
    places searched where it is in none, and for a name that leads out of them.
    """
    parts = PurePath(relative).parts
    if not parts or "\0" in relative or ".." in parts or PurePath(relative).is_absolute():
        raise ConfigError(
            f"{brief(relative)} is neither there nor a name of one of the package's own files, "
            "such as models/small; check the path"
        )
    searched = []
    for root in _candidate_roots():
        path = root / relative
        if path.exists():
            return path
        searched.append(str(root))
    raise ConfigError(
        f"{brief(relative)} was not found in {searched}; build the package with colcon or pip"
    )


def find_path(name: str, advice: str = "or give the path itself") -> Path:
    """Return what a user named: a path that exists, or one of the package's own files.

    Raises ConfigError, with the advice, where it is neither.
    """
    with refuse(ConfigError, f"{brief(name)} is no path"):
        given = Path(name).expanduser()
        if name and given.exists():
            return given
    try:
        return find_resource(name)
    except ConfigError as error:
        raise ConfigError(f"{error}; {advice}") from error
