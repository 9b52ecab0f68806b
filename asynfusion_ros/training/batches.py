"""Batches of prepared windows. What a step sees follows from (seed, step) alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asynfusion_ros.data.prepare import ARRAYS
from asynfusion_ros.data.talk30 import mirror_body
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import mirror_face
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import STYLE_NAMES, describe_style
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.networks import Known, MannerBatch
from asynfusion_ros.sampling.description import UNKNOWN, ModelDescription
from asynfusion_ros.training.settings import TrainSettings

_FPS_HZ = 30.0
_STYLE_WINDOWS = 40  # of a take tell its style well enough


@dataclass(frozen=True)
class Statistics:
    """What normalises each stream of channels, and the styles."""

    face: ChannelStatistics
    body: ChannelStatistics
    audio: ChannelStatistics
    style: ChannelStatistics

    @classmethod
    def of(cls, about: ModelDescription) -> Statistics:
        """Return those of a model."""
        count = len(STYLE_NAMES)
        unit = ChannelStatistics(np.zeros(count, np.float32), np.ones(count, np.float32))
        return cls(about.face, about.body, about.audio, about.style or unit)


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
    manner: MannerBatch
    audio_given: Tensor
    known: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on `device`."""
        moved = {item.name: getattr(self, item.name).to(device) for item in fields(self)}
        return Batch(**moved)

    def without_condition(self) -> Batch:
        """Return the windows with neither speech nor manner: the other half of guidance."""
        manner = MannerBatch(torch.zeros_like(self.manner.speaker))
        return replace(self, manner=manner, audio_given=torch.zeros_like(self.audio_given))

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
        named = {take.get("emotion") or UNKNOWN for take in self.manifest["takes"]}
        self.emotions = (UNKNOWN, *sorted(named - {UNKNOWN}))

    @cached_property
    def take_styles(self) -> np.ndarray[Any, Any]:
        """Styles of each take (takes, 7), the mean over its windows; NaN where not measured."""
        styles = np.full((len(self.manifest["takes"]), len(STYLE_NAMES)), np.nan, np.float32)
        skeleton, take_of = Skeleton.load(), np.asarray(self.arrays["take"])
        for take in np.unique(take_of):
            rows = np.flatnonzero(take_of == take)
            rows = rows[:: max(1, len(rows) // _STYLE_WINDOWS)]
            found = [describe_style(self._clip(int(row)), skeleton) for row in rows]
            values, known = (np.stack(part) for part in zip(*found, strict=True))
            styles[take] = np.where(known.all(axis=0), values.mean(axis=0), np.nan)
        return styles

    @cached_property
    def take_emotions(self) -> np.ndarray[Any, Any]:
        """Index in `emotions` of each take (takes,)."""
        takes = self.manifest["takes"]
        return np.array([self.emotions.index(take.get("emotion") or UNKNOWN) for take in takes])

    def continue_numbers(self, speakers: dict[str, int], about: ModelDescription) -> dict[str, int]:
        """Number speakers and emotions as a model does; return its speakers and the new ones.

        Raises DataError where the model has no room for a speaker, or not the emotion.
        """
        own: dict[str, int] = self.manifest["speakers"]
        for name in own:
            speakers.setdefault(name, max(speakers.values(), default=0) + 1)
        if max(speakers.values(), default=0) >= about.network.speakers:
            raise DataError(
                f"{len(speakers)} speakers; the network has room for {about.network.speakers - 1}: "
                "train a larger one from the start"
            )
        if foreign := set(self.emotions) - set(about.emotions):
            raise DataError(f"emotions {sorted(foreign)}; the model knows {list(about.emotions)}")
        self.emotions = about.emotions
        table = np.arange(max(own.values(), default=0) + 1)
        table[list(own.values())] = [speakers[name] for name in own]
        self.arrays["speaker"] = table[np.asarray(self.arrays["speaker"])]
        return speakers

    def _clip(self, row: int) -> MotionClip:
        data = {k: np.asarray(self.arrays[k][row], np.float32) for k in ("face", "body")}
        masks = [
            np.broadcast_to(np.asarray(self.arrays[f"{k}_mask"][row], np.float32), v.shape)
            for k, v in data.items()
        ]
        return MotionClip(_FPS_HZ, data["face"], data["body"], *masks)

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

        taught = np.unique(np.asarray(self.arrays["take"])[self.train])
        styles = self.take_styles[taught]
        style = ChannelStatistics.from_arrays(np.nan_to_num(styles), np.isfinite(styles))
        return Statistics(of("face"), of("body"), of("audio"), style)

    def sample(self, step: int, settings: TrainSettings, statistics: Statistics) -> Batch:
        """Return the batch of one training step."""
        rng = np.random.default_rng((settings.seed, step))
        bodied = self.train[self._has_body[self.train]]
        faces = self.train[~self._has_body[self.train]]
        count = round(settings.batch * settings.mouth_only_share) if faces.size else 0
        count = settings.batch if not bodied.size else count
        parts = ((bodied, settings.batch - count), (faces, count))
        chosen = np.concatenate([rng.choice(rows, size) for rows, size in parts if size])
        mirrored = rng.random(settings.batch) < settings.mirror_share
        return self._gather(chosen, mirrored, rng, settings, statistics)

    def validation(self, settings: TrainSettings, statistics: Statistics, limit: int = 96) -> Batch:
        """Return a fixed batch of at most `limit` validation windows, unmirrored."""
        rows = self.val[:: max(1, self.val.size // limit)][:limit]
        rng = np.random.default_rng(settings.seed)
        fixed = settings.replace(null_share=0.0, unknown_speaker_share=1.0, unknown_style_share=1.0)
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
            data["face_mask"][index] = mirror_face(data["face_mask"][index])
            data["body_mask"][index] = np.abs(mirror_body(data["body_mask"][index]))
        frames, size = data["face"].shape[1], rows.size
        lengths = rng.integers(settings.known_min_frames, settings.known_max_frames + 1, size)
        lengths = np.where(rng.random(size) < settings.known_share, lengths, 0)
        known = np.arange(frames)[None] < np.minimum(lengths, frames - 1)[:, None]
        given = rng.random(size) >= settings.null_share
        manner = self._manner(data, rng, settings, statistics)
        tensor = torch.from_numpy
        return Batch(
            audio=tensor(statistics.audio.normalise(data["audio"])),
            face=tensor(statistics.face.normalise(data["face"])),
            body=tensor(statistics.body.normalise(data["body"])),
            face_mask=tensor(data["face_mask"])[:, None],
            body_mask=tensor(data["body_mask"])[:, None],
            has_body=tensor(data["body_mask"].any(axis=1)),
            manner=manner,
            audio_given=tensor(given),
            known=tensor(known.astype(np.float32))[..., None],
        )

    def _manner(
        self,
        data: dict[str, np.ndarray[Any, Any]],
        rng: np.random.Generator,
        settings: TrainSettings,
        statistics: Statistics,
    ) -> MannerBatch:
        """Tell the network part of what is known of each window's manner, as users do."""
        take = data["take"].astype(np.int64)
        stranger = rng.random(len(take)) < settings.unknown_speaker_share
        style = statistics.style.normalise(self.take_styles[take])
        style += settings.style_noise * rng.standard_normal(style.shape)
        hidden = rng.random(style.shape) < settings.open_style_share
        hidden |= rng.random((len(take), 1)) < settings.unknown_style_share
        mute = rng.random(len(take)) < settings.unknown_style_share
        return MannerBatch(
            torch.from_numpy(np.where(stranger, 0, data["speaker"]).astype(np.int64)),
            torch.from_numpy(np.where(hidden, np.nan, style).astype(np.float32)),
            torch.from_numpy(np.where(mute, 0, self.take_emotions[take]).astype(np.int64)),
        )
