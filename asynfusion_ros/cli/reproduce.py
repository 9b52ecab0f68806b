"""The command `reproduce`: a table of the paper, trained and measured anew on a named data set."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from asynfusion_ros.cli.evaluate import add_measures, describe_ruler, make_ruler, open_autoencoders
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.evaluation.manners import part_takes
from asynfusion_ros.evaluation.reproduction import (
    TABLES,
    Run,
    Table,
    count_parameters,
    estimate_s,
    runs_of,
)
from asynfusion_ros.evaluation.study import Recipe, Study, prepare_once
from asynfusion_ros.evaluation.table_report import (
    TableResult,
    draw_plot,
    say_cost,
    say_order,
    table_markdown,
)
from asynfusion_ros.evaluation.takes import read_held_out, read_takes
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import STYLE_NAMES
from asynfusion_ros.resources import find_resource
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.training.trainer import Report

SIZES = {
    "tiny": "config/smoke.yaml",
    "study": "config/study.yaml",
    "small": "config/small.yaml",
    "base": "config/base.yaml",
}


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("reproduce", help="make a table of the paper anew")
    parser.add_argument("table", choices=tuple(TABLES), help="which table")
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders that hold the data sets"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the runs; what is done is kept there"
    )
    parser.add_argument(
        "--results", type=Path, default=None, help="where table and plot go (default: as --out)"
    )
    parser.add_argument("--size", choices=tuple(SIZES), default="small", help="of the networks")
    parser.add_argument("--steps", type=int, default=None, help="training steps, if not the size's")
    parser.add_argument(
        "--seeds", type=int, default=3, help="trainings of each variant (without --checkpoint)"
    )
    parser.add_argument(
        "--samples", type=int, default=3, help="motions of each take by every network"
    )
    parser.add_argument("--split", choices=("test", "val"), default="test")
    parser.add_argument(
        "--prepared", type=Path, nargs="+", default=[], help="windows that are prepared already"
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=None,
        help="measure this model instead of training any (table4)",
    )
    parser.add_argument(
        "--style-from",
        type=float,
        default=None,
        metavar="SECONDS",
        help="train with styles, and tell each network those of the take's own first seconds; "
        "measured is the rest (the paper's networks are told who speaks)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the runs and their time only")
    add_measures(parser)
    parser.set_defaults(run=run_reproduce)


def run_reproduce(arguments: argparse.Namespace) -> int:
    """Train what is missing, measure it, write table, plot and JSON; or print the plan."""
    table = TABLES[arguments.table]
    recipe = Recipe.read(find_resource(SIZES[arguments.size]), arguments.steps)
    if arguments.style_from is not None:
        recipe = replace(recipe, network=recipe.network.replace(styles=len(STYLE_NAMES)))
    if arguments.checkpoint is not None and len({v.interaction for v in table.variants}) > 1:
        raise ConfigError(
            f"{table.name} compares networks that differ; one --checkpoint cannot stand for all. "
            "Leave it out to train them"
        )
    if arguments.dry_run or arguments.checkpoint is None:
        print("\n".join(plan(table, recipe, arguments)))
    if arguments.dry_run:
        return 0
    study = _open_study(table, recipe, arguments)
    model = arguments.checkpoint or study.train(_first_run(table, arguments.seeds))
    result = TableResult(
        table,
        study.rows(table, arguments.seeds, arguments.samples),
        study.control_rows(model, arguments.samples) if table.controls else {},
        _times(study, table, model) if table.timed else {},
    )
    for path in write_results(result, recipe, study, arguments):
        print(f"wrote {path}")
    return 0


def plan(table: Table, recipe: Recipe, arguments: argparse.Namespace) -> list[str]:
    """Return the runs of a table and about how long each trains on two CPU cores."""
    lines = [f"{table.title} ({arguments.size}, {arguments.seeds} seeds)"]
    if arguments.checkpoint is not None:
        return [*lines, f"no training: measures {arguments.checkpoint}"]
    total_s = 0.0
    for run in runs_of(table, arguments.seeds):
        network = recipe.network.replace(interaction=run.interaction)
        needed_s = estimate_s(run, count_parameters(network), recipe.train, recipe.distill)
        folder = arguments.out / "runs" / run.name / ("student" if run.distilled else "teacher")
        done = (folder / "config.json").is_file()
        total_s += 0.0 if done else needed_s
        steps = f"{recipe.train.steps} steps"
        steps += f", distilled {recipe.distill.steps}" if run.distilled else ""
        lines.append(
            f"- {run.name}: {steps}, {'done' if done else f'about {needed_s / 60:.0f} min'}"
        )
    return [*lines, f"training: about {total_s / 3600:.1f} h on two CPU cores that are idle"]


def write_results(
    result: TableResult, recipe: Recipe, study: Study, arguments: argparse.Namespace
) -> list[Path]:
    """Write NAME.md, NAME.json and, where matplotlib is there, NAME.png; return them."""
    folder = arguments.results or arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    table = result.table
    page, data, plot = (folder / f"{table.name}{end}" for end in (".md", ".json", ".png"))
    try:
        draw_plot(result, plot)
        drawn = [plot]
    except ConfigError as error:
        print(error)
        drawn = []
    notes = say_cost(result) if table.timed else say_order(result)
    about = _describe(recipe, study, arguments)
    lines = [f"# {table.title}", "", "```bash", _command(arguments), "```", ""]
    lines += [*about["words"], "", table_markdown(result), "", *(f"- {note}" for note in notes)]
    lines += ["", f"![{table.title}]({plot.name})"] if drawn else []
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    parts = {"rows": result.rows, "controls": result.controls, "seconds": result.seconds}
    document: dict[str, Any] = {**about, "notes": notes}
    for part, rows in parts.items():
        document[part] = {n: {k: v.to_dict() for k, v in row.items()} for n, row in rows.items()}
    data.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return [page, data, *drawn]


def _open_study(table: Table, recipe: Recipe, arguments: argparse.Namespace) -> Study:
    takes = read_takes(arguments.data)
    held_out = read_held_out(arguments.data, arguments.split, takes)
    told: list[MotionClip] = []
    if arguments.style_from is not None:
        told, held_out = part_takes(held_out, arguments.style_from)
    embeddings = open_autoencoders(arguments, takes)
    ruler = make_ruler(arguments, EngineSettings.hop_frames, embeddings)
    prepared = list(arguments.prepared)
    if not prepared and arguments.checkpoint is None:
        prepared = [prepare_once(arguments.data, arguments.out, recipe.prepare, print)]
    return Study(
        arguments.out,
        recipe,
        held_out,
        ruler,
        prepared,
        arguments.checkpoint,
        _reporter,
        told=told,
    )


def _first_run(table: Table, seeds: int) -> Run:
    return runs_of(table, seeds)[0]


def _times(study: Study, table: Table, model: Path) -> dict[str, dict[str, Any]]:
    return {
        variant.name: {
            name: study.window_seconds(model, variant, execution)
            for name, execution in (("one thread", "sequential"), ("two threads", "threaded"))
        }
        for variant in table.variants
    }


def _describe(recipe: Recipe, study: Study, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what a reader must know about the numbers, as words and as data."""
    seconds = sum(r.clip.duration_s for r in study.held_out)
    words = [
        f"Measured on {len(study.held_out)} takes ({seconds / 60:.1f} min, split "
        f"`{arguments.split}`) of {', '.join(sorted({f.name for f in arguments.data}))}; "
        f"{platform.machine()} CPU. Intervals are 95 %."
    ]
    if arguments.checkpoint is not None:
        words.append(
            f"No training: the weights of `{arguments.checkpoint.name}`, {arguments.samples} "
            "sampled motions per take; intervals over takes (jackknife) and samples."
        )
    else:
        words.append(
            f"Networks of size `{arguments.size}`, {recipe.train.steps} steps of "
            f"{recipe.train.batch} windows, {arguments.seeds} trainings of each, sampled "
            f"{arguments.samples} times; intervals over trainings (Student's t), over takes where "
            "there is only one."
        )
    if arguments.style_from is not None:
        words.append(
            f"Each network is told the styles of the take's first {arguments.style_from:g} s; what "
            "is measured comes after them."
        )
    autoencoders = {e.kind: e.identity for e in study.ruler.embeddings}
    for kind, identity in autoencoders.items():
        told = ", ".join(f"{name} {value}" for name, value in identity.items())
        words.append(f"Autoencoder of {kind}: {told}.")
    return {
        "words": words,
        "takes": [r.name for r in study.held_out],
        "train": recipe.train.to_dict(),
        "distill": recipe.distill.to_dict(),
        "network": recipe.network.to_dict(),
        **describe_ruler(study.ruler),
    }


def _command(arguments: argparse.Namespace) -> str:
    words = ["asynfusion reproduce", arguments.table]
    words += ["--data", *(folder.name for folder in arguments.data), "--out", "runs"]
    if arguments.checkpoint is not None:
        words += ["--checkpoint", f"models/{arguments.checkpoint.name}"]
    else:
        words += ["--size", arguments.size]
        words += [] if arguments.steps is None else ["--steps", str(arguments.steps)]
        words += ["--seeds", str(arguments.seeds)]
    if arguments.style_from is not None:
        words += ["--style-from", f"{arguments.style_from:g}"]
    given = arguments.results
    results = "docs/results" if given is None or given.is_absolute() else str(given)
    return " ".join([*words, "--samples", str(arguments.samples), "--results", results])


def _reporter(run: Run) -> Report:
    bar = tqdm(unit=" steps", desc=run.name)

    def report(step: int, figures: dict[str, float]) -> None:
        bar.update(step - bar.n)
        if figures:
            bar.set_postfix({name: f"{value:.3f}" for name, value in figures.items()})

    return report
