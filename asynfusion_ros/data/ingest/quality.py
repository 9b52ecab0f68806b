"""Is a video good enough to learn from? What was tracked, and what is wrong where it was not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import uniform_filter1d

from asynfusion_ros.data.ingest.gaps import runs
from asynfusion_ros.data.ingest.settings import IngestSettings
from asynfusion_ros.data.ingest.sync import Offset, loudness_db
from asynfusion_ros.data.ingest.tracks import Flags, Tracks
from asynfusion_ros.data.recording import Recording

NO_FACE, OTHER_FACES, TURNED, SMALL, SHORT = (
    "no face",
    "other faces",
    "face turned away",
    "face too small",
    "too short a piece",
)
"""Why parts of a video are left out."""

BLURRED = 0.6
"""A face blurrier than this shows no fine motion (`blur_of`)."""
_BLUR_PX, _BLUR_TAPS = 128, 9


@dataclass(frozen=True)
class Sound:
    """Levels [dB of full scale]: of speech, of the pauses, and the share of clipped samples."""

    speech_db: float
    pause_db: float
    clipped_share: float


@dataclass(frozen=True)
class Face:
    """How well the face was seen; shares are of all pictures, or of those with a face, 0..1.

    `share` with a face; `gaps` the places without one (begin, length) [s]; median `height_px` and
    `blur`; `side_share` turned away; `blurred_share` blurrier than `BLURRED`.
    """

    share: float
    gaps: tuple[tuple[float, float], ...]
    height_px: float
    side_share: float
    blur: float
    blurred_share: float


@dataclass(frozen=True)
class Take:
    """A take that was made: its name, where it begins in the video [s], and its length [s]."""

    name: str
    start_s: float
    seconds: float

    @classmethod
    def of(cls, recording: Recording, start_s: float) -> Take:
        """Return what is said of a recording that begins at `start_s` of the video."""
        return cls(recording.name, start_s, recording.clip.duration_s)


@dataclass(frozen=True)
class Report:
    """What a video gave.

    `seconds` were read of the `expected_s` that the file claims. `joints` is how often each was
    seen within the takes, 0..1; `moved_s` by how much the sound was too late and so moved;
    `left_out_s` the seconds lost, by reason.
    """

    video: str
    seconds: float
    expected_s: float
    fps_hz: float
    size: tuple[int, int]
    face: Face
    joints: Mapping[str, float]
    sound: Sound
    sync: Offset
    moved_s: float
    takes: tuple[Take, ...]
    left_out_s: Mapping[str, float]

    @property
    def usable_s(self) -> float:
        """Seconds in takes."""
        return sum(take.seconds for take in self.takes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, the advice among them."""
        return {**asdict(self), "usable_s": self.usable_s, "advice": advise(self)}


def judge(tracks: Tracks, settings: IngestSettings) -> dict[str, Flags]:
    """Return by reason the pictures (T,) in which the face is not believed; they do not overlap."""
    with np.errstate(invalid="ignore"):
        faults = {
            NO_FACE: ~tracks.face_seen,
            OTHER_FACES: (tracks.faces > 1) & (not settings.other_faces),
            TURNED: tracks.turn_deg > settings.largest_turn_deg,
            SMALL: tracks.face_px < settings.least_face_px,
        }
    told = np.zeros(len(tracks), bool)
    for reason, flags in faults.items():
        faults[reason] = flags & ~told
        told |= flags
    return faults


def blur_of(picture: npt.NDArray[np.uint8]) -> float:
    """Return how blurred a picture (H, W, 3) is, 0..1: how little blurring it once more takes away.

    The measure of Crete et al. (2007) at 128 x 128 pixels: 1 - sum(max(0, D - D')) / sum(D), with D
    the differences of neighbours and D' those after a mean of nine; the worse of both directions.
    """
    square = Image.fromarray(picture).convert("L").resize((_BLUR_PX, _BLUR_PX))
    grey = np.asarray(square, np.float64)
    shares = []
    for axis in (0, 1):
        sharp = np.abs(np.diff(grey, axis=axis))
        soft = np.abs(np.diff(uniform_filter1d(grey, _BLUR_TAPS, axis=axis), axis=axis))
        lost = np.maximum(sharp - soft, 0.0).sum()
        shares.append(1.0 - lost / sharp.sum() if sharp.any() else 1.0)
    return float(max(shares))


def measure_sound(samples: npt.ArrayLike, fps_hz: float, frames: int) -> Sound:
    """Return the levels of a video's sound (N,): quantiles of 0.9 and 0.1 over its frames."""
    levels = loudness_db(samples, fps_hz, frames)
    speech_db, pause_db = np.quantile(levels, [0.9, 0.1])
    clipped = np.abs(np.asarray(samples)) > 0.999
    return Sound(float(speech_db), float(pause_db), float(clipped.mean()))


def measure_face(tracks: Tracks, settings: IngestSettings) -> Face:
    """Return how well the face of a video was seen, which must be somewhere."""
    seen, fps_hz = tracks.face_seen, tracks.fps_hz
    gaps = [(first / fps_hz, (end - first) / fps_hz) for first, end in runs(~seen)]
    return Face(
        share=float(seen.mean()),
        gaps=tuple((round(first_s, 2), round(length_s, 2)) for first_s, length_s in gaps),
        height_px=float(np.median(tracks.face_px[seen])),
        side_share=float((tracks.turn_deg[seen] > settings.largest_turn_deg).mean()),
        blur=float(np.median(tracks.blur[seen])),
        blurred_share=float((tracks.blur[seen] > BLURRED).mean()),
    )


def advise(report: Report) -> list[str]:
    """Return what to mend; nothing where all is well."""
    face, sound = report.face, report.sound
    hands = min(report.joints.get(f"{side}_hand", 0.0) for side in "lr")
    faults = [
        (
            report.seconds < report.expected_s - 1.0,
            f"the file says {report.expected_s:.1f} s, but pictures end at {report.seconds:.1f} s: "
            "it is cut off; copy or record it again",
        ),
        (report.usable_s < 120.0, "less than two minutes to learn from; film more"),
        (face.share < 0.9, "the face is often lost; keep it lit and free of hands and microphone"),
        (face.side_share > 0.1, "the face is often turned away; look towards the camera"),
        (
            face.height_px < 100.0,
            f"the face is {face.height_px:.0f} pixels high; film nearer, 150 are good",
        ),
        (face.blurred_share > 0.2, "the face is often blurred; more light, a steady camera"),
        (hands < 0.5, "a hand is mostly out of sight; film from the waist up"),
        (
            sound.speech_db < -40.0,
            f"speech is at {sound.speech_db:.0f} dB of full scale; bring the microphone nearer",
        ),
        (sound.clipped_share > 1e-3, "the sound is clipped; record it softer"),
        (
            sound.speech_db - sound.pause_db < 15.0,
            "speech is hardly louder than its pauses; record in a quiet room, without music",
        ),
        (
            not report.sync.confident,
            "whether sound and lips are in step cannot be told; look at the preview",
        ),
    ]
    return [text for holds, text in faults if holds]


def describe(report: Report) -> str:
    """Return the report as text of some lines."""
    face, sound, sync = report.face, report.sound, report.sync
    longest = max((seconds for _, seconds in face.gaps), default=0.0)
    joints = ", ".join(f"{name} {share:.0%}" for name, share in report.joints.items())
    moved = f"; moved by {-report.moved_s * 1000:+.0f} ms" if report.moved_s else ""
    sure = f"fits with r = {sync.correlation:.2f}" if sync.confident else "not sure"
    left_out = ", ".join(f"{why} {s:.1f} s" for why, s in report.left_out_s.items() if s) or "none"
    lines = [
        f"video    {report.seconds:.1f} s, {report.size[0]} x {report.size[1]}, "
        f"{report.fps_hz:.2f} pictures a second",
        f"face     in {face.share:.1%} of the pictures, {len(face.gaps)} gaps, longest "
        f"{longest:.2f} s; {face.height_px:.0f} px high",
        f"view     from the side {face.side_share:.1%}, blurred {face.blurred_share:.1%} "
        f"(median blur {face.blur:.2f})",
        f"body     {joints or 'nothing'}",
        f"sound    speech {sound.speech_db:.0f} dB, pauses {sound.pause_db:.0f} dB, clipped "
        f"{sound.clipped_share:.2%}",
        f"sync     sound {sync.seconds * 1000:+.0f} ms after the lips ({sure}){moved}",
        f"takes    {len(report.takes)}, {report.usable_s:.1f} s; left out: {left_out}",
    ]
    return "\n".join([*lines, *(f"advice   {text}" for text in advise(report))])
