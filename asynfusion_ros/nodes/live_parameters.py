"""Parameters of the avatar that change while it runs: its manner at once, all others later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.streaming.engine import AvatarEngine

MANNER = ("speaker", "style", "emotion")
"""The parameters that take effect from the next window on."""

_READ_ANEW = ("real_time_priority", "use_sim_time")  # by whoever uses them, each time


class LiveParameters:
    """Hands changes of the manner to the engine, and says when others take effect.

    A manner that the model does not know is refused with the reason, so that the parameters tell
    what the avatar does.
    """

    def __init__(self, node: Node, engine_of: Callable[[], AvatarEngine | None]) -> None:
        """Watch the parameters of `node`; `engine_of` returns its engine, or None without one."""
        self._node, self._engine_of = node, engine_of
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._apply)

    def _check(self, changes: Sequence[Parameter]) -> SetParametersResult:
        engine = self._engine_of()
        asked = {change.name: change.value for change in changes}
        if engine is not None and not asked.keys().isdisjoint(MANNER):
            try:
                engine.manners.choose(*self._manner(asked))
            except ConfigError as error:
                return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply(self, changes: Sequence[Parameter]) -> None:
        engine = self._engine_of()
        if engine is None:
            return
        names = [change.name for change in changes]
        if not set(names).isdisjoint(MANNER):
            engine.manners.begin_as(*self._manner({}))
        if later := [name for name in names if name not in (*MANNER, *_READ_ANEW)]:
            self._node.get_logger().warning(
                f"{', '.join(later)}: takes effect when the avatar is configured again "
                "(ros2 lifecycle set: deactivate, cleanup, configure, activate)"
            )

    def _manner(self, asked: dict[str, Any]) -> tuple[int, str, str]:
        speaker, style, emotion = (
            asked.get(name, self._node.get_parameter(name).value) for name in MANNER
        )
        return int(speaker), str(style), str(emotion)
