"""From audio message to joint message, between two processes, over real ROS topics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from asynfusion_ros.errors import ConfigError

_START_UP_S = 120.0
_DOMAIN = "77"  # apart from what else may run on this network


def measure_live(
    settings: dict[str, Any], seconds: float, checkpoint: Path | None = None
) -> dict[str, Any]:
    """Run the whole graph for `seconds` with these engine settings; return its probe's report.

    Raises ConfigError where the graph does not run: without ROS messages, for one.
    """
    with tempfile.TemporaryDirectory() as folder:
        report, params = Path(folder) / "report.json", Path(folder) / "params.yaml"
        parameters = {"avatar": {"ros__parameters": settings}}
        params.write_text(yaml.safe_dump(parameters), encoding="utf-8")
        command = [sys.executable, "-m", "asynfusion_ros.cli", "up", "--no-viewer"]
        command += ["--params-file", str(params), "--report", str(report)]
        command += ["--seconds", str(seconds)]
        command += [] if checkpoint is None else ["--checkpoint", str(checkpoint)]
        environment = {**os.environ, "ROS_DOMAIN_ID": _DOMAIN}
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                timeout=seconds + _START_UP_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ConfigError(
                f"the graph did not end {_START_UP_S:.0f} s after its time; see what "
                "`asynfusion doctor` says, or leave this part out with --no-live"
            ) from error
        if done.returncode or not report.is_file():
            last = "\n".join(done.stderr.strip().splitlines()[-3:])
            raise ConfigError(
                f"the graph did not run (`asynfusion up` ended with {done.returncode}): {last}\n"
                "Source the workspace's setup file, or leave this part out with --no-live"
            )
        result: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return result
