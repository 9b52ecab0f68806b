"""A coarticulation model: phoneme times and loudness to ARKit mouth weights.

Every phoneme pulls each articulator towards a target with a dominance that is full over its core
and falls off exponentially around it; the articulator goes to the weighted mean (Cohen & Massaro
1993, Modeling coarticulation in synthetic visual speech, eq. 1-3):

    D_s(t) = alpha_s exp(-theta |tau_s(t)|),   F(t) = sum_s D_s(t) T_s / sum_s D_s(t)

Jaw and lips scale apart, as in JALI (Edwards et al. 2016). docs/synthesis.md has the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.synthesis.phonemes import TimedSpeech
from asynfusion_ros.data.synthesis.visemes import ARTICULATORS, Segments, VisemeTable
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.settings import Settings, setting

Array = npt.NDArray[np.float64]

INNER_HZ = 240.0
_TINY = 1e-9
_INDEX = {name: i for i, name in enumerate(ARTICULATORS)}
_FACE = {name: i for i, name in enumerate(FACE_NAMES)}
_JAW, _CLOSE, _TUCK = (_INDEX[name] for name in ("jaw", "close", "tuck"))
_SMILES = [_FACE[f"mouthSmile{side}"] for side in ("Left", "Right")]
_LOUD = [_INDEX[name] for name in ("jaw", "lower", "upper")]
_OPENERS = ("flare", "lower", "upper")  # they part the lips and so must yield to a closure


@dataclass(frozen=True)
class Style:
    """How somebody articulates: gains of jaw, lips, rounding and closure, and a lasting smile."""

    jaw: float = 1.0
    lips: float = 1.0
    rounding: float = 1.0
    press: float = 1.0
    smile: float = 0.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Style:
        """Draw a person."""
        return cls(
            jaw=float(np.exp(rng.normal(0.0, 0.18))),
            lips=float(np.exp(rng.normal(0.0, 0.20))),
            rounding=float(np.exp(rng.normal(0.0, 0.12))),
            press=float(np.exp(rng.normal(0.0, 0.25))),
            smile=float(max(0.0, rng.normal(0.0, 0.08))),
        )

    def vary(self, rng: np.random.Generator) -> Style:
        """Return the same person in another mood."""
        gains = np.exp(rng.normal(0.0, 0.08, 4))
        smile = float(np.clip(self.smile + rng.normal(0.0, 0.04), 0.0, 0.4))
        values = (self.jaw, self.lips, self.rounding, self.press)
        jaw, lips, rounding, press = (
            float(np.clip(v * g, 0.5, 1.7)) for v, g in zip(values, gains, strict=True)
        )
        return Style(jaw, lips, rounding, press, smile)


@dataclass(frozen=True)
class ArticulationSettings(Settings):
    """The parts of the model that are not in the table of visemes."""

    smooth_s: float = setting(
        0.016, doc="Width of the Gaussian that smooths all movement", unit="s", minimum=0.005
    )
    undershoot: float = setting(
        0.55, doc="Share of a vowel's target lost at no length", minimum=0.0, maximum=1.0
    )
    undershoot_s: float = setting(
        0.06, doc="Length over which that loss fades by 1/e", unit="s", minimum=0.001
    )
    stress_gain: float = setting(
        0.22, doc="Openness of stressed over unstressed vowels", minimum=0.0, maximum=1.0
    )
    loudness_gain_per_db: float = setting(
        0.014, doc="Openness gained per dB of loudness", unit="1/dB", minimum=0.0, maximum=0.05
    )


class Articulator:
    """Turns timed speech into faces (T, 51) at `fps_hz`."""

    def __init__(
        self,
        table: VisemeTable | None = None,
        settings: ArticulationSettings | None = None,
        fps_hz: float = 30.0,
    ) -> None:
        """Use a table of visemes (default: the one of the package)."""
        self.table = table or VisemeTable.load()
        self.settings = settings or ArticulationSettings()
        self.fps_hz = fps_hz

    def articulate(
        self, speech: TimedSpeech, style: Style | None = None
    ) -> npt.NDArray[np.float32]:
        """Return ARKit weights (T, 51) in 0..1, frame k at k / fps_hz; only the mouth moves."""
        style = style or Style()
        times_s = np.arange(int(speech.duration_s * INNER_HZ) + 1) / INNER_HZ
        drive = self.drive(speech, times_s)
        drive[:, _LOUD] *= self._loudness(speech, times_s)[:, None]
        drive = gaussian_filter1d(drive, self.settings.smooth_s * INNER_HZ, axis=0, mode="nearest")
        frames_s = np.arange(max(1, int(speech.duration_s * self.fps_hz))) / self.fps_hz
        sampled = np.stack([np.interp(frames_s, times_s, column) for column in drive.T], axis=1)
        return self._weights(sampled, style).astype(np.float32)

    def drive(self, speech: TimedSpeech, times_s: Array) -> Array:
        """Return the articulators (N, A) by dominance, before loudness, smoothing and limits."""
        segments = self.table.segments(speech)
        target = segments.target * self._reach(segments)[:, None]
        drive = np.empty((times_s.size, len(ARTICULATORS)))
        early = segments.core_s[:, 0] - times_s[:, None]  # (N, S), above 0 before the core
        late = times_s[:, None] - segments.core_s[:, 1]
        for a in range(len(ARTICULATORS)):
            tau = np.maximum(early, 0.0) / self.table.lead_s[a]
            tau = tau + np.maximum(late, 0.0) / self.table.lag_s[a]
            dominance = segments.strength[:, a] * np.exp(-tau) + _TINY / (1.0 + tau)
            drive[:, a] = dominance @ target[:, a] / dominance.sum(axis=1)
        return drive

    def _reach(self, segments: Segments) -> Array:
        """Return the share (S,) of its target that each segment aims at.

        Vowels fall short exponentially as they shorten (Lindblom 1963), and open with stress.
        """
        own = self.settings
        short = own.undershoot * np.exp(-segments.length_s / own.undershoot_s)
        stressed = 1.0 + own.stress_gain * (segments.stress - 0.5)
        return np.where(segments.vowel, (1.0 - short) * stressed, 1.0)

    def _loudness(self, speech: TimedSpeech, times_s: Array) -> Array:
        """Return the gain (N,) of openness by how loud it is against the take's loud parts."""
        half = round(0.03 * SAMPLE_RATE_HZ)
        power = np.concatenate([[0.0], np.cumsum(speech.samples.astype(np.float64) ** 2)])
        centre = np.round(times_s * SAMPLE_RATE_HZ).astype(int)
        low = np.clip(centre - half, 0, speech.samples.size)
        high = np.clip(centre + half, 0, speech.samples.size)
        level_db = 10.0 * np.log10((power[high] - power[low]) / (2 * half) + 1e-10)
        level_db = gaussian_filter1d(level_db, 0.03 * INNER_HZ, mode="nearest")
        relative_db = np.clip(level_db - np.quantile(level_db, 0.9), -20.0, 5.0)
        return np.asarray(1.0 + self.settings.loudness_gain_per_db * (relative_db + 5.0))

    def _weights(self, drive: Array, style: Style) -> Array:
        """Compose ARKit weights (T, 51) from articulators (T, A)."""
        level = np.clip(drive, 0.0, 1.0)
        closed, tucked = level[:, _CLOSE], level[:, _TUCK]
        for name in _OPENERS:
            level[:, _INDEX[name]] *= (1.0 - closed) * (style.lips if name != "flare" else 1.0)
        level[:, _INDEX["lower"]] *= 1.0 - tucked
        level[:, _INDEX["spread"]] *= style.lips
        level[:, [_INDEX["round"], _INDEX["flare"]]] *= style.rounding
        shown = level.copy()
        shown[:, [_CLOSE, _TUCK]] *= style.press
        weights = shown @ self.table.weights  # (T, A) @ (A, 51)
        weights[:, _SMILES] += style.smile * (1.0 - level[:, _INDEX["round"], None])
        jaw = np.clip(style.jaw * level[:, _JAW], 0.0, 1.0)
        weights[:, _FACE["jawOpen"]] = jaw
        weights[:, _FACE["mouthClose"]] = jaw * closed
        return np.asarray(np.clip(weights, 0.0, 1.0))
