"""Batches of prepared windows. What a step sees follows from (seed, step) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asynfusion_ros.data.talk30 import mirror_body
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import mirror_face, mouth_opening
from asynfusion_ros.motion.manner import BODY_STYLES, STYLE_NAMES, mirror_style
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.networks import Known, MannerBatch
from asynfusion_ros.sampling.description import UNKNOWN, ModelDescription
from asynfusion_ros.training.liveliness import exchange_liveliness
from asynfusion_ros.training.prepared import open_prepared, renumber
from asynfusion_ros.training.rests import exchange_rests
from asynfusion_ros.training.settings import TrainSettings
from asynfusion_ros.training.takes import TakePeople

_OF_BODY = np.isin(STYLE_NAMES, BODY_STYLES)


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

    Channels that were not measured are lent (`lend_unmeasured`) and cost nothing; `has_face` and
    `has_body` (B,) tell which windows have any values. `known` (B, T, 1) is 1 on frames to give.
    """

    audio: Tensor
    face: Tensor
    body: Tensor
    face_mask: Tensor
    body_mask: Tensor
    has_face: Tensor
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


def lend_unmeasured(
    data: dict[str, np.ndarray[Any, Any]], kind: str, rng: np.random.Generator
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Fill what was not measured of `kind` from other windows of the batch.

    Returns which windows (B,) now have any values, and who lent to each (B,): itself where there
    was nobody. A window lends all of its values (B, T, D) at once, one in which all channels were
    measured (mask (B, D)). Otherwise a network sees from what is missing whose data it looks at,
    and moves its lips well only where it sees the body of nobody.
    """
    values, measured = data[kind], data[f"{kind}_mask"] > 0
    whole = np.flatnonzero(measured.all(axis=1))
    if not whole.size:
        return np.asarray(measured.any(axis=1)), np.arange(len(values))
    lenders = rng.choice(whole, len(values))
    data[kind] = np.where(measured[:, None], values, values[lenders])
    return np.ones(len(values), bool), np.asarray(lenders)


class PreparedWindows:
    """The windows of prepared folders, normalised on demand."""

    def __init__(self, folders: Path | Sequence[Path]) -> None:
        """Open one folder or several; raise DataError where they cannot teach."""
        folders = [folders] if isinstance(folders, Path) else list(folders)
        self.manifest, self.arrays, self.take, self.speaker = open_prepared(folders)
        split = np.array([take["split"] for take in self.manifest["takes"]])[self.take]
        self.train = np.flatnonzero(split == "train")
        self.val = np.flatnonzero(split == "val")
        if not self.train.size:
            raise DataError(f"{[str(folder) for folder in folders]} hold no training windows")
        self.people = TakePeople(self.arrays, self.take, self.train)
        self._has_body = self.arrays["body_mask"].read(np.arange(len(self.take))).max(axis=1) > 0
        named = {take.get("emotion") or UNKNOWN for take in self.manifest["takes"]}
        self.emotions = (UNKNOWN, *sorted(named - {UNKNOWN}))

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
        speakers = dict(speakers)
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
        self.speaker = renumber(self.speaker, own, speakers)
        self.manifest["speakers"] = {name: speakers[name] for name in own}
        return speakers

    def measure(self) -> Statistics:
        """Return the statistics of the training windows' channels where they were measured."""
        rows = self.train[:: max(1, self.train.size // 2000)]

        def of(name: str) -> ChannelStatistics:
            values = self.arrays[name].read(rows)
            flat = values.reshape(-1, values.shape[-1])
            if name == "audio":
                return ChannelStatistics.from_arrays(flat)
            mask = self.arrays[f"{name}_mask"].read(rows)
            return ChannelStatistics.from_arrays(flat, np.repeat(mask, values.shape[1], axis=0))

        return Statistics(of("face"), of("body"), of("audio"), self.people.measure())

    def find_idle_face(self) -> np.ndarray[Any, Any]:
        """Return the median face (51,) of the frames whose mouth is nearly shut.

        Only windows whose whole face was measured count, where there are any.
        """
        rows = self.train[:: max(1, self.train.size // 4000)]
        whole = self.arrays["face_mask"].read(rows).min(axis=1) > 0
        rows = rows[whole] if whole.any() else rows
        face = self.arrays["face"].read(rows).reshape(-1, 51)
        opening = mouth_opening(face)
        idle: np.ndarray[Any, Any] = np.median(face[opening <= np.quantile(opening, 0.2)], axis=0)
        return idle

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
        data = {name: array.read(rows) for name, array in self.arrays.items()}
        styles = self.people.styles[self.take[rows]]
        if settings.exchange_share:
            rests = {kind: values[self.take[rows]] for kind, values in self.people.rests.items()}
            for exchange in (exchange_liveliness, exchange_rests):
                styles = exchange(data, rests, styles, settings.exchange_share, rng)
        styles[mirrored] = mirror_style(styles[mirrored])
        for index in np.flatnonzero(mirrored):
            data["face"][index] = mirror_face(data["face"][index])
            data["body"][index] = mirror_body(data["body"][index])
            data["face_mask"][index] = mirror_face(data["face_mask"][index])
            data["body_mask"][index] = np.abs(mirror_body(data["body_mask"][index]))
        has_face, face_lenders = lend_unmeasured(data, "face", rng)
        has_body, body_lenders = lend_unmeasured(data, "body", rng)
        frames, size = data["face"].shape[1], rows.size
        lengths = rng.integers(settings.known_min_frames, settings.known_max_frames + 1, size)
        lengths = np.where(rng.random(size) < settings.known_share, lengths, 0)
        known = np.arange(frames)[None] < np.minimum(lengths, frames - 1)[:, None]
        audible = rng.random(size) >= settings.null_share
        lent = np.where(_OF_BODY, styles[body_lenders], styles[face_lenders])
        styles = np.where(np.isfinite(styles), styles, lent)
        manner = self._manner(rows, styles, rng, settings, statistics)
        tensor = torch.from_numpy
        return Batch(
            audio=tensor(statistics.audio.normalise(data["audio"])),
            face=tensor(statistics.face.normalise(data["face"])),
            body=tensor(statistics.body.normalise(data["body"])),
            face_mask=tensor(data["face_mask"])[:, None],
            body_mask=tensor(data["body_mask"])[:, None],
            has_face=tensor(has_face),
            has_body=tensor(has_body),
            manner=manner,
            audio_given=tensor(audible),
            known=tensor(known.astype(np.float32))[..., None],
        )

    def _manner(
        self,
        rows: np.ndarray[Any, Any],
        styles: np.ndarray[Any, Any],
        rng: np.random.Generator,
        settings: TrainSettings,
        statistics: Statistics,
    ) -> MannerBatch:
        """Tell the network part of what is known of each window's manner, as users do.

        A style that a take does not tell is that of whom it borrowed from (`styles`), so that none
        tells whose data it is.
        """
        take, speaker = self.take[rows], self.speaker[rows]
        stranger = rng.random(len(take)) < settings.unknown_speaker_share
        style = statistics.style.normalise(styles)
        style += settings.style_noise * rng.standard_normal(style.shape)
        hidden = rng.random(style.shape) < settings.open_style_share
        hidden |= rng.random((len(take), 1)) < settings.unknown_style_share
        mute = rng.random(len(take)) < settings.unknown_style_share
        return MannerBatch(
            torch.from_numpy(np.where(stranger, 0, speaker)),
            torch.from_numpy(np.where(hidden, np.nan, style).astype(np.float32)),
            torch.from_numpy(np.where(mute, 0, self.take_emotions[take])),
        )
