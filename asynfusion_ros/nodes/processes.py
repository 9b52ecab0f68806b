"""Runs the processes of a graph until one that matters ends, then ends them all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from asynfusion_ros.errors import StateError
from asynfusion_ros.graph import PACKAGE, NodeSpec

POLL_S = 0.1
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TIED = ("setpriv", "--pdeathsig", "TERM")
"""Put before a command: the kernel ends it with this process, even of SIGKILL (prctl(2))."""

# What is sent in turn to processes that should end, and how long each may take.
_ESCALATION = ((signal.SIGINT, 8.0), (signal.SIGTERM, 4.0), (signal.SIGKILL, 2.0))


def run_processes(specs: Sequence[NodeSpec], limit_s: float = 0.0) -> int:
    """Start all, wait, stop all; return the exit status of what ended the graph.

    Ends when a process that `ends_graph` ends, when all have ended, after `limit_s` (0: never), or
    on Ctrl-C, which is passed on. Restarts nothing. Raises StateError where a process cannot start.
    """
    tied = _TIED if shutil.which(_TIED[0]) else ()
    with tempfile.TemporaryDirectory(prefix="asynfusion_") as folder, _stop_requests() as stops:
        commands = [command_of(spec, Path(folder)) for spec in specs]
        running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for spec, command in zip(specs, commands, strict=True):
                running[spec.name] = subprocess.Popen([*tied, *command], start_new_session=True)
            return _wait(specs, running, limit_s, stops)
        except OSError as error:
            raise StateError(f"{commands[len(running)][0]} cannot be started: {error}") from error
        finally:
            _stop(running)


def _wait(
    specs: Sequence[NodeSpec],
    running: dict[str, subprocess.Popen[bytes]],
    limit_s: float,
    stops: list[int],
) -> int:
    end_s = time.monotonic() + limit_s if limit_s else float("inf")
    worst = 0
    while running and not stops and time.monotonic() < end_s:
        for spec in specs:
            process = running.get(spec.name)
            code = None if process is None else process.poll()
            if code is None:
                continue
            del running[spec.name]
            _say(f"{spec.name} ended with exit status {code}")
            worst = worst or code
            if spec.ends_graph:
                return _status(code)
        time.sleep(POLL_S)
    return 0 if stops or running else _status(worst)


def _stop(running: dict[str, subprocess.Popen[bytes]]) -> None:
    """End what still runs, politely first, and say which process needed more than that."""
    for number, patience_s in _ESCALATION:
        for process in running.values():
            if process.poll() is None:
                os.killpg(process.pid, number)
        end_s = time.monotonic() + patience_s
        while any(p.poll() is None for p in running.values()) and time.monotonic() < end_s:
            time.sleep(POLL_S / 2)
        stubborn = [name for name, process in running.items() if process.poll() is None]
        if not stubborn:
            break
        _say(f"{', '.join(stubborn)}: no end {patience_s:g} s after {number.name}")
    for name, process in running.items():
        if process.returncode not in (0, -signal.SIGINT, -signal.SIGTERM):
            _say(f"{name} ended with exit status {process.returncode}")


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collect the signals that ask for the end, instead of dying of them."""
    received: list[int] = []
    before = {s: signal.signal(s, lambda number, _: received.append(number)) for s in _STOP_SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _status(code: int) -> int:
    """Return a shell's exit status: 128 + n for a process that died of signal n."""
    return code if code >= 0 else 128 - code


def _say(text: str) -> None:
    print(f"asynfusion up: {text}", file=sys.stderr, flush=True)


def command_of(spec: NodeSpec, folder: Path) -> list[str]:
    """Return the command line of a process; its parameters go to a file in `folder`."""
    command = [*_program(spec), *spec.arguments, "--ros-args", "-r", f"__node:={spec.name}"]
    if spec.namespace:
        command += ["-r", f"__ns:=/{spec.namespace.strip('/')}"]
    if spec.parameters:
        path = folder / f"{spec.name}.yaml"
        document = {"/**": {"ros__parameters": dict(spec.parameters)}}
        path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        command += ["--params-file", str(path)]
    for file in spec.params_files:
        command += ["--params-file", file]
    return command


def _program(spec: NodeSpec) -> list[str]:
    if spec.package == PACKAGE:
        return [sys.executable, "-m", f"{PACKAGE}.nodes.start", spec.executable]
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        path = Path(prefix) / "lib" / spec.package / spec.executable
        if prefix and path.is_file():
            return [str(path)]
    raise StateError(
        f"{spec.executable} of package {spec.package} is not in the sourced ROS 2; install it "
        f"(apt install ros-$ROS_DISTRO-{spec.package.replace('_', '-')}) or leave it out"
    )
