"""What can be chosen about streaming."""

from __future__ import annotations

from dataclasses import dataclass

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.settings import Settings, setting
from asynfusion_ros.streaming.windows import FRAMES_PER_STEP, WINDOW_FRAMES

STUCK_S = 60.0  # a window that takes longer is not slow but stuck


@dataclass(frozen=True)
class EngineSettings(Settings):
    """Windows, delays and policies of the streaming engine; `generate` uses the same ones."""

    hop_frames: int = setting(
        12,
        doc="New frames per window, a multiple of 3: fewer lower the latency and cost compute",
        unit="frames",
        minimum=FRAMES_PER_STEP,
        maximum=WINDOW_FRAMES,
    )
    overlap_frames: int = setting(
        WINDOW_FRAMES,
        doc="Frames before the new ones that a window spans, where it has as many: fewer cost less",
        unit="frames",
        minimum=0,
        maximum=WINDOW_FRAMES,
    )
    publish_rate_hz: float = setting(
        60.0, doc="Poses per second given to consumers", unit="Hz", minimum=1.0, maximum=240.0
    )
    arrival_allowance_s: float = setting(
        0.2,
        doc="Audio later than this counts as silence; part of the output delay. "
        "Keep it above the duration of one audio chunk",
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    adaptive_arrival: bool = setting(
        False,
        doc="Let arrival_allowance_s, and with it the output delay, grow to what late packets need",
    )
    most_arrival_allowance_s: float = setting(
        1.0,
        doc="So far it may grow, with adaptive_arrival",
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    compute_allowance_s: float = setting(
        0.3,
        doc="Time granted to compute one window; part of the output delay",
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    prompt: bool = setting(
        True,
        doc="Show an utterance that comes ahead of time as soon as it can be shown, instead of "
        "the output delay after its stamp; ~/state tells the delay of each",
    )
    deterministic_patience_s: float = setting(
        5.0,
        doc="In the deterministic mode, audio up to this late still changes the motion",
        unit="s",
        minimum=0.0,
        maximum=60.0,
    )
    max_queue_s: float = setting(
        120.0,
        doc="Audio that may wait ahead of time (speech synthesis faster than real time)",
        unit="s",
        minimum=1.0,
        maximum=3600.0,
    )
    stamp_tolerance_s: float = setting(
        0.04,
        doc="Jitter of stamps that counts as continuous audio",
        unit="s",
        minimum=0.0,
        maximum=1.0,
    )
    ease_s: float = setting(
        0.8,
        doc="Time in which the body settles after a start, a stop or a flush",
        unit="s",
        minimum=0.05,
        maximum=5.0,
    )
    face_ease_s: float = setting(
        0.1,
        doc="Time in which the face settles after a start, a stop or a flush",
        unit="s",
        minimum=0.02,
        maximum=5.0,
    )
    deterministic: bool = setting(
        False,
        doc="Same audio, same motion, whatever the timing: sequential sampling, no shedding",
    )
    shed_load: bool = setting(
        True, doc="Spend less on windows, and at last on poses, while windows come too late"
    )
    signs_of_life: bool = setting(
        True, doc="Blink, and let the eyes wander while no source is heard, as the model does not"
    )
    speech_hold_s: float = setting(
        0.5,
        doc="A pause this long ends the state speaking, where the sound has no utterance",
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    listen: bool = setting(
        False, doc="Hear what the other says on listen/audio, look at them and nod"
    )
    listen_hold_s: float = setting(
        1.5, doc="Listen so long after their last word", unit="s", minimum=0.0, maximum=60.0
    )
    seed: int = setting(0, doc="Seed of the sampling noise", minimum=0)
    speaker: int = setting(0, doc="Index of the speaker whose manner is used", minimum=0)
    style: str = setting(
        "",
        doc="Who moves, for models that have styles: energy=1.5, smile=-1 and so on, in standard "
        "deviations of the people that the model learned from; what is not named is that of "
        "somebody whom seed decides, with anyone=7 of the seventh, with open of nobody",
    )
    emotion: str = setting("", doc="Emotion, for models that know any")
    method: str = setting(SamplerSettings.method, doc="Sampling method", choices=("lcm", "ddim"))
    expression_steps: int = setting(
        SamplerSettings.expression_steps,
        doc="Sampling steps of the face per window",
        minimum=1,
        maximum=1000,
    )
    gesture_steps: int = setting(
        SamplerSettings.gesture_steps,
        doc="Sampling steps of the body per window",
        minimum=1,
        maximum=1000,
    )
    guidance: float = setting(
        SamplerSettings.guidance,
        doc="Weight of speech and manner with method ddim, at twice the compute where not 1",
        minimum=0.0,
        maximum=20.0,
    )
    mouth_guidance: float = setting(
        SamplerSettings.mouth_guidance,
        doc="Guidance of the mouth; -1: as the face",
        minimum=-1.0,
        maximum=20.0,
    )
    gesture_guidance: float = setting(
        SamplerSettings.gesture_guidance,
        doc="Guidance of the body; -1: as the face",
        minimum=-1.0,
        maximum=20.0,
    )
    warm_begin: float = setting(
        SamplerSettings.warm_begin,
        doc="Share of the diffusion left to windows that continue others; below 1 they start from "
        "the last pose held, noised that far",
        minimum=0.1,
        maximum=1.0,
    )
    execution: str = setting(
        SamplerSettings.execution,
        doc="One thread per branch, or both in turn",
        choices=("threaded", "sequential"),
    )

    def __post_init__(self) -> None:
        """Check each field, then that windows start on whole samples; raise ConfigError."""
        super().__post_init__()
        if self.hop_frames % FRAMES_PER_STEP:
            raise ConfigError(
                f"EngineSettings.hop_frames is {self.hop_frames}; choose a multiple of "
                f"{FRAMES_PER_STEP}, so that windows start on whole audio samples"
            )

    def sampler_settings(self) -> SamplerSettings:
        """Return how windows are sampled.

        The deterministic mode fixes the branches' order, and lets no window hear the one before,
        which may have been another one.
        """
        return SamplerSettings(
            method=self.method,
            expression_steps=self.expression_steps,
            gesture_steps=self.gesture_steps,
            execution=self.execution,
            guidance=self.guidance,
            mouth_guidance=self.mouth_guidance,
            gesture_guidance=self.gesture_guidance,
            warm_begin=self.warm_begin,
            pacing="parallel" if self.deterministic else "free",
            cold_start="lockstep" if self.deterministic else "previous",
            timeout_s=STUCK_S,
        )
