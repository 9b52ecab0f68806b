"""Whole runs: prepared windows in, a checkpoint folder out."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from asynfusion_ros.audio.features import FeatureSettings
from asynfusion_ros.diffusion import NoiseSchedule
from asynfusion_ros.motion.blendshapes import mouth_opening
from asynfusion_ros.networks import DualBranchDiT, NetworkSettings
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.training.batches import PreparedWindows, Statistics
from asynfusion_ros.training.distill import DistillObjective
from asynfusion_ros.training.settings import DistillSettings, TrainSettings
from asynfusion_ros.training.teacher import TeacherObjective
from asynfusion_ros.training.trainer import Report, Trainer

STATE_FOLDER = "state"


def train_teacher(
    prepared: Path,
    out: Path,
    network: NetworkSettings,
    settings: TrainSettings,
    report: Report | None = None,
) -> Checkpoint:
    """Train the teacher (resuming where `out` was left) and write its checkpoint to `out`."""
    torch.set_num_threads(settings.threads)
    windows = PreparedWindows(prepared)
    statistics = windows.measure()
    objective = TeacherObjective(windows, statistics, NoiseSchedule.linear(), settings)
    torch.manual_seed(settings.seed)
    model = DualBranchDiT(network)
    average = copy.deepcopy(model).requires_grad_(False).eval()
    trainer = Trainer(model, average, settings, Path(out) / STATE_FOLDER)
    trainer.run(
        lambda step, generator: objective.loss(model, step, generator),
        lambda: objective.validate(average),
        report,
    )
    description = _describe(windows, statistics, network, settings)
    checkpoint = Checkpoint(description, teacher=average, card=_card_stub("teacher"))
    checkpoint.save(out)
    return checkpoint


def distill_student(
    prepared: Path,
    teacher_folder: Path,
    out: Path,
    settings: DistillSettings,
    report: Report | None = None,
) -> Checkpoint:
    """Distil the teacher (resuming where `out` was left); write both networks to `out`."""
    torch.set_num_threads(settings.threads)
    teacher = Checkpoint.load(teacher_folder)
    about = teacher.description
    settings = settings.replace(prediction=about.prediction)
    windows = PreparedWindows(prepared)
    statistics = Statistics(about.face, about.body, about.audio)
    model = copy.deepcopy(teacher.network("ddim")).train()
    target = copy.deepcopy(model).requires_grad_(False).eval()
    objective = DistillObjective(
        windows, statistics, about.schedule, settings, teacher.network("ddim"), target
    )
    trainer = Trainer(model, target, settings, Path(out) / STATE_FOLDER)
    trainer.run(
        lambda step, generator: objective.loss(model, step, generator),
        lambda: objective.validate(target),
        report,
    )
    record = {**about.training, "distill": settings.to_dict()}
    description = replace(about, lcm_origin=settings.origin, training=record)
    checkpoint = Checkpoint(
        description, teacher=teacher.teacher, lcm=target, card=_card_stub("teacher and LCM")
    )
    checkpoint.save(out)
    return checkpoint


def _describe(
    windows: PreparedWindows,
    statistics: Statistics,
    network: NetworkSettings,
    settings: TrainSettings,
) -> ModelDescription:
    rows = windows.train[:: max(1, windows.train.size // 1000)]
    face = np.asarray(windows.arrays["face"][rows], np.float32).reshape(-1, network.face_dim)
    opening = mouth_opening(face)
    features = windows.manifest["features"]
    minutes: dict[str, float] = {}
    for take in windows.manifest["takes"]:
        if take["split"] == "train":
            minutes[take["source"]] = minutes.get(take["source"], 0.0) + take["seconds"] / 60.0
    return ModelDescription(
        network=network,
        face=statistics.face,
        body=statistics.body,
        audio=statistics.audio,
        idle_face=np.median(face[opening <= np.quantile(opening, 0.2)], axis=0),
        idle_body=statistics.body.mean,
        prediction=settings.prediction,
        fps_hz=float(features["fps_hz"]),
        look_ahead_s=float(features["look_ahead_s"]),
        features=features,
        features_sha256=FeatureSettings.from_dict(features).identity,
        training={
            "teacher": settings.to_dict(),
            "prepare": windows.manifest["settings"],
            "speakers": windows.manifest["speakers"],
            "minutes": {name: round(value, 2) for name, value in minutes.items()},
        },
    )


def _card_stub(holds: str) -> str:
    return f"# Model card\n\nHolds {holds} weights. Not evaluated yet: run `asynfusion evaluate`.\n"
