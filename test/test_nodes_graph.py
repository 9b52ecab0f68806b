"""The graph is described once; what is started from it is what was asked for."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from robot_helpers import build_urdf

from asynfusion_ros.errors import ConfigError, MotionFileError, StateError
from asynfusion_ros.graph import GraphArguments, NodeSpec, describe_graph
from asynfusion_ros.nodes import processes
from asynfusion_ros.nodes.processes import command_of, run_processes
from asynfusion_ros.nodes.settings import (
    AudioSourceSettings,
    AvatarSettings,
    BoardSettings,
    ProbeSettings,
    RetargetSettings,
)
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.robot_map import RobotMap, find_map
from asynfusion_ros.settings import settings_from_text
from asynfusion_ros.streaming.settings import EngineSettings


def names_of(**arguments):
    return [spec.name for spec in describe_graph(GraphArguments(**arguments))]


def test_the_usual_graph():
    assert names_of() == ["avatar", "audio_source", "viewer"]


def test_what_is_asked_for_is_added_and_left_out():
    assert names_of(audio="topic", viewer=False) == ["avatar"]
    assert names_of(report="r.json")[-1] == "probe"
    assert names_of(loudspeaker=True)[-1] == "loudspeaker"
    assert "robot_state_publisher" in names_of(robot_state_publisher=True)
    assert names_of(rviz=True)[-2:] == ["rviz2", "board"]


def test_the_board_stands_above_whoever_is_shown(tmp_path):
    avatar = next(s for s in describe_graph(GraphArguments(rviz=True)) if s.name == "board")
    assert avatar.parameters == {"audio_type": GraphArguments.audio_type}
    urdf = tmp_path / "reachy_mini.urdf"
    urdf.write_text(build_urdf("reachy_mini"))
    given = GraphArguments(rviz=True, robot="reachy_mini", robot_urdf=str(urdf))
    board = next(s for s in describe_graph(given) if s.name == "board").parameters
    robot = RobotModel.load(urdf)
    assert board["frame_id"] == robot.root
    assert robot.heights_m[1] < board["height_m"] < robot.heights_m[1] + 0.3
    assert set(board) <= {n for n, _ in BoardSettings.describe()}


def test_no_topic_of_rviz_is_absolute_so_that_a_namespace_is_seen(repo):
    displays = yaml.safe_load((repo / "rviz/avatar.rviz").read_text())["Visualization Manager"]
    topics = [
        each.get("Topic", each.get("Description Topic", {})).get("Value")
        for each in displays["Displays"]
    ]
    named = [topic for topic in topics if topic]
    assert named == ["robot_description", "face/mesh", "board"]
    assert not [topic for topic in named if topic.startswith("/")]


def rviz_of(**arguments):
    specs = {spec.name: spec for spec in describe_graph(GraphArguments(rviz=True, **arguments))}
    words = specs["rviz2"].arguments
    view = yaml.safe_load(Path(words[words.index("-d") + 1]).read_text())["Visualization Manager"]
    return specs, view, {each["Name"]: each for each in view["Displays"]}


def test_rviz_shows_the_avatar_with_its_face():
    specs, view, displays = rviz_of()
    assert view["Global Options"]["Fixed Frame"] == "avatar"
    assert displays["Face"]["Enabled"]
    assert specs["avatar"].parameters["face_mesh_rate_hz"] > 0


@pytest.mark.parametrize("name", ["reachy_mini", "jvrc1", "g1"])
def test_rviz_looks_at_the_whole_robot_from_its_front(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    urdf = tmp_path / "robot.urdf"
    urdf.write_text(build_urdf(name))
    for _ in range(2):
        specs, view, displays = rviz_of(robot=name, robot_urdf=str(urdf))
    assert len(list(tmp_path.glob("*/*"))) == 1, "starts do not pile up"
    robot = RobotModel.load(urdf)
    assert view["Global Options"]["Fixed Frame"] == robot.root
    assert not displays["Face"]["Enabled"]
    assert "face_mesh_rate_hz" not in specs["avatar"].parameters
    low_m, high_m = robot.heights_m
    camera = view["Views"]["Current"]
    seen_m = camera["Distance"] * np.tan(np.radians(22.5))
    letters_m = specs["board"].parameters["letters_m"]
    board_m = specs["board"].parameters["height_m"] + 5 * letters_m
    assert 0.012 < letters_m / (2 * seen_m) < 0.022, "it can be read, and fits"
    assert camera["Focal Point"]["Z"] - seen_m < low_m
    assert camera["Focal Point"]["Z"] + seen_m > board_m > high_m
    assert displays["Grid"]["Offset"]["Z"] == pytest.approx(low_m, abs=1e-3)
    forward = RobotMap.load(find_map(name)).forward
    towards = np.cos(camera["Yaw"]), np.sin(camera["Yaw"])
    assert np.dot(towards, forward[:2]) > 0.9


def test_what_another_user_laid_there_is_not_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"asynfusion_ros_{os.getuid()}").symlink_to(tmp_path)
    urdf = tmp_path / "robot.urdf"
    urdf.write_text(build_urdf("g1"))
    with pytest.raises(ConfigError, match="TMPDIR"):
        rviz_of(robot="g1", robot_urdf=str(urdf))


def test_the_meshes_of_a_robot_are_files(tmp_path):
    (tmp_path / "part.stl").touch()
    urdf = tmp_path / "g1.urdf"
    shape = '<visual><geometry><mesh filename="package://part.stl"/></geometry></visual>'
    urdf.write_text(
        build_urdf("g1").replace('<link name="root"/>', f'<link name="root">{shape}</link>')
    )
    given = {"robot": "g1", "robot_urdf": str(urdf), "robot_state_publisher": True}
    specs = {spec.name: spec for spec in describe_graph(GraphArguments(**given))}
    parameters = specs["robot_state_publisher"].parameters
    assert (tmp_path / "part.stl").as_uri() in parameters["robot_description"]
    assert parameters["publish_frequency"] == 60.0


def test_only_one_node_sends_frames():
    specs = describe_graph(GraphArguments(robot_state_publisher=True))
    assert specs[0].parameters["publish_tf"] is False
    robot = next(spec for spec in specs if spec.package == "robot_state_publisher")
    assert "<robot" in robot.parameters["robot_description"]


def test_a_robot_takes_the_place_of_the_avatar_on_tf(tmp_path):
    urdf = tmp_path / "g1.urdf"
    urdf.write_text("<robot/>")
    given = {"robot": "g1", "robot_urdf": str(urdf)}
    specs = {spec.name: spec for spec in describe_graph(GraphArguments(**given))}
    assert specs["avatar"].parameters["publish_tf"] is False
    assert specs["retarget"].parameters["urdf"] == str(urdf)
    assert set(specs["retarget"].parameters) <= {n for n, _ in RetargetSettings.describe()}
    given["robot_state_publisher"] = True
    specs = {spec.name: spec for spec in describe_graph(GraphArguments(**given))}
    assert specs["retarget"].parameters["publish_tf"] is False
    assert specs["robot_state_publisher"].parameters["robot_description"] == "<robot/>"
    with pytest.raises(MotionFileError, match="did you mean jvrc1"):
        describe_graph(GraphArguments(robot="jvrc"))


@pytest.mark.parametrize("audio", ["wav", "mic", "tts"])
def test_parameters_are_those_of_the_nodes(audio):
    known = {
        "avatar": {n for k in (AvatarSettings, EngineSettings) for n, _ in k.describe()},
        "audio_source": {n for n, _ in AudioSourceSettings.describe()},
        "probe": {n for n, _ in ProbeSettings.describe()},
    }
    specs = describe_graph(GraphArguments(audio=audio, viewer=False, report="r.json"))
    for spec in specs:
        assert set(spec.parameters) <= known[spec.name]


def test_a_missing_params_file_is_refused():
    with pytest.raises(ConfigError, match="does not exist"):
        describe_graph(GraphArguments(params_file="none.yaml"))


def test_words_become_settings():
    words = {"audio": "tts", "viewer": "False", "seed": "7", "rate": "2", "text": "yes: no"}
    arguments = settings_from_text(GraphArguments, words)
    assert (arguments.audio, arguments.viewer, arguments.seed) == ("tts", False, 7)
    assert (arguments.rate, arguments.text) == (2.0, "yes: no")


@pytest.mark.parametrize(
    "words", [{"viewer": "perhaps"}, {"seed": "x"}, {"audio": "radio"}, {"nonsense": "1"}]
)
def test_wrong_words_are_refused(words):
    with pytest.raises(ConfigError):
        settings_from_text(GraphArguments, words)


def test_parameters_survive_the_command_line(tmp_path):
    parameters = {"text": 'say "yes: no"', "rate": 1e-5, "loop": True}
    spec = NodeSpec("a", "audio_source_node", parameters=parameters, namespace="left")
    command = command_of(spec, tmp_path)
    assert "__node:=a" in command
    assert "__ns:=/left" in command
    file = command[command.index("--params-file") + 1]
    with open(file, encoding="utf-8") as text:
        assert yaml.safe_load(text)["/**"]["ros__parameters"] == parameters


def test_a_program_that_is_not_installed_is_named():
    with pytest.raises(StateError, match="apt install"):
        command_of(NodeSpec("x", "no_such_program", package="no_such_package"), None)


@pytest.fixture
def scripts(monkeypatch):
    """Specs whose `executable` is Python code, run in place of a node."""
    monkeypatch.setattr(
        processes, "command_of", lambda spec, _: [sys.executable, "-c", spec.executable]
    )


WAIT = "import time; time.sleep(60)"


def test_the_end_of_one_that_matters_ends_all(scripts):
    begin_s = time.monotonic()
    specs = [NodeSpec("waits", WAIT), NodeSpec("ends", "raise SystemExit(3)", ends_graph=True)]
    assert run_processes(specs) == 3
    assert time.monotonic() - begin_s < 15


def test_the_end_of_another_ends_nothing(scripts):
    specs = [NodeSpec("ends", "raise SystemExit(2)"), NodeSpec("waits", WAIT, ends_graph=True)]
    assert run_processes(specs, limit_s=1.5) == 0


def is_alive(pid):
    """Whether a process runs; one that ended and waits for whoever started it does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_whoever_ends_leaves_nobody_behind(repo, tmp_path, number, status):
    code = f"""
import sys
from asynfusion_ros.graph import NodeSpec
from asynfusion_ros.nodes import processes
processes.command_of = lambda spec, _: [sys.executable, "-c", spec.executable]
child = "import os, time, pathlib; " \\
    "pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid())); time.sleep(60)"
sys.exit(processes.run_processes([NodeSpec("waits", child)]))
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=repo)
    end_s = time.monotonic() + 20
    while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < end_s
        time.sleep(0.05)
    pid = int((tmp_path / "pid").read_text())
    assert is_alive(pid)
    process.send_signal(number)
    assert process.wait(20) == status
    end_s = time.monotonic() + 20
    while is_alive(pid):
        assert time.monotonic() < end_s
        time.sleep(0.05)
