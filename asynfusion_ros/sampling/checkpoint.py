"""A trained model as a folder: config.json, teacher.safetensors, lcm.safetensors, MODEL_CARD.md.

Nothing in the folder is executed or unpickled. Weights are checked against their recorded SHA-256,
against the network that the configuration describes, and for finite values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from asynfusion_ros.errors import AsynFusionError, CheckpointError, brief
from asynfusion_ros.files import read_bytes, read_json, read_text, refuse
from asynfusion_ros.motion.manner import STYLE_NAMES
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.networks import DualBranchDiT, NetworkSettings
from asynfusion_ros.sampling.description import ModelDescription

CONFIG_FILE = "config.json"
CARD_FILE = "MODEL_CARD.md"
WEIGHTS = ("teacher", "lcm")
MOST_CONFIG_BYTES = 16 * 1024**2
MOST_WEIGHTS_BYTES = 4 * 1024**3
_WEIGHT_TYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Checkpoint:
    """A model ready to sample: its description, the teacher and the distilled network.

    Attributes:
        description: everything but the weights.
        teacher: the many-step network; None where only the LCM was kept.
        lcm: the distilled few-step network; None before distillation.
        card: text of MODEL_CARD.md.
    """

    description: ModelDescription
    teacher: DualBranchDiT | None = None
    lcm: DualBranchDiT | None = None
    card: str = ""

    def network(self, method: str) -> DualBranchDiT:
        """Return the network for `method`, 'ddim' or 'lcm'; raise CheckpointError if absent."""
        network = self.lcm if method == "lcm" else self.teacher
        if network is None:
            needed = "lcm" if method == "lcm" else "teacher"
            raise CheckpointError(
                f"this model has no {needed} weights for method {method!r}; "
                "distill it (asynfusion distill) or choose the other method"
            )
        return network

    def save(self, directory: Path) -> None:
        """Write the folder; config.json comes last, so that an interrupted save is not loaded."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / CONFIG_FILE).unlink(missing_ok=True)
        hashes = {}
        for name in WEIGHTS:
            network: DualBranchDiT | None = getattr(self, name)
            file = directory / f"{name}.safetensors"
            if network is None:
                file.unlink(missing_ok=True)
                continue
            tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
            content = save_tensors(tensors)
            file.write_bytes(content)
            hashes[name] = hashlib.sha256(content).hexdigest()
        (directory / CARD_FILE).write_text(self.card, encoding="utf-8")
        values = {**self.description.to_dict(), "weights_sha256": hashes}
        text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
        (directory / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path, device: str | torch.device = "cpu") -> Checkpoint:
        """Read and verify the folder; networks come back in eval mode on `device`.

        Raises CheckpointError with the file, what is wrong with it and what to do.
        """
        directory = Path(directory)
        values = _read_config(directory)
        try:
            description = ModelDescription.from_dict(values)
        except AsynFusionError as error:
            raise CheckpointError(f"{directory / CONFIG_FILE}: {error}") from error
        hashes = values.get("weights_sha256")
        if not isinstance(hashes, dict) or not hashes or set(hashes) - set(WEIGHTS):
            raise CheckpointError(
                f"{directory / CONFIG_FILE}: weights_sha256 must name one or both of {WEIGHTS}, "
                f"found {brief(hashes)}"
            )
        networks = {
            name: _read_network(directory / f"{name}.safetensors", digest, description.network)
            for name, digest in hashes.items()
        }
        card = directory / CARD_FILE
        text = read_text(card, CheckpointError, MOST_CONFIG_BYTES) if card.is_file() else ""
        return cls(description, networks.get("teacher"), networks.get("lcm"), text).to(device)

    def to(self, device: str | torch.device) -> Checkpoint:
        """Move the networks (in place) to `device` and return the checkpoint."""
        for network in (self.teacher, self.lcm):
            if network is not None:
                network.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        network = self.lcm or self.teacher
        return torch.device("cpu") if network is None else next(network.parameters()).device


def untrained_checkpoint(
    settings: NetworkSettings | None = None, seed: int = 0, prediction: str = "sample"
) -> Checkpoint:
    """Return a checkpoint of random weights, for tests and benchmarks only.

    Weights that start at zero are drawn as well, so that both branches hear their audio and each
    other; statistics are those of unit noise, the idle pose is zero.
    """
    settings = settings or NetworkSettings()
    generator = torch.Generator().manual_seed(seed)

    def draw() -> DualBranchDiT:
        network = DualBranchDiT(settings).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
                parameter.normal_(std=spread, generator=generator)
        return network

    def unit(dim: int) -> ChannelStatistics:
        return ChannelStatistics(np.zeros(dim, np.float32), np.ones(dim, np.float32))

    description = ModelDescription(
        network=settings,
        prediction=prediction,
        face=unit(settings.face_dim),
        body=unit(settings.body_dim),
        audio=unit(settings.audio_dim),
        idle_face=np.zeros(settings.face_dim, np.float32),
        idle_body=np.zeros(settings.body_dim, np.float32),
        training={"note": "random weights"},
        style_names=STYLE_NAMES[: settings.styles],
        style=unit(settings.styles) if settings.styles else None,
    )
    return Checkpoint(description, teacher=draw(), lcm=draw(), card="Random weights, for tests.\n")


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / CONFIG_FILE
    if not path.is_file():
        raise CheckpointError(
            f"{path} does not exist; give the folder of a trained model, or train one "
            "(asynfusion train)"
        )
    values = read_json(path, CheckpointError, MOST_CONFIG_BYTES)
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds a {type(values).__name__}; expected an object")
    return values


def _read_network(path: Path, digest: str, settings: NetworkSettings) -> DualBranchDiT:
    """Return the network in eval mode; raise CheckpointError unless the file is just that."""
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; copy the whole model folder again")
    content = read_bytes(path, CheckpointError, MOST_WEIGHTS_BYTES)
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise CheckpointError(
            f"{path} has SHA-256 {found}, config.json says {digest}; the file is corrupt or of "
            "another model: copy the whole folder again"
        )
    with refuse(CheckpointError, f"{path} is not a safetensors file"):
        tensors = load_tensors(content)
    least = 2 * settings.depth * 4 * settings.width**2  # the attention of all blocks alone
    if least > sum(tensor.numel() for tensor in tensors.values()):
        raise CheckpointError(
            f"{path} holds fewer weights than the network of its config.json; copy the folder again"
        )
    network = DualBranchDiT(settings)
    _check_tensors(path, tensors, network.state_dict())
    network.load_state_dict(tensors)
    return network.eval()


def _check_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    missing, foreign = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
    if missing or foreign:
        raise CheckpointError(
            f"{path} does not fit its config.json: it lacks {missing[:3]} ({len(missing)} in all) "
            f"and holds unknown {brief(foreign[:3])} ({len(foreign)} in all); copy the folder again"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(tensor.shape)}, config.json asks for "
                f"{tuple(expected[name].shape)}"
            )
        if tensor.dtype not in _WEIGHT_TYPES:
            raise CheckpointError(f"{path}: {name} holds {tensor.dtype}; save it as float32")
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path}: {name} holds NaN or infinity; train again")
