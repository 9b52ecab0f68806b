"""The commands `prepare`, `train` and `distill`."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from asynfusion_ros.data.prepare import prepare, read_all
from asynfusion_ros.data.windows import PrepareSettings
from asynfusion_ros.errors import ConfigError, brief
from asynfusion_ros.files import parse_yaml
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.resources import find_resource
from asynfusion_ros.settings import Settings
from asynfusion_ros.training.runs import distill_student, fine_tune_teacher, train_teacher
from asynfusion_ros.training.settings import DistillSettings, TrainSettings
from asynfusion_ros.training.trainer import Report


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the three commands to the `asynfusion` command line."""
    parser = subparsers.add_parser("prepare", help="cut recordings into training windows")
    parser.add_argument(
        "--data", type=Path, required=True, action="append",
        help="folder that holds data sets; may be given several times",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="folder for the windows")
    _add_config(parser)
    parser.set_defaults(run=run_prepare)

    parser = subparsers.add_parser("train", help="train the teacher")
    _add_prepared(parser)
    parser.add_argument("--out", type=Path, required=True, help="checkpoint folder, resumable")
    parser.add_argument(
        "--start", type=Path, default=None, help="fine-tune this model instead of beginning anew"
    )
    _add_config(parser)
    parser.set_defaults(run=run_train)

    parser = subparsers.add_parser("distill", help="distil a teacher into consistency models")
    _add_prepared(parser)
    parser.add_argument("--teacher", type=Path, required=True, help="checkpoint made by train")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint folder, resumable")
    parser.add_argument(
        "--start", type=Path, default=None, help="model whose distilled network to begin with"
    )
    _add_config(parser)
    parser.set_defaults(run=run_distill)


def run_prepare(arguments: argparse.Namespace) -> int:
    """Read all recordings, report faults, write the windows."""
    _check_names(arguments, PrepareSettings)
    settings = _section(PrepareSettings, arguments, "prepare")
    recordings, faults = read_all(*arguments.data)
    with tqdm(unit=" windows") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        manifest = prepare(recordings, faults, arguments.out, settings, progress)
    for fault in manifest["faults"]:
        print(f"left out {fault['file']}: {fault['reason']}")
    print(f"{manifest['windows']} windows of {len(manifest['takes'])} takes in {arguments.out}")
    return 0


def run_train(arguments: argparse.Namespace) -> int:
    """Train or resume the teacher."""
    _check_names(arguments, TrainSettings, NetworkSettings)
    settings = _section(TrainSettings, arguments, "train")
    network = _section(NetworkSettings, arguments, "network")
    with tqdm(total=settings.steps, unit=" steps") as bar:
        report, start = _reporter(bar), arguments.start
        if start is None:
            train_teacher(arguments.prepared, arguments.out, network, settings, report)
        else:
            fine_tune_teacher(arguments.prepared, start, arguments.out, settings, report)
    _say_paused(bar)
    return 0


def run_distill(arguments: argparse.Namespace) -> int:
    """Distil or resume."""
    _check_names(arguments, DistillSettings)
    settings = _section(DistillSettings, arguments, "distill")
    with tqdm(total=settings.steps, unit=" steps") as bar:
        folders = (arguments.prepared, arguments.teacher, arguments.out)
        distill_student(*folders, settings, _reporter(bar), arguments.start)
    _say_paused(bar)
    return 0


def _add_prepared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prepared", type=Path, required=True, nargs="+", help="folders made by prepare"
    )


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=None, help="YAML with sections (default: config/small.yaml)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a setting of this command's section, such as steps=100",
    )


def _section(kind: type[Any], arguments: argparse.Namespace, section: str) -> Any:
    """Read one section of the configuration; `--set` overrides what belongs to it."""
    path = arguments.config or find_resource("config/small.yaml")
    settings = kind.from_yaml(path, section)
    known = {item.name for item in fields(kind)}
    changes = {}
    for assignment in arguments.set:
        name, _, text = assignment.partition("=")
        if name in known:
            changes[name] = _value(text)
    return settings.replace(**changes)


def _check_names(arguments: argparse.Namespace, *kinds: type[Settings]) -> None:
    """Raise ConfigError where `--set` names no setting of the command."""
    known = [item.name for kind in kinds for item in fields(kind)]
    for assignment in arguments.set:
        name, separator, _ = assignment.partition("=")
        if not separator:
            raise ConfigError(f"--set {assignment!r}; write NAME=VALUE, such as steps=100")
        if name not in known:
            raise ConfigError(f"--set {name}: no such setting; this command has {known}")


def _value(text: str) -> Any:
    """Return what YAML makes of `text`, and numbers such as 1e-3, which YAML takes for text."""
    value = parse_yaml(text, ConfigError, brief(repr(text)))
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def _say_paused(bar: tqdm[Any]) -> None:
    if 0 < bar.n < bar.total:
        print(f"paused after step {bar.n} of {bar.total}; the same command goes on")


def _reporter(bar: tqdm[Any]) -> Report:
    def report(step: int, figures: dict[str, float]) -> None:
        bar.update(step - bar.n)
        if figures:
            bar.set_postfix({name: f"{value:.3f}" for name, value in figures.items()})
            bar.write(f"{step}: " + ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))

    return report
