"""A device that is as late, and as unordered, as a GPU may be, and that sees races.

Nothing that is given to a lane runs until the host waits for an event. Then the lanes are advanced
in a random order, as far as their events allow. Work begins and ends at different moments, and what
two lanes do meanwhile may not touch the same memory, unless both only read it.
"""

import itertools
import random
import threading
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from asynfusion_ros.sampling.device_work import Repeated, WorkDevice


class RaceError(AssertionError):
    """Two lanes were at the same memory, and one of them wrote it."""


class SimulatedEvent:
    def __init__(self, device):
        self.device, self.moment = device, None

    def synchronize(self):
        self.device.advance_until(self)


@dataclass(eq=False)
class Running:
    work: object
    lane: object


class SimulatedLane:
    def __init__(self, device, name):
        self.device, self.name, self.queue = device, name, []

    def active(self):
        return nullcontext()

    def mark(self):
        event = SimulatedEvent(self.device)
        self.device.give(self, "record", event)
        return event

    def wait(self, event):
        if not self.device.inside and event not in self.device.recorded:
            raise AssertionError("a wait for an event that was not recorded, which a GPU ignores")
        self.device.give(self, "wait", event)

    def launch(self, recorded):
        self.device.give(self, "run", recorded.work)

    def run(self, work):
        self.device.give(self, "run", work)


class SimulatedDevice(WorkDevice):
    """`deaf` names a lane that ignores what it should wait for: a mistake to be found."""

    device = torch.device("cpu")

    def __init__(self, seed=0, deaf=None):
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.lanes, self.recorded, self.running = [], set(), []
        self.clock, self.deaf, self.inside = itertools.count(), deaf, False

    def lane(self, urgent=False):
        lane = SimulatedLane(self, f"lane {len(self.lanes)}")
        self.lanes.append(lane)
        return lane

    def caller(self):
        return next((x for x in self.lanes if x.name == "caller"), None) or self._caller()

    def _caller(self):
        lane = SimulatedLane(self, "caller")
        self.lanes.append(lane)
        return lane

    def record(self, work, lane, pool):
        self._run(work)
        return Repeated(work)

    def pool(self):
        return object()

    def seconds(self, first, last):
        if first.moment is None or last.moment is None:
            raise RaceError("the time of an event that has not come to pass")
        return 1e-3 * (last.moment - first.moment)

    def give(self, lane, kind, what):
        if self.inside:
            return  # a fork and a meeting inside of recorded work, which runs as one here
        with self.lock:
            if kind == "record":
                self.recorded.add(what)
            lane.queue.append((kind, what))

    def advance_until(self, event):
        while event.moment is None:
            ready = [lane for lane in self.lanes if self._ready(lane)]
            moves = [("begin", lane) for lane in ready]
            moves += [("end", running) for running in self.running]
            if not moves:
                raise AssertionError("the lanes wait for each other")
            kind, what = self.random.choice(moves)
            if kind == "end":
                self._finish(what)
            else:
                self._begin(what)

    def _ready(self, lane):
        if not lane.queue or any(running.lane is lane for running in self.running):
            return False
        kind, what = lane.queue[0]
        return kind != "wait" or what.moment is not None or lane.name == self.deaf

    def _begin(self, lane):
        kind, what = lane.queue.pop(0)
        if kind == "record":
            what.moment = next(self.clock)
        elif kind == "run":
            for other in self.running:
                clash = what.writes & (other.work.reads | other.work.writes)
                clash |= other.work.writes & what.reads
                if clash:
                    raise RaceError(f"{what.name} and {other.work.name} at the same time: {clash}")
            self.running.append(Running(what, lane))

    def _finish(self, running):
        self._run(running.work)
        self.running.remove(running)

    def _run(self, work):
        self.inside = True
        try:
            work.run()
        finally:
            self.inside = False
