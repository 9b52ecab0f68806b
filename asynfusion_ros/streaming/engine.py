"""The real-time engine: stamped audio in at any pace, poses out by audio time."""

from __future__ import annotations

import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import AudioError, StateError
from asynfusion_ros.motion.alive import SignsOfLife
from asynfusion_ros.motion.limits import JointLimiter
from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.clock import Clock, SystemClock
from asynfusion_ros.streaming.generator import MotionGenerator
from asynfusion_ros.streaming.intake import Packet, clean_samples
from asynfusion_ros.streaming.mailbox import Mailbox
from asynfusion_ros.streaming.playback import Joints, Playback, PlaybackFrame
from asynfusion_ros.streaming.queue import MotionQueue
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.status import EngineStatus
from asynfusion_ros.streaming.stream import output_delay_s
from asynfusion_ros.streaming.worker import WindowGenerator, Worker

Array = npt.NDArray[np.float32]

IDLE_POLL_S = 0.02
MOST_FAILURES = 4  # within FAILURES_S: then the engine gives up
FAILURES_S = 60.0
LATEST_S = 1e11  # in 3000 years
PIECE_S = 1.0  # longer packets are taken in pieces


class AvatarEngine:
    """Turns pushed audio into poses on time; one thread computes, callers never wait for it.

    Any thread may push, flush, reset and ask for the status; one playback timer calls `frame_at`;
    the engine thread alone owns the stream and the generator (see Worker, and Mailbox for the
    order of locks).

    The pose for audio second s is shown at s + `output_delay_s`, plus the stream's constant offset
    where a source's stamps lag the clock. Audio that comes later than the arrival allowance counts
    as silence, so a source that stops leaves an avatar that idles alive. An epoch is one stream;
    flush and reset end it, and what was computed for it is thrown away.
    """

    def __init__(
        self,
        generator: WindowGenerator,
        joints: Joints,
        idle: tuple[Array, Array],
        settings: EngineSettings,
        *,
        clock: Clock | None = None,
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Take what makes motion and what limits it.

        `joints` turns bodies (24,) into joint positions (54,) within limits; `idle` is the resting
        face (51,) and body (24,); `warn` is told once of each kind of trouble.
        """
        self.settings = settings
        self.plan = generator.plan
        self.output_delay_s = output_delay_s(generator.plan, settings)
        self._generator = generator
        self._clock = clock or SystemClock()
        self._queue = MotionQueue(len(idle[0]), len(idle[1]))
        life = SignsOfLife(settings.seed) if settings.signs_of_life else None
        eases_s = (settings.face_ease_s, settings.ease_s)
        self._playback = Playback(*idle, joints, *eases_s, life)
        self._mailbox = Mailbox(self._queue, settings.max_queue_s)
        self._worker = Worker(
            generator,
            settings,
            clock=self._clock,
            mailbox=self._mailbox,
            queue=self._queue,
            warn=warn,
        )
        self._thread: threading.Thread | None = None
        self._warn = warn
        self._interrupted = False  # a flush that playback has yet to see

    @classmethod
    def open(
        cls,
        checkpoint: Checkpoint,
        settings: EngineSettings | None = None,
        *,
        limiter: JointLimiter | None = None,
        clock: Clock | None = None,
        warn: Callable[[str], None] = lambda message: None,
    ) -> AvatarEngine:
        """Return an engine for a model, warmed up; `limiter` defaults to the avatar's own."""
        settings = settings or EngineSettings()
        generator = MotionGenerator.open(checkpoint, settings)
        generator.warm_up()
        limiter = limiter or JointLimiter(Skeleton.load())
        about = checkpoint.description
        idle = (about.idle_face, about.idle_body)
        return cls(generator, limiter, idle, settings, clock=clock, warn=warn)

    def start(self) -> None:
        """Start the engine thread; does nothing while it runs. Clears an earlier failure."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._mailbox.running, self._mailbox.failure = True, ""
        self._mailbox.renew("starts", restart_noise=True)
        self._thread = threading.Thread(target=self._run, name="avatar-engine", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the engine thread; raise StateError if it does not end within `timeout_s`."""
        self._mailbox.running = False
        self._mailbox.renew("stops", restart_noise=True)
        thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.join(timeout_s)
        if thread.is_alive():
            self._thread = thread
            raise StateError(
                f"the engine is still busy with a window after {timeout_s} s; wait and stop again"
            )

    def close(self) -> None:
        """Stop, and free the generator's threads; the engine cannot be started again."""
        self.stop()
        self._generator.close()

    def push_audio(
        self, stamp_s: float | None, samples: npt.ArrayLike, sample_rate_hz: int, source: str = ""
    ) -> None:
        """Hand in audio, mono floats in [-1, 1], whose first sample belongs to `stamp_s`.

        Without a stamp it continues what came before, or begins now. Never waits: what exceeds
        `max_queue_s` is dropped and counted. Raises AudioError for a wrong rate or shape, and for
        a stamp that is no time.
        """
        if stamp_s is not None and not abs(stamp_s) < LATEST_S:
            raise AudioError(
                f"the stamp is {stamp_s} s; send the time of the first sample, or none"
            )
        counts, rate_hz = Counter[str](packets=1), sample_rate_hz
        cleaned = clean_samples(samples, rate_hz, counts)
        counts["samples_in"] = len(cleaned)
        size = round(PIECE_S * rate_hz)
        first_s, now_s = float("nan") if stamp_s is None else stamp_s, self._clock.now_s()
        pieces = (
            Packet(first_s + at / rate_hz, cleaned[at : at + size], rate_hz, source, now_s)
            for at in range(0, len(cleaned), size)
        )
        self._mailbox.post(pieces, counts)

    def flush(self) -> None:
        """Barge-in: drop waiting audio and motion; joints stop at once, then settle to rest."""
        self._mailbox.renew("flushes", restart_noise=False)
        self._interrupted = True

    @property
    def halted(self) -> bool:
        """Whether an emergency stop is in force."""
        return self._playback.halted

    def halt(self, halted: bool) -> None:
        """Emergency stop: hold all joints from the next frame on, until called with False."""
        self._mailbox.count("halts", halted and not self.halted)
        self._playback.halted = halted

    def reset(self) -> None:
        """Begin a new stream: like flush, and the noise starts again from the seed."""
        self._mailbox.renew("resets", restart_noise=True)
        self._interrupted = True

    @property
    def manner(self) -> Manner:
        """Whose manner, which style, which emotion is in force."""
        return self._mailbox.manner or self._generator.begin().manner

    def set_manner(self, manner: Manner) -> None:
        """Move otherwise from the next window on; raise ConfigError if the model cannot."""
        self._generator.begin(manner=manner)
        self._mailbox.set_manner(manner)

    def set_speaker(self, speaker: int) -> None:
        """Use another speaker's manner from the next window on; raise ConfigError if unknown."""
        self.set_manner(replace(self.manner, speaker=speaker))

    def set_style(self, style: Sequence[float], emotion: str = "") -> None:
        """Use another style and emotion from the next window on; raise ConfigError if unknown."""
        index = self._generator.description.choose_manner(emotion=emotion).emotion
        self.set_manner(replace(self.manner, style=tuple(style), emotion=index))

    def name_styles(self) -> str:
        """Return a line that names the model's styles and emotions."""
        about = self._generator.description
        return f"styles: {list(about.style_names)}, emotions: {list(about.emotions)}"

    def frame_at(self, now_s: float) -> PlaybackFrame:
        """Return the pose to show at `now_s`; call it from one thread, with growing times."""
        pose = self._queue.at(now_s)
        timeline = self._queue.timeline()
        held = self._playback.held_epoch
        if held is not None and not self._queue.holds(held):
            self._playback.drop()
        if self._interrupted:
            self._interrupted = False
            self._playback.interrupt()
        shift_s = self.output_delay_s if timeline is None else timeline.shift_s
        audio_time_s = now_s - shift_s if pose is None else pose.audio_time_s
        return self._playback.render(now_s, audio_time_s, pose)

    @property
    def pose_stride(self) -> int:
        """Every how many-th pose is worth publishing; more than 1 under overload only."""
        return int(self._mailbox.read()[0].get("pose_stride", 1))

    def advance(self) -> bool:
        """Do what the engine thread does in a loop, once; for tests that own time."""
        return self._worker.advance()

    def status(self) -> EngineStatus:
        """Return a snapshot of the engine's state and measures."""
        depth_s = self._queue.depth_s(self._clock.now_s())
        report, counts, epoch = self._mailbox.read()
        counts.update(report.pop("counts", {}))
        counts.update(self._playback.counts)
        silent = report.pop("silent", True)
        failure = self._mailbox.failure
        state = "idle" if silent else "starved" if depth_s < 0 else "speech"
        alive = self._mailbox.running
        return EngineStatus(
            state="failed" if failure else state if alive else "stopped",
            failure=failure,
            epoch=epoch,
            output_delay_s=self.output_delay_s,
            hop_s=self.plan.hop_s,
            look_ahead_s=self.plan.look_ahead_s,
            queue_depth_s=depth_s,
            counts=counts,
            **report,
        )

    def _run(self) -> None:
        """Work until stopped; after a failure begin anew, unless failures come thick and fast."""
        failures_s: deque[float] = deque(maxlen=MOST_FAILURES)
        while self._mailbox.running:
            try:
                self._work()
            except BaseException:  # the thread's end is data: consumers read it in the status
                now_s, report = self._clock.now_s(), traceback.format_exc()
                failures_s.append(now_s)
                if len(failures_s) == MOST_FAILURES and abs(now_s - failures_s[0]) < FAILURES_S:
                    self._mailbox.fail(report)
                    return
                self._mailbox.renew("restarts", restart_noise=False)
                self._warn(f"a window failed, the engine begins anew: {report}")

    def _work(self) -> None:
        self._worker.reset()
        while self._mailbox.running:
            busy = self._worker.advance()
            with self._mailbox.condition:
                if not busy and not self._mailbox.waiting and self._mailbox.running:
                    self._clock.wait(self._mailbox.condition, IDLE_POLL_S)
