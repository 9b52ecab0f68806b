"""The speech models that come with the package, verified by hash before they are opened."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import onnxruntime

from asynfusion_ros.errors import CheckpointError
from asynfusion_ros.resources import find_resource

SPEECH_MODELS = "models/speech"


def read_manifest() -> dict[str, dict[str, str]]:
    """Return what is recorded of each speech model: sha256, licence, origin; CheckpointError."""
    path = find_resource(SPEECH_MODELS) / "manifest.json"
    try:
        manifest: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); reinstall the package") from error
    return manifest


@cache
def verify_model(name: str) -> Path:
    """Return the path of a speech model whose SHA-256 equals the manifest's.

    Raises CheckpointError where the file is missing, not listed, or differs.
    """
    folder = find_resource(SPEECH_MODELS)
    try:
        expected = read_manifest()[name]["sha256"]
        actual = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    except (OSError, KeyError) as error:
        raise CheckpointError(
            f"speech model {name!r} cannot be read from {folder} ({error}); reinstall the package"
        ) from error
    if actual != expected:
        raise CheckpointError(
            f"{folder / name} has SHA-256 {actual}, the manifest says {expected}; "
            "the file is corrupt: reinstall the package"
        )
    return folder / name


def open_session(
    name: str, threads: int = 1, allow_gpu: bool = False
) -> onnxruntime.InferenceSession:
    """Open a verified speech model on `threads` CPU threads, or CUDA where allowed and present."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    wanted = ["CUDAExecutionProvider"] if allow_gpu else []
    available = onnxruntime.get_available_providers()
    providers = [provider for provider in wanted if provider in available]
    return onnxruntime.InferenceSession(
        str(verify_model(name)), options, providers=[*providers, "CPUExecutionProvider"]
    )
