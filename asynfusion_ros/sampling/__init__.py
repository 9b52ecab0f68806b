"""Where the network and the diffusion process meet: models on disk and samplers of windows.

A model's folder in `checkpoint` and `description`, requests and results in `window`, the order of
steps in `order`, one branch's diffusion in `branch_window`, what the branches see of each other in
`buffer`, their threads in `executor`, and the samplers in `sequential` and `threaded`. For a GPU:
the sampler in `graphs`, what it replays in `recorded_window` and `static_branch`, the device behind
an interface in `device_work`. Which sampler is built says `build`.

What is imported from here is fetched when it is asked for: who wants nothing but settings does not
wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asynfusion_ros.sampling.settings import SamplerSettings

if TYPE_CHECKING:
    from asynfusion_ros.sampling.base import WindowSampler
    from asynfusion_ros.sampling.build import build_sampler
    from asynfusion_ros.sampling.checkpoint import Checkpoint, untrained_checkpoint
    from asynfusion_ros.sampling.description import ModelDescription
    from asynfusion_ros.sampling.graphs import GraphSampler
    from asynfusion_ros.sampling.sequential import SequentialSampler
    from asynfusion_ros.sampling.threaded import ThreadedSampler
    from asynfusion_ros.sampling.window import (
        BRANCHES,
        Tick,
        WindowRequest,
        WindowResult,
        WindowTimings,
    )
else:
    _HOMES = {
        "base": ("WindowSampler",),
        "build": ("build_sampler",),
        "checkpoint": ("Checkpoint", "untrained_checkpoint"),
        "description": ("ModelDescription",),
        "graphs": ("GraphSampler",),
        "sequential": ("SequentialSampler",),
        "threaded": ("ThreadedSampler",),
        "window": ("BRANCHES", "Tick", "WindowRequest", "WindowResult", "WindowTimings"),
    }

    def __getattr__(name: str) -> Any:
        """Return a name of this package from the module that defines it."""
        for module, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "BRANCHES",
    "Checkpoint",
    "GraphSampler",
    "ModelDescription",
    "SamplerSettings",
    "SequentialSampler",
    "ThreadedSampler",
    "Tick",
    "WindowRequest",
    "WindowResult",
    "WindowSampler",
    "WindowTimings",
    "build_sampler",
    "untrained_checkpoint",
]
