"""The rooms of the package import one way only: this test reads every import and knows the way."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "asynfusion_ros"
REPO = Path(__file__).resolve().parent.parent

# From the ground up: a room may import from its own level and those below.
LEVELS = (
    ("settings", "errors", "files", "mcap_file", "resources"),
    ("motion", "audio"),
    ("networks", "diffusion", "retarget"),
    ("sampling",),
    ("data", "training", "evaluation", "streaming"),
    ("graph", "rviz_view", "viewer", "cli", "nodes", "bench"),
)
HEIGHT = {room: height for height, rooms in enumerate(LEVELS) for room in rooms}
STRANGERS = {("networks", "diffusion"), ("diffusion", "networks")}
ROS = re.compile(
    r"(rclpy|launch|launch_ros|tf2_ros|builtin_interfaces|\w+_msgs|\w+_srvs"
    rf"|{PACKAGE}\.(msg|srv))(\.|$)"
)
# What a room must do without, so that it stays usable where that is missing.
BANNED = {
    "motion": ("torch", "onnxruntime"),
    "audio": ("torch",),
    "retarget": ("torch",),
    "*": ("diffusers", "pickle"),
}


def imports_of(source: str, module: str) -> set[str]:
    """Dotted names that `module` imports anywhere, also inside functions and conditions."""
    found = set()
    parent = module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parent[: len(parent) + 1 - node.level] if node.level else []
            prefix = ".".join([*base, node.module or ""]).strip(".")
            found.update(f"{prefix}.{alias.name}" for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, (ast.Name, ast.Attribute))
            and getattr(node.func, "id", getattr(node.func, "attr", "")) in LOADERS
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            found.add(node.args[0].value)
    return found


LOADERS = ("import_module", "__import__")


def room_of(name: str) -> str | None:
    """The room of a dotted name inside the package; None for the package itself and strangers."""
    parts = name.split(".")
    return parts[1] if parts[0] == PACKAGE and len(parts) > 1 and parts[1] in HEIGHT else None


def faults_of(module: str, imported: set[str]) -> list[str]:
    """What is wrong with the imports of one module."""
    room = room_of(module)
    faults = []
    for name in sorted(imported):
        target = room_of(name)
        if room and target and HEIGHT[target] > HEIGHT[room]:
            faults.append(f"{module} imports {name}: {room} lies below {target}")
        if (room, target) in STRANGERS:
            faults.append(
                f"{module} imports {name}: {room} and {target} know nothing of each other"
            )
        if room != "nodes" and ROS.match(name):
            faults.append(f"{module} imports {name}: only nodes/ and launch/ know ROS")
        if name.split(".")[0] in (*BANNED.get(room or "", ()), *BANNED["*"]):
            faults.append(f"{module} imports {name}, which has no place there")
    return faults


def read_package() -> dict[str, set[str]]:
    modules = {}
    for path in sorted((REPO / PACKAGE).rglob("*.py")):
        parts = path.relative_to(REPO).with_suffix("").parts
        module = ".".join(parts)
        modules[module] = imports_of(path.read_text(encoding="utf-8"), module)
    return modules


def module_graph(modules: dict[str, set[str]]) -> dict[str, set[str]]:
    """Module to the modules it imports; a package stands for its __init__."""
    names = {module.removesuffix(".__init__"): module for module in modules}
    graph = {}
    for module, imported in modules.items():
        targets = set()
        for name in imported:
            target = names.get(name) or names.get(name.rpartition(".")[0])
            if target and target != module and not target.startswith(f"{PACKAGE}.__init__"):
                targets.add(target)
        graph[module] = targets
    return graph


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_room_has_a_level():
    children = (REPO / PACKAGE).iterdir()
    rooms = {p.stem for p in children if p.suffix == ".py" or (p.is_dir() and any(p.glob("*.py")))}
    assert rooms - {"__init__", "__main__"} <= set(HEIGHT)


def test_imports_point_one_way():
    modules = read_package()
    assert modules, "no module found"
    assert [fault for name, found in modules.items() for fault in faults_of(name, found)] == []


def test_no_import_cycles():
    assert cycle_in(module_graph(read_package())) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("asynfusion_ros.motion.clip", "from asynfusion_ros.streaming import clock"),
        (
            "asynfusion_ros.motion.clip",
            "def f():\n    from asynfusion_ros.audio import x\n    import torch",
        ),
        ("asynfusion_ros.networks.branch", "import asynfusion_ros.diffusion.ddim"),
        ("asynfusion_ros.networks.branch", "from asynfusion_ros import diffusion"),
        ("asynfusion_ros.diffusion.ddim", "from ..networks import branch"),
        ("asynfusion_ros.streaming.engine", "import rclpy.node"),
        ("asynfusion_ros.cli", "def f():\n    from asynfusion_ros.msg import AudioChunk"),
        ("asynfusion_ros.viewer.server", "if x:\n    from sensor_msgs.msg import JointState"),
        ("asynfusion_ros.sampling.sequential", "import diffusers"),
        ("asynfusion_ros.streaming.engine", "import importlib\nimportlib.import_module('rclpy')"),
        ("asynfusion_ros.settings", "from . import cli"),
    ],
)
def test_a_wrong_import_is_seen(module, source):
    assert faults_of(module, imports_of(source, module))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "asynfusion_ros.nodes.avatar_node",
            "import rclpy\nfrom asynfusion_ros.msg import AudioChunk",
        ),
        (
            "asynfusion_ros.sampling.sequential",
            "from asynfusion_ros.networks import dual\nimport torch",
        ),
        ("asynfusion_ros.diffusion.ddim", "from .schedule import NoiseSchedule"),
        (
            "asynfusion_ros.audio.vad",
            "import numpy, onnxruntime\nfrom asynfusion_ros.errors import A",
        ),
    ],
)
def test_a_right_import_passes(module, source):
    assert faults_of(module, imports_of(source, module)) == []


def test_a_cycle_is_seen():
    modules = {
        "asynfusion_ros.motion.a": {"asynfusion_ros.motion.b.f"},
        "asynfusion_ros.motion.b": {"asynfusion_ros.motion.c"},
        "asynfusion_ros.motion.c": {"asynfusion_ros.motion.a.g"},
    }
    assert len(set(cycle_in(module_graph(modules)))) == 3
    del modules["asynfusion_ros.motion.c"]
    assert cycle_in(module_graph(modules)) == []


def test_the_launch_file_does_not_wait_for_torch():
    code = f"import {PACKAGE}.graph, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPO, check=False).returncode == 0


def test_what_sampling_offers_is_there():
    pytest.importorskip("torch", reason="torch is not installed")
    from asynfusion_ros import sampling

    assert [name for name in sampling.__all__ if getattr(sampling, name) is None] == []
    assert "build_sampler" in sampling.__all__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        sampling.nonsense  # noqa: B018
