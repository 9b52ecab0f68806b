"""Where the network and the diffusion process meet: models on disk and samplers of windows.

A model's folder in `checkpoint` and `description`, requests and results in `window`, the order of
steps in `order`, one branch's diffusion in `branch_window`, what the branches see of each other in
`buffer`, their threads in `executor`, and the samplers in `sequential` and `threaded`. For a GPU:
the sampler in `graphs`, what it replays in `recorded_window` and `static_branch`, the device behind
an interface in `device_work`.
"""

from asynfusion_ros.sampling.base import WindowSampler
from asynfusion_ros.sampling.checkpoint import Checkpoint, untrained_checkpoint
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.sampling.graphs import GraphSampler
from asynfusion_ros.sampling.sequential import SequentialSampler
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.sampling.threaded import ThreadedSampler
from asynfusion_ros.sampling.window import (
    BRANCHES,
    Tick,
    WindowRequest,
    WindowResult,
    WindowTimings,
)

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


def build_sampler(checkpoint: Checkpoint, settings: SamplerSettings) -> WindowSampler:
    """Return the sampler that `settings` name; on a GPU it replays graphs, unless told not to."""
    if settings.graphs and checkpoint.device.type == "cuda":
        return GraphSampler(checkpoint, settings)
    kind = ThreadedSampler if settings.execution == "threaded" else SequentialSampler
    return kind(checkpoint, settings)
