"""A preview film of a clip with its sound, drawn without a browser or a graphics card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
from PIL import Image

from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.figure import FigurePainter
from asynfusion_ros.viewer.film import Picture, write_film

Progress = Callable[[int, int], None]

WIDTH, HEIGHT = 960, 544  # whole blocks of 16 pixels, as encoders want
WIDTH_BESIDE = 704


def render_preview(
    clip: MotionClip,
    speech: Path | None,
    path: Path,
    progress: Progress | None = None,
    skeleton: Skeleton | None = None,
    beside: Iterable[Picture] | None = None,
) -> None:
    """Write an MP4 of the clip, with the sound of `speech` where one is given.

    `beside` are pictures (H, W, 3), one for each frame, that are shown on the left, such as the
    video that the clip was made from; the last one stays if they end early. `progress(done, all)`
    is called after each frame. Raises MotionFileError where the file cannot be written.
    """
    frames = _paint(clip, skeleton or Skeleton.load(), beside)
    write_film(path, _counted(frames, len(clip), progress), len(clip), clip.fps_hz, speech)


def _counted(
    pictures: Iterable[Picture], total: int, progress: Progress | None
) -> Iterator[Picture]:
    for done, picture in enumerate(pictures, 1):
        yield picture
        if progress is not None:
            progress(done, total)


def _paint(
    clip: MotionClip, skeleton: Skeleton, beside: Iterable[Picture] | None
) -> Iterator[Picture]:
    """Yield the frames of a clip, painted within the joints' limits, as it would be published."""
    positions = to_joint_positions(skeleton, clip.body, clip.fps_hz)
    balls, fingers = np.split(positions, [3 * len(skeleton.joints)], axis=1)
    bodies = skeleton.body_from_ball_angles(balls)
    painter = FigurePainter(skeleton, WIDTH if beside is None else WIDTH_BESIDE, HEIGHT)
    empty = np.zeros((HEIGHT, 0, 3), np.uint8)
    pictures = repeat(empty) if beside is None else _hold_last(beside)
    for index, picture in zip(range(len(clip)), pictures, strict=False):
        painted = np.asarray(painter.paint(clip.face[index], bodies[index], fingers[index]))
        yield np.concatenate([_fit(picture), painted], axis=1)


def _hold_last(pictures: Iterable[Picture]) -> Iterator[Picture]:
    picture = None
    for picture in pictures:
        yield picture
    if picture is not None:
        yield from repeat(picture)


def _fit(picture: Picture) -> Picture:
    """Return the picture as high as the film, its width whole blocks of 16 pixels."""
    height, width = picture.shape[:2]
    size = (16 * round(HEIGHT * width / height / 16), HEIGHT)
    return picture if not width else np.asarray(Image.fromarray(picture).resize(size))
