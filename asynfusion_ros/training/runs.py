"""Whole runs: prepared windows in, a checkpoint folder out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from asynfusion_ros.audio.features import FeatureSettings
from asynfusion_ros.data.talk30 import BODY_CUTOFF_HZ
from asynfusion_ros.diffusion.lcm import TRAJECTORY
from asynfusion_ros.errors import ConfigError, DataError
from asynfusion_ros.motion.manner import STYLE_NAMES
from asynfusion_ros.networks import DualBranchDiT, NetworkSettings
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.training.batches import PreparedWindows, Statistics
from asynfusion_ros.training.distill import DistillObjective
from asynfusion_ros.training.growth import add_styles, restate, widen
from asynfusion_ros.training.settings import DistillSettings, TrainSettings
from asynfusion_ros.training.teacher import TeacherObjective
from asynfusion_ros.training.trainer import Report, Trainer
from asynfusion_ros.training.trajectory import TrajectoryObjective

STATE_FOLDER = "state"


def train_teacher(
    prepared: Path | Sequence[Path],
    out: Path,
    network: NetworkSettings,
    settings: TrainSettings,
    report: Report | None = None,
) -> Checkpoint:
    """Train the teacher (resuming where `out` was left) and write its checkpoint to `out`.

    A run that `settings.minutes` paused writes only its state, to be called again.
    `network.emotions` follows from the data, whatever it says. Raises ConfigError where
    `network.styles` is neither 0 nor the number of styles that are measured.
    """
    torch.set_num_threads(settings.threads)
    windows = PreparedWindows(prepared)
    if network.styles not in (0, len(STYLE_NAMES)):
        raise ConfigError(f"network.styles is {network.styles}; use 0, or {len(STYLE_NAMES)}")
    if (count := len(windows.manifest["speakers"])) >= network.speakers:
        raise ConfigError(f"{count} speakers; set network.speakers to at least {count + 1}")
    network = network.replace(emotions=len(windows.emotions))
    description = _describe(windows, windows.measure(), network, settings)
    torch.manual_seed(settings.seed)
    return _train(windows, DualBranchDiT(network), description, settings, Path(out), report)


def fine_tune_teacher(
    prepared: Path | Sequence[Path],
    start: Path,
    out: Path,
    settings: TrainSettings,
    report: Report | None = None,
) -> Checkpoint:
    """Go on training the teacher of `start` with the windows of other people; write it to `out`.

    Statistics and the network stay those of `start`, but for styles that it does not have yet
    (`add_styles`) and, where the settings say so, the units of all (`restate`); speakers that it
    does not know get the next free numbers. Raises DataError where the windows were prepared with
    other features, or where there are more speakers or other emotions than the network has room
    for.
    """
    torch.set_num_threads(settings.threads)
    teacher = Checkpoint.load(start)
    about = teacher.description
    windows = PreparedWindows(prepared)
    if FeatureSettings.from_dict(windows.manifest["features"]).identity != about.features_sha256:
        raise DataError(f"{prepared} was prepared with other features than {start}; prepare again")
    speakers = windows.continue_numbers(dict(about.training.get("speakers", {})), about)
    prepared_by = windows.manifest["settings"]
    minutes = _count_minutes(windows)
    tuned = {**settings.to_dict(), "prepare": prepared_by, "minutes_of": minutes}
    record = {**about.training, "speakers": speakers, "fine_tune": tuned}
    settings = settings.replace(prediction=about.prediction)
    about, model = add_styles(about, copy.deepcopy(teacher.network("ddim")), windows)
    if settings.restate_styles and about.style is not None:
        style = windows.people.measure()
        model, about = restate(model, about.style, style), replace(about, style=style)
    about = replace(about, training=record)
    return _train(windows, model.train(), about, settings, Path(out), report)


def _train(
    windows: PreparedWindows,
    model: DualBranchDiT,
    description: ModelDescription,
    settings: TrainSettings,
    out: Path,
    report: Report | None,
) -> Checkpoint:
    statistics = Statistics.of(description)
    objective = TeacherObjective(windows, statistics, description.schedule, settings)
    average = copy.deepcopy(model).requires_grad_(False).eval()
    trainer = Trainer(model, average, settings, out / STATE_FOLDER)
    trainer.run(objective.loss, lambda: objective.validate(average), report)
    checkpoint = Checkpoint(description, teacher=average, card=_card_stub("teacher"))
    if trainer.crew.leads and trainer.finished:
        checkpoint.save(out)
    return checkpoint


def distill_student(
    prepared: Path | Sequence[Path],
    teacher_folder: Path,
    out: Path,
    settings: DistillSettings,
    report: Report | None = None,
    start: Path | None = None,
) -> Checkpoint:
    """Distil the teacher (resuming where `out` was left); write both networks to `out`.

    A run that `settings.minutes` paused writes only its state, to be called again.
    The student begins as the teacher, or as the distilled network of `start`, which must be of the
    same sizes: quicker where the teacher was only fine-tuned. Styles that `start` does not have yet
    it takes from the teacher.
    """
    torch.set_num_threads(settings.threads)
    teacher = Checkpoint.load(teacher_folder)
    about = teacher.description
    settings = settings.replace(prediction=about.prediction)
    windows = PreparedWindows(prepared)
    windows.continue_numbers(dict(about.training.get("speakers", {})), about)
    model = copy.deepcopy(teacher.network("ddim") if start is None else _begin(start, teacher))
    model.train()
    target = copy.deepcopy(model).requires_grad_(False).eval()
    form = TrajectoryObjective if settings.form == TRAJECTORY else DistillObjective
    objective = form(
        windows, Statistics.of(about), about.schedule, settings, teacher.network("ddim"), target
    )
    trainer = Trainer(model, target, settings, Path(out) / STATE_FOLDER)
    trainer.run(objective.loss, lambda: objective.validate(target), report)
    record = {**about.training, "distill": settings.to_dict()}
    description = replace(
        about,
        lcm_origin=settings.origin,
        lcm_form=settings.lcm_form,
        temperatures=settings.temperatures,
        shared_noise=settings.shared_noise,
        bursts=settings.bursts,
        burst_voice=settings.burst_voice,
        training=record,
    )
    checkpoint = Checkpoint(
        description, teacher=teacher.teacher, lcm=target, card=_card_stub("teacher and LCM")
    )
    if trainer.crew.leads and trainer.finished:
        checkpoint.save(out)
    return checkpoint


def _begin(start: Path, teacher: Checkpoint) -> DualBranchDiT:
    """Return the distilled network of `start`, with the styles of the teacher in its units."""
    first = Checkpoint.load(start)
    network, about, wanted = first.network("lcm"), first.description, teacher.description
    if about.style_names != wanted.style_names[: len(about.style_names)]:
        raise ConfigError(f"{start} has other styles than the teacher; leave it out")
    if about.style is not None and wanted.style is not None:
        network = restate(network, about.style, wanted.style)
    try:
        return widen(network, teacher.network("ddim"))
    except DataError as error:
        raise ConfigError(f"{start} is no start for this teacher: {error}; leave it out") from error


def _describe(
    windows: PreparedWindows,
    statistics: Statistics,
    network: NetworkSettings,
    settings: TrainSettings,
) -> ModelDescription:
    idle_face = windows.find_idle_face()
    features = windows.manifest["features"]
    return ModelDescription(
        network=network,
        face=statistics.face,
        body=statistics.body,
        audio=statistics.audio,
        idle_face=idle_face,
        idle_body=statistics.body.mean,
        prediction=settings.prediction,
        fps_hz=float(features["fps_hz"]),
        look_ahead_s=float(features["look_ahead_s"]),
        body_cutoff_hz=BODY_CUTOFF_HZ,
        temperatures=settings.temperatures,
        shared_noise=settings.shared_noise,
        bursts=settings.bursts,
        burst_voice=settings.burst_voice,
        features=features,
        features_sha256=FeatureSettings.from_dict(features).identity,
        training={
            "teacher": settings.to_dict(),
            "prepare": windows.manifest["settings"],
            "speakers": windows.manifest["speakers"],
            "minutes": _count_minutes(windows),
        },
        style_names=STYLE_NAMES if network.styles else (),
        style=statistics.style if network.styles else None,
        style_correlation=windows.people.correlate() if network.styles else None,
        emotions=windows.emotions,
    )


def _count_minutes(windows: PreparedWindows) -> dict[str, float]:
    """Return the minutes of training takes by source."""
    minutes: dict[str, float] = {}
    for take in windows.manifest["takes"]:
        if take["split"] == "train":
            minutes[take["source"]] = minutes.get(take["source"], 0.0) + take["seconds"] / 60.0
    return {name: round(value, 2) for name, value in minutes.items()}


def _card_stub(holds: str) -> str:
    return f"# Model card\n\nHolds {holds} weights. Not evaluated yet: run `asynfusion evaluate`.\n"
