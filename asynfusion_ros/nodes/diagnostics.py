"""The avatar's state as a diagnostics message, and back for those who measure."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from asynfusion_ros.nodes.conversions import to_time
from asynfusion_ros.nodes.health import PREFIX, Health
from asynfusion_ros.streaming.status import EngineStatus, Spread

STATUS_NAME = f"{PREFIX}avatar"
_MOST_ENTRIES = 50
_LEVELS = {"failed": DiagnosticStatus.ERROR, "starved": DiagnosticStatus.WARN}


def engine_values(status: EngineStatus) -> dict[str, str]:
    """Return every measure of the engine by name; spreads as `<name>_p50`, counts as `count_*`."""
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
    return values


def process_values() -> dict[str, str]:
    """Return this process's number, memory [MB] and the processor time that it used [s]."""
    return {
        "pid": str(os.getpid()),
        "rss_mb": f"{resident_mb():.1f}",
        "cpu_s": f"{time.process_time():.2f}",
    }


def make_diagnostics(
    status: EngineStatus | None, lifecycle: str, others: Mapping[str, Any], now_s: float
) -> DiagnosticArray:
    """Return what is known about the avatar; `status` is None while nothing is loaded."""
    message = DiagnosticArray()
    message.header.stamp = to_time(now_s)
    entry = DiagnosticStatus(name=STATUS_NAME, hardware_id="", level=DiagnosticStatus.OK)
    values = {"lifecycle": lifecycle, **{name: str(value) for name, value in others.items()}}
    values |= process_values()
    entry.message = lifecycle
    if status is not None:
        values |= engine_values(status)
        entry.level = _LEVELS.get(status.state, DiagnosticStatus.OK)
        entry.message = status.failure.strip().rpartition("\n")[2] or f"{lifecycle}, {status.state}"
    if others.get("halted"):
        entry.level = DiagnosticStatus.WARN
        entry.message = f"{lifecycle}, emergency stop"
    if others.get("error"):
        entry.level = DiagnosticStatus.ERROR
        entry.message = str(others["error"])
    entry.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    message.status = [entry]
    return message


def read_diagnostics(message: DiagnosticArray) -> dict[str, str] | None:
    """Return the avatar's values, or None where the message is about something else."""
    for status in message.status:
        if status.name == STATUS_NAME:
            return {item.key: item.value for item in status.values}
    return None


class HealthBook:
    """The newest entry of each of our nodes, 50 at most, for those who show them."""

    def __init__(self) -> None:
        """Begin without any."""
        self.entries: dict[str, Health] = {}

    def take(self, message: DiagnosticArray) -> None:
        """Keep what a message says of our nodes."""
        for status in message.status:
            known = status.name in self.entries or len(self.entries) < _MOST_ENTRIES
            if status.name.startswith(PREFIX) and known:
                values = {item.key: item.value for item in status.values}
                level = int.from_bytes(status.level, "little")
                self.entries[status.name] = Health(time.monotonic(), level, status.message, values)


def resident_mb() -> float:
    """Return this process's resident memory [MB]; 0 where /proc is missing."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def stolen_s() -> float:
    """Return how long other machines on its host have kept this one from its cores so far [s].

    The mean over cores; 0 where there is no host, or no /proc.
    """
    try:
        values = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        ticks = int(values[8])
    except (OSError, ValueError, IndexError):
        return 0.0
    return ticks / float(os.sysconf("SC_CLK_TCK")) / (os.cpu_count() or 1)
