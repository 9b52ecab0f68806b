"""Names and qualities of service of the topics, in one place."""

from __future__ import annotations

from typing import Final

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

AUDIO: Final = "audio"
LISTEN_AUDIO: Final = "listen/audio"
CONVERSATION_STATE: Final = "~/state"
AVATAR_STATE: Final = CONVERSATION_STATE.replace("~", "avatar")  # as others name it
JOINT_STATES: Final = "joint_states"
BLENDSHAPES: Final = "face/blendshapes"
BLENDSHAPE_NAMES: Final = "face/blendshape_names"
FACE_MESH: Final = "face/mesh"
BOARD: Final = "board"
ROBOT_DESCRIPTION: Final = "robot_description"
ROBOT_JOINT_STATES: Final = "robot/joint_states"
JOINT_TRAJECTORY: Final = "joint_trajectory"
ACTION_UNITS_TOPIC: Final = "face/action_units"
EXPRESSION: Final = "face/expression"
VISEMES_TOPIC: Final = "face/visemes"
SERVOS: Final = "face/servos"
SUBTITLES: Final = "subtitles"
DIAGNOSTICS: Final = "/diagnostics"
TF: Final = "/tf"

AUDIO_QOS: Final = QoSProfile(
    depth=100, reliability=ReliabilityPolicy.BEST_EFFORT, history=HistoryPolicy.KEEP_LAST
)
MOTION_QOS: Final = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
TF_QOS: Final = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
EVENTS_QOS: Final = QoSProfile(
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
LATCHED_QOS: Final = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
