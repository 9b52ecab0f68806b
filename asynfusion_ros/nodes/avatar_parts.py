"""What the avatar node has while it is configured: the engine and all it publishes and offers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from asynfusion_ros.errors import AsynFusionError
from asynfusion_ros.motion.limits import JointLimiter
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.motion.urdf import build_urdf
from asynfusion_ros.nodes.audio_adapters import AudioAdapter, Sound, open_adapter
from asynfusion_ros.nodes.conversation_output import ConversationOutput
from asynfusion_ros.nodes.face_output import FaceMeshOutput
from asynfusion_ros.nodes.interface import AUDIO, AUDIO_QOS, LISTEN_AUDIO
from asynfusion_ros.nodes.motion_output import MotionOutput
from asynfusion_ros.nodes.pacing import EvenGrid
from asynfusion_ros.nodes.robot_output import RobotOutput
from asynfusion_ros.nodes.settings import AvatarSettings
from asynfusion_ros.resources import find_path
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.clock import Clock
from asynfusion_ros.streaming.engine import AvatarEngine
from asynfusion_ros.streaming.playback import PlaybackFrame
from asynfusion_ros.streaming.settings import EngineSettings

OpenEngine = Callable[
    [AvatarSettings, EngineSettings, JointLimiter, Clock, Callable[[str], None]], AvatarEngine
]

_STEPS = {"unconfigured": ("configure", "activate"), "inactive": ("activate",)}


def open_engine(
    avatar: AvatarSettings,
    settings: EngineSettings,
    limiter: JointLimiter,
    clock: Clock,
    warn: Callable[[str], None],
) -> AvatarEngine:
    """Load the model and warm it up; raise CheckpointError or ConfigError with what to do."""
    checkpoint = Checkpoint.load(find_path(avatar.checkpoint), choose_device(avatar.device))
    return AvatarEngine.open(checkpoint, settings, limiter=limiter, clock=clock, warn=warn)


def choose_device(wanted: str) -> str:
    """Return a torch device name; `auto` is CUDA where there is one."""
    import torch  # noqa: PLC0415 (slow to import; a node that is not configured does without)

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def say_inactive(name: str, state: str) -> str:
    """Return why a service of node `name` does nothing in a lifecycle `state`, and what to do."""
    steps = [f"ros2 lifecycle set {name} {step}" for step in _STEPS.get(state, ())]
    what = f"activate it first ({', then '.join(steps)})" if steps else "start it again"
    return f"the avatar is {state}; {what}"


def forget_destroyed(node: Node) -> None:
    """Forget what was destroyed: a callback group keeps a reference to each of its past entities.

    Without this, each cycle of a lifecycle leaves a dozen of them behind.
    """
    entities = node.default_callback_group.entities
    entities -= {entity for entity in tuple(entities) if entity() is None}


class AvatarParts:
    """The engine and its topics; made by configure, freed by cleanup."""

    def __init__(
        self,
        node: Node,
        avatar: AvatarSettings,
        settings: EngineSettings,
        clock: Clock,
        make_engine: OpenEngine,
        last: PlaybackFrame | None = None,
    ) -> None:
        """Load everything; raise AsynFusionError with what to do.

        Whatever it raises, it leaves nothing behind: neither topics nor the engine.

        The avatar eases out of the frame that was shown `last`, where there was one.
        """
        self._node = node
        forget_destroyed(node)
        self._clock = clock
        self._adapter: AudioAdapter = open_adapter(
            avatar.audio_type, avatar.audio_data_rate_hz, avatar.audio_data_channels
        )
        self._subscriptions: list[Any] = []
        self._listens = settings.listen
        self._grid = EvenGrid(settings.publish_rate_hz)
        self._moments = 0
        self.counts: Counter[str] = Counter(messages=0, refused_messages=0, nan_samples=0)
        skeleton = Skeleton.load()
        self.limiter = JointLimiter(skeleton)
        log = node.get_logger()
        self.engine = make_engine(avatar, settings, self.limiter, clock, log.warning)
        self.shown = last
        before = set(node.publishers)
        try:
            if last is not None:
                self.engine.resume(last)
            self._make_outputs(avatar, settings, skeleton)
        except BaseException:
            # A part that failed is nobody's yet, so that its topics are found on the node alone.
            for publisher in set(node.publishers) - before:
                node.destroy_publisher(publisher)
            self.engine.close()
            raise

    def _make_outputs(
        self, avatar: AvatarSettings, settings: EngineSettings, skeleton: Skeleton
    ) -> None:
        node, names = self._node, skeleton.robot_joint_names
        self.motion = MotionOutput(node, names, avatar.frame_id)
        self._conversation = ConversationOutput(node, avatar.frame_id)
        self._robot: RobotOutput | None = None
        if avatar.publish_tf:
            self._robot = RobotOutput(node, build_urdf(skeleton), names)
        self._mesh: FaceMeshOutput | None = None
        if avatar.face_mesh_rate_hz > 0:
            rates_hz = (avatar.face_mesh_rate_hz, settings.publish_rate_hz)
            self._mesh = FaceMeshOutput(node, *rates_hz)

    def listen(self) -> None:
        """Begin to take audio."""
        heard = {AUDIO: self._take_audio}
        if self._listens:
            heard[LISTEN_AUDIO] = self._take_listen
        for topic, take in heard.items():
            self._subscriptions.append(
                self._node.create_subscription(self._adapter.message, topic, take, AUDIO_QOS)
            )

    def ignore(self) -> None:
        """Take no more audio."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def publish_poses(self) -> None:
        """Publish the poses that are due now: one, or several where the timer came late."""
        stride = self.engine.pose_stride
        for moment_s in self._grid.due(self._clock.now_s()):
            frame = self.engine.frame_at(moment_s)
            self._conversation.publish(self.engine, frame, moment_s)
            self._moments += 1
            if self._moments % stride:
                continue
            self.motion.publish(frame)
            self.shown = frame
            if self._robot is not None:
                self._robot.publish(frame.audio_time_s, frame.joint_positions)
            if self._mesh is not None:
                self._mesh.publish(frame)
        self.counts["skipped_poses"] = self._grid.skipped

    def close(self) -> None:
        """Take everything off the graph, end the engine's threads, free the model."""
        self.ignore()
        self.motion.close()
        self._conversation.close()
        for output in (self._robot, self._mesh):
            if output is not None:
                output.close()
        self.engine.close()

    def _take_audio(self, message: Any) -> None:
        self._take(message, lambda sound: self.engine.push_audio(*sound))

    def _take_listen(self, message: Any) -> None:
        self._take(message, lambda sound: self.engine.push_listen(sound.samples, sound.rate_hz))

    def _take(self, message: Any, push: Callable[[Sound], None]) -> None:
        self.counts["messages"] += 1
        try:
            push(self._adapter.read(message, self.counts))
        except AsynFusionError as error:
            self.counts["refused_messages"] += 1
            self._node.get_logger().warning(f"audio refused: {error}", throttle_duration_sec=5.0)
