"""The command `data`: says what folders of recordings hold, and packs them to be sent."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from asynfusion_ros.data.check import check_folders, make_tables
from asynfusion_ros.data.prepare import read_all
from asynfusion_ros.data.project import ProjectWriter
from asynfusion_ros.errors import ConfigError


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("data", help="check folders of recordings")
    parser.add_argument(
        "action",
        choices=("check", "pack"),
        help="read everything and report on it, or write it anew in a quarter of the size",
    )
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="data sets, or parents"
    )
    parser.add_argument("--json", type=Path, default=None, help="write the report to this file")
    parser.add_argument("--out", type=Path, default=None, help="folder that pack writes")
    parser.set_defaults(run=run_data)


def run_data(arguments: argparse.Namespace) -> int:
    """Print the report; return 1 where a file had to be left out, else 0."""
    if arguments.action == "pack":
        return run_pack(arguments)
    reports = check_folders(*arguments.folders)
    print(make_tables(reports))
    if arguments.json is not None:
        document = [report.to_dict() for report in reports]
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return int(any(report.faults for report in reports))


def run_pack(arguments: argparse.Namespace) -> int:
    """Write all takes that may train or test a model into a compact folder; return as `check`."""
    if arguments.out is None:
        raise ConfigError("data pack needs --out, the folder to write")
    recordings, faults = read_all(*arguments.folders)
    writer = ProjectWriter(arguments.out, compact=True)
    for recording in recordings:
        if recording.name not in writer:
            writer.add(recording)
    size = sum(file.stat().st_size for file in arguments.out.iterdir())
    for fault in faults:
        print(fault)
    print(f"{len(writer)} takes in {arguments.out}, {size / 1e6:.1f} MB")
    return int(bool(faults))
