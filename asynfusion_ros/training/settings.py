"""Everything that decides what a training run does; stored with its result."""

from __future__ import annotations

from dataclasses import dataclass

from asynfusion_ros.diffusion import PREDICTIONS
from asynfusion_ros.diffusion.lcm import CONSISTENCY, LCM_FORMS, TRAJECTORY
from asynfusion_ros.sampling.guidance import AS_THE_FACE, Guidance
from asynfusion_ros.settings import Settings, setting

PRECISIONS = ("fp32", "bf16")
FORMS = (*LCM_FORMS, "regression")


@dataclass(frozen=True)
class TrainSettings(Settings):
    """The teacher's training (paper eq. 12-15); raises ConfigError on values out of range."""

    steps: int = setting(6000, doc="Optimiser steps", minimum=1)
    batch: int = setting(64, doc="Windows per step", minimum=1)
    learning_rate: float = setting(1e-3, doc="Peak rate of AdamW", minimum=0.0, maximum=1.0)
    warmup_steps: int = setting(200, doc="Steps to the peak rate, then a cosine to 1 %", minimum=0)
    weight_decay: float = setting(0.02, doc="Decay of AdamW", minimum=0.0, maximum=1.0)
    gradient_clip: float = setting(1.0, doc="Largest gradient norm", minimum=0.0)
    ema_decay: float = setting(0.999, doc="Decay of the averaged weights", minimum=0, maximum=1)
    prediction: str = setting("sample", doc="What the network predicts", choices=PREDICTIONS)
    noise_weight: float = setting(1.0, doc="Weight of the noise error (paper: 10)", minimum=0.0)
    noise_weight_cap: float = setting(
        5.0, doc="Cap on abar / (1 - abar), the noise error per x0 error (min-SNR)", minimum=0.0
    )
    velocity_weight: float = setting(2.0, doc="Weight of the velocity error of x0", minimum=0.0)
    huber_weight: float = setting(1.0, doc="Weight of the Huber error of x0", minimum=0.0)
    mouth_weight: float = setting(2.0, doc="Weight of the mouth's channels", minimum=0.0)
    closure_weight: float = setting(
        0.0, doc="Weight of the error of whether lips touch", minimum=0.0
    )
    known_weight: float = setting(0.2, doc="Weight of frames given as known", minimum=0.0)
    independent_share: float = setting(
        0.5,
        doc="Share of windows whose branches draw their own diffusion times",
        minimum=0,
        maximum=1,
    )
    rolling_share: float = setting(
        0.0,
        doc="Share of windows whose frames have diffusion times of their own: clean where known, "
        "then noisier from block to block, for a rolling schedule",
        minimum=0.0,
        maximum=1.0,
    )
    rolling_levels: int = setting(4, doc="Blocks of such a schedule", minimum=1, maximum=50)
    rolling_block_frames: int = setting(3, doc="Frames of a block", unit="frames", minimum=1)
    known_share: float = setting(
        0.75, doc="Share of windows whose first frames are given", minimum=0.0, maximum=1.0
    )
    known_min_frames: int = setting(12, doc="Fewest given frames", unit="frames", minimum=1)
    known_max_frames: int = setting(54, doc="Most given frames", unit="frames", minimum=1)
    null_share: float = setting(
        0.1, doc="Share of windows without audio (for guidance)", minimum=0.0, maximum=1.0
    )
    unknown_speaker_share: float = setting(
        0.3, doc="Share of windows with the unknown speaker", minimum=0.0, maximum=1.0
    )
    unknown_style_share: float = setting(
        0.3, doc="Share of windows whose style, and whose emotion, stay open", minimum=0, maximum=1
    )
    open_style_share: float = setting(
        0.3, doc="Share of single style values that stay open", minimum=0.0, maximum=1.0
    )
    style_noise: float = setting(
        0.1, doc="Noise on style values, in standard deviations", minimum=0.0, maximum=1.0
    )
    restate_styles: bool = setting(
        False, doc="Fine-tuning measures anew, on its takes, in which units styles are told"
    )
    exchange_share: float = setting(
        0.0,
        doc="Share of windows whose face, and whose arms, rest as another take's, and whose arms, "
        "head and brows move as much, so that no voice tells who somebody is",
        minimum=0.0,
        maximum=1.0,
    )
    mirror_share: float = setting(0.5, doc="Share of mirrored windows", minimum=0, maximum=1)
    mouth_only_share: float = setting(
        0.2, doc="Share of windows from takes without a body", minimum=0.0, maximum=1.0
    )
    mouth_temperature: float = setting(
        1.0,
        doc="Spread of the noise that the mouth is sampled from; less follows speech closer",
        minimum=0.0,
        maximum=4.0,
    )
    eyes_temperature: float = setting(
        1.0, doc="The same of gaze and what is around the eyes", minimum=0.0, maximum=4.0
    )
    lids_temperature: float = setting(
        1.0, doc="The same of blinks; more is livelier", minimum=0.0, maximum=4.0
    )
    shared_noise: float = setting(
        0.0,
        doc="How much noise the frames of a window will share in brows, gaze, chest and head, "
        "for what moves slowly",
        minimum=0.0,
        maximum=4.0,
    )
    bursts: float = setting(
        0.0,
        doc="How much brows, lids and head will move more and less together from window to window, "
        "gaze and the rest of the body half as much: deviation of the logarithm of the noise",
        minimum=0.0,
        maximum=2.0,
    )
    burst_voice: float = setting(
        0.0,
        doc="Correlation of those bursts with how the voice rises",
        minimum=0.0,
        maximum=1.0,
    )
    save_every: int = setting(500, doc="Steps between saved states", minimum=1)
    validate_every: int = setting(500, doc="Steps between validations", minimum=1)
    minutes: float = setting(
        0.0,
        doc="Save and pause after this time; calling again goes on. 0: no pause",
        unit="min",
        minimum=0.0,
    )
    device: str = setting(
        "auto", doc="Where to train; auto takes CUDA if there is", choices=("auto", "cpu", "cuda")
    )
    precision: str = setting(
        "fp32", doc="Arithmetic of the networks: fp32, or bf16 by autocast", choices=PRECISIONS
    )
    compile: bool = setting(False, doc="Compile the network (pays on a GPU, after minutes)")
    threads: int = setting(2, doc="CPU threads", minimum=1)
    seed: int = setting(0, doc="Seed of weights, order, noise", minimum=0)

    @property
    def temperatures(self) -> dict[str, float]:
        """Those that are not 1, by group of channels."""
        mouth, eyes, lids = self.mouth_temperature, self.eyes_temperature, self.lids_temperature
        found = {} if mouth == 1.0 else {"mouth": mouth}
        return found if eyes == lids == 1.0 else {**found, "eyes": eyes, "lids": lids}


@dataclass(frozen=True)
class DistillSettings(TrainSettings):
    """Consistency distillation of both branches from the frozen teacher (paper eq. 7, 11)."""

    steps: int = setting(1500, doc="Optimiser steps", minimum=1)
    learning_rate: float = setting(3e-4, doc="Peak rate of AdamW", minimum=0.0, maximum=1.0)
    warmup_steps: int = setting(50, doc="Steps to the peak rate, then a cosine to 1 %", minimum=0)
    weight_decay: float = setting(0.0, doc="Decay of AdamW", minimum=0.0, maximum=1.0)
    ema_decay: float = setting(0.95, doc="Decay of the target network", minimum=0, maximum=1)
    form: str = setting(
        CONSISTENCY,
        doc="Agree with the average one teacher's step further down (consistency, eq. 11), land "
        "where the teacher's path is after each of the sampler's steps (trajectory), or meet the "
        "data itself (regression, the paper's eq. 7)",
        choices=FORMS,
    )
    guidance: float = setting(
        1.0,
        doc="Classifier-free guidance of the teacher, which the student takes over; 1: none",
        minimum=0.0,
        maximum=20.0,
    )
    mouth_guidance: float = setting(
        AS_THE_FACE, doc="The same of the mouth; -1: as the face", minimum=-1.0, maximum=20.0
    )
    gesture_guidance: float = setting(
        AS_THE_FACE, doc="The same of the body; -1: as the face", minimum=-1.0, maximum=20.0
    )
    origin: int = setting(50, doc="Diffusion times that are distilled", minimum=1)
    expression_steps: int = setting(
        4, doc="Steps of the face that trajectory aims for", minimum=1, maximum=1000
    )
    gesture_steps: int = setting(8, doc="The same of the body", minimum=1, maximum=1000)
    substeps: int = setting(3, doc="Steps of the teacher in one of these", minimum=1)
    huber_c: float = setting(0.001, doc="Constant of the pseudo-Huber error", minimum=0.0)
    data_weight: float = setting(
        0.1, doc="Weight of the plain error against the data (eq. 7)", minimum=0.0
    )

    @property
    def guidance_weights(self) -> Guidance:
        """The guidance of face, mouth and body."""
        return Guidance.of(self.guidance, self.mouth_guidance, self.gesture_guidance)

    @property
    def lcm_form(self) -> str:
        """How the student is to be sampled, one of LCM_FORMS."""
        return TRAJECTORY if self.form == TRAJECTORY else CONSISTENCY
