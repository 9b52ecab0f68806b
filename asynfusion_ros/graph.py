"""The graph of nodes, described once: the launch file and `asynfusion up` both start this."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from asynfusion_ros.errors import ConfigError, brief
from asynfusion_ros.files import refuse
from asynfusion_ros.nodes.settings import (
    DEFAULT_CHECKPOINT,
    DEFAULT_SPEECH,
    DEFAULT_TEXT,
    AvatarSettings,
    FaceSettings,
    RecorderSettings,
    ViewerSettings,
)
from asynfusion_ros.resources import find_resource
from asynfusion_ros.retarget.meshes import locate_meshes
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.robot_map import RobotMap, find_map, locate_urdf
from asynfusion_ros.rviz_view import place_board, view_avatar, view_robot
from asynfusion_ros.settings import Settings, setting
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.viewer.looks import LOOKS

S = TypeVar("S", bound=Settings)

PACKAGE = "asynfusion_ros"
URDF = "urdf/avatar.urdf"
_FRAMES_HZ = 60.0  # robot_state_publisher's own 20 Hz look jerky beside motion at 60 Hz
_LISTENER_WAIT_S = 120.0  # a first start reads hundreds of megabytes from a cold disk


@dataclass(frozen=True)
class GraphArguments(Settings):
    """What can be chosen at the start; each is `name:=value` of the launch file, `--name` of up."""

    audio: str = setting(
        "wav",
        doc="Where sound comes from; topic: from somebody else's node",
        choices=("wav", "mic", "tts", "topic"),
    )
    wav: str = setting(DEFAULT_SPEECH, doc="Recording for audio wav")
    text: str = setting(DEFAULT_TEXT, doc="What to say with audio tts")
    loop: bool = setting(True, doc="Begin the recording or the text again at its end")
    rate: float = setting(
        1.0, doc="Pace of sending recordings and text", minimum=0.1, maximum=100.0
    )
    audio_type: str = setting(
        AvatarSettings.audio_type,
        doc="Type of the audio topic, for audio topic",
        choices=dict(AvatarSettings.describe())["audio_type"].choices,
    )
    checkpoint: str = setting(DEFAULT_CHECKPOINT, doc="Folder of a model, or its name")
    device: str = setting(
        AvatarSettings.device, doc="Where the networks run", choices=("auto", "cpu", "cuda")
    )
    deterministic: bool = setting(
        EngineSettings.deterministic, doc="Same audio, same motion, whatever the timing"
    )
    seed: int = setting(EngineSettings.seed, doc="Seed of the sampling noise", minimum=0)
    speaker: int = setting(EngineSettings.speaker, doc="Whose manner to use", minimum=0)
    style: str = setting(
        EngineSettings.style,
        doc="Who moves, for models that have styles: energy=1.5 and so on, anyone=7, open",
    )
    emotion: str = setting(EngineSettings.emotion, doc="Emotion, for models that know any")
    listen: bool = setting(
        EngineSettings.listen, doc="Hear what the other says on listen/audio, look at them and nod"
    )
    viewer: bool = setting(True, doc="Serve the avatar as a web page")
    viewer_port: int = setting(
        ViewerSettings.port, doc="Port of the web page", minimum=0, maximum=65535
    )
    viewer_host: str = setting(
        ViewerSettings.host, doc="Address to serve; 0.0.0.0 opens it to the network"
    )
    viewer_token: str = setting(
        ViewerSettings.token,
        doc="Secret that opens the web page; empty: made where viewer_host is not this machine",
    )
    look: str = setting(ViewerSettings.look, doc="Who is shown", choices=LOOKS)
    avatar: str = setting(
        "", doc="Show this GLB or VRM, or that of a map of `asynfusion avatar guess`, instead"
    )
    loudspeaker: bool = setting(
        False, doc="Play the sound on this machine's loudspeaker, with the poses"
    )
    robot: str = setting(
        "", doc="Robot to move: a ready map by name (jvrc1, reachy_mini, ...), or a map's path"
    )
    robot_urdf: str = setting(
        "", doc="URDF of that robot; empty: the file that an installed package brings"
    )
    face: str = setting(
        "",
        doc="Dialects in which the face is repeated, with commas: action_units, expression, "
        "visemes, servos",
    )
    servos: str = setting(FaceSettings.servos, doc="Map of a face of servos, for face servos")
    rviz: bool = setting(False, doc="Show the avatar in RViz")
    robot_state_publisher: bool = setting(
        False, doc="Let robot_state_publisher send /tf instead of the avatar node"
    )
    record: str = setting(
        "", doc="MCAP file in which sound, motion, diagnostics and log are recorded"
    )
    record_max_mb: float = setting(
        RecorderSettings.max_mb,
        doc="Size after which the recording begins another file, five at most",
        unit="MB",
        minimum=0.1,
        maximum=1e6,
    )
    report: str = setting("", doc="JSON file in which a separate process reports measurements")
    seconds: float = setting(
        0.0,
        doc="Stop after so long; with a report, so long from the first motion. 0: never",
        unit="s",
        minimum=0.0,
        maximum=1e6,
    )
    namespace: str = setting("", doc="ROS namespace of all nodes")
    params_file: str = setting("", doc="YAML file of further ROS parameters for the nodes")
    use_sim_time: bool = setting(False, doc="Take time from the topic /clock")


@dataclass(frozen=True)
class NodeSpec:
    """One process of the graph.

    Attributes:
        name: name of the node.
        executable: file in lib/<package>; for our own package also the module in nodes/.
        package: ROS package of the executable.
        parameters: parameters that differ from the node's defaults.
        params_files: YAML files of parameters; they win over `parameters`.
        arguments: words for the process itself.
        namespace: namespace of the node.
        ends_graph: whether the whole graph ends when this process does.
    """

    name: str
    executable: str
    package: str = PACKAGE
    parameters: Mapping[str, Any] = field(default_factory=dict)
    params_files: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    namespace: str = ""
    ends_graph: bool = False


def describe_graph(arguments: GraphArguments) -> list[NodeSpec]:
    """Return the processes to start; raise ConfigError where a file that they need is missing."""
    specs = [_avatar(arguments)]
    if arguments.audio != "topic":
        specs.append(_audio_source(arguments))
    if arguments.viewer:
        specs.append(_viewer(arguments))
    if arguments.loudspeaker:
        plays = {"audio_type": arguments.audio_type}
        specs.append(NodeSpec("loudspeaker", "loudspeaker_node", parameters=plays))
    if arguments.robot:
        specs.append(_retarget(arguments))
    if arguments.face:
        dialects = {"dialects": arguments.face, "servos": _absolute(arguments.servos)}
        specs.append(NodeSpec("face", "face_node", parameters=dialects))
    if arguments.robot_state_publisher:
        specs.append(_robot_state_publisher(arguments))
    if arguments.rviz:
        specs += _rviz(arguments)
    if arguments.record:
        specs.append(_recorder(arguments))
    if arguments.report:
        figures = {"seconds": arguments.seconds, "report": _absolute(arguments.report)}
        specs.append(NodeSpec("probe", "probe_node", parameters=figures, ends_graph=True))
    return [_in_common(spec, arguments) for spec in specs]


def _avatar(arguments: GraphArguments) -> NodeSpec:
    same = ("audio_type", "device", "deterministic", "listen", "seed")
    manner = ("speaker", "style", "emotion")
    parameters = {name: getattr(arguments, name) for name in (*same, *manner)}
    parameters["checkpoint"] = _absolute(arguments.checkpoint)
    # Links of a robot may have the names of the avatar's: only one of them is on /tf.
    parameters["publish_tf"] = not (arguments.robot_state_publisher or arguments.robot)
    if arguments.rviz and not arguments.robot:
        parameters["face_mesh_rate_hz"] = 10.0
    return NodeSpec("avatar", "avatar_node", parameters=parameters, ends_graph=True)


def _audio_source(arguments: GraphArguments) -> NodeSpec:
    parameters = {
        "source": arguments.audio,
        "wav": _absolute(arguments.wav),
        "text": arguments.text,
        "loop": arguments.loop,
        "rate": arguments.rate,
        "listener": "avatar",
        "wait_s": _LISTENER_WAIT_S,
    }
    return NodeSpec("audio_source", "audio_source_node", parameters=parameters)


def _viewer(arguments: GraphArguments) -> NodeSpec:
    parameters = {
        "port": arguments.viewer_port,
        "host": arguments.viewer_host,
        "token": arguments.viewer_token,
        "audio_type": arguments.audio_type,
        "look": arguments.look,
        "avatar": _absolute(arguments.avatar) if arguments.avatar else "",
    }
    if arguments.robot:
        parameters["robot_meshes"] = str(Path(_urdf_of_robot(arguments)).parent)
    return NodeSpec("viewer", "viewer_node", parameters=parameters)


def _retarget(arguments: GraphArguments) -> NodeSpec:
    parameters = {
        "robot": str(find_map(arguments.robot).resolve()),
        "urdf": str(_urdf_of_robot(arguments)),
        "publish_tf": not arguments.robot_state_publisher,
    }
    return NodeSpec("retarget", "retarget_node", parameters=parameters)


def _recorder(arguments: GraphArguments) -> NodeSpec:
    parameters = {
        "file": _absolute(arguments.record),
        "max_mb": arguments.record_max_mb,
        "audio_type": arguments.audio_type,
    }
    return NodeSpec("recorder", "recorder_node", parameters=parameters)


def _rviz(arguments: GraphArguments) -> list[NodeSpec]:
    """Return RViz and the board; both turn to the robot, where there is one."""
    board: dict[str, Any] = {"audio_type": arguments.audio_type}
    view = view_avatar()
    if arguments.robot:
        robot = RobotModel.load(_urdf_of_robot(arguments))
        view = view_robot(RobotMap.load(find_map(arguments.robot)), robot)
        board |= place_board(robot)
    return [
        NodeSpec("rviz2", "rviz2", package="rviz2", arguments=("-d", str(view))),
        NodeSpec("board", "board_node", parameters=board),
    ]


def _robot_state_publisher(arguments: GraphArguments) -> NodeSpec:
    path = _urdf_of_robot(arguments) if arguments.robot else find_resource(URDF)
    name = "robot_state_publisher"
    words = ("--ros-args", "-r", "joint_states:=robot/joint_states") if arguments.robot else ()
    description, _ = locate_meshes(path.read_text(encoding="utf-8"), path.parent)
    parameters = {"robot_description": description, "publish_frequency": _FRAMES_HZ}
    return NodeSpec(name, name, package=name, parameters=parameters, arguments=words)


def _urdf_of_robot(arguments: GraphArguments) -> Path:
    robot_map = RobotMap.load(find_map(arguments.robot))
    return locate_urdf(robot_map, arguments.robot_urdf)


def _in_common(spec: NodeSpec, arguments: GraphArguments) -> NodeSpec:
    parameters = dict(spec.parameters)
    if arguments.use_sim_time:
        parameters["use_sim_time"] = True
    files: tuple[str, ...] = ()
    if arguments.params_file:
        path = Path(_absolute(arguments.params_file))
        if not path.is_file():
            raise ConfigError(f"params_file {path} does not exist; give a YAML file of parameters")
        files = (str(path),)
    return dataclasses.replace(
        spec, parameters=parameters, params_files=files, namespace=arguments.namespace
    )


def _absolute(path: str) -> str:
    """Return the full path of what exists here or is written to; names of our own files stay."""
    with refuse(ConfigError, f"{brief(path)} is no path"):
        given = Path(path).expanduser()
        own = (DEFAULT_CHECKPOINT, DEFAULT_SPEECH, FaceSettings.servos)
        ours = not given.exists() and path in own
        return path if ours else str(given.resolve())
