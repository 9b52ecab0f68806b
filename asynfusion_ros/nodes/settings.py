"""What can be chosen about the nodes; the engine's own settings stand beside these."""

from __future__ import annotations

from dataclasses import dataclass

from asynfusion_ros.nodes.audio_adapters import AUDIO_TYPES
from asynfusion_ros.settings import Settings, setting

LARGEST_RATE_HZ = 192_000


@dataclass(frozen=True)
class AvatarNodeSettings(Settings):
    """Parameters of avatar_node beside those of EngineSettings."""

    checkpoint: str = setting(
        "models/small", doc="Folder of the model; relative ones are looked up in the package"
    )
    device: str = setting("auto", doc="Where to compute: auto, cpu, cuda or cuda:N")
    autostart: bool = setting(True, doc="Configure and activate without a lifecycle manager")
    audio_type: str = setting(AUDIO_TYPES[0], doc="Message type of audio", choices=AUDIO_TYPES)
    audio_data_rate_hz: int = setting(
        16_000,
        doc="Sample rate of AudioData, whose messages have none",
        unit="Hz",
        minimum=8000,
        maximum=LARGEST_RATE_HZ,
    )
    audio_data_channels: int = setting(1, doc="Channels of AudioData", minimum=1, maximum=8)
    frame_id: str = setting("avatar", doc="Frame of the messages and root of the robot's links")
    publish_tf: bool = setting(True, doc="Publish /tf where no robot_state_publisher does")
    publish_mesh: bool = setting(True, doc="Publish face/mesh for RViz")
    mesh_rate_hz: float = setting(
        15.0, doc="Rate of face/mesh", unit="Hz", minimum=1.0, maximum=60.0
    )


@dataclass(frozen=True)
class AudioSourceSettings(Settings):
    """Parameters of audio_source_node."""

    source: str = setting("wav", doc="Where sound comes from", choices=("wav", "mic", "tts"))
    path: str = setting("", doc="Sound file for wav; empty plays the bundled clip")
    text: str = setting("", doc="What tts says")
    device: str = setting("", doc="Microphone, by number or name; empty is the default one")
    loop: bool = setting(False, doc="Play the file again and again")
    pause_s: float = setting(
        1.0, doc="Silence between repetitions", unit="s", minimum=0.0, maximum=60.0
    )
    speed: float = setting(
        1.0,
        doc="Seconds of sound sent per second; stamps stay those of the sound",
        minimum=0.1,
        maximum=1000.0,
    )
    chunk_s: float = setting(0.02, doc="Length of a message", unit="s", minimum=0.005, maximum=0.5)
    wait_s: float = setting(
        30.0, doc="Time to wait for a listener before the start", unit="s", minimum=0, maximum=600
    )


@dataclass(frozen=True)
class ViewerNodeSettings(Settings):
    """Parameters of viewer_node."""

    host: str = setting("127.0.0.1", doc="Address to serve the page on")
    port: int = setting(8765, doc="Port of the page; 0 takes a free one", minimum=0, maximum=65535)


@dataclass(frozen=True)
class ProbeNodeSettings(Settings):
    """Parameters of probe_node."""

    seconds: float = setting(
        20.0, doc="How long to measure", unit="s", minimum=1.0, maximum=86_400.0
    )
    warmup_s: float = setting(
        2.0, doc="Time after the first pose that is not measured", unit="s", minimum=0, maximum=60
    )
    timeout_s: float = setting(
        60.0, doc="Longest wait for the first pose", unit="s", minimum=1.0, maximum=600.0
    )
    report: str = setting("", doc="JSON file to write; empty prints it")
