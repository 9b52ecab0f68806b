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


@cache
def verify_model(name: str) -> Path:
    """Return the path of a speech model whose SHA-256 equals the manifest's.

    Raises CheckpointError where the file is missing, not listed, or differs.
    """
    folder = find_resource(SPEECH_MODELS)
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        expected = manifest[name]["sha256"]
        actual = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    except (OSError, KeyError, ValueError) as error:
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
