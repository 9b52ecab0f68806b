"""A world for the engine to live in for hours: fake time, real threads, a small real network.

Each tick time moves on, the engine's threads do all they can at that time, and one pose is looked
at. What goes wrong is counted, not raised, so that a run tells all that it found.
"""

import threading
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import torch
from streaming_stubs import RATE_HZ

from asynfusion_ros.audio.resample import load_audio
from asynfusion_ros.errors import SamplerError
from asynfusion_ros.motion.limits import JointLimiter, JointTargets
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.resources import find_path
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.streaming.ear import Senses
from asynfusion_ros.streaming.engine import AvatarEngine
from asynfusion_ros.streaming.generator import MotionGenerator, open_sampler
from asynfusion_ros.streaming.settings import EngineSettings

NETWORK = NetworkSettings(audio_dim=4, width=8, depth=1, heads=2, speakers=3)
TICK_S = 1 / 10
HANG_S = 60.0  # of real time, in which the engine did not come to rest: a deadlock
START_S = 1e6
WHERE = ("samples_used", "samples_dropped", "samples_waiting")


class DeadlockError(Exception):
    """The engine thread neither works nor waits."""


class TickClock:
    """Time that stands still until the engine thread waits for it to go on."""

    def __init__(self, now_s):
        self._now_s = now_s
        self._tick = threading.Condition()
        self._resting = threading.Event()

    def now_s(self):
        return self._now_s

    def wait(self, condition, timeout_s):
        """Rest, holding the engine's `condition`, until something comes or time has gone on."""
        self._resting.set()
        condition.wait(1.0)

    def sleep(self, seconds):
        """Let the engine thread take `seconds` for something."""
        end_s = self._now_s + seconds
        with self._tick:
            while self._now_s < end_s:
                self._resting.set()
                self._tick.wait(1.0)

    def settle(self, condition):
        """Return when the engine thread has done what it can at this time."""
        self._resting.clear()
        with condition:
            condition.notify_all()
        with self._tick:
            self._tick.notify_all()
        rounds = max(1, round(HANG_S))  # a process that was stopped meanwhile loses only one
        if not any(self._resting.wait(HANG_S / rounds) for _ in range(rounds)):
            raise DeadlockError(f"the engine thread did not come to rest within {HANG_S:g} s")

    def advance(self, seconds):
        with self._tick:
            self._now_s += seconds


class Loudness:
    """A cheap feature of every sample of the window."""

    samples_needed = 33600

    def extract(self, samples):
        blocks = samples[:32000].reshape(20, 4, 400).astype(np.float64)
        level = np.repeat(np.sqrt((blocks**2).mean(axis=2)), 3, axis=0)
        return (level + samples[32000:].mean()).astype(np.float32)


class FaultySampler:
    """The real sampler, with windows that fail, come late, or hold no numbers, on demand."""

    def __init__(self, sampler, clock):
        self._sampler, self._clock = sampler, clock
        self.fail_next = self.spoil_next = False
        self.slow_s = 0.0

    def sample_window(self, request):
        if self.fail_next:
            self.fail_next = False
            raise SamplerError("a window failed, on purpose")
        result = self._sampler.sample_window(request)
        self._clock.sleep(self.slow_s)
        if self.spoil_next:
            self.spoil_next = False
            nothing = torch.full_like(result.body, float("nan"))
            result = replace(result, body=nothing)
        return result

    def __getattr__(self, name):
        return getattr(self._sampler, name)


class TimedGenerator:
    """The real generator, whose windows take the time that the clock says."""

    def __init__(self, generator, clock):
        self._generator, self._clock = generator, clock

    def step(self, samples, state, steps=None):
        begin_s = self._clock.now_s()
        chunk, after = self._generator.step(samples, state, steps)
        timings = replace(chunk.timings, total_s=self._clock.now_s() - begin_s)
        return replace(chunk, timings=timings), after

    def __getattr__(self, name):
        return getattr(self._generator, name)


class Watch:
    """Looks at every pose: numbers, ranges, limits of position, speed and acceleration."""

    def __init__(self, skeleton, limits=True):
        self._limits = limits
        self._low = skeleton.lower_rad - 1e-6
        self._high = skeleton.upper_rad + 1e-6
        self._speed = 1.001 * skeleton.velocity_rad_s + 1e-6
        self._push = 1.001 * skeleton.acceleration_rad_s2 + 1e-6
        self._before = None
        self.faults = Counter()
        self.states = Counter()

    def look(self, frame, dt_s):
        joints, speed = frame.joint_positions, frame.joint_velocities
        self.states[frame.state] += 1
        face = frame.face
        self.faults["nan"] += not (np.isfinite(joints).all() and np.isfinite(face).all())
        self.faults["face"] += bool((face < 0.0).any() or (face > 1.0).any())
        self.faults["position"] += bool((joints < self._low).any() or (joints > self._high).any())
        if not self._limits:
            return
        self.faults["speed"] += bool((np.abs(speed) > self._speed).any())
        if self._before is not None and dt_s > 0.0:
            push = np.abs(speed - self._before) / dt_s
            self.faults["acceleration"] += bool((push > self._push).any())
        self._before = speed if 0.5 * TICK_S < dt_s < 2.0 * TICK_S else None


def calm(checkpoint):
    """The model with a body that moves as widely as people's, so that limits are the exception."""
    about = checkpoint.description
    body = replace(about.body, std=0.03 * np.ones_like(about.body.std))
    return replace(checkpoint, description=replace(about, body=body, body_cutoff_hz=4.0))


class Clamp:
    """Joints within their ranges and nothing else, for runs that are long."""

    def __init__(self, skeleton):
        self._targets = JointTargets(skeleton)
        self._low, self._high = skeleton.lower_rad, skeleton.upper_rad

    def advance(self, body, dt_s):
        self._shown = np.clip(self._targets.advance(body, dt_s), self._low, self._high)
        return self._shown

    def halt(self, dt_s):
        return self._shown


class World:
    """An engine with its threads, a clock, a source of sound, and what was seen.

    Without `limits` joints keep to their ranges alone, and nobody looks at speed and acceleration.
    """

    def __init__(self, seed=0, limits=True):
        torch.set_num_threads(1)
        self._others = set(threading.enumerate())
        self.clock = TickClock(START_S)
        settings = EngineSettings(
            expression_steps=1, gesture_steps=2, seed=seed, max_queue_s=40.0, listen=True
        )
        checkpoint = calm(untrained_checkpoint(NETWORK))
        sampler = open_sampler(checkpoint, settings.sampler_settings())
        self.sampler = FaultySampler(sampler, self.clock)
        generator = MotionGenerator(checkpoint, Loudness(), self.sampler, settings)
        generator = TimedGenerator(generator, self.clock)
        skeleton = Skeleton.load()
        about = checkpoint.description
        idle = (about.idle_face, about.idle_body)
        self.said = Counter()
        self.engine = AvatarEngine(
            generator,
            JointLimiter(skeleton) if limits else Clamp(skeleton),
            idle,
            settings,
            senses=Senses.open(settings),
            clock=self.clock,
            warn=self._hear,
        )
        self.watch = Watch(skeleton, limits)
        self.voice = load_audio(find_path("models/demo/speech.wav"))[: 20 * RATE_HZ]
        self.arrivals = []
        self.listening = []
        self.ticks = 0
        self._looked_s = self.clock.now_s()
        self._running = True
        self.engine.start()

    def _settle(self):
        if self.engine.status().state == "failed":
            raise DeadlockError(self.engine.status().failure)
        self.clock.settle(self.engine._mailbox.condition)

    def _hear(self, text):
        self.said[text.split(",", maxsplit=1)[0]] += 1

    def send(self, delay_s, stamp_s, samples, rate_hz=RATE_HZ, source="soak", utterance=""):
        """Let a packet arrive `delay_s` from now."""
        arrival_s = self.clock.now_s() + delay_s
        self.arrivals.append((arrival_s, stamp_s, samples, rate_hz, source, utterance))
        self.arrivals.sort(key=lambda arrival: arrival[0])

    def run(self, seconds):
        """Let time go by."""
        for _ in range(round(seconds / TICK_S)):
            now_s = self.clock.now_s()
            while self.arrivals and self.arrivals[0][0] <= now_s + 1e-9:
                self.engine.push_audio(*self.arrivals.pop(0)[1:])
            if self.listening:
                self.engine.push_listen(self.listening.pop(0), RATE_HZ)
            if self._running:
                self._settle()
            self.watch.look(self.engine.frame_at(now_s), now_s - self._looked_s)
            self._looked_s = now_s
            self.said.update(change.event or change.state for change in self.engine.take_changes())
            self.ticks += 1
            self.clock.advance(TICK_S)

    def jump(self, seconds):
        """Set the clock otherwise; what was on its way is lost."""
        self.arrivals.clear()
        self.clock.advance(seconds)

    def restart(self):
        """Stop the engine, look at rest, start it again."""
        self.sampler.slow_s = 0.0
        self.run(1.0)  # a slow window ends
        self.engine.stop()
        self._running = False
        self.run(0.5)
        self.engine.start()
        self._running = True

    def unaccounted(self):
        """Samples that came in and are neither used, nor dropped and counted, nor waiting."""
        counts = self.engine.status().counts
        return counts["samples_in"] - sum(counts[name] for name in WHERE)

    def close(self):
        """End; return the names of threads that did not."""
        self.sampler.slow_s = 0.0
        self.run(1.0)
        self.engine.close()
        time.sleep(0.1)
        return [t.name for t in threading.enumerate() if t not in self._others]
