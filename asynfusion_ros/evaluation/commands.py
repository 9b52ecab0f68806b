"""The command `evaluate`: figures on held-out takes as a table and as JSON."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from asynfusion_ros.data.beat import read_beat
from asynfusion_ros.data.prepare import read_all
from asynfusion_ros.data.recording import Recording
from asynfusion_ros.errors import ConfigError, DataError
from asynfusion_ros.evaluation.heldout import Summary, evaluate_model
from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.generator import MotionGenerator
from asynfusion_ros.streaming.settings import EngineSettings


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("evaluate", help="measure a model on held-out takes")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--checkpoint", type=Path, default=None, help="default: models/small")
    parser.add_argument(
        "--split",
        choices=("test", "val", "beat"),
        default="test",
        help="held-out takes of talk30, or the takes in beat_take (faces by another camera)",
    )
    parser.add_argument("--method", choices=("lcm", "ddim"), default="lcm")
    parser.add_argument("--steps", default="4/8", metavar="FACE/BODY", help="sampling steps")
    parser.add_argument("--hop", type=int, default=EngineSettings.hop_frames, help="new frames")
    parser.add_argument("--speaker", type=int, default=0, help="whose manner; 0 is nobody's")
    parser.add_argument("--json", type=Path, default=None, help="write the figures to this file")
    parser.set_defaults(run=run_evaluate)


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate and print a Markdown table."""
    steps = arguments.steps.split("/")
    if len(steps) != 2 or not all(step.isdecimal() for step in steps):
        raise ConfigError(f"--steps {arguments.steps!r}; write FACE/BODY, such as 4/8")
    settings = EngineSettings(
        hop_frames=arguments.hop,
        method=arguments.method,
        expression_steps=int(steps[0]),
        gesture_steps=int(steps[1]),
        speaker=arguments.speaker,
        deterministic=True,
    )
    held_out = read_held_out(arguments.data, arguments.split)
    checkpoint = Checkpoint.load(arguments.checkpoint or find_resource("models/small"))
    generator = MotionGenerator.open(checkpoint, settings)
    with tqdm(total=len(held_out), unit=" takes") as bar:
        results = evaluate_model(generator, held_out, lambda done, _: bar.update(done - bar.n))
    generator.close()
    print(make_table(results))
    if arguments.json is not None:
        document = {
            "settings": settings.to_dict(),
            "split": arguments.split,
            "takes": [r.name for r in held_out],
            "results": {
                subject: {name: asdict(summary) for name, summary in figures.items()}
                for subject, figures in results.items()
            },
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


def read_held_out(folder: Path, split: str) -> list[Recording]:
    """Return the takes of a split ('test', 'val', 'beat'), reporting what had to be left out."""
    if split == "beat":
        held_out, faults = read_beat(folder / "beat_take")
    else:
        recordings, faults = read_all(folder)
        held_out = [r for r in recordings if r.split == split]
    for fault in faults:
        print(f"left out {fault.file}: {fault.reason}")
    if not held_out:
        raise DataError(f"{folder} holds no take of the split {split!r}")
    return held_out


def make_table(results: dict[str, dict[str, Summary]]) -> str:
    """Return a Markdown table: a row for each figure, a column for each subject."""
    subjects = list(results)
    names = list(results[subjects[0]])
    lines = ["| figure | " + " | ".join(subjects) + " |", "|---" * (len(subjects) + 1) + "|"]
    for name in names:
        cells = (results[subject][name] for subject in subjects)
        shown = (f"{c.mean:.3f} ({c.low:.3f} to {c.high:.3f})" for c in cells)
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines)
