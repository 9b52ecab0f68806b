"""avatar_node: audio in; joint states, blendshapes and diagnostics out. A managed node."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger

from asynfusion_ros.errors import AsynFusionError
from asynfusion_ros.nodes.avatar_parts import AvatarParts, OpenEngine, open_engine, say_inactive
from asynfusion_ros.nodes.diagnostics import make_diagnostics
from asynfusion_ros.nodes.interface import DIAGNOSTICS, MOTION_QOS
from asynfusion_ros.nodes.live_parameters import LiveParameters
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.priority import set_real_time
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.settings import AvatarSettings
from asynfusion_ros.srv import SetSpeaker, SetStyle
from asynfusion_ros.streaming.clock import SystemClock
from asynfusion_ros.streaming.engine import AvatarEngine
from asynfusion_ros.streaming.playback import PlaybackFrame
from asynfusion_ros.streaming.settings import EngineSettings

DIAGNOSTICS_PERIOD_S = 1.0
RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
_AUTOSTART_S = 0.05


class AvatarNode(LifecycleNode):  # type: ignore[misc]  # rclpy is untyped
    """Configure loads and warms up, activate listens, deactivate rests, cleanup frees.

    While it is inactive the avatar holds its resting pose, and says so 60 times a second. Where
    the engine dies the node goes through error processing to unconfigured, and can be configured
    again. Callbacks only hand audio to the engine and publish what it has ready.
    """

    def __init__(self, make_engine: OpenEngine = open_engine, **options: Any) -> None:
        """Declare the parameters; nothing is loaded yet. `options` go to LifecycleNode."""
        super().__init__("avatar", **options)
        declare_settings(self, AvatarSettings, EngineSettings)
        self.exit_status: int | None = None
        self._make_engine = make_engine
        self._parts: AvatarParts | None = None
        self._error = ""
        self._shown: PlaybackFrame | None = None  # before the last cleanup
        self._halted = False
        self._published = (0, 0.0)
        self._real_time: bool | None = None  # whether poses go first; None before it was tried
        self._steady = RosClock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = self.create_publisher(DiagnosticArray, DIAGNOSTICS, MOTION_QOS)
        self._health = self.create_timer(
            DIAGNOSTICS_PERIOD_S, self._report_health, clock=self._steady
        )
        self._playback: Any = None
        self._starter: Any = None
        self._retry_s, self._closing = RETRY_S, False
        self._active_s: float | None = None  # when it was activated, while it is
        if self.get_parameter("autostart").value:
            self._starter = self.create_timer(_AUTOSTART_S, self._start, clock=self._steady)
        self._offer_services()
        self._live = LiveParameters(self, lambda: self._parts.engine if self._parts else None)

    def _offer_services(self) -> None:
        self.create_service(Trigger, "~/flush", self._flush)
        self.create_service(Trigger, "~/reset", self._reset)
        self.create_service(SetBool, "~/set_stop", self._set_stop)
        self.create_subscription(Bool, "~/stop", self._hear_stop, MOTION_QOS)
        self.create_service(SetSpeaker, "~/set_speaker", self._set_speaker)
        self.create_service(SetStyle, "~/set_style", self._set_style)

    # ---- lifecycle -----------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """Lifecycle state: unconfigured, inactive, active or finalized."""
        return str(self._state_machine.current_state[1])

    def _start(self) -> None:
        self._starter.cancel()
        if self.state != "unconfigured":  # its user was faster
            return
        result = self.trigger_configure()
        if result == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()
        elif result == TransitionCallbackReturn.FAILURE and self._retry_s > RETRY_S:
            self._start_later()  # it ran before, so what is missing may come back

    def _start_later(self) -> None:
        """Try again after a pause that doubles each time, where this node starts by itself."""
        if self._starter is None or self._closing:
            return
        self.get_logger().warning(f"starting again in {self._retry_s:g} s")
        self._starter.timer_period_ns = int(1e9 * self._retry_s)
        self._starter.reset()
        self._retry_s = min(2.0 * self._retry_s, LONGEST_RETRY_S)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and warm up the model, create the topics, hold the resting pose."""
        self.get_logger().info("loading the model and warming it up")
        try:
            avatar = read_settings(self, AvatarSettings)
            settings = read_settings(self, EngineSettings)
            clock = SystemClock(self._now_s)
            self._parts = AvatarParts(self, avatar, settings, clock, self._make_engine, self._shown)
        except AsynFusionError as error:
            self._error = str(error)
            self.get_logger().error(
                f"cannot configure: {error}. Mend that (ros2 param set), then configure again"
            )
            return TransitionCallbackReturn.FAILURE
        except Exception:  # rclpy would turn it into an error state without a word
            self._error = traceback.format_exc()
            return TransitionCallbackReturn.ERROR
        self._error = ""
        self._parts.engine.halt(self._halted)
        self._playback = self.create_timer(
            1.0 / settings.publish_rate_hz, self._parts.publish_poses
        )
        self.get_logger().info(
            f"{avatar.checkpoint} is ready; the pose of a sound comes "
            f"{self._parts.engine.output_delay_s:.3f} s after it"
        )
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the engine and listen."""
        assert self._parts is not None
        self._parts.engine.start()
        self._parts.listen()
        self._active_s = self._steady_s()
        self._go_first()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening and computing; the pose settles to rest. A dead engine is an error."""
        assert self._parts is not None
        super().on_deactivate(state)
        set_real_time(0)
        failed = self._parts.engine.status().state == "failed"
        self._parts.ignore()
        try:
            self._parts.engine.stop()
        except AsynFusionError as error:
            self._error = str(error)
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.ERROR if failed else TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model, the threads and the topics."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from whatever state."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, so that the node can be configured again."""
        self._release()
        self.get_logger().error(
            f"the avatar stopped after an error: {self._error}. It is unconfigured now; configure "
            "and activate it (ros2 lifecycle set), or start it again"
        )
        if self._active_s is not None and self._steady_s() - self._active_s > LONGEST_RETRY_S:
            self._retry_s = RETRY_S  # it had been well again
        self._active_s = None
        self._start_later()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Free everything; called once, before the node is destroyed."""
        self._closing = True
        self._release()

    def _release(self) -> None:
        if self._playback is not None:
            self.destroy_timer(self._playback)
            self._playback = None
        parts, self._parts = self._parts, None
        if parts is not None:
            set_real_time(0)
            self._shown = parts.shown
            parts.close()

    # ---- callbacks -----------------------------------------------------------------------------

    def _now_s(self) -> float:
        return float(self.get_clock().now().nanoseconds) * 1e-9

    def _steady_s(self) -> float:
        return float(self._steady.now().nanoseconds) * 1e-9

    def _go_first(self) -> None:
        """Let this thread go first; it says once where that is not allowed."""
        priority = self.get_parameter("real_time_priority").value
        before, self._real_time = self._real_time, set_real_time(priority)
        if before is None and not self._real_time:
            self.get_logger().info(
                "poses wait for other work where all cores are busy: no real-time priority is "
                "allowed here (ulimit -r 1 allows it; real_time_priority 0 does not ask)"
            )

    def _report_health(self) -> None:
        parts = self._parts
        if self.state == "active":
            self._go_first()  # again, where another avatar on this thread has given it up
        status = None if parts is None else parts.engine.status()
        others: dict[str, Any] = {"error": self._error, "halted": self._halted}
        others["real_time"] = bool(self._real_time)
        if parts is not None:
            others["publish_hz"] = f"{self._publish_rate_hz(parts.motion.count):.2f}"
            others |= {f"node_{cause}": count for cause, count in parts.counts.items()}
            others |= {f"limited_{cause}": count for cause, count in parts.limiter.counts.items()}
        message = make_diagnostics(status, self.state, others, self._now_s())
        self._diagnostics.publish(message)
        if status is not None and status.state == "failed" and self.state == "active":
            self._error = status.failure.strip().rpartition("\n")[2]
            self.get_logger().error(f"the engine died:\n{status.failure}")
            self.trigger_deactivate()

    def _publish_rate_hz(self, count: int) -> float:
        before, then_s = self._published
        now_s = self._steady_s()
        self._published = (count, now_s)
        return max(0, count - before) / max(1e-9, now_s - then_s)

    def _try(
        self, response: Any, change: Callable[[AvatarEngine], str | None], done: str = ""
    ) -> Any:
        """Change the engine, where it is active, and fill in a service's response; return that."""
        parts = self._parts if self.state == "active" else None
        response.success = parts is not None
        try:
            if parts is None:
                response.message = say_inactive(self.get_fully_qualified_name(), self.state)
            else:
                response.message = change(parts.engine) or done
        except AsynFusionError as error:
            response.success, response.message = False, str(error)
        return response

    def _flush(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        done = "the speech is dropped, the avatar settles"
        return self._try(response, AvatarEngine.flush, done)

    def _halt(self, halted: bool) -> None:
        """Latch or release the emergency stop, in whatever state the node is."""
        if halted != self._halted:
            what = "emergency stop: all joints halt" if halted else "the emergency stop is released"
            self.get_logger().warning(what)
        self._halted = halted
        if self._parts is not None:
            self._parts.engine.halt(halted)

    def _hear_stop(self, message: Bool) -> None:
        self._halt(bool(message.data))

    def _set_stop(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._halt(bool(request.data))
        response.success = True
        response.message = "all joints halt, until released" if request.data else "released"
        return response

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._try(response, AvatarEngine.reset, "a new stream begins, from the seed")

    def _set_speaker(
        self, request: SetSpeaker.Request, response: SetSpeaker.Response
    ) -> SetSpeaker.Response:
        return self._try(response, lambda engine: engine.manners.set_speaker(int(request.speaker)))

    def _set_style(
        self, request: SetStyle.Request, response: SetStyle.Response
    ) -> SetStyle.Response:
        def change(engine: AvatarEngine) -> str:
            engine.manners.set_style(list(request.style), request.emotion, request.words)
            return engine.manners.describe()

        return self._try(response, change)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the node until it is told to stop; return the exit status."""
    return run_node(AvatarNode, argv)
