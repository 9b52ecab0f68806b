#!/usr/bin/env python3
"""Hours of speech, noise, silence, interruptions and faults, in fake time, and what came of them.

    python scripts/soak.py --hours 8 --report soak.json

The engine, its threads, queue, limits and sampler are the real ones, with an untrained network of
width 8, one and two steps, and a cheap feature of the sound, at 10 poses a second. Time is fake: it
stands still until the engine's thread waits. The exit status is 1 where something broke what must
hold. For the whole graph in real time see scripts/soak_graph.py.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
REPO = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPO), str(REPO / "test")]

import numpy as np  # noqa: E402
from soak_world import TICK_S, DeadlockError, World  # noqa: E402

CHUNK_S = 0.1
SAMPLE_MEMORY_S = 300.0
SETTLED_SHARE = 0.1  # of the run, before memory is looked at
MOST_MB_PER_H = 1.0
QUIET_S = 12.0


class Soak:
    """Scenes drawn at random, with disturbances in half of them."""

    def __init__(self, seed: int = 0, limits: bool = True) -> None:
        """Begin; the same seed gives the same scenes. Without `limits` it takes a third as long."""
        self.rng = random.Random(seed)
        self.world = World(seed, limits)
        self.scenes: Counter[str] = Counter()
        self.disturbances: Counter[str] = Counter()
        self.lost_samples = 0
        self.mute_scenes: list[str] = []
        self._last = ("", "")  # scene and disturbance before this one
        self.memory = [(0.0, resident_mb())]
        self._failed_s: list[float] = []
        self._passed_s = 0.0  # of what the clock has gone on, jumps left out

    # ---- scenes ---------------------------------------------------------------------------------

    def scene(self) -> None:
        """One scene: some sound for some seconds, perhaps disturbed."""
        kinds: list[tuple[str, Callable[[float], bool]]] = [
            ("speech", self.speech), ("speech", self.speech), ("noise", self.noise),
            ("silence", self.silence), ("pause", self.pause), ("synthesis", self.synthesis),
            ("no stamps", self.no_stamps), ("other rates", self.other_rates),
            ("bad network", self.bad_network), ("garbage", self.garbage),
            ("the other speaks", self.listen),
        ]  # fmt: skip
        name, play = self.rng.choice(kinds)
        self.scenes[name] += 1
        last, self._last = self._last, (name, "")
        seconds = self.rng.uniform(3.0, 20.0)
        spoken = play(seconds)
        before = self.world.watch.states["speech"]
        disturbed = self.rng.random() < 0.5
        if disturbed:
            self.run(self.rng.uniform(0.0, seconds))
            self.disturb()
            self.run(self.rng.uniform(0.0, 4.0))
        else:
            self.run(seconds + 1.5)
            heard = self.world.watch.states["speech"] - before
            if spoken and heard * TICK_S < 0.5 * seconds:
                seen = f"{heard * TICK_S:.1f} of {seconds:.1f} s at {self._passed_s:.1f} s"
                self.mute_scenes.append(f"{name}, {seen}, after {' and '.join(filter(None, last))}")

    def speech(self, seconds: float) -> bool:
        """A live source."""
        for at_s, piece in self._pieces(seconds):
            self.world.send(at_s + CHUNK_S, self._now_s() + at_s, piece)
        return True

    def noise(self, seconds: float) -> bool:
        """Loud noise."""
        for at_s, piece in self._pieces(seconds):
            loud = np.random.default_rng(len(self.memory)).uniform(-1, 1, len(piece))
            self.world.send(at_s + CHUNK_S, self._now_s() + at_s, loud)
        return True

    def silence(self, seconds: float) -> bool:
        """A source that sends zeros."""
        for at_s, piece in self._pieces(seconds):
            self.world.send(at_s + CHUNK_S, self._now_s() + at_s, 0 * piece)
        return False

    def pause(self, seconds: float) -> bool:
        """No source at all."""
        return False

    def synthesis(self, seconds: float) -> bool:
        """Speech ahead of time, twenty times as fast as it is spoken, with the utterance's name."""
        name = f"utterance {self.rng.randrange(10**9)}"
        for at_s, piece in self._pieces(seconds):
            self.world.send(at_s / 20, self._now_s() + at_s, piece, utterance=name)
        return True

    def listen(self, seconds: float) -> bool:
        """Somebody else speaks, to whom the avatar listens."""
        self.world.listening = [piece for _, piece in self._pieces(seconds)]
        return False

    def no_stamps(self, seconds: float) -> bool:
        """A source that does not say when."""
        for at_s, piece in self._pieces(seconds):
            self.world.send(at_s, None, piece)
        return True

    def other_rates(self, seconds: float) -> bool:
        """A source at another sample rate."""
        rate_hz = self.rng.choice((8000, 22050, 44100, 48000))
        for at_s, piece in self._pieces(seconds, rate_hz):
            self.world.send(at_s + CHUNK_S, self._now_s() + at_s, piece, rate_hz)
        return True

    def bad_network(self, seconds: float) -> bool:
        """Packets late, twice, lost, or in the wrong order."""
        for at_s, piece in self._pieces(seconds):
            for _ in range(self.rng.choice((0, 1, 1, 1, 1, 1, 2))):
                delay_s = at_s + CHUNK_S + self.rng.expovariate(8.0)
                self.world.send(delay_s, self._now_s() + at_s, piece)
        return False

    def garbage(self, seconds: float) -> bool:
        """No numbers, any stamps, somebody else."""
        for at_s, piece in self._pieces(seconds):
            bad = piece.copy()
            bad[:: self.rng.randint(1, 50)] = self.rng.choice((np.nan, np.inf, -9.0))
            stamp_s = self._now_s() + self.rng.choice((at_s, -1e5, self.rng.uniform(-9.0, 99.0)))
            self.world.send(at_s, stamp_s, bad, source=self.rng.choice(("soak", "else", "")))
        return False

    # ---- disturbances ---------------------------------------------------------------------------

    def disturb(self) -> None:
        """Something goes wrong, or somebody asks for something."""
        world, rng = self.world, self.rng
        kinds: list[tuple[str, Callable[[], Any]]] = [
            ("flush", world.engine.flush),
            ("reset", world.engine.reset),
            ("emergency stop", self._halt),
            ("another utterance", lambda: self.synthesis(2.0)),
            ("another speaker", lambda: world.engine.manners.set_speaker(rng.randrange(3))),
            ("a window fails", self._fail),
            ("a window without numbers", lambda: setattr(world.sampler, "spoil_next", True)),
            ("slow windows", self._slow_down),
            ("the clock jumps", lambda: world.jump(rng.choice((-1e4, -3.0, -0.3, 0.3, 3.0, 1e4)))),
            ("the engine is stopped and started", world.restart),
            ("the source dies", world.arrivals.clear),
        ]
        name, act = rng.choice(kinds)
        self.disturbances[name] += 1
        self._last = (self._last[0], name)
        act()

    def _halt(self) -> None:
        self.world.engine.halt(True)
        self.run(self.rng.uniform(0.1, 3.0))
        self.world.engine.halt(False)

    def _fail(self) -> None:
        self._failed_s = [at_s for at_s in self._failed_s if self._passed_s - at_s < 70.0]
        if len(self._failed_s) < 2:  # four within a minute would be given up, as they should
            self._failed_s.append(self._passed_s)
            self.world.sampler.fail_next = True

    def _slow_down(self) -> None:
        self.world.sampler.slow_s = self.rng.uniform(0.1, 0.8)
        self.run(self.rng.uniform(1.0, 10.0))
        self.world.sampler.slow_s = 0.0

    # ---- all of it ------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let time go by, and look at the memory now and then."""
        self.world.run(seconds)
        self._passed_s += seconds
        if self._passed_s - self.memory[-1][0] >= SAMPLE_MEMORY_S:
            gc.collect()
            self.memory.append((self._passed_s, resident_mb()))

    def account(self) -> None:
        """Let everything come to rest and count the samples."""
        self.world.arrivals.clear()
        self.run(QUIET_S)
        self.lost_samples += abs(self.world.unaccounted())

    def play(self, hours: float) -> dict[str, Any]:
        """Live for so long, or until Ctrl-C; return the report."""
        begin_s, account_s = time.monotonic(), 600.0
        stopped: list[int] = []
        signal.signal(signal.SIGINT, lambda number, _: stopped.append(number))
        try:
            while self._passed_s < 3600.0 * hours and not stopped:
                self.scene()
                if self._passed_s >= account_s:
                    self.account()
                    account_s += 600.0
                    print(f"{self._passed_s / 3600.0:.2f} h", file=sys.stderr, flush=True)
            self.account()
            left = self.world.close()
        except DeadlockError as error:
            faulthandler.dump_traceback()
            left = [f"deadlock: {error}"]
        return self._report(left, time.monotonic() - begin_s)

    def _report(self, left: list[str], wall_s: float) -> dict[str, Any]:
        world, counts = self.world, self.world.engine.status().counts
        states = {name: count * TICK_S for name, count in sorted(world.watch.states.items())}
        faults = {name: count for name, count in world.watch.faults.items() if count}
        slope = slope_mb_per_h(self.memory)
        broken = [f"{count} poses: {name}" for name, count in faults.items()] + left
        if self.lost_samples:
            broken.append(f"{self.lost_samples} samples of audio are not accounted for")
        if self.mute_scenes:
            broken += [f"no speech in {scene}" for scene in self.mute_scenes]
        if slope is not None and slope > MOST_MB_PER_H:
            broken.append(f"memory grows by {slope:.2f} MB in an hour")
        return {
            "hours": self._passed_s / 3600.0, "wall_s": round(wall_s), "poses": world.ticks,
            "scenes": dict(self.scenes), "disturbances": dict(self.disturbances),
            "shown_s": {name: round(seconds) for name, seconds in states.items()},
            "counts": dict(sorted(counts.items())), "said": dict(world.said),
            "memory_mb": [round(self.memory[0][1], 1), round(self.memory[-1][1], 1)],
            "memory_slope_mb_per_h": slope, "broken": broken,
        }  # fmt: skip

    def _now_s(self) -> float:
        return self.world.clock.now_s()

    def _pieces(self, seconds: float, rate_hz: int = 16000) -> list[tuple[float, Any]]:
        size, voice = round(CHUNK_S * rate_hz), self.world.voice
        begin = self.rng.randrange(len(voice))
        pieces = []
        for k in range(int(seconds / CHUNK_S)):
            at = (begin + k * size) % (len(voice) - size)
            pieces.append((k * CHUNK_S, voice[at : at + size]))
        return pieces


def resident_mb() -> float:
    """Return the resident memory of this process [MB]."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def slope_mb_per_h(memory: list[tuple[float, float]]) -> float | None:
    """Return the slope of the memory once the run has settled; None where it was too short."""
    begin_s = max(1200.0, SETTLED_SHARE * memory[-1][0])
    rows = np.array([row for row in memory if row[0] >= begin_s])
    return float(3600.0 * np.polyfit(*rows.T, 1)[0]) if len(rows) > 4 else None


def main() -> int:
    """Soak, report, and return 1 where something broke."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=8.0, help="of fake time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--no-limits", action="store_true", help="clamp joints only: a third of the time"
    )
    parser.add_argument("--report", type=Path, help="JSON file for the report")
    arguments = parser.parse_args()
    report = Soak(arguments.seed, not arguments.no_limits).play(arguments.hours)
    text = json.dumps(report, indent=1)
    print(text)
    if arguments.report:
        arguments.report.write_text(text + "\n", encoding="utf-8")
    return int(bool(report["broken"]))


if __name__ == "__main__":
    sys.exit(main())
