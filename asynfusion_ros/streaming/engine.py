"""The real-time engine: stamped audio in at any pace, poses out by audio time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.alive import SignsOfLife
from asynfusion_ros.motion.limits import JointLimiter
from asynfusion_ros.motion.listening import ListeningMotion
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.chunk import WindowGenerator
from asynfusion_ros.streaming.clock import Clock, SystemClock
from asynfusion_ros.streaming.conversation import IDLE, Change, Conversation
from asynfusion_ros.streaming.door import Door
from asynfusion_ros.streaming.ear import Ear, Senses
from asynfusion_ros.streaming.generator import MotionGenerator
from asynfusion_ros.streaming.mailbox import Mailbox
from asynfusion_ros.streaming.manners import Manners
from asynfusion_ros.streaming.pace import output_delay_s
from asynfusion_ros.streaming.playback import Joints, Playback, PlaybackFrame
from asynfusion_ros.streaming.queue import MotionQueue
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.status import EngineStatus
from asynfusion_ros.streaming.thread import EngineThread
from asynfusion_ros.streaming.voice import Voice
from asynfusion_ros.streaming.worker import Worker

Array = npt.NDArray[np.float32]


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
        senses: Senses | None = None,
        clock: Clock | None = None,
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Take what makes motion and what limits it.

        `joints` turns bodies (24,) into joint positions (54,) within limits; `idle` is the resting
        face (51,) and body (24,); `senses` tell speech from other sound; `warn` is told once of
        each kind of trouble.
        """
        self.settings = settings
        self.plan = generator.plan
        self.output_delay_s = output_delay_s(generator.plan, settings)
        self._generator = generator
        self._clock = clock or SystemClock()
        self._queue = MotionQueue(len(idle[0]), len(idle[1]))
        life = SignsOfLife(settings.seed) if settings.signs_of_life else None
        listener = ListeningMotion(settings.seed) if settings.listen else None
        eases_s = (settings.face_ease_s, settings.ease_s)
        self._playback = Playback(*idle, joints, *eases_s, life, listener)
        self._mailbox = Mailbox(self._queue, settings.max_queue_s)
        self._conversation = Conversation()
        self._hears = senses is not None
        voice: Voice | None = None
        self._ear: Ear | None = None
        if senses is not None:
            voice = Voice(senses.own, settings.speech_hold_s, self._conversation)
            if senses.other is not None:
                self._ear = Ear(senses, self._conversation, settings.listen_hold_s)
        self._door = Door(self._clock, self._mailbox, self._conversation, self._ear, self._barge_in)
        self._worker = Worker(
            generator,
            settings,
            clock=self._clock,
            mailbox=self._mailbox,
            queue=self._queue,
            conversation=self._conversation,
            voice=voice,
            ear=self._ear,
            warn=warn,
        )
        self.manners = Manners(generator, settings, self._mailbox)
        self._thread = EngineThread(self._worker, self._mailbox, self._clock, warn)
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
        senses = Senses.open(settings)
        return cls(generator, limiter, idle, settings, senses=senses, clock=clock, warn=warn)

    def start(self) -> None:
        """Start the engine thread; does nothing while it runs. Clears an earlier failure."""
        if self._thread.alive:
            return
        self._mailbox.running, self._mailbox.failure = True, ""
        self._end_stream("starts", restart_noise=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the engine thread; raise StateError if it does not end within `timeout_s`."""
        self._mailbox.running = False
        self._end_stream("stops", restart_noise=True)
        self._thread.join(timeout_s)

    def close(self) -> None:
        """Stop, and free the generator's threads; the engine cannot be started again."""
        self.stop()
        self._generator.close()

    def push_audio(
        self,
        stamp_s: float | None,
        samples: npt.ArrayLike,
        sample_rate_hz: int,
        source: str = "",
        utterance: str = "",
    ) -> None:
        """Hand in audio, mono floats in [-1, 1], whose first sample belongs to `stamp_s`.

        Without a stamp it continues what came before, or begins now. Another `utterance` than the
        one that plays interrupts it (see Conversation); what comes of one that was interrupted is
        dropped and counted. Never waits: what exceeds `max_queue_s` is dropped and counted. Raises
        AudioError for a wrong rate or shape, for a stamp that is no time, and for a name of an
        utterance beyond LONGEST_NAME.
        """
        self._door.push(stamp_s, samples, sample_rate_hz, source, utterance)

    def push_listen(self, samples: npt.ArrayLike, sample_rate_hz: int) -> None:
        """Hand in what the other says, as it is heard, mono floats in [-1, 1]; never waits.

        Raises AudioError for a wrong rate or shape. Without `listen` it is not heard.
        """
        self._door.push_listen(samples, sample_rate_hz)

    def flush(self) -> None:
        """Barge-in: drop waiting audio and motion; joints stop at once, then settle to rest."""
        self._end_stream("flushes", restart_noise=False)
        self._interrupted = True

    def _barge_in(self) -> None:
        """Another utterance cuts off the one that plays."""
        self._mailbox.renew("barge_ins", restart_noise=False)
        self._interrupted = True

    def _end_stream(self, event: str, restart_noise: bool) -> None:
        """Drop what was said and what plays, utterances too."""
        self._conversation.abandon()
        self._mailbox.renew(event, restart_noise)

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
        self._end_stream("resets", restart_noise=True)
        self._interrupted = True

    def resume(self, frame: PlaybackFrame) -> None:
        """Begin at a frame that another engine showed last; before the first `frame_at`."""
        self._playback.resume(frame)

    def frame_at(self, now_s: float) -> PlaybackFrame:
        """Return the pose to show at `now_s`; call it from one thread, with growing times."""
        pose = self._queue.at(now_s)
        timeline = self._queue.timeline()
        epochs = self._queue.epochs()
        if self._playback.held_epoch not in (None, *epochs):
            self._playback.drop()
        if self._interrupted:
            self._interrupted = False
            self._playback.interrupt()
        audio_time_s = now_s - self.delay_s if pose is None else pose.audio_time_s
        shown = timeline if pose is None else pose.timeline
        epoch = None if shown is None else shown.epoch
        self._conversation.show(now_s, audio_time_s, epoch, epochs)
        listening, cue = self._conversation.attention(now_s)
        quiet = self._hears and self._conversation.state == IDLE
        return self._playback.render(
            now_s, audio_time_s, pose, quiet=quiet, listening=listening, cue=cue
        )

    @property
    def delay_s(self) -> float:
        """Time from an audio stamp to its pose that is in force, the stream's offset included."""
        timeline = self._queue.timeline()
        return self.output_delay_s if timeline is None else timeline.shift_s

    def take_changes(self) -> list[Change]:
        """Return what has changed in the conversation since the last call (see frame_at)."""
        return self._conversation.take_changes()

    def restate(self, clock_s: float, audio_time_s: float) -> Change:
        """Return what goes on in the conversation, though nothing has changed."""
        return self._conversation.restate(clock_s, audio_time_s)

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
        counts.update({} if self._ear is None else self._ear.counts)
        silent = report.pop("silent", True)
        failure = self._mailbox.failure
        state = "idle" if silent else "starved" if depth_s < 0 else "speech"
        alive = self._mailbox.running
        return EngineStatus(
            state="failed" if failure else state if alive else "stopped",
            conversation=self._conversation.state,
            utterance=self._conversation.playing,
            failure=failure,
            epoch=epoch,
            hop_s=self.plan.hop_s,
            look_ahead_s=self.plan.look_ahead_s,
            queue_depth_s=depth_s,
            counts=counts,
            **{"output_delay_s": self.output_delay_s, **report},
        )
