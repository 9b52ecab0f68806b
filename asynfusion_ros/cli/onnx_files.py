"""The command `onnx`: a model's networks as ONNX files, checked against torch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import onnx
import torch

from asynfusion_ros.cli.generate import make_folder
from asynfusion_ros.cli.info import DEFAULT_MODEL
from asynfusion_ros.errors import CheckpointError
from asynfusion_ros.networks import Branch, MannerBatch
from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling import BRANCHES, Checkpoint
from asynfusion_ros.sampling.onnx_branch import OnnxBranch
from asynfusion_ros.sampling.onnx_graph import BranchGraphs
from asynfusion_ros.sampling.staged import StagedBranch

MOST_DIFFERENCE = 1e-4
_TIMES = (999, 499, 19)


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("onnx", help="write a model's networks as ONNX files")
    parser.add_argument("--checkpoint", type=Path, default=None, help=f"default: {DEFAULT_MODEL}")
    parser.add_argument("--out", type=Path, required=True, help="folder of the files")
    parser.set_defaults(run=run_onnx)


def run_onnx(arguments: argparse.Namespace) -> int:
    """Write the files of both branches and of what they say of themselves, after checking them."""
    checkpoint = Checkpoint.load(arguments.checkpoint or find_resource(DEFAULT_MODEL))
    make_folder(arguments.out)
    network = checkpoint.network("lcm").eval()
    about: dict[str, Any] = {"model": checkpoint.description.to_dict(), "files": {}}
    for name in BRANCHES:
        branch = network.expression if name == "expression" else network.gesture
        difference = compare_with_torch(branch)
        if difference > MOST_DIFFERENCE:
            raise CheckpointError(
                f"the {name} branch's graphs differ from torch by {difference:.1e} of its values, "
                f"more than {MOST_DIFFERENCE:.0e}: nothing was written for it"
            )
        graphs = BranchGraphs(branch)
        for stage, model in (("listen", graphs.listen()), ("step", graphs.step(branch.listens))):
            path = arguments.out / f"{name}_{stage}.onnx"
            onnx.save(model, str(path))
            about["files"][path.name] = _describe(model)
            print(f"wrote {path}, within {difference:.1e} of torch")
    (arguments.out / "networks.json").write_text(json.dumps(about, indent=1) + "\n")
    return 0


def compare_with_torch(branch: Branch, frames: int | None = None) -> float:
    """Return the largest difference of a branch's graphs from torch, in units of the largest value.

    Steps at three noise levels, with and without a partner.
    """
    draw = torch.Generator().manual_seed(0)
    frames, width = frames or branch.position.shape[0], branch.position.shape[1]
    audio = torch.randn(1, frames, branch.encode_audio.first.in_channels, generator=draw)
    x = torch.randn(1, frames, branch.dim, generator=draw)
    partner = torch.randn(len(branch.blocks), 1, frames, width, generator=draw).unbind()
    worst = 0.0
    with torch.inference_mode():
        results = []
        for runner in (OnnxBranch(branch), StagedBranch(branch, traced=False)):
            manner = MannerBatch(torch.zeros(1, dtype=torch.long))
            prepared = runner.prepare(audio, manner, None, None, _TIMES)
            results.append(
                [
                    torch.cat([value.flatten() for value in (output, *features)])
                    for step in range(len(_TIMES))
                    for heard in (None, partner)
                    for output, features in (runner.step(x, prepared, step, heard),)
                ]
            )
    for ours, theirs in zip(*results, strict=True):
        worst = max(worst, float((ours - theirs).abs().max() / theirs.abs().max()))
    return worst


def _describe(model: onnx.ModelProto) -> dict[str, dict[str, list[str | int]]]:
    """Return names and shapes of inputs and outputs."""
    sides = {"inputs": model.graph.input, "outputs": model.graph.output}
    return {
        side: {
            value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
            for value in values
        }
        for side, values in sides.items()
    }
