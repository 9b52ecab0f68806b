"""What can be chosen about each node; every field is a ROS parameter of that name."""

from __future__ import annotations

from dataclasses import dataclass

from asynfusion_ros.settings import Settings, setting
from asynfusion_ros.viewer.looks import LOOKS

DEFAULT_CHECKPOINT = "models/small"
DEFAULT_SPEECH = "models/demo/speech.wav"
DEFAULT_TEXT = "Hello. I move to what I hear, and I hear what I say."

AUDIO_TYPES = (
    "asynfusion_ros/AudioChunk",
    "audio_common_msgs/AudioStamped",
    "audio_common_msgs/AudioData",
)


@dataclass(frozen=True)
class AvatarSettings(Settings):
    """The avatar node; the streaming engine's EngineSettings are parameters of it, too."""

    checkpoint: str = setting(
        DEFAULT_CHECKPOINT, doc="Folder of a model, or its name among the files of the package"
    )
    device: str = setting(
        "auto",
        doc="Where the networks run; auto takes CUDA if there is",
        choices=("auto", "cpu", "cuda"),
    )
    audio_type: str = setting(AUDIO_TYPES[0], doc="Type of the audio topic", choices=AUDIO_TYPES)
    audio_data_rate_hz: int = setting(
        16000,
        doc="Sample rate of AudioData, which does not tell it",
        unit="Hz",
        minimum=8000,
        maximum=192000,
    )
    audio_data_channels: int = setting(
        1, doc="Channels of AudioData (int16), which does not tell them", minimum=1, maximum=8
    )
    frame_id: str = setting("avatar", doc="Frame in the headers of joints and face")
    publish_tf: bool = setting(
        True, doc="Send robot_description and /tf; turn off where a robot_state_publisher runs"
    )
    face_mesh_rate_hz: float = setting(
        0.0,
        doc="Rate of the face as a mesh for RViz; 0 sends none",
        unit="Hz",
        minimum=0.0,
        maximum=30.0,
    )
    real_time_priority: int = setting(
        1,
        doc="Poses go out before any other work of this computer (SCHED_FIFO), where the system "
        "allows that; 0: like other work",
        minimum=0,
        maximum=99,
    )
    autostart: bool = setting(
        True, doc="Configure and activate without being asked; turn off under a lifecycle manager"
    )


@dataclass(frozen=True)
class CompanySettings(Settings):
    """Several avatars in one process; each takes the avatar node's parameters."""

    avatars: int = setting(2, doc="How many avatars", minimum=1, maximum=256)


@dataclass(frozen=True)
class AudioSourceSettings(Settings):
    """The audio source node: a recording, the microphone, or spoken text, as AudioChunk."""

    source: str = setting("wav", doc="Where sound comes from", choices=("wav", "mic", "tts"))
    wav: str = setting(
        DEFAULT_SPEECH, doc="Recording (wav, flac, ogg), or its name among the package's files"
    )
    text: str = setting(DEFAULT_TEXT, doc="What to say with source tts")
    loop: bool = setting(False, doc="Begin the recording or the text again at its end")
    loop_pause_s: float = setting(
        1.0, doc="Silence before it begins again", unit="s", minimum=0.0, maximum=60.0
    )
    rate: float = setting(
        1.0,
        doc="Pace of sending; above 1 audio comes ahead of time, as from speech synthesis",
        minimum=0.1,
        maximum=100.0,
    )
    chunk_s: float = setting(
        0.02, doc="Duration of one message", unit="s", minimum=0.005, maximum=1.0
    )
    microphone: str = setting("", doc="Name or number of the microphone; empty: the system's own")
    microphone_rate_hz: int = setting(
        16000, doc="Sample rate of the microphone", unit="Hz", minimum=8000, maximum=192000
    )
    listener: str = setting(
        "", doc="Node whose subscription to wait for before the first sample; empty: anybody's"
    )
    wait_s: float = setting(
        5.0, doc="How long to wait for a listener", unit="s", minimum=0.0, maximum=600.0
    )


@dataclass(frozen=True)
class ViewerSettings(Settings):
    """The viewer node, which hands the topics to the web page."""

    port: int = setting(8765, doc="Port of the web page; 0: any free one", minimum=0, maximum=65535)
    host: str = setting("127.0.0.1", doc="Address to serve; 0.0.0.0 opens it to the network")
    token: str = setting(
        "",
        doc="Secret that opens the page, 16 characters or more; empty: none on this machine alone, "
        "elsewhere made anew at each start",
    )
    audio_type: str = setting(AUDIO_TYPES[0], doc="Type of the audio topic", choices=AUDIO_TYPES)
    look: str = setting(LOOKS[0], doc="Who is shown", choices=LOOKS)
    avatar: str = setting(
        "", doc="Show this GLB or VRM, or that of a map of `asynfusion avatar guess`, instead"
    )
    robot_meshes: str = setting(
        "", doc="Folder below which a robot's meshes with relative names lie; others are package://"
    )


@dataclass(frozen=True)
class LoudspeakerSettings(Settings):
    """The loudspeaker node, which plays the avatar's sound with its poses."""

    device: str = setting("", doc="Name or number of the loudspeaker; empty: the system's own")
    delay_s: float = setting(
        0.0,
        doc="Play sound so long after its pose came; a robot's joints lag by about as much",
        unit="s",
        minimum=0.0,
        maximum=2.0,
    )
    audio_type: str = setting(AUDIO_TYPES[0], doc="Type of the audio topic", choices=AUDIO_TYPES)


@dataclass(frozen=True)
class RetargetSettings(Settings):
    """The retarget node, which turns the avatar's joints and face into those of a robot."""

    robot: str = setting("jvrc1", doc="Ready map by name, or path of a map")
    urdf: str = setting("", doc="Path of the robot's URDF; empty: that of an installed package")
    trajectory_rate_hz: float = setting(
        30.0, doc="Trajectories per second", unit="Hz", minimum=1.0, maximum=1000.0
    )
    horizon_s: float = setting(
        0.1,
        doc="Time from a trajectory's start to its one point; shorter follows closer",
        unit="s",
        minimum=0.001,
        maximum=5.0,
    )
    publish_tf: bool = setting(
        True, doc="Send robot_description and /tf; turn off where a robot_state_publisher runs"
    )


@dataclass(frozen=True)
class FaceSettings(Settings):
    """The face node, which repeats the face in other dialects."""

    dialects: str = setting(
        "visemes", doc="Which, with commas: action_units, expression, visemes, servos"
    )
    servos: str = setting(
        "config/faces/servos.yaml", doc="Map of the servos, a YAML file, for the dialect servos"
    )


@dataclass(frozen=True)
class BoardSettings(Settings):
    """The board node, which writes the state of the graph into RViz."""

    frame_id: str = setting("avatar", doc="Frame in which the board stands")
    height_m: float = setting(
        1.92, doc="How high the middle of its text is", unit="m", minimum=-10.0, maximum=10.0
    )
    letters_m: float = setting(
        0.028, doc="Height of its letters", unit="m", minimum=0.001, maximum=1.0
    )
    rate_hz: float = setting(
        10.0, doc="How often it is drawn", unit="Hz", minimum=0.1, maximum=60.0
    )
    audio_type: str = setting(AUDIO_TYPES[0], doc="Type of the audio topic", choices=AUDIO_TYPES)


@dataclass(frozen=True)
class ProbeSettings(Settings):
    """The probe node, which measures the topics from outside."""

    seconds: float = setting(
        0.0, doc="How long to measure; 0: until stopped", unit="s", minimum=0.0, maximum=1e6
    )
    report: str = setting("", doc="JSON file for the figures; empty: they are only printed")
    wait_s: float = setting(
        60.0, doc="How long to wait for motion and audio", unit="s", minimum=0.0, maximum=3600.0
    )


@dataclass(frozen=True)
class RecorderSettings(Settings):
    """The recorder node, which keeps what a report of a fault needs."""

    file: str = setting("report.mcap", doc="MCAP file; further ones are FILE_1.mcap and so on")
    max_mb: float = setting(
        200.0, doc="Size after which the next file begins", unit="MB", minimum=0.1, maximum=1e6
    )
    most_files: int = setting(
        5, doc="Files kept; the oldest goes when another begins", minimum=1, maximum=10000
    )
    audio_type: str = setting(AUDIO_TYPES[0], doc="Type of the audio topics", choices=AUDIO_TYPES)


@dataclass(frozen=True)
class ReplaySettings(Settings):
    """The replay node, which sends the sound of a recording again."""

    file: str = setting("report.mcap", doc="MCAP file to replay")
    rate: float = setting(1.0, doc="Pace; 1 as recorded", minimum=0.01, maximum=100.0)
    restamp: bool = setting(True, doc="Move the stamps to the present, by one constant")
    audio_type: str = setting(AUDIO_TYPES[0], doc="Type of the audio topics", choices=AUDIO_TYPES)
    wait_s: float = setting(
        60.0, doc="How long to wait for a listener", unit="s", minimum=0.0, maximum=3600.0
    )
