"""Which sampler a model and its settings call for."""

from asynfusion_ros.sampling.base import WindowSampler
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.graphs import GraphSampler
from asynfusion_ros.sampling.sequential import SequentialSampler
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.sampling.threaded import ThreadedSampler


def build_sampler(checkpoint: Checkpoint, settings: SamplerSettings) -> WindowSampler:
    """Return the sampler that `settings` name; on a GPU it replays graphs, unless told not to."""
    if settings.graphs and checkpoint.device.type == "cuda":
        return GraphSampler(checkpoint, settings)
    kind = ThreadedSampler if settings.execution == "threaded" else SequentialSampler
    return kind(checkpoint, settings)
