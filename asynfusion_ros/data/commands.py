"""The command `data`: says what folders of recordings hold."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from asynfusion_ros.data.check import check_folders, make_tables


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("data", help="check folders of recordings")
    parser.add_argument("action", choices=("check",), help="read everything and report on it")
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="data sets, or parents"
    )
    parser.add_argument("--json", type=Path, default=None, help="write the report to this file")
    parser.set_defaults(run=run_data)


def run_data(arguments: argparse.Namespace) -> int:
    """Print the report; return 1 where a file had to be left out, else 0."""
    reports = check_folders(*arguments.folders)
    print(make_tables(reports))
    if arguments.json is not None:
        document = [report.to_dict() for report in reports]
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return int(any(report.faults for report in reports))
