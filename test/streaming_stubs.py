"""Stand-ins for the model: fast, exact, and honest about what they were given."""

from dataclasses import replace

import numpy as np

from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.streaming.chunk import ChunkTimings, GeneratorState, MotionChunk
from asynfusion_ros.streaming.clock import FakeClock
from asynfusion_ros.streaming.ear import Senses
from asynfusion_ros.streaming.engine import AvatarEngine
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.windows import WindowPlan

RATE_HZ = 16000
START_S = 1000.0
TINY = NetworkSettings(audio_dim=4, width=8, depth=1, heads=2, speakers=3)
IDLE_FACE = np.full(51, 0.05, np.float32)
IDLE_BODY = np.full(24, -0.2, np.float32)


class StubGenerator:
    """Motion is the loudness of each frame's samples, so any slip in time or content shows."""

    def __init__(self, hop_frames=12, compute_s=0.0, clock=None):
        self.plan = WindowPlan(hop_frames)
        self.compute_s = compute_s
        self.clock = clock
        self.description = untrained_checkpoint(TINY).description
        self.windows = []
        self.manners = []
        self.steps = []
        self.resets = 0
        self.before_step = lambda: None

    def begin(self, seed=None, manner=None):
        manner = manner or Manner()
        self.description.check_manner(manner)
        return GeneratorState(0, seed or 0, manner)

    def step(self, samples, state, steps=None):
        self.before_step()
        if self.clock is not None:
            self.clock.advance(self.compute_s)
        self.windows.append(state.index)
        self.manners.append(state.manner)
        self.steps.append(steps)
        chunk = MotionChunk(
            first_frame=self.plan.new_frames(state.index).start,
            face=self.face_of(samples),
            body=np.tile(loudness(samples, self.plan)[:, None], (1, 24)),
            timings=ChunkTimings(total_s=self.compute_s),
        )
        return chunk, replace(state, index=state.index + 1)

    def face_of(self, samples):
        return np.tile(np.clip(loudness(samples, self.plan)[:, None], 0, 1), (1, 51))

    def reset(self):
        self.resets += 1

    def close(self):
        pass


def loudness(samples, plan):
    """Mean square of the samples of each of the window's last `hop` frames."""
    frames = samples[:32000].reshape(20, 1600)  # three frames each
    level = np.repeat((frames.astype(np.float64) ** 2).mean(axis=1), 3)
    return level[-plan.hop_frames :].astype(np.float32)


class StubJoints:
    """Joints without limits: the body's channels, and still hands."""

    def __init__(self):
        self.shown = np.zeros(54)

    def advance(self, body, dt_s):
        self.shown = np.concatenate([np.asarray(body, np.float64), np.zeros(30)])
        return self.shown

    def halt(self, dt_s):
        return self.shown

    def resume(self, positions):
        self.shown = positions


class LoudnessDetector:
    """Takes loud frames for speech, until `hold_s` of quiet ones have passed."""

    def __init__(self, hold_s=0.5):
        self._hold = round(hold_s * RATE_HZ / 512)
        self.reset()

    def reset(self):
        self.speaking, self._quiet = False, 0

    def process(self, samples):
        for frame in samples.reshape(-1, 512):
            loud = np.abs(frame).mean() > 0.02
            self._quiet = 0 if loud else self._quiet + 1
            self.speaking = loud or (self.speaking and self._quiet <= self._hold)
        return np.zeros(len(samples) // 512, np.float32)


def make_engine(
    clock=None, generator=None, warn=lambda message: None, joints=None, senses=True, **settings
):
    clock = clock or FakeClock(1000.0)
    generator = generator or StubGenerator()
    engine = AvatarEngine(
        generator,
        joints or StubJoints(),
        (IDLE_FACE, IDLE_BODY),
        EngineSettings(**{"signs_of_life": False, **settings}),
        senses=Senses(LoudnessDetector(), LoudnessDetector(0.2)) if senses else None,
        clock=clock,
        warn=warn,
    )
    engine._mailbox.running = True  # driven by hand
    return engine, clock, generator


def settle(engine):
    """Let the engine do all it can at this moment."""
    while engine.advance():
        pass


class Player:
    """Plays time forward: audio arrives, the engine works, poses are shown at 60 Hz."""

    def __init__(self, engine, clock, tick_s=1 / 60):
        self.engine, self.clock, self.tick_s = engine, clock, tick_s
        self.frames = []
        self.arrivals = []

    def send(self, at_s, stamp_s, samples, rate_hz=RATE_HZ, source="", utterance=""):
        self.arrivals.append((at_s, stamp_s, samples, rate_hz, source, utterance))
        self.arrivals.sort(key=lambda arrival: arrival[0])

    def run(self, seconds):
        end_s = self.clock.now_s() + seconds
        while self.clock.now_s() < end_s - 1e-9:
            now_s = self.clock.now_s()
            while self.arrivals and self.arrivals[0][0] <= now_s + 1e-9:
                self.engine.push_audio(*self.arrivals.pop(0)[1:])
            self.engine.advance()
            self.frames.append((now_s, self.engine.frame_at(now_s)))
            self.clock.advance(self.tick_s)

    def motion(self, state="speech"):
        """Return audio times and faces of what was shown in `state`."""
        shown = [f for _, f in self.frames if f.state == state]
        return np.array([f.audio_time_s for f in shown]), np.array([f.face[0] for f in shown])


def speech_like(seconds, seed=0, rate_hz=RATE_HZ):
    """Noise in syllable-like bursts."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    envelope = 0.5 + 0.5 * np.sin(2 * np.pi * 1.3 * t)
    return (0.8 * envelope * rng.uniform(-1, 1, len(t))).astype(np.float32)


def expected_faces(samples, times_s, anchor_s):
    """What the stub gives for each audio time: the loudness of its frame, interpolated."""
    frames = -(-len(samples) // 1600) * 3
    padded = np.pad(samples, (0, frames // 3 * 1600 - len(samples)))
    level = np.repeat((padded.reshape(-1, 1600).astype(np.float64) ** 2).mean(axis=1), 3)
    return np.interp((times_s - anchor_s) * 30, np.arange(frames), level)


def send_live(player, samples, chunk=1600, stamp_s=START_S, *, late_s=0.0, source=""):
    """Hand the player speech in chunks that arrive when they end."""
    for start in range(0, len(samples), chunk):
        piece = samples[start : start + chunk]
        end_s = stamp_s + (start + len(piece)) / RATE_HZ
        player.send(end_s + late_s, stamp_s + start / RATE_HZ, piece, RATE_HZ, source)
