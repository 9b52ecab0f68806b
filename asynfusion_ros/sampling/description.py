"""What a model is beside its weights: the content of its config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.diffusion import NoiseSchedule
from asynfusion_ros.diffusion.lcm import CONSISTENCY, LCM_FORMS
from asynfusion_ros.diffusion.schedule import check_prediction
from asynfusion_ros.errors import CheckpointError, ConfigError, brief
from asynfusion_ros.files import refuse
from asynfusion_ros.motion.manner import Manner, check_style
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.motion.people import OPEN, People, is_correlation
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.noise import GROUPS, NoiseShape, shape_noise
from asynfusion_ros.sampling.voice_rise import FEATURES, LEVEL, VoiceRise

FORMAT_VERSION = 1

UNKNOWN = "unknown"
MOST_LETTERS = 64

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ModelDescription:
    """All about a model but its weights; the content of config.json.

    Attributes:
        network: sizes of the network.
        prediction: what the network's output means: epsilon, sample or v_prediction.
        schedule: the noise schedule it was trained with.
        lcm_origin: how many times the LCM was distilled at.
        lcm_form: what it was distilled to do, one of LCM_FORMS.
        fps_hz: motion frames per second.
        look_ahead_s: speech heard beyond the window's end [s].
        features: the speech features' settings, plain values.
        features_sha256: hash of those settings and of the feature models, as training found them.
        face, body, audio: statistics that normalise each channel.
        idle_face: resting face (face_dim,), weights in 0..1.
        idle_body: resting pose (body_dim,), rotation vectors in rad.
        body_cutoff_hz: the bodies that it learned from hold nothing faster [Hz].
        temperatures: spread of the noise that groups of the face's channels, "mouth", "eyes" and
            "lids" (else as eyes), are sampled from; 1 as learned, less keeps nearer to what is most
            likely.
        shared_noise: how much noise the frames of a window that continues motion share in brows,
            gaze, chest and head, in units of their own; more moves them further in slow time.
        bursts: how much brows, lids and head move more and less together from window to window.
        burst_voice: correlation of that with how the voice rises.
        training: record of how the model was trained: plain values.
        style_names: the styles that the network can be given, in order.
        style: mean and spread of each over the takes it learned from; None where it has no styles.
        style_correlation: how they go together in those people (styles, styles), from which
            persons are drawn; None where each goes alone.
        emotions: the emotions that it knows, the first of which is "unknown".
    """

    network: NetworkSettings
    face: ChannelStatistics
    body: ChannelStatistics
    audio: ChannelStatistics
    idle_face: Array
    idle_body: Array
    prediction: str = "sample"
    schedule: NoiseSchedule = field(default_factory=NoiseSchedule.linear)
    lcm_origin: int = 50
    lcm_form: str = CONSISTENCY
    fps_hz: float = 30.0
    look_ahead_s: float = 0.1
    features: Mapping[str, Any] = field(default_factory=dict)
    features_sha256: str = ""
    body_cutoff_hz: float = 15.0
    temperatures: Mapping[str, float] = field(default_factory=dict)
    shared_noise: float = 0.0
    bursts: float = 0.0
    burst_voice: float = 0.0
    training: Mapping[str, Any] = field(default_factory=dict)
    style_names: tuple[str, ...] = ()
    style: ChannelStatistics | None = None
    style_correlation: Array | None = None
    emotions: tuple[str, ...] = (UNKNOWN,)

    def __post_init__(self) -> None:
        """Raise CheckpointError where sizes contradict the network's."""
        check_prediction(self.prediction)
        sizes = {
            "face statistics": (len(self.face.mean), self.network.face_dim),
            "body statistics": (len(self.body.mean), self.network.body_dim),
            "audio statistics": (len(self.audio.mean), self.network.audio_dim),
            "idle_face": (len(self.idle_face), self.network.face_dim),
            "idle_body": (len(self.idle_body), self.network.body_dim),
            "style_names": (len(self.style_names), self.network.styles),
            "style statistics": (
                0 if self.style is None else len(self.style.mean),
                self.network.styles,
            ),
            "emotions": (len(self.emotions), self.network.emotions),
        }
        if self.style_correlation is not None:
            sizes["style correlations"] = (len(self.style_correlation), self.network.styles)
        for name, (found, expected) in sizes.items():
            if found != expected:
                raise CheckpointError(f"{name} have {found} channels, the network {expected}")
        self._check_values()

    def _check_values(self) -> None:
        ranges = {
            "fps_hz": (self.fps_hz, 1.0, 240.0),
            "look_ahead_s": (self.look_ahead_s, 0.0, 5.0),
            "body_cutoff_hz": (self.body_cutoff_hz, 0.1, 120.0),
            "lcm_origin": (self.lcm_origin, 1, self.schedule.steps),
            "shared_noise": (self.shared_noise, 0.0, 4.0),
            "bursts": (self.bursts, 0.0, 2.0),
            "burst_voice": (self.burst_voice, 0.0, 1.0),
            **{f"temperature of {name}": (v, 0.0, 4.0) for name, v in self.temperatures.items()},
        }
        if self.lcm_form not in LCM_FORMS:
            raise CheckpointError(f"lcm_form {brief(self.lcm_form)}; expected {list(LCM_FORMS)}")
        if unknown := set(self.temperatures) - set(GROUPS):
            raise CheckpointError(f"temperatures of {sorted(unknown)}; expected {list(GROUPS)}")
        for name, (value, lowest, highest) in ranges.items():
            if not lowest <= value <= highest:
                raise CheckpointError(f"{name} is {value}; it must lie in {lowest}..{highest}")
        if not (np.isfinite(self.idle_face).all() and np.isfinite(self.idle_body).all()):
            raise CheckpointError("idle_face and idle_body must be finite; copy the model again")
        if self.style_correlation is not None and not is_correlation(self.style_correlation):
            raise CheckpointError("style_correlation is no square of numbers in -1..1")
        words = (*self.style_names, *self.emotions)
        if not all(isinstance(word, str) and len(word) <= MOST_LETTERS for word in words):
            raise CheckpointError(f"style_names and emotions are texts of {MOST_LETTERS} letters")

    def noise_shape(self, branch: str) -> NoiseShape | None:
        """Return what the noise of `branch` is; None where it is white."""
        shape = shape_noise(
            branch, self.temperatures, self.shared_noise, self.bursts, self._voice_rise()
        )
        channels = {"expression": self.network.face_dim, "gesture": self.network.body_dim}[branch]
        if shape is not None and len(shape.spread) != channels:
            raise CheckpointError(
                f"temperatures, shared noise and bursts are for {len(shape.spread)} channels of "
                f"{branch}; this model has {channels}"
            )
        return shape

    def _voice_rise(self) -> VoiceRise | None:
        if not self.burst_voice:
            return None
        if self.network.audio_dim != FEATURES:
            raise CheckpointError(
                f"burst_voice needs the {FEATURES} features of speech; this model has "
                f"{self.network.audio_dim} channels of its own: set burst_voice to 0"
            )
        mean_db, std_db = (float(v[LEVEL]) for v in (self.audio.mean, self.audio.std))
        return VoiceRise(self.burst_voice, mean_db, std_db, self.fps_hz)

    @property
    def people(self) -> People:
        """How the people that it learned from move, and whom it can be asked to be."""
        return People(self.style_names, self.style, self.style_correlation)

    def choose_manner(
        self, speaker: int = 0, style: str = "", emotion: str = "", seed: int = 0
    ) -> Manner:
        """Return the manner that words ask for: style as in `People.read`, emotion by its name.

        `seed` decides who anyone is; a speaker is somebody already, so that styles which are not
        named stay open. Raises ConfigError and says what this model knows.
        """
        if emotion and emotion not in self.emotions:
            raise ConfigError(
                f"emotion {brief(repr(emotion))} is unknown to this model; it has "
                f"{list(self.emotions)}"
            )
        index = self.emotions.index(emotion) if emotion else 0
        words = f"{style} {OPEN}" if speaker else style
        manner = Manner(speaker, self.people.read(words, seed), index)
        self.check_manner(manner)
        return manner

    def check_manner(self, manner: Manner) -> None:
        """Raise ConfigError unless this model knows the speaker, the styles and the emotion."""
        last = self.network.speakers - 1
        if not 0 <= manner.speaker <= last:
            raise ConfigError(f"speaker {manner.speaker} is unknown; this model has 0..{last}")
        check_style(manner.style, self.style_names)
        if not 0 <= manner.emotion < len(self.emotions):
            raise ConfigError(
                f"emotion {manner.emotion} is unknown; this model has {list(self.emotions)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        schedule = self.schedule
        return {
            "format_version": FORMAT_VERSION,
            "network": self.network.to_dict(),
            "prediction": self.prediction,
            "schedule": {
                "beta_start": schedule.beta_start,
                "beta_end": schedule.beta_end,
                "steps": schedule.steps,
            },
            "lcm_origin": self.lcm_origin,
            "lcm_form": self.lcm_form,
            "fps_hz": self.fps_hz,
            "look_ahead_s": self.look_ahead_s,
            "body_cutoff_hz": self.body_cutoff_hz,
            "temperatures": dict(self.temperatures),
            "shared_noise": self.shared_noise,
            "bursts": self.bursts,
            "burst_voice": self.burst_voice,
            "features": dict(self.features),
            "features_sha256": self.features_sha256,
            "face": self.face.to_dict(),
            "body": self.body.to_dict(),
            "audio": self.audio.to_dict(),
            "idle_face": [float(value) for value in self.idle_face],
            "idle_body": [float(value) for value in self.idle_body],
            "training": dict(self.training),
            "style_names": list(self.style_names),
            "style": None if self.style is None else self.style.to_dict(),
            "style_correlation": None
            if self.style_correlation is None
            else [[round(float(v), 4) for v in row] for row in self.style_correlation],
            "emotions": list(self.emotions),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelDescription:
        """Read what `to_dict` gave; raise CheckpointError where it is not that."""
        version = values.get("format_version")
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"model format {brief(version)}; this version reads format {FORMAT_VERSION}: "
                "train again, or install the version that wrote it"
            )
        style, correlation = values.get("style"), values.get("style_correlation")
        with refuse(CheckpointError, "the model's description is incomplete"):
            return cls(
                network=NetworkSettings.from_dict(values["network"]),
                prediction=values["prediction"],
                schedule=NoiseSchedule.linear(**values["schedule"]),
                lcm_origin=int(values["lcm_origin"]),
                lcm_form=values.get("lcm_form", CONSISTENCY),
                fps_hz=float(values["fps_hz"]),
                look_ahead_s=float(values["look_ahead_s"]),
                body_cutoff_hz=float(values.get("body_cutoff_hz", 15.0)),
                temperatures={k: float(v) for k, v in values.get("temperatures", {}).items()},
                shared_noise=float(values.get("shared_noise", 0.0)),
                bursts=float(values.get("bursts", 0.0)),
                burst_voice=float(values.get("burst_voice", 0.0)),
                features=dict(values["features"]),
                features_sha256=str(values["features_sha256"]),
                face=ChannelStatistics.from_dict(values["face"]),
                body=ChannelStatistics.from_dict(values["body"]),
                audio=ChannelStatistics.from_dict(values["audio"]),
                idle_face=np.asarray(values["idle_face"], dtype=np.float32),
                idle_body=np.asarray(values["idle_body"], dtype=np.float32),
                training=dict(values["training"]),
                style_names=tuple(values.get("style_names", ())),
                style=None if style is None else ChannelStatistics.from_dict(style),
                style_correlation=None
                if correlation is None
                else np.asarray(correlation, dtype=np.float32),
                emotions=tuple(values.get("emotions", (UNKNOWN,))),
            )
