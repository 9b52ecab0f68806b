"""The launch file starts exactly the processes of the graph's description."""

import importlib.util

import pytest

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.graph import GraphArguments, describe_graph

pytest.importorskip("launch_ros", reason="launch_ros is not installed")


@pytest.fixture(scope="module")
def launch_file(repo):
    path = repo / "launch" / "avatar.launch.py"
    spec = importlib.util.spec_from_file_location("avatar_launch", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_argument_of_the_graph_is_declared(launch_file):
    from launch.actions import DeclareLaunchArgument

    description = launch_file.generate_launch_description()
    declared = [e.name for e in description.entities if isinstance(e, DeclareLaunchArgument)]
    assert declared == [name for name, _ in GraphArguments.describe()]


def test_the_actions_are_those_of_the_description(launch_file):
    from launch import LaunchContext

    context = LaunchContext()
    for name, value in GraphArguments().to_dict().items():
        context.launch_configurations[name] = str(value)
    context.launch_configurations["report"] = "report.json"
    actions = launch_file.start_nodes(context)
    expected = describe_graph(GraphArguments(report="report.json"))
    assert [a.node_executable for a in actions] == [spec.executable for spec in expected]


def test_a_program_that_is_missing_is_named_before_anything_starts(launch_file, monkeypatch):
    from ament_index_python.packages import PackageNotFoundError

    from launch import LaunchContext

    def not_found(package):
        raise PackageNotFoundError(package)

    context = LaunchContext()
    for name, value in GraphArguments(rviz=True).to_dict().items():
        context.launch_configurations[name] = str(value)
    monkeypatch.setattr(launch_file, "get_package_prefix", not_found)
    with pytest.raises(ConfigError, match="apt install ros-"):
        launch_file.start_nodes(context)


def filled(**arguments):
    from launch import LaunchContext

    context = LaunchContext(argv=[f"{name}:={value}" for name, value in arguments.items()])
    for name, value in {**GraphArguments().to_dict(), **arguments}.items():
        context.launch_configurations[name] = str(value)
    return context


def test_arguments_that_do_nothing_are_named(launch_file, monkeypatch):
    said = []
    stand_in = type("Logger", (), {"warning": staticmethod(said.append)})
    monkeypatch.setattr(launch_file, "get_logger", lambda _: stand_in)
    launch_file.start_nodes(filled(rvizz=True, robot="", whatever=1))
    assert said == [
        "rvizz:= is no argument of this file; did you mean rviz?",
        "whatever:= is no argument of this file; see --show-args",
    ]


def test_it_says_why_it_ends(launch_file):
    *_, end = launch_file.start_nodes(filled(seconds=2.5))
    said, stopped = end.actions
    assert [word.text for word in said.msg] == ["the 2.5 s asked for are over"]
    assert type(stopped).__name__ == "Shutdown"
