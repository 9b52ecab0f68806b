"""Batches of prepared windows. What a step sees follows from (seed, step) alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asynfusion_ros.data.prepare import ARRAYS
from asynfusion_ros.data.talk30 import mirror_body
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import mirror_face
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.networks import Known
from asynfusion_ros.training.settings import TrainSettings


@dataclass(frozen=True)
class Statistics:
    """What normalises each stream of channels."""

    face: ChannelStatistics
    body: ChannelStatistics
    audio: ChannelStatistics


@dataclass(frozen=True)
class Batch:
    """Normalised windows: audio (B, T, A), face (B, T, 51), body (B, T, 24), their masks (B, 1, D).

    `has_body` (B,) tells which windows have any; `known` (B, T, 1) is 1 on frames to be given.
    """

    audio: Tensor
    face: Tensor
    body: Tensor
    face_mask: Tensor
    body_mask: Tensor
    has_body: Tensor
    speaker: Tensor
    audio_given: Tensor
    known: Tensor

    def given(self, values: Tensor) -> Known:
        """Return the known frames of `values` (B, T, D)."""
        return Known(values, self.known)


class PreparedWindows:
    """The windows of one prepared folder, normalised on demand."""

    def __init__(self, folder: Path) -> None:
        """Map the arrays; raise DataError where the folder is not a prepared one."""
        folder = Path(folder)
        try:
            self.manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
            self.arrays = {
                name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in ARRAYS
            }
        except (OSError, ValueError) as error:
            raise DataError(
                f"{folder} is not a prepared folder ({error}); run `asynfusion prepare` first"
            ) from error
        splits = np.array([take["split"] for take in self.manifest["takes"]])
        split = splits[self.arrays["take"]]
        self.train = np.flatnonzero(split == "train")
        self.val = np.flatnonzero(split == "val")
        if not self.train.size:
            raise DataError(f"{folder} holds no training windows")
        self._has_body = np.max(self.arrays["body_mask"], axis=1) > 0

    def measure(self) -> Statistics:
        """Return the statistics of the training windows' channels where they were measured."""
        rows = self.train[:: max(1, self.train.size // 2000)]

        def of(name: str) -> ChannelStatistics:
            values = np.asarray(self.arrays[name][rows], np.float32)
            flat = values.reshape(-1, values.shape[-1])
            if name == "audio":
                return ChannelStatistics.from_arrays(flat)
            mask = np.asarray(self.arrays[f"{name}_mask"][rows], np.float32)
            return ChannelStatistics.from_arrays(flat, np.repeat(mask, values.shape[1], axis=0))

        return Statistics(of("face"), of("body"), of("audio"))

    def sample(self, step: int, settings: TrainSettings, statistics: Statistics) -> Batch:
        """Return the batch of one training step."""
        rng = np.random.default_rng((settings.seed, step))
        bodied = self.train[self._has_body[self.train]]
        faces = self.train[~self._has_body[self.train]]
        count = round(settings.batch * settings.mouth_only_share) if faces.size else 0
        count = settings.batch if not bodied.size else count
        chosen = np.concatenate(
            [rng.choice(bodied, settings.batch - count), rng.choice(faces, count)]
            if count < settings.batch and count
            else [rng.choice(bodied if bodied.size else faces, settings.batch)]
        )
        mirrored = rng.random(settings.batch) < settings.mirror_share
        return self._gather(chosen, mirrored, rng, settings, statistics)

    def validation(self, settings: TrainSettings, statistics: Statistics, limit: int = 96) -> Batch:
        """Return a fixed batch of at most `limit` validation windows, unmirrored."""
        rows = self.val[:: max(1, self.val.size // limit)][:limit]
        rng = np.random.default_rng(settings.seed)
        fixed = settings.replace(null_share=0.0, unknown_speaker_share=1.0)
        return self._gather(rows, np.zeros(rows.size, bool), rng, fixed, statistics)

    def _gather(
        self,
        rows: np.ndarray[Any, Any],
        mirrored: np.ndarray[Any, Any],
        rng: np.random.Generator,
        settings: TrainSettings,
        statistics: Statistics,
    ) -> Batch:
        data = {name: np.asarray(array[rows], np.float32) for name, array in self.arrays.items()}
        for index in np.flatnonzero(mirrored):
            data["face"][index] = mirror_face(data["face"][index])
            data["body"][index] = mirror_body(data["body"][index])
        frames, size = data["face"].shape[1], rows.size
        lengths = rng.integers(settings.known_min_frames, settings.known_max_frames + 1, size)
        lengths = np.where(rng.random(size) < settings.known_share, lengths, 0)
        known = np.arange(frames)[None] < np.minimum(lengths, frames - 1)[:, None]
        unknown = rng.random(size) < settings.unknown_speaker_share
        tensor = torch.from_numpy
        return Batch(
            audio=tensor(statistics.audio.normalise(data["audio"])),
            face=tensor(statistics.face.normalise(data["face"])),
            body=tensor(statistics.body.normalise(data["body"])),
            face_mask=tensor(data["face_mask"])[:, None],
            body_mask=tensor(data["body_mask"])[:, None],
            has_body=tensor(data["body_mask"].any(axis=1)),
            speaker=tensor(np.where(unknown, 0, data["speaker"]).astype(np.int64)),
            audio_given=tensor(rng.random(size) >= settings.null_share),
            known=tensor(known.astype(np.float32))[..., None],
        )
