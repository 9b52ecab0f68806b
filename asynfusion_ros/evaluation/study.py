"""The runs behind a reproduced table: trained, measured and kept, each in a folder of its own.

Whatever is done is not done again: a run's weights, and each of its figures' files, are found where
they were left, so that a study can be interrupted and continued.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asynfusion_ros.data.prepare import prepare, read_all
from asynfusion_ros.data.recording import Recording
from asynfusion_ros.data.windows import PrepareSettings
from asynfusion_ros.evaluation.catalogue import FIGURES
from asynfusion_ros.evaluation.controls import (
    CONTROLS,
    Clips,
    MannerOf,
    control_clips,
    generate_clips,
)
from asynfusion_ros.evaluation.embedding import sha256_of
from asynfusion_ros.evaluation.generators import RememberingExtractor, open_generator
from asynfusion_ros.evaluation.heldout import Ruler, measure_subjects
from asynfusion_ros.evaluation.manners import draw_manners, measure_manners
from asynfusion_ros.evaluation.reproduction import Run, Table, Variant, runs_of
from asynfusion_ros.evaluation.retrieval import Retrieval
from asynfusion_ros.evaluation.summary import Summary
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import CONFIG_FILE, Checkpoint
from asynfusion_ros.sampling.guidance import AS_THE_FACE, Guidance
from asynfusion_ros.streaming.generator import open_extractor
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.training.runs import distill_student, train_teacher
from asynfusion_ros.training.settings import DistillSettings, TrainSettings
from asynfusion_ros.training.trainer import Report

Row = dict[str, Summary]
Say = Callable[[str], None]

TIMED_WINDOWS = 20
_WARM_WINDOWS = 3


@dataclass(frozen=True)
class Recipe:
    """The settings that all runs of a study share, but for the interaction and the seed."""

    network: NetworkSettings
    prepare: PrepareSettings
    train: TrainSettings
    distill: DistillSettings

    @classmethod
    def read(cls, path: Path, steps: int | None = None) -> Recipe:
        """Return the recipe of a YAML file's sections; `steps` replaces both numbers of steps."""
        train = TrainSettings.from_yaml(path, "train")
        distill = DistillSettings.from_yaml(path, "distill")
        return cls(
            NetworkSettings.from_yaml(path, "network"),
            PrepareSettings.from_yaml(path, "prepare"),
            train if steps is None else train.replace(steps=steps),
            distill if steps is None else distill.replace(steps=steps),
        )


class Study:
    """Everything that a table's rows are measured with."""

    def __init__(
        self,
        out: Path,
        recipe: Recipe,
        held_out: Sequence[Recording],
        ruler: Ruler,
        prepared: Sequence[Path] = (),
        checkpoint: Path | None = None,
        report: Callable[[Run], Report] | None = None,
        say: Say = print,
        told: Sequence[MotionClip] = (),
    ) -> None:
        """Keep runs under `out`; `checkpoint` is measured instead of training any.

        `told` are clips of the held-out persons, one for each take, whose styles models are told.
        """
        self.out, self.recipe, self.ruler = Path(out), recipe, ruler
        self.held_out, self.prepared, self.checkpoint = list(held_out), list(prepared), checkpoint
        self.told, self._report, self._say = list(told), report, say
        self._extractors: dict[str, RememberingExtractor] = {}

    def rows(self, table: Table, seeds: int, samples: int) -> dict[str, list[Row]]:
        """Return for each variant its figures, one Row for each trained seed, training as needed.

        Every network moves `samples` times to each take. With a given checkpoint there is one Row.
        """
        if self.checkpoint is not None:
            return {v.name: [self.figures(self.checkpoint, v, samples)] for v in table.variants}
        rows: dict[str, list[Row]] = {variant.name: [] for variant in table.variants}
        for run in runs_of(table, seeds):
            folder = self.train(run)
            for variant in table.variants:
                if variant.interaction == run.interaction:
                    rows[variant.name].append(self.figures(folder, variant, samples, run.seed))
        return rows

    def train(self, run: Run) -> Path:
        """Return the folder of a run's weights, trained or continued where they are not whole."""
        folder = self.out / "runs" / run.name
        report = None if self._report is None else self._report(run)
        teacher, student = folder / "teacher", folder / "student"
        if not (teacher / CONFIG_FILE).is_file():
            self._say(f"training {run.name}")
            train_teacher(
                prepared=self.prepared,
                out=teacher,
                network=self.recipe.network.replace(interaction=run.interaction),
                settings=self.recipe.train.replace(seed=run.seed),
                report=report,
            )
        if run.distilled and not (student / CONFIG_FILE).is_file():
            self._say(f"distilling {run.name}")
            distill_student(
                prepared=self.prepared,
                teacher_folder=teacher,
                out=student,
                settings=self.recipe.distill.replace(seed=run.seed),
                report=report,
            )
        return student if run.distilled else teacher

    def figures(self, folder: Path, variant: Variant, samples: int, seed: int = 0) -> Row:
        """Return the figures of one network sampled one way, measured only once.

        Networks of different training seeds never share noise.
        """
        config = json.loads((folder / CONFIG_FILE).read_text())
        sampler = variant.sampler(guidance=learned_guidance(config))
        about = {
            "model": sha256_of(config),  # how it is sampled stands beside the weights
            "figures": list(FIGURES),
            "autoencoders": [e.identity for e in self.ruler.embeddings],
            "takes": [r.name for r in self.held_out],
            "seeds": [seed, samples],
            "sampler": sampler.to_dict(),
            "beats": self.ruler.beats.to_dict(),
            **({"told_frames": [len(clip) for clip in self.told]} if self.told else {}),
        }
        file = self.out / "figures" / f"{variant.name}-{sha256_of(about)[:16]}.json"
        if not file.is_file():
            self._say(f"measuring {variant.title}, seed {seed}")
            checkpoint = Checkpoint.load(folder)
            settings = EngineSettings(seed=seed * samples)
            extractor = self.extractor(checkpoint)
            generator = open_generator(checkpoint, settings, sampler, extractor)
            manner_of = self._manner_of(checkpoint)
            clips = generate_clips(generator, self.held_out, samples, manner_of=manner_of)
            generator.close()
            _write_row(file, self._measure(clips))
        return read_row(file)

    def extractor(self, checkpoint: Checkpoint) -> RememberingExtractor:
        """Return features that are shared by all models that were trained on the same ones."""
        about = checkpoint.description
        if about.features_sha256 not in self._extractors:
            self._extractors[about.features_sha256] = RememberingExtractor(open_extractor(about))
        return self._extractors[about.features_sha256]

    def control_rows(self, folder: Path, samples: int) -> dict[str, Row]:
        """Return the figures of ground truth, retrieval and all controls, of the model in `folder`.

        Retrieval needs prepared windows, and is left out without.
        """
        checkpoint = Checkpoint.load(folder)
        extractor = self.extractor(checkpoint)
        generator = open_generator(checkpoint, EngineSettings(deterministic=True), None, extractor)
        takes, about = self.held_out, checkpoint.description
        subjects: dict[str, Clips] = {"ground_truth": [[r.clip] for r in takes]}
        if self.prepared:
            memory = Retrieval(self.prepared, extractor)
            subjects["retrieval"] = [[memory.generate(r.samples, len(r.clip))] for r in takes]
        manner_of = self._manner_of(checkpoint)
        subjects["shuffled_audio"] = generate_clips(
            generator, takes, samples, shuffled=True, manner_of=manner_of
        )
        generator.close()
        for name in CONTROLS[1:]:
            subjects[name] = [[control_clips(about, name, r.clip)] for r in takes]
        return {name: self._measure(clips) for name, clips in subjects.items()}

    def window_seconds(self, folder: Path, variant: Variant, execution: str) -> Summary:
        """Return the time to sample one window [s], features not counted: the median of 20.

        The interval is that of the middle half of them.
        """
        checkpoint = Checkpoint.load(folder)
        extractor = self.extractor(checkpoint)
        sampler = variant.sampler(execution, learned_guidance(checkpoint.description.to_dict()))
        generator = open_generator(checkpoint, EngineSettings(), sampler, extractor)
        samples = self.held_out[0].samples[: generator.plan.sample_count]
        sound = np.resize(samples, generator.plan.sample_count).astype(np.float32)
        state, seconds = generator.begin(), []
        for _ in range(_WARM_WINDOWS + TIMED_WINDOWS):
            chunk, state = generator.step(sound, state)
            seconds.append(chunk.timings.total_s - chunk.timings.feature_s)
        generator.close()
        low, middle, high = np.percentile(seconds[_WARM_WINDOWS:], [25, 50, 75])
        return Summary(float(middle), float(low), float(high), TIMED_WINDOWS)

    def _manner_of(self, checkpoint: Checkpoint) -> MannerOf:
        about = checkpoint.description
        return measure_manners(about, self.told) if self.told else draw_manners(about)

    def _measure(self, clips: Clips) -> Row:
        return measure_subjects({"model": clips}, self.held_out, self.ruler)["model"]


def learned_guidance(config: Mapping[str, Any]) -> Guidance:
    """Return what guidance a model's student learned; its teacher needs it to be compared."""
    learned = config["training"].get("distill", {})
    names = ("mouth_guidance", "gesture_guidance")
    return Guidance.of(learned.get("guidance", 1.0), *(learned.get(n, AS_THE_FACE) for n in names))


def prepare_once(folders: Sequence[Path], out: Path, settings: PrepareSettings, say: Say) -> Path:
    """Return the folder of training windows, made where it is not there yet."""
    folder = Path(out) / "prepared"
    if not (folder / "manifest.json").is_file():
        say(f"preparing windows in {folder.name}")
        prepare(*read_all(*folders), folder, settings)
    return folder


def read_row(file: Path) -> Row:
    """Return the figures that a file holds."""
    values: Mapping[str, Mapping[str, float]] = json.loads(file.read_text(encoding="utf-8"))
    row = {}
    for name, v in values.items():
        counts = int(v["takes"]), int(v["seeds"])
        row[name] = Summary(v["mean"], v["low"], v["high"], *counts)
    return row


def _write_row(file: Path, row: Row) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".part")
    values = {name: summary.to_dict() for name, summary in row.items()}
    fresh.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    fresh.replace(file)
