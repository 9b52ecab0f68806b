"""Ours beside three lip-sync packages on the same speech; README.md has the commands."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
from tqdm import tqdm

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.project import read_project
from asynfusion_ros.data.recording import Recording
from asynfusion_ros.evaluation.controls import seed_of
from asynfusion_ros.evaluation.lips import closure_scores, lip_targets
from asynfusion_ros.evaluation.visemes import MouthReader, ask_shapes, shape_accuracy
from asynfusion_ros.motion.blendshapes import lip_gap
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.generator import MotionGenerator, open_extractor, open_sampler
from asynfusion_ros.streaming.settings import EngineSettings

HERE = Path(__file__).resolve().parent
SHAPE_OF_VISEME = {  # but for E, rounded in Rhubarb's letters and open among Oculus visemes
    **dict.fromkeys(("A", "X", "PP", "sil"), "closed"),
    **dict.fromkeys(("G", "FF"), "teeth"),
    **dict.fromkeys(("F", "O", "U"), "rounded"),
    **dict.fromkeys(("C", "D", "aa"), "open"),
    **dict.fromkeys(("B", "H", "I", "TH", "DD", "kk", "CH", "SS", "nn", "RR"), "narrow"),
}
SHAPE_OF_E = {"rhubarb-lip-sync": "rounded", "wawa-lipsync": "open", "headaudio": "open"}
SHIFTS_S = np.arange(-0.06, 0.2401, 0.02)
RATE_HZ = 60.0
BROWSER_RATE_HZ = 48_000
FIGURES = ("closure_recall", "closure_precision", "viseme_accuracy", "viseme_balanced")

Row = dict[str, float]


@dataclass(frozen=True)
class Answer:
    """What one system made of one take: a lip gap at `fps_hz`, shapes at any time, seconds."""

    gap: npt.NDArray[np.float64]
    fps_hz: float
    read: Callable[[npt.NDArray[np.float64]], list[str]]
    seconds: float


def main() -> None:
    """Ask everyone, measure, and write results.json and README.md's table to the terminal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speech", type=Path, required=True, help="takes with phonemes")
    parser.add_argument("--teach", type=Path, required=True, help="takes that teach the reader")
    parser.add_argument("--checkpoint", type=Path, default=HERE.parents[1] / "models/small")
    parser.add_argument("--steps", default="4/8", help="expression/gesture")
    parser.add_argument("--out", type=Path, required=True, help="folder of results.json")
    parser.add_argument("--takes", type=int, default=None, help="only so many")
    parser.add_argument(
        "--ask", choices=("all", "ours", "peers"), default="all",
        help="measure only these; the others keep what results.json says of the same takes",
    )  # fmt: skip
    arguments = parser.parse_args()
    takes = read_project(arguments.speech)[0][: arguments.takes]
    reader = MouthReader(read_project(arguments.teach)[0])
    answers = {"truth": [_of_clip(take.clip, reader, 0.0) for take in takes]}
    if arguments.ask != "peers":
        answers["asynfusion_ros"] = _ask_ours(takes, reader, arguments.checkpoint, arguments.steps)
    if arguments.ask != "ours":
        answers |= _ask_peers(takes)
    seconds = sum(take.clip.duration_s for take in takes)
    rows = {name: measure(takes, found) for name, found in answers.items()}
    if arguments.ask != "all":
        rows = {**_measured_before(arguments.out, takes), **rows}
    print(f"{len(takes)} takes, {seconds / 60:.1f} min, {len({t.speaker for t in takes})} voices\n")
    print(table(rows))
    document = {"takes": [t.name for t in takes], "seconds": seconds, "rows": rows}
    (arguments.out / "results.json").write_text(json.dumps(document, indent=1) + "\n")


def _measured_before(folder: Path, takes: Sequence[Recording]) -> dict[str, Row]:
    """Return the rows of results.json; raise SystemExit where it tells of other takes."""
    path = folder / "results.json"
    document = json.loads(path.read_text()) if path.is_file() else {"takes": [], "rows": {}}
    if document["takes"] and document["takes"] != [take.name for take in takes]:
        raise SystemExit(f"{path} is of other takes; measure all of them: leave --ask out")
    rows: dict[str, Row] = document["rows"]
    return rows


def measure(takes: Sequence[Recording], answers: Sequence[Answer]) -> Row:
    """Return the figures of one system, delayed by what suits it best.

    The delay that gives the best sum of recall, precision and balanced accuracy is allowed to all.
    """
    rows = [_measure_shifted(takes, answers, float(shift)) for shift in SHIFTS_S]
    best = max(rows, key=lambda r: r["closure_recall"] + r["closure_precision"] + r[FIGURES[3]])
    length_s = sum(take.clip.duration_s for take in takes)
    plain = _measure_shifted(takes, answers, 0.0)
    return {
        **best,
        "closure_recall_undelayed": plain["closure_recall"],
        "seconds_per_second": sum(answer.seconds for answer in answers) / length_s,
    }


def table(rows: Mapping[str, Row]) -> str:
    """Return the rows as Markdown."""
    names = (*FIGURES, "shift_s", "closure_recall_undelayed", "seconds_per_second")
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(f"{row[figure]:.3f}" for figure in names) + " |")
    return "\n".join(lines)


def _measure_shifted(takes: Sequence[Recording], answers: Sequence[Answer], shift_s: float) -> Row:
    """Return the figures of answers that are read `shift_s` later than the sound."""
    met: dict[str, list[float]] = {"closure_recall": [], "closure_precision": []}
    weights: list[int] = []
    seen: list[str] = []
    asked: list[str] = []
    for take, answer in zip(takes, answers, strict=True):
        targets, speech = lip_targets(take)
        later = None if speech is None else speech + shift_s
        scores = closure_scores(answer.gap, answer.fps_hz, targets + shift_s, later)
        for name, values in met.items():
            values.append(scores[name])
        weights.append(len(targets))
        times, wanted = ask_shapes(take)
        seen += answer.read(times + shift_s)
        asked += wanted
    closures = {name: float(np.average(values, weights=weights)) for name, values in met.items()}
    return {**closures, **shape_accuracy(seen, asked), "shift_s": shift_s}


def _ask_ours(
    takes: Sequence[Recording], reader: MouthReader, folder: Path, steps: str
) -> list[Answer]:
    checkpoint = Checkpoint.load(folder)
    face, body = (int(part) for part in steps.split("/"))
    settings = EngineSettings(expression_steps=face, gesture_steps=body, deterministic=True)
    sampler = open_sampler(checkpoint, settings.sampler_settings())
    generator = MotionGenerator(
        checkpoint, open_extractor(checkpoint.description), sampler, settings
    )
    answers = []
    for index, take in enumerate(tqdm(takes, desc="asynfusion_ros", unit=" takes")):
        began_s = time.perf_counter()
        clip = generator.generate(take.samples, seed=seed_of(index, settings.seed))
        answers.append(_of_clip(clip, reader, time.perf_counter() - began_s))
    generator.close()
    return answers


def _of_clip(clip: MotionClip, reader: MouthReader, seconds: float) -> Answer:
    gap = lip_gap(clip.face).astype(np.float64)
    return Answer(gap, clip.fps_hz, lambda times: reader.read(clip, times), seconds)


def _ask_peers(takes: Sequence[Recording]) -> dict[str, list[Answer]]:
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for take in takes:
            files.append(Path(folder) / f"{take.name.replace('/', '_')}.s16")
            _write_pcm(files[-1], take.samples)
            sound = soxr.resample(take.samples, SAMPLE_RATE_HZ, BROWSER_RATE_HZ)
            _write_pcm(files[-1].with_suffix(".48k.s16"), sound)
        out = Path(folder) / "peers.json"
        subprocess.run(
            ["node", str(HERE / "peers.mjs"), str(out), *map(str, files)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        document: dict[str, dict[str, Any]] = json.loads(out.read_text())
    return {
        peer: [
            _of_visemes(document[peer][file.stem], take.clip.duration_s, SHAPE_OF_E[peer])
            for take, file in zip(takes, files, strict=True)
        ]
        for peer in document
    }


def _write_pcm(path: Path, samples: npt.NDArray[np.float32]) -> None:
    path.write_bytes((32767.0 * np.clip(samples, -1.0, 1.0)).astype("<i2").tobytes())


def _of_visemes(found: Mapping[str, Any], duration_s: float, shape_of_e: str) -> Answer:
    """Turn changes of visemes into a gap, 0 where closed and 1 elsewhere, and shapes."""
    starts = np.array([start for start, _ in found["visemes"]], np.float64)
    names = {**SHAPE_OF_VISEME, "E": shape_of_e}
    shapes = ["closed", *(names[name] for _, name in found["visemes"])]

    def read(times_s: npt.NDArray[np.float64]) -> list[str]:
        return [shapes[int(row)] for row in np.searchsorted(starts, times_s, side="right")]

    grid_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    gap = np.array([shape != "closed" for shape in read(grid_s)], np.float64)
    return Answer(gap, RATE_HZ, read, float(found["seconds"]))


if __name__ == "__main__":
    main()
