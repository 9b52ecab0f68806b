"""Trained autoencoders: made from the training split, kept in a cache, named by what made them.

The same settings and the same data give the same folder; its identity is printed with every
distance, because a distance under another autoencoder is another number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.errors import CheckpointError, DataError
from asynfusion_ros.evaluation.autoencoder import AutoencoderSettings, MotionAutoencoder
from asynfusion_ros.evaluation.autoencoder_training import fit
from asynfusion_ros.evaluation.motion_windows import (
    MotionWindows,
    cut_motion,
    join_windows,
    mask_of,
    measure_statistics,
    usable,
)
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.normalisation import ChannelStatistics

Progress = Callable[[int, int], None]
Array = npt.NDArray[np.float64]

_VERSION = 2
_CONFIG, _WEIGHTS = "config.json", "weights.safetensors"


class TooFewWindowsError(DataError):
    """The training takes hold too little motion for an autoencoder."""


@dataclass(frozen=True)
class Embedding:
    """An autoencoder of one kind of motion ("motion", "face", "body"), always in eval mode."""

    kind: str
    settings: AutoencoderSettings
    statistics: ChannelStatistics
    network: MotionAutoencoder
    data_sha256: str
    weights_sha256: str
    error: float
    training: MotionWindows

    @property
    def identity(self) -> dict[str, str | float]:
        """What must be told with a distance: form, hashes, and the error of reconstruction."""
        return {
            "architecture": self.settings.architecture,
            "latent": self.settings.latent,
            "settings": sha256_of(self.settings.to_dict())[:12],
            "data": self.data_sha256[:12],
            "weights": self.weights_sha256[:12],
            "reconstruction_error": round(self.error, 4),
        }

    def windows(self, clip: MotionClip, truth: MotionClip) -> MotionWindows:
        """Return the clip's windows, with only the channels that were measured in the truth."""
        measured = mask_of(truth, self.kind)
        return cut_motion(clip, self.kind, self.statistics, self.settings, measured=measured)

    def latents(self, windows: MotionWindows) -> Array:
        """Return the latents (N, latent) of windows; raise CheckpointError in training mode."""
        if self.network.training:
            raise CheckpointError(
                "the autoencoder is in training mode, where BatchNorm changes every number; "
                "call eval() first"
            )
        if not len(windows):
            return np.zeros((0, self.settings.latent))
        with torch.inference_mode():
            latents = self.network.encode(torch.from_numpy(windows.values))
        return latents.numpy().astype(np.float64)


def sha256_of(values: object) -> str:
    """Return the SHA-256 of plain values as canonical JSON."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def open_embedding(
    recordings: Sequence[Recording],
    kind: str,
    settings: AutoencoderSettings,
    cache: Path,
    progress: Progress | None = None,
) -> Embedding:
    """Return the autoencoder of the takes' training split, from the cache or trained into it.

    Raises TooFewWindowsError where the training takes have too little of this kind of motion.
    """
    takes = usable([r for r in recordings if r.split == "train"], kind)
    if not takes:
        raise TooFewWindowsError(f"no training take has the {kind} measured")
    clips = [recording.clip for recording in takes]
    statistics = measure_statistics(clips, kind)
    windows = join_windows(
        [cut_motion(c, kind, statistics, settings, settings.train_stride_frames) for c in clips]
    )
    if len(windows) < settings.batch:
        raise TooFewWindowsError(
            f"{len(windows)} training windows of {kind}, an autoencoder needs {settings.batch}"
        )
    windows = _thin(windows, settings.most_windows)
    data_sha256 = hashlib.sha256(windows.values.tobytes() + windows.mask.tobytes()).hexdigest()
    name = sha256_of([_VERSION, kind, settings.to_dict(), data_sha256])[:16]
    folder = Path(cache) / f"{settings.architecture}-{kind}-{name}"
    network = MotionAutoencoder(settings, windows.values.shape[2])
    if not (folder / _CONFIG).is_file():
        error = fit(network, windows, settings, progress)
        _save(folder, network, kind, settings, data_sha256, error)
    about = _load(folder, network)
    return Embedding(kind, settings, statistics, network.eval(), data_sha256, *about, windows)


def _thin(windows: MotionWindows, most: int) -> MotionWindows:
    if len(windows) <= most:
        return windows
    rows = np.linspace(0, len(windows) - 1, most).astype(int)
    return MotionWindows(windows.values[rows], windows.mask[rows])


def _save(
    folder: Path,
    network: MotionAutoencoder,
    kind: str,
    settings: AutoencoderSettings,
    data_sha256: str,
    error: float,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / _WEIGHTS)
    about = {
        "kind": kind,
        "settings": settings.to_dict(),
        "data_sha256": data_sha256,
        "weights_sha256": _file_sha256(folder / _WEIGHTS),
        "reconstruction_error": error,
    }
    (folder / _CONFIG).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _load(folder: Path, network: MotionAutoencoder) -> tuple[str, float]:
    try:
        about = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        found = _file_sha256(folder / _WEIGHTS)
        if found != about["weights_sha256"]:
            raise CheckpointError(f"{folder / _WEIGHTS} is not what was saved; delete the folder")
        network.load_state_dict(load_file(folder / _WEIGHTS))
        return found, float(about["reconstruction_error"])
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{folder} is damaged ({error}); delete it") from error


def _file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
