"""Every figure: how it reads, and what counts as best. Tables, notes and documents follow it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from asynfusion_ros.errors import ConfigError


@dataclass(frozen=True)
class FigureInfo:
    """A figure's meaning; `best` is "high", "low", "one" (a ratio) or "truth" (nearest to it)."""

    best: str
    meaning: str

    def loss(self, value: float, truth: float) -> float:
        """Return how far a value is from the best, so that lower is better."""
        if self.best == "high":
            return -value
        if self.best == "one":
            return abs(math.log(value)) if value > 0.0 else math.inf
        return value if self.best == "low" else abs(value - truth)


FIGURES: dict[str, FigureInfo] = {
    "fmd": FigureInfo("low", "Frechet distance of face and body windows (FMD)"),
    "fed": FigureInfo("low", "Frechet distance of face windows (FED)"),
    "fgd": FigureInfo("low", "Frechet distance of body windows (FGD)"),
    "expression_diversity": FigureInfo("high", "Div of face windows"),
    "gesture_diversity": FigureInfo("high", "Div of body windows"),
    "beat_alignment_motion": FigureInfo("high", "BA, mean over motion beats (eq. 18)"),
    "beat_alignment_audio": FigureInfo("high", "BA, mean over audio beats (BEAT's code)"),
    "beat_gain": FigureInfo("high", "BA over motion beats above that of the voice shifted in time"),
    "mouth_correlation": FigureInfo("high", "correlation of the mouth openings"),
    "mouth_correlation_aligned": FigureInfo("high", "the same at the lag that fits best"),
    "mouth_error": FigureInfo("low", "mean absolute difference of the mouth openings"),
    "closure_recall": FigureInfo("high", "share of lip closures that are made, within 50 ms"),
    "closure_precision": FigureInfo("high", "share of made lip closures that belong there"),
    "lip_vertex_error_mm": FigureInfo("low", "LVE: largest error of a lip point on the face mesh"),
    "face_error": FigureInfo("low", "mean absolute difference of all 51 weights"),
    "jaw_speed_ratio": FigureInfo("one", "speed of the jaw over the truth's"),
    "brows_speed_ratio": FigureInfo("one", "speed of the brows over the truth's"),
    "gaze_speed_ratio": FigureInfo("one", "speed of the gaze over the truth's"),
    "brows_slow_ratio": FigureInfo("one", "power of the brows from 0.2 to 0.6 Hz over the truth's"),
    "gaze_slow_ratio": FigureInfo("one", "the same of the gaze"),
    "blinks_per_minute": FigureInfo("truth", "blinks per minute"),
    "body_speed_ratio": FigureInfo("one", "angular speed of the joints over the truth's"),
    "body_jerk_ratio": FigureInfo("one", "jerk of the joints over the truth's"),
    "head_slow_ratio": FigureInfo("one", "power of the head from 0.2 to 0.6 Hz over the truth's"),
    "arms_slow_ratio": FigureInfo("one", "the same of the arms"),
    "body_pck": FigureInfo("high", "share of joints within 0.5 rad of the truth (PCK)"),
    "semantic_recall": FigureInfo("high", "PCK weighted by labelled meaning (SRGR)"),
    "body_l1_diversity": FigureInfo("high", "L1div of the rotation vectors [rad]"),
    "head_brows_coordination": FigureInfo("truth", "correlation of head's and brows' activity"),
    "head_jaw_coordination": FigureInfo("truth", "correlation of head's and jaw's activity"),
    "hands_jaw_coordination": FigureInfo("truth", "correlation of arms' and jaw's activity"),
    "coordination_gap": FigureInfo("low", "mean difference of these correlations from the truth's"),
    "head_voice_coordination": FigureInfo(
        "truth", "correlation of the head's activity with how the voice grows"
    ),
    "hands_voice_coordination": FigureInfo("truth", "the same of the arms"),
    "brows_voice_coordination": FigureInfo("truth", "the same of the brows"),
    "limit_hits": FigureInfo("low", "share of joint positions outside the limits"),
    "seam_ratio": FigureInfo("one", "body's step across window borders over that elsewhere"),
}
"""In the order of the tables. Div and BA read "high" as papers read them; see the notes."""


def info_of(name: str) -> FigureInfo:
    """Return what a figure means; raise ConfigError on an unknown one."""
    if name not in FIGURES:
        raise ConfigError(f"no figure is named {name!r}; there are {list(FIGURES)}")
    return FIGURES[name]
