"""`pip install .`: the Python modules, the files beside them, and the messages where ROS 2 is.

Where rosidl can be found the build runs the same CMakeLists.txt as colcon and puts the generated
messages into the wheel; elsewhere everything but `asynfusion_ros.nodes` works.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent.resolve()
SHARED = ("launch", "config", "models", "urdf", "rviz")


def has_rosidl() -> bool:
    """Tell whether an environment with rosidl's generators is sourced."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return any((Path(p) / "share" / "rosidl_default_generators").is_dir() for p in prefixes if p)


class MessageDistribution(Distribution):
    """A wheel with messages holds compiled code: it is for this Python and machine alone."""

    def has_ext_modules(self) -> bool:
        """Tell whether the wheel must be tagged so."""
        return has_rosidl()


class BuildWithMessages(build_py):
    """Build the modules, then lay the generated messages beside them."""

    def run(self) -> None:
        """Run the usual build; where ROS 2 is sourced, CMake too."""
        super().run()
        if has_rosidl():
            self._build_messages()

    def _build_messages(self) -> None:
        build = Path(self.get_finalized_command("build").build_temp).resolve() / "messages"
        prefix = build / "prefix"
        configure = [
            "cmake", "-S", str(ROOT), "-B", str(build), f"-DCMAKE_INSTALL_PREFIX={prefix}",
            f"-DPython3_EXECUTABLE={sys.executable}", "-DBUILD_TESTING=OFF", "-Wno-dev",
        ]  # fmt: skip
        for command in (configure, ["cmake", "--build", str(build), "--parallel", "2"],
                        ["cmake", "--install", str(build)]):  # fmt: skip
            subprocess.run(command, check=True)
        generated = next(prefix.rglob("asynfusion_ros/msg")).parent
        target = Path(self.build_lib) / "asynfusion_ros"
        for path in generated.rglob("*"):
            made = path.parts[len(generated.parts)] in ("msg", "srv") or path.suffix == ".so"
            if path.is_file() and made:
                self.copy_file(str(path), str(_parent(target / path.relative_to(generated))))
        libraries = [p for p in (prefix / "lib").glob("libasynfusion_ros__*") if p.is_file()]
        for library in libraries:
            self.copy_file(str(library), str(target / library.name))


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def shared_files() -> list[tuple[str, list[str]]]:
    """Return the data files: every file of the shared folders, below share/asynfusion_ros."""
    folders: dict[str, list[str]] = {}
    for name in SHARED:
        for path in sorted((ROOT / name).rglob("*")):
            if path.is_file():
                relative = path.relative_to(ROOT)
                place = f"share/asynfusion_ros/{relative.parent.as_posix()}"
                folders.setdefault(place, []).append(str(relative))
    folders.setdefault("share/asynfusion_ros", []).append("package.xml")
    return sorted(folders.items())


setup(
    data_files=shared_files(),
    distclass=MessageDistribution,
    cmdclass={"build_py": BuildWithMessages},
)
