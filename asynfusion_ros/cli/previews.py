"""Films of held-out takes side by side: ground truth, ours, another take's sound, still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import soundfile
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.recording import Recording
from asynfusion_ros.evaluation.controls import Clips
from asynfusion_ros.evaluation.motion_windows import is_measured
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.exchange import stand_unmeasured
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.figure import FigurePainter
from asynfusion_ros.viewer.film import write_film

PANELS = {
    "ground_truth": "ground truth",
    "model": "ours",
    "shuffled_audio": "ours, other sound",
    "still": "still",
}
TAKES = 6
LONGEST_S = 6.0
SIZE = 272  # pixels of a panel, whole blocks of 16
POSTER_TIMES = (0.2, 0.4, 0.6, 0.8)

Frame = npt.NDArray[np.uint8]


def paint_previews(
    subjects: Mapping[str, Clips], recordings: Sequence[Recording], folder: Path
) -> list[Path]:
    """Write an MP4 with sound and a PNG poster of up to six takes into `folder`; return them.

    A take shows its first seconds; a poster has a row for each subject and four moments.
    """
    skeleton = Skeleton.load()
    painter = FigurePainter(skeleton, SIZE, SIZE)
    written = []
    for index in tqdm(choose_takes(recordings), desc="painting", unit=" takes"):
        recording = recordings[index]
        clips = {
            title: stand_unmeasured(subjects[name][index][0], skeleton, recording.clip)
            for name, title in PANELS.items()
            if name in subjects
        }
        frames = round(min(LONGEST_S, recording.clip.duration_s) * recording.clip.fps_hz)
        rows = [paint_panel(painter, skeleton, clip, frames, t) for t, clip in clips.items()]
        film, poster = (folder / f"{recording.name}{end}" for end in (".mp4", ".png"))
        make_poster(rows).save(poster, optimize=True)
        _write_film(film, rows, recording)
        written += [film, poster]
    return written


def choose_takes(recordings: Sequence[Recording], count: int = TAKES) -> list[int]:
    """Return which takes to show: first those with a body, from as many sources as there are."""
    order = sorted(
        range(len(recordings)), key=lambda i: not is_measured(recordings[i].clip, "body")
    )
    chosen: list[int] = []
    while len(chosen) < min(count, len(recordings)):
        seen: set[str] = set()
        for index in order:
            source = recordings[index].source
            if index not in chosen and source not in seen and len(chosen) < count:
                chosen.append(index)
                seen.add(source)
    return sorted(chosen)


def paint_panel(
    painter: FigurePainter, skeleton: Skeleton, clip: MotionClip, frames: int, title: str
) -> list[Frame]:
    """Return the first frames of a clip, painted within the joints' limits, under a title."""
    positions = to_joint_positions(skeleton, clip.body[:frames], clip.fps_hz)
    balls, fingers = np.split(positions, [3 * len(skeleton.joints)], axis=1)
    bodies = skeleton.body_from_ball_angles(balls)
    font = ImageFont.load_default(14)
    pictures = []
    for index in range(frames):
        picture = painter.paint(clip.face[index], bodies[index], fingers[index])
        ImageDraw.Draw(picture).text((8, 6), title, fill=(40, 46, 56), font=font)
        pictures.append(np.asarray(picture))
    return pictures


def make_poster(rows: Sequence[Sequence[Frame]]) -> Image.Image:
    """Return a grid: a row for each subject, a column for each of four moments."""
    moments = [round(share * (len(rows[0]) - 1)) for share in POSTER_TIMES]
    grid = np.concatenate([np.concatenate([row[m] for m in moments], axis=1) for row in rows])
    return Image.fromarray(grid).quantize(64)


def _write_film(path: Path, rows: Sequence[Sequence[Frame]], recording: Recording) -> None:
    fps_hz = recording.clip.fps_hz
    count = round(len(rows[0]) / fps_hz * SAMPLE_RATE_HZ)
    moments = (np.concatenate(moment, axis=1) for moment in zip(*rows, strict=True))
    with TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        soundfile.write(sound, recording.samples[:count], SAMPLE_RATE_HZ)
        write_film(path, moments, len(rows[0]), fps_hz, sound, quality=5)
