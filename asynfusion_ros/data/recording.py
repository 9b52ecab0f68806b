"""One contract for every data set: sound at 16 kHz beside face and body at 30 Hz."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
from scipy.signal import butter, sosfiltfilt

from asynfusion_ros import files
from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.audio.resample import read_mono
from asynfusion_ros.errors import AudioError, DataError, MotionFileError
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip

Array = npt.NDArray[np.float32]

SPLITS = ("train", "val", "test")

RESEARCH_ONLY = "non-commercial research"
TED_TERMS = "TED's terms (talks CC BY-NC-ND 4.0): train, do not redistribute"
RESTRICTED = (RESEARCH_ONLY, TED_TERMS)
"""Licences that a model would inherit: such takes train only where `restricted_data` is set."""

TAKE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,199}")
"""What may name a take's files: no folder, and nothing that leads out of one."""

LONGEST_GAP_S = 0.5
"""Sound and motion of one take may end this far apart; more means that one of them is cut off."""


@dataclass(frozen=True)
class Recording:
    """A take: its motion, its sound (N,) in [-1, 1] at 16 kHz, and where it comes from.

    `speaker` is who talks (the source where nobody says). `emotion` names the mood of the whole
    take, `frame_emotion` (T,) that of each frame, `semantic` (T,) in 0..1 how much each frame's
    gesture means; None where nobody labelled them. `extras` are other arrays that travel with the
    take, such as phoneme times. A take that is `evaluation_only` can have no other split than
    "test". Raises DataError where split, labels or that rule are broken.
    """

    name: str
    source: str
    licence: str
    split: str
    clip: MotionClip
    samples: Array
    speaker: str = ""
    emotion: str | None = None
    frame_emotion: npt.NDArray[np.str_] | None = None
    semantic: Array | None = None
    extras: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    evaluation_only: bool = False

    def __post_init__(self) -> None:
        """Fill in the speaker; check split and lengths."""
        object.__setattr__(self, "speaker", self.speaker or self.source)
        if self.split not in SPLITS:
            raise DataError(f"{self.name}: split {self.split!r}; choose one of {list(SPLITS)}")
        if self.evaluation_only and self.split != "test":
            raise DataError(
                f"{self.name} is for evaluation only and cannot be in split {self.split!r}; "
                "only 'test' is allowed"
            )
        labels = {"frame_emotion": self.frame_emotion, "semantic": self.semantic}
        for label, values in labels.items():
            if values is not None and values.shape != (len(self.clip),):
                raise DataError(
                    f"{self.name}: {label} has shape {values.shape}; the clip has {len(self.clip)} "
                    "frames, and each needs one value"
                )

    def after(self, frames: int) -> Recording:
        """Return the take without its first frames, their sound, labels and phonemes.

        Of the extras only phonemes remain, those that begin later, at their new times.
        """
        begin_s = frames / self.clip.fps_hz
        emotion, semantic = self.frame_emotion, self.semantic
        extras = {}
        if (times := self.extras.get("phoneme_time_s")) is not None:
            later = times[:, 0] >= begin_s
            extras = {
                "phonemes": self.extras["phonemes"][later],
                "phoneme_time_s": times[later] - begin_s,
            }
        return replace(
            self,
            clip=self.clip.part(slice(frames, None)),
            samples=self.samples[round(begin_s * SAMPLE_RATE_HZ) :],
            extras=extras,
            frame_emotion=None if emotion is None else emotion[frames:],
            semantic=None if semantic is None else semantic[frames:],
        )


@dataclass(frozen=True)
class Fault:
    """A file that was left out, and why."""

    file: str
    reason: str

    def __str__(self) -> str:
        """Return the line that tells a user of it."""
        return f"left out {self.file}: {self.reason}"


def attempt(
    file: str, read: Callable[[], Iterable[Recording | Fault]]
) -> Iterator[Recording | Fault]:
    """Yield what `read` gives, or the fault why it gives nothing."""
    try:
        yield from read()
    except (DataError, MotionFileError) as error:
        yield Fault(file, str(error))


def collect(found: Iterable[Recording | Fault]) -> tuple[list[Recording], list[Fault]]:
    """Part recordings from faults, in their order."""
    recordings: list[Recording] = []
    faults: list[Fault] = []
    for item in found:
        if isinstance(item, Fault):
            faults.append(item)
        else:
            recordings.append(item)
    return recordings, faults


def read_sound(path: Path) -> Array:
    """Return mono samples at 16 kHz; raise DataError on a missing, corrupt or other-rate file."""
    mono, rate_hz = _read_mono(path)
    if rate_hz != SAMPLE_RATE_HZ:
        raise DataError(f"{path} has {rate_hz} Hz; convert it to {SAMPLE_RATE_HZ} Hz")
    return mono


def read_any_sound(path: Path) -> Array:
    """Return mono samples at 16 kHz of a file of any rate; raise DataError on a corrupt one."""
    mono, rate_hz = _read_mono(path)
    if rate_hz == SAMPLE_RATE_HZ:
        return mono
    return np.asarray(soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="HQ"), np.float32)


def _read_mono(path: Path) -> tuple[Array, int]:
    counts: Counter[str] = Counter()
    try:
        mono, rate_hz = read_mono(path, counts)
    except AudioError as error:
        raise DataError(str(error)) from error
    if counts["nan_samples"]:
        raise DataError(f"{path} holds NaN or infinite samples")
    return mono, rate_hz


def load_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return all arrays of an npz as they are; raise DataError if it cannot be read.

    Objects are never unpickled: a file that needs that is refused.
    """
    return files.read_arrays(path, DataError)


def read_arrays(path: Path, *names: str) -> dict[str, Array]:
    """Return the named arrays of an npz, all of equal length and finite; raise DataError if not."""
    found = load_npz(path)
    with files.refuse(DataError, f"{path} needs the arrays {list(names)}"):
        arrays = {name: np.asarray(found[name], dtype=np.float32) for name in names}
    lengths = {len(array) for array in arrays.values()}
    if len(lengths) != 1:
        raise DataError(f"{path}: its arrays have different lengths {sorted(lengths)}")
    broken = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if broken:
        raise DataError(f"{path}: {broken} hold NaN or infinite values")
    return arrays


def check_face(path: Path, face: Array) -> None:
    """Raise DataError unless face is (T, 51) with at least one frame."""
    if face.ndim != 2 or face.shape[1] != len(FACE_NAMES) or not len(face):
        raise DataError(f"{path}: the face has shape {face.shape}; expected (T, {len(FACE_NAMES)})")


def check_lengths(path: Path, frames: int, fps_hz: float, samples: Array) -> None:
    """Raise DataError where sound and motion differ by more than LONGEST_GAP_S."""
    motion_s, sound_s = frames / fps_hz, len(samples) / SAMPLE_RATE_HZ
    if abs(motion_s - sound_s) > LONGEST_GAP_S:
        raise DataError(
            f"{path}: {sound_s:.2f} s of sound for {motion_s:.2f} s of motion; they may differ by "
            f"{LONGEST_GAP_S} s, so one of the files is cut off"
        )


def smooth_motion(values: npt.ArrayLike, fps_hz: float, cutoff_hz: float) -> Array:
    """Low-pass (T, ...) without delay (Butterworth, order 2 forward and back)."""
    rows = np.asarray(values, dtype=np.float64)
    filter_sos = butter(2, cutoff_hz, fs=fps_hz, output="sos")
    padding = min(len(rows) - 1, round(fps_hz))
    smoothed: Array = sosfiltfilt(filter_sos, rows, axis=0, padlen=padding).astype(np.float32)
    return smoothed
