"""Films of held-out takes side by side: ground truth, ours, another take's sound, still."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from PIL import Image
from tqdm import tqdm

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.cli.render import write_label
from asynfusion_ros.data.recording import Recording
from asynfusion_ros.evaluation.controls import Clips
from asynfusion_ros.evaluation.motion_windows import is_measured
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.exchange import stand_unmeasured
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.assets import Assets
from asynfusion_ros.viewer.figure import FigurePainter
from asynfusion_ros.viewer.film import Picture, write_film
from asynfusion_ros.viewer.page_camera import PageCamera, film_poses

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
POSTER_QUALITY = 85

Draw = Callable[[int], Picture]
"""Draws a clip's frame, by its number."""

Artist = Callable[[MotionClip], Draw]


@contextmanager
def open_artist(look: str | None) -> Iterator[Artist]:
    """Give who draws clips: the web page, as one of its people, or without a `look` a painter.

    Both show what would be published, within the joints' limits. The page takes longer, and raises
    ConfigError without playwright or Chromium.
    """
    skeleton = Skeleton.load()
    if look is None:
        painter = FigurePainter(skeleton, SIZE, SIZE)
        yield lambda clip: _paint(painter, skeleton, clip)
        return
    with PageCamera(SIZE, SIZE, "body", assets=Assets(look)) as camera:
        yield lambda clip: _film(camera, skeleton, clip)


def make_previews(
    subjects: Mapping[str, Clips],
    recordings: Sequence[Recording],
    folder: Path,
    look: str | None = None,
) -> list[Path]:
    """Write a JPEG poster and an MP4 with sound of up to six takes into `folder`; return them.

    A take shows its first seconds; a poster has a row for each subject and four moments. `look`
    as in `open_artist`.
    """
    skeleton = Skeleton.load()
    written = []
    with open_artist(look) as artist:
        for index in tqdm(choose_takes(recordings), desc="drawing", unit=" takes"):
            recording = recordings[index]
            frames = round(min(LONGEST_S, recording.clip.duration_s) * recording.clip.fps_hz)
            rows = []
            for name, title in PANELS.items():
                if name in subjects:
                    clip = stand_unmeasured(subjects[name][index][0], skeleton, recording.clip)
                    rows.append(_under(title, artist(clip)))
            poster, film = (folder / f"{recording.name}{end}" for end in (".jpg", ".mp4"))
            make_poster(rows, frames).save(poster, quality=POSTER_QUALITY)
            _write_film(film, rows, frames, recording)
            written += [poster, film]
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


def make_poster(rows: Sequence[Draw], frames: int) -> Image.Image:
    """Return a grid: a row for each subject, a column for each of four moments of `frames`."""
    moments = [round(share * (frames - 1)) for share in POSTER_TIMES]
    drawn = [np.concatenate([draw(m) for m in moments], axis=1) for draw in rows]
    return Image.fromarray(np.concatenate(drawn))


def _paint(painter: FigurePainter, skeleton: Skeleton, clip: MotionClip) -> Draw:
    positions = to_joint_positions(skeleton, clip.body, clip.fps_hz)
    balls, fingers = np.split(positions, [3 * len(skeleton.joints)], axis=1)
    bodies = skeleton.body_from_ball_angles(balls)

    def draw(index: int) -> Picture:
        return np.asarray(painter.paint(clip.face[index], bodies[index], fingers[index]))

    return draw


def _film(camera: PageCamera, skeleton: Skeleton, clip: MotionClip) -> Draw:
    poses = film_poses(clip, skeleton)

    def draw(index: int) -> Picture:
        positions, weights = poses[index]
        return camera.take(positions, weights, index / clip.fps_hz)

    return draw


def _under(title: str, draw: Draw) -> Draw:
    return lambda index: write_label(draw(index), title)


def _write_film(path: Path, rows: Sequence[Draw], frames: int, recording: Recording) -> None:
    fps_hz = recording.clip.fps_hz
    count = round(frames / fps_hz * SAMPLE_RATE_HZ)
    pictures = (np.concatenate([draw(i) for draw in rows], axis=1) for i in range(frames))
    with TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        soundfile.write(sound, recording.samples[:count], SAMPLE_RATE_HZ)
        write_film(path, pictures, frames, fps_hz, sound, quality=5)
