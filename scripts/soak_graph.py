#!/usr/bin/env python3
"""The whole graph in real time, while everything happens to it: half an hour, or as long as given.

    ROS_DOMAIN_ID=73 python scripts/soak_graph.py --minutes 30 --report soak_graph.json

Avatar, audio source and viewer run as the processes that `asynfusion up` starts. Every twenty
seconds something happens to them: an interruption, a killed process, garbage on a topic. After each
the poses must come again, finite, and speech with them. Give it a ROS domain of its own: killed
processes linger. The exit status is 1 where something broke what must hold.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

import numpy as np
from asynfusion_ros.msg import AudioChunk
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from soak_observer import Observer
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from asynfusion_ros.graph import GraphArguments, describe_graph
from asynfusion_ros.nodes.conversions import make_chunk
from asynfusion_ros.nodes.processes import command_of

PAUSE_S = 20.0
RECOVERY_S = 60.0
KILL_AVATAR_AT_S = 120.0
SETTLED_S = 300.0  # after its last start, before memory is looked at
PEER = (
    "import rclpy; from rclpy.node import Node; from sensor_msgs.msg import JointState; "
    "rclpy.init(); n = Node('peer'); "
    "n.create_subscription(JointState, 'joint_states', lambda m: None, 10); rclpy.spin(n)"
)


class GraphSoak:
    """The processes, what is done to them, and how they bore it."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Start the graph and wait until it speaks."""
        self.rng = random.Random(seed)
        arguments = GraphArguments(viewer_port=0)
        self._specs = {spec.name: spec for spec in describe_graph(arguments)}
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.deaths: list[str] = []
        self.happened: Counter[str] = Counter()
        self.recoveries_s: list[float] = []
        self.broken: list[str] = []
        self.observer = Observer()
        for name in self._specs:
            self.start(name)
        self._started_s = time.monotonic()
        self.recover("the start", 180.0)

    def start(self, name: str) -> None:
        """Start one of the processes."""
        command = command_of(self._specs[name], self._folder)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._processes[name] = subprocess.Popen(command, **quiet)  # type: ignore[call-overload]

    def kill(self, name: str) -> None:
        """Kill a process as the kernel does, and start it again."""
        self._processes[name].kill()
        self._processes[name].wait(20)
        time.sleep(self.rng.uniform(0.0, 3.0))
        self.start(name)

    def recover(self, cause: str, patience_s: float = RECOVERY_S) -> None:
        """Wait until poses come at their rate, and speech with them."""
        begin_s = time.monotonic()
        while time.monotonic() < begin_s + patience_s:
            time.sleep(0.25)
            now_s = time.monotonic()
            recent = sum(at_s > now_s - 1.0 for at_s in self.observer.arrivals_s[-100:])
            if recent >= 25 and self.observer.value("state") in ("speech", "starved"):
                self.recoveries_s.append(time.monotonic() - begin_s)
                return
        state = self.observer.value("state") or "no diagnostics"
        self.broken.append(f"{cause}: no speech within {patience_s:g} s ({state})")

    # ---- what happens ---------------------------------------------------------------------------

    def _emergency(self) -> None:
        self.observer.stop.publish(Bool(data=True))
        time.sleep(2.0)
        if self.observer.value("halted") != "True":
            self.broken.append("an emergency stop that the diagnostics do not show")
        self.observer.stop.publish(Bool(data=False))

    def _chunks(self, source: str, seconds: float, change: Callable[[AudioChunk], None]) -> None:
        for _ in range(int(seconds / 0.02)):
            noise = np.random.default_rng(0).uniform(-1, 1, 320)
            chunk = make_chunk(noise, 16000, time.time(), source)
            change(chunk)
            self.observer.audio.publish(chunk)
            time.sleep(0.02)

    def _malformed(self, chunk: AudioChunk) -> None:
        chunk.sample_rate = self.rng.choice((0, 1, 4_000_000_000))
        chunk.channels = self.rng.choice((0, 1, 200))
        chunk.encoding = self.rng.choice(("S16LE", "opus", "F32LE"))
        chunk.data = self.rng.randbytes(self.rng.randrange(500))

    def _utterance(self, chunk: AudioChunk) -> None:
        chunk.utterance = f"utterance {self.rng.randrange(100)}"

    def _freeze(self) -> None:
        self._processes["avatar"].send_signal(signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.5, 4.0))
        self._processes["avatar"].send_signal(signal.SIGCONT)

    def _cycle(self) -> None:
        for change in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
            request = ChangeState.Request(transition=Transition(id=change))
            if not self.observer.call(ChangeState, "avatar/change_state", request):
                self.broken.append("a change of state that was not answered")

    def _peer(self) -> None:
        peer = subprocess.Popen([sys.executable, "-c", PEER], stderr=subprocess.DEVNULL)
        time.sleep(4.0)
        peer.kill()
        peer.wait(20)

    def happen(self) -> None:
        """Let one thing happen."""
        kinds: list[tuple[str, Callable[[], Any]]] = [
            ("flush", lambda: self.observer.call(Trigger, "avatar/flush")),
            ("reset", lambda: self.observer.call(Trigger, "avatar/reset")),
            ("emergency stop", self._emergency),
            ("a second source", lambda: self._chunks("other", 3.0, lambda chunk: None)),
            ("malformed audio", lambda: self._chunks("other", 1.0, self._malformed)),
            ("utterances that interrupt", lambda: self._chunks("other", 1.0, self._utterance)),
            ("the avatar's process is frozen", self._freeze),
            ("deactivate, activate", self._cycle),
            ("a subscriber is killed", self._peer),
            ("the audio source is killed", lambda: self.kill("audio_source")),
            ("the viewer is killed", lambda: self.kill("viewer")),
        ]
        self._do(*self.rng.choice(kinds))

    def _do(self, name: str, act: Callable[[], Any]) -> None:
        self.happened[name] += 1
        act()
        for process, running in self._processes.items():
            if running.poll() is not None:
                self.deaths.append(f"{process} ended with {running.returncode} after: {name}")
                self.start(process)
        self.recover(name)

    # ---- all of it ------------------------------------------------------------------------------

    def play(self, minutes: float) -> dict[str, Any]:
        """Let things happen for so long; return the report."""
        begin_s, killed = time.monotonic(), False
        while time.monotonic() < begin_s + 60.0 * minutes:
            time.sleep(PAUSE_S * self.rng.uniform(0.3, 1.7))
            if not killed and time.monotonic() > begin_s + KILL_AVATAR_AT_S:
                killed = True
                self._do("the avatar is killed", lambda: self.kill("avatar"))
                self._started_s = time.monotonic()
            self.happen()
        self._processes["audio_source"].kill()
        lost: int | None = None
        for _ in range(12):  # what waits in queues, on a machine that is busy, is taken in first
            time.sleep(5.0)
            lost = self._unaccounted()
            if lost == 0:
                break
        if lost != 0:
            self.broken.append(f"samples of audio that are not accounted for: {lost}")
        return self._report(time.monotonic() - begin_s)

    def _unaccounted(self) -> int | None:
        names = ("in", "used", "dropped", "waiting")
        values = [self.observer.value(f"count_samples_{name}") for name in names]
        if not all(values):
            return None
        came, *went = (int(value) for value in values)
        return came - sum(went)

    def _report(self, seconds: float) -> dict[str, Any]:
        seen = self.observer
        gaps_ms = 1e3 * np.diff(seen.arrivals_s)
        memory = [
            (at_s, float(values["rss_mb"]))
            for at_s, values in seen.values
            if at_s > self._started_s + SETTLED_S
        ]
        slope = float(3600 * np.polyfit(*np.array(memory).T, 1)[0]) if len(memory) > 60 else None
        faults = [f"{count} {what}" for what, count in seen.faults.items() if count]
        last = seen.values[-1][1] if seen.values else {}
        counts = {name: last[name] for name in sorted(last) if name.startswith(("count_", "node_"))}
        return {
            "minutes": seconds / 60.0, "poses": len(seen.arrivals_s),
            "gap_ms_p50_p99": [float(np.percentile(gaps_ms, p)) for p in (50, 99)],
            "happened": dict(self.happened),
            "recovery_s_p50_max": [float(np.median(self.recoveries_s)), max(self.recoveries_s)],
            "memory_mb": [memory[0][1], memory[-1][1]] if memory else None,
            "memory_slope_mb_per_h": slope, "counts_since_the_last_start": counts,
            "real_time_factor": last.get("real_time_factor"),
            "broken": [*self.broken, *self.deaths, *faults],
        }  # fmt: skip

    def close(self) -> None:
        """End the processes; one that does not end by itself is a fault."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGINT)
        for name, process in self._processes.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            if process.poll() is None:
                self.broken.append(f"{name} does not end")
                process.kill()


def main() -> int:
    """Soak, report, and return 1 where something broke."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, help="JSON file for the report")
    arguments = parser.parse_args()
    shared = set(os.listdir("/dev/shm"))
    with tempfile.TemporaryDirectory() as folder:
        soak = GraphSoak(Path(folder), arguments.seed)
        try:
            report = soak.play(arguments.minutes)
        finally:
            soak.close()
    report["broken"] += [text for text in soak.broken if text not in report["broken"]]
    report["shared_memory_left"] = len(set(os.listdir("/dev/shm")) - shared)
    text = json.dumps(report, indent=1)
    print(text)
    if arguments.report:
        arguments.report.write_text(text + "\n", encoding="utf-8")
    return int(bool(report["broken"]))


if __name__ == "__main__":
    sys.exit(main())
