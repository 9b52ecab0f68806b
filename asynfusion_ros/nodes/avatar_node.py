"""avatar_node: audio in; joint states, blendshapes and diagnostics out. A managed node."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from asynfusion_ros.errors import AsynFusionError
from asynfusion_ros.motion.limits import JointLimiter
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.msg import FaceBlendshapes
from asynfusion_ros.nodes.audio_adapters import AUDIO_QOS, AudioAdapter, open_adapter
from asynfusion_ros.nodes.conversions import make_blendshapes, make_joint_state
from asynfusion_ros.nodes.diagnostics import make_diagnostics
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.runner import run_node
from asynfusion_ros.nodes.scene import Scene
from asynfusion_ros.nodes.settings import AvatarNodeSettings
from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.srv import SetSpeaker, SetStyle
from asynfusion_ros.streaming.clock import SystemClock
from asynfusion_ros.streaming.engine import AvatarEngine
from asynfusion_ros.streaming.settings import EngineSettings

DIAGNOSTICS_PERIOD_S = 1.0
OUTPUT_DEPTH = 10


class AvatarNode(LifecycleNode):  # type: ignore[misc]
    """Configure loads and warms up, activate starts, deactivate rests, cleanup frees.

    Callbacks only hand audio to the engine and publish what it has ready.
    """

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; nothing is loaded yet. `options` go to LifecycleNode."""
        super().__init__("avatar_node", **options)
        declare_settings(self, AvatarNodeSettings)
        declare_settings(self, EngineSettings)
        self._engine: AvatarEngine | None = None
        self._limiter: JointLimiter | None = None
        self._made: list[Any] = []

    # ---- lifecycle -----------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and warm up the model, create publishers, services and subscriptions."""
        try:
            self._settings = read_settings(self, AvatarNodeSettings)
            settings = self._settings
            adapter = open_adapter(
                settings.audio_type, settings.audio_data_rate_hz, settings.audio_data_channels
            )
            skeleton = Skeleton.load()
            self._engine = self._open_engine(skeleton)
        except AsynFusionError as error:
            self.get_logger().error(f"cannot configure: {error}")
            return TransitionCallbackReturn.FAILURE
        self._names = list(skeleton.robot_joint_names)
        self._create_outputs(skeleton)
        self._create_inputs(adapter)
        self.get_logger().info(
            f"configured {settings.checkpoint} on {settings.device}; "
            f"output_delay_s {self._engine.output_delay_s:.3f}"
        )
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the engine and the playback timer."""
        assert self._engine is not None
        self._engine.start()
        self._playback.reset()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop computing; the pose goes on being published and settles to rest."""
        return self._halt(super().on_deactivate(state))

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model, the threads and everything on the graph."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from whatever state."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, so that the node can be configured again."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def _halt(self, result: TransitionCallbackReturn) -> TransitionCallbackReturn:
        try:
            if self._engine is not None:
                self._engine.stop()
        except AsynFusionError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        return result

    def _release(self) -> None:
        for handle in self._made:
            handle()
        self._made = []
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    # ---- making --------------------------------------------------------------------------------

    def _open_engine(self, skeleton: Skeleton) -> AvatarEngine:
        folder = Path(self._settings.checkpoint)
        if not folder.is_absolute() and not folder.is_dir():
            folder = find_resource(self._settings.checkpoint)
        checkpoint = Checkpoint.load(folder, choose_device(self._settings.device))
        self._limiter = JointLimiter(skeleton)
        return AvatarEngine.open(
            checkpoint,
            read_settings(self, EngineSettings),
            limiter=self._limiter,
            clock=SystemClock(self._now_s),
            warn=lambda text: self.get_logger().warning(text),
        )

    def _create_outputs(self, skeleton: Skeleton) -> None:
        self._joints_out = self.create_publisher(JointState, "joint_states", OUTPUT_DEPTH)
        self._face_out = self.create_publisher(FaceBlendshapes, "face/blendshapes", OUTPUT_DEPTH)
        self._diagnostics_out = self.create_publisher(DiagnosticArray, "/diagnostics", OUTPUT_DEPTH)
        for publisher in (self._joints_out, self._face_out, self._diagnostics_out):
            self._made.append(lambda p=publisher: self.destroy_publisher(p))
        scene = Scene(self, self._settings, skeleton)
        self._scene = scene
        self._made.append(scene.close)
        assert self._engine is not None
        period_s = 1.0 / self._engine.settings.publish_rate_hz
        self._playback = self.create_timer(period_s, self._publish_pose)
        diagnostics = self.create_timer(DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)
        for timer in (self._playback, diagnostics):
            self._made.append(lambda t=timer: self.destroy_timer(t))

    def _create_inputs(self, adapter: AudioAdapter) -> None:
        self._adapter = adapter
        self._refused = 0
        sound = self.create_subscription(adapter.message, "audio", self._take_audio, AUDIO_QOS)
        self._made.append(lambda: self.destroy_subscription(sound))
        services = (
            (Trigger, "~/flush", self._flush),
            (Trigger, "~/reset", self._reset),
            (SetSpeaker, "~/set_speaker", self._set_speaker),
            (SetStyle, "~/set_style", self._set_style),
        )
        for kind, name, answer in services:
            service = self.create_service(kind, name, answer)
            self._made.append(lambda s=service: self.destroy_service(s))

    # ---- callbacks -----------------------------------------------------------------------------

    def _now_s(self) -> float:
        return float(self.get_clock().now().nanoseconds) * 1e-9

    def _take_audio(self, message: Any) -> None:
        engine = self._engine
        if engine is None:
            return
        try:
            sound = self._adapter.read(message)
            engine.push_audio(sound.stamp_s, sound.samples, sound.rate_hz, sound.source)
        except AsynFusionError as error:
            self._refused += 1
            self.get_logger().warning(f"audio refused: {error}", throttle_duration_sec=5.0)

    def _publish_pose(self) -> None:
        if self._engine is None:
            return
        frame = self._engine.frame_at(self._now_s())
        self._joints_out.publish(make_joint_state(frame, self._names, self._settings.frame_id))
        self._face_out.publish(make_blendshapes(frame, self._settings.frame_id))
        self._scene.show(frame)

    def _publish_diagnostics(self) -> None:
        if self._engine is None or self._limiter is None:
            return
        status = self._engine.status()
        limits = {**self._limiter.counts, "refused_messages": self._refused}
        self._diagnostics_out.publish(make_diagnostics(status, limits, self._now_s()))
        if status.state == "failed":
            self.get_logger().error(
                f"the engine stopped: {status.failure}\nThe avatar rests; deactivate and activate "
                "the node, or start it again",
                throttle_duration_sec=30.0,
            )

    def _flush(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._engine is not None:
            self._engine.flush()
        response.success, response.message = True, "speech dropped; the avatar settles"
        return response

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._engine is not None:
            self._engine.reset()
        response.success, response.message = True, "a new stream begins"
        return response

    def _set_speaker(
        self, request: SetSpeaker.Request, response: SetSpeaker.Response
    ) -> SetSpeaker.Response:
        try:
            if self._engine is not None:
                self._engine.set_speaker(int(request.speaker))
            response.success = True
        except AsynFusionError as error:
            response.success, response.message = False, str(error)
        return response

    def _set_style(
        self, request: SetStyle.Request, response: SetStyle.Response
    ) -> SetStyle.Response:
        response.success = len(request.style) == 0
        if not response.success:
            response.message = "this checkpoint was trained without styles; send an empty one"
        return response


def choose_device(wanted: str) -> str:
    """Return a torch device name; `auto` is CUDA where there is one."""
    if wanted != "auto":
        return wanted
    import torch  # noqa: PLC0415  (slow to import, and only the engine needs it)

    return "cuda" if torch.cuda.is_available() else "cpu"


def start_by_itself(node: AvatarNode) -> None:
    """Configure and activate on a thread of its own, so that the node answers meanwhile."""

    def start() -> None:
        time.sleep(0.0)
        if node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            node.trigger_activate()

    threading.Thread(target=start, name="autostart", daemon=True).start()


def main() -> int:
    """Run avatar_node until it is told to stop."""

    def make() -> AvatarNode:
        node = AvatarNode()
        if node.get_parameter("autostart").value:
            start_by_itself(node)
        return node

    return run_node(make, on_exit=lambda node: node._release())


if __name__ == "__main__":
    rclpy.logging.get_logger("avatar_node")
    raise SystemExit(main())
