"""A few windows of a tiny network, replayed in every way: what the sanitizer runs."""

from __future__ import annotations

import argparse

import torch

from asynfusion_ros.bench.subjects import make_request
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling import GraphSampler, SamplerSettings, untrained_checkpoint

SIZES = NetworkSettings(audio_dim=16, width=32, depth=2, heads=2, window_frames=24)
WAYS = (
    SamplerSettings(),
    SamplerSettings(graph_precision="fp32", graph_noise="device"),
    SamplerSettings(execution="sequential", coupling="synchronous", expression_steps=8),
)


def main() -> None:
    """Sample windows in each way and see that they are finite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    device = parser.parse_args().device
    for settings in WAYS:
        with GraphSampler(untrained_checkpoint(SIZES).to(device), settings) as sampler:
            for batch in (1, 3, 1):
                result = sampler.sample_window(make_request(SIZES, batch))
                assert bool(torch.isfinite(result.body).all() & torch.isfinite(result.face).all())
    print(f"{len(WAYS)} ways of replaying windows on {device}: all finite")


if __name__ == "__main__":
    main()
