"""The engine's status as a diagnostics message, and back for those who measure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from asynfusion_ros.nodes.conversions import to_time
from asynfusion_ros.streaming.status import EngineStatus, Spread

STATUS_NAME = "asynfusion: avatar"
_LEVELS = {"failed": DiagnosticStatus.ERROR, "starved": DiagnosticStatus.WARN}


def make_diagnostics(
    status: EngineStatus, limits: Mapping[str, int], now_s: float
) -> DiagnosticArray:
    """Return the engine's status, what the limiter did, and this process's memory."""
    values: dict[str, str] = {}
    for name, value in vars(status).items():
        if isinstance(value, Spread):
            values |= {f"{name}_{part}": f"{number:.3f}" for part, number in vars(value).items()}
        elif name == "counts":
            values |= {f"count_{cause}": str(count) for cause, count in sorted(value.items())}
        elif isinstance(value, float):
            values[name] = f"{value:.4f}"
        else:
            values[name] = str(value)
    values |= {f"limited_{cause}": str(count) for cause, count in sorted(limits.items())}
    values["rss_mb"] = f"{resident_mb():.1f}"
    entry = DiagnosticStatus(
        level=_LEVELS.get(status.state, DiagnosticStatus.OK),
        name=STATUS_NAME,
        message=status.failure.strip().rpartition("\n")[2] or status.state,
        hardware_id="",
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
    message = DiagnosticArray(status=[entry])
    message.header.stamp = to_time(now_s)
    return message


def read_diagnostics(message: DiagnosticArray) -> dict[str, str] | None:
    """Return the avatar's values, or None where the message is about something else."""
    for status in message.status:
        if status.name == STATUS_NAME:
            return {item.key: item.value for item in status.values}
    return None


def resident_mb() -> float:
    """Return this process's resident memory [MB]; 0 where /proc is missing."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
