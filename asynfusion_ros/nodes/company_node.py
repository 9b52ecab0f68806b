"""company_node: several avatars in one process, whose windows are sampled together.

Each is an avatar_node of its own, with topics, services and lifecycle in a namespace avatar_1,
avatar_2 and so on; only the model is loaded once, and one thread serves them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.parameter import Parameter

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.limits import JointLimiter
from asynfusion_ros.nodes.avatar_node import AvatarNode
from asynfusion_ros.nodes.avatar_parts import choose_device
from asynfusion_ros.nodes.parameters import declare_settings, read_settings
from asynfusion_ros.nodes.run import run_node
from asynfusion_ros.nodes.settings import AvatarSettings, CompanySettings
from asynfusion_ros.resources import find_path
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.clock import Clock
from asynfusion_ros.streaming.ear import Senses
from asynfusion_ros.streaming.engine import AvatarEngine
from asynfusion_ros.streaming.generator import MotionGenerator
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.sharing import SharedGenerator

_SEEDS_APART = 1_000_003  # avatars that listen to the same speech move each in their own way


class SharedModel:
    """The model that the avatars of a company share: loaded for the first that asks."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._shared: SharedGenerator | None = None
        self._given: tuple[Any, ...] = ()

    def open_engine(
        self,
        number: int,
        avatar: AvatarSettings,
        settings: EngineSettings,
        limiter: JointLimiter,
        clock: Clock,
        warn: Callable[[str], None],
    ) -> AvatarEngine:
        """Return the engine of avatar `number`.

        Raises ConfigError where it wants another model or other windows than the first one.
        """
        windows = (settings.hop_frames, settings.overlap_frames, settings.sampler_settings())
        given = (avatar.checkpoint, avatar.device, *windows)
        if self._shared is None:
            folder, device = find_path(avatar.checkpoint), choose_device(avatar.device)
            generator = MotionGenerator.open(Checkpoint.load(folder, device), settings)
            generator.warm_up()
            self._shared, self._given = SharedGenerator(generator), given
        elif given != self._given:
            raise ConfigError(
                f"avatar_{number} wants {given}, the model that this company shares was opened "
                f"with {self._given}: give all avatars the same checkpoint, device, hop, overlap "
                "and steps, or run those that differ in a process of their own"
            )
        about = self._shared.generator.description
        return AvatarEngine(
            self._shared.open_stream(),
            limiter,
            (about.idle_face, about.idle_body),
            settings.replace(seed=settings.seed + _SEEDS_APART * number),
            senses=Senses.open(settings),
            clock=clock,
            warn=warn,
        )

    def close(self) -> None:
        """Free the model, after the engines."""
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()


class CompanyNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Makes the avatars, and answers for them: it is done when one of them is."""

    def __init__(self, **options: Any) -> None:
        """Read `avatars` and make as many nodes; `options` go to all of them."""
        super().__init__("company", **options)
        declare_settings(self, CompanySettings)
        count = read_settings(self, CompanySettings).avatars
        self._model = SharedModel()
        within = self.get_namespace().rstrip("/")
        own = {key: value for key, value in options.items() if key != "parameter_overrides"}
        one_tree = Parameter("publish_tf", value=False)  # their links have the same names
        self.avatars = [
            AvatarNode(
                partial(self._model.open_engine, number),
                namespace=f"{within}/avatar_{number}",
                parameter_overrides=[*options.get("parameter_overrides", []), one_tree],
                **own,
            )
            for number in range(1, count + 1)
        ]

    @property
    def nodes(self) -> list[LifecycleNode]:
        """The nodes to be spun beside this one."""
        return self.avatars

    @property
    def exit_status(self) -> int | None:
        """Status of the first avatar that is done; None while all go on."""
        done = (avatar.exit_status for avatar in self.avatars)
        return next((status for status in done if status is not None), None)

    def close(self) -> None:
        """Free all avatars, then the model; called once, before the node is destroyed."""
        for avatar in self.avatars:
            avatar.close()
            avatar.destroy_node()
        self._model.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the nodes until they are told to stop; return the exit status."""
    return run_node(CompanyNode, argv)
