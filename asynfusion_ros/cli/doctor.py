"""The command `doctor`: what works here, what does not, and what to do."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from asynfusion_ros.cli.checks import CHECKS, MISSING, ROS_CHECKS, Finding, Subject, examine
from asynfusion_ros.cli.info import DEFAULT_MODEL

_SIGNS = {"ok": "+", "warning": "!", MISSING: "x"}


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("doctor", help="say what works here and what to mend")
    parser.add_argument(
        "--checkpoint", default=DEFAULT_MODEL, help=f"folder of a model (default: {DEFAULT_MODEL})"
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="default: cpu")
    parser.add_argument("--viewer-host", default="127.0.0.1", help="default: 127.0.0.1")
    parser.add_argument("--viewer-port", type=int, default=8765, help="default: 8765")
    parser.add_argument("--without-ros", action="store_true", help="do not look for ROS")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_doctor)


def run_doctor(arguments: argparse.Namespace) -> int:
    """Examine and report; return 1 where something needed is missing."""
    subject = Subject(
        arguments.checkpoint, arguments.device, arguments.viewer_host, arguments.viewer_port
    )
    checks = CHECKS if arguments.without_ros else (*ROS_CHECKS, *CHECKS)
    findings = []
    for check in checks:
        findings.append(examine(check, subject))
        if not arguments.json:
            print(describe(findings[-1]), flush=True)
    missing = [finding.name for finding in findings if finding.state == MISSING]
    if arguments.json:
        print(json.dumps({"ok": not missing, "checks": [asdict(f) for f in findings]}, indent=1))
    else:
        print(f"\nmissing: {', '.join(missing)}" if missing else "\nall that is needed is here")
    return int(bool(missing))


def describe(finding: Finding) -> str:
    """Return one finding as lines to read."""
    line = f"{_SIGNS[finding.state]} {finding.name:<14}{finding.found}"
    return f"{line}\n  {'':<14}-> {finding.advice}" if finding.advice else line
