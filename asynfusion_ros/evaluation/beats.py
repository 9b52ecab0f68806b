"""Beat alignment: do joints halt when the voice sets in? (paper eq. 18, and BEAT's public code)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import argrelextrema

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.settings import Settings, setting

Array = npt.NDArray[np.float64]

DIRECTIONS = ("motion", "audio")
BEAT_JOINTS = ("l_forearm", "l_hand", "r_forearm", "r_hand")
SHIFTS = 20
_RATE_HZ = 16_000
_HOP = 512


@dataclass(frozen=True)
class BeatSettings(Settings):
    """What beats are and how far they may lie apart."""

    sigma_s: float = setting(
        0.3, doc="Width of the Gaussian over distances", unit="s", minimum=1e-3, maximum=10.0
    )
    order_s: float = setting(
        0.133,
        doc="A beat is slower than everything this close (BEAT: 2 frames at 15 Hz)",
        unit="s",
        minimum=0.0,
        maximum=2.0,
    )
    slowest_m_s: float = setting(
        0.01,
        doc="A joint that is never faster than this has no beats",
        unit="m/s",
        minimum=0.0,
        maximum=10.0,
    )
    joints: tuple[str, ...] = setting(
        BEAT_JOINTS, doc="Joints whose speed is looked at; the score is the mean over them"
    )


def audio_beats_s(samples: npt.NDArray[np.float32]) -> Array:
    """Return the onsets (N,) [s] of speech at 16 kHz, by librosa with a hop of 512 samples.

    Raises ConfigError where librosa is not installed.
    """
    try:
        import librosa  # noqa: PLC0415  (slow, and only evaluation needs it)
    except ImportError as error:
        raise ConfigError(
            "beat alignment needs librosa; install asynfusion_ros[evaluation]"
        ) from error
    if not np.any(samples):
        return np.zeros(0)
    onsets = librosa.onset.onset_detect(y=samples, sr=_RATE_HZ, hop_length=_HOP, units="time")
    return np.asarray(onsets, np.float64)


def speed_beats_s(speed: npt.ArrayLike, fps_hz: float, order_s: float) -> Array:
    """Return the times (N,) [s] of the local minima of a speed (T - 1,) between T frames.

    Entry k is the speed from frame k to k + 1, and its time the moment between them.
    """
    order = max(1, round(order_s * fps_hz))
    minima = argrelextrema(np.asarray(speed, np.float64), np.less, order=order)[0]
    return np.asarray((minima + 0.5) / fps_hz)


def motion_beats_s(clip: MotionClip, skeleton: Skeleton, settings: BeatSettings) -> list[Array]:
    """Return the beats [s] of each joint of `settings`: the moments at which its place halts.

    A joint lies where its limb begins: `l_forearm` at the elbow, `l_hand` at the wrist.
    """
    unknown = sorted(set(settings.joints) - set(skeleton.joint_names))
    if unknown:
        raise ConfigError(f"joints {unknown} are unknown; choose of {list(skeleton.joint_names)}")
    places, _ = skeleton.ball_frames(clip.body)
    beats = []
    for name in settings.joints:
        speed = np.linalg.norm(np.diff(places[name], axis=0), axis=-1) * clip.fps_hz
        moves = speed.size and speed.max() > settings.slowest_m_s
        beats.append(speed_beats_s(speed, clip.fps_hz, settings.order_s) if moves else np.zeros(0))
    return beats


def beat_score(beats_s: npt.ArrayLike, others_s: npt.ArrayLike, sigma_s: float) -> float:
    """Return the mean over `beats_s` of exp(-d^2 / (2 sigma^2)), d to the nearest of `others_s`.

    0 where either has none.
    """
    beats, others = np.asarray(beats_s, np.float64), np.asarray(others_s, np.float64)
    if not beats.size or not others.size:
        return 0.0
    nearest = np.abs(beats[:, None] - others[None]).min(axis=1)
    return float(np.exp(-(nearest**2) / (2.0 * sigma_s**2)).mean())


def beat_alignment(
    motion_s: list[Array], audio_s: npt.ArrayLike, direction: str, sigma_s: float
) -> float:
    """Return the mean over joints of the alignment of their beats with the voice's.

    `direction` "motion" averages over motion beats (eq. 18), "audio" over audio beats, as BEAT's
    code does and as constant trembling wins. Joints that never move score 0.
    """
    if direction not in DIRECTIONS:
        raise ConfigError(f"direction {direction!r}; choose one of {list(DIRECTIONS)}")
    voice = np.asarray(audio_s, np.float64)
    pairs = [(own, voice) if direction == "motion" else (voice, own) for own in motion_s]
    return float(np.mean([beat_score(first, second, sigma_s) for first, second in pairs]))


def beat_gain(
    motion_s: list[Array], audio_s: npt.ArrayLike, duration_s: float, sigma_s: float
) -> float:
    """Return how much better motion beats meet the voice than the voice shifted in time.

    Speech sets in so often that any beat is near an onset; alignment over motion beats less its
    mean over `SHIFTS` circular shifts of the onsets leaves what is due to listening. 0 by chance.
    """
    voice = np.asarray(audio_s, np.float64)
    shifted = [
        np.sort((voice + duration_s * k / (SHIFTS + 1)) % duration_s) for k in range(1, SHIFTS + 1)
    ]
    chance = np.mean([beat_alignment(motion_s, other, "motion", sigma_s) for other in shifted])
    return beat_alignment(motion_s, voice, "motion", sigma_s) - float(chance)
