"""A preview film of a clip with its sound, drawn without a browser or a graphics card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.figure import FigurePainter

Progress = Callable[[int, int], None]

WIDTH, HEIGHT = 960, 544  # whole blocks of 16 pixels, as encoders want


def render_preview(
    clip: MotionClip,
    speech: Path | None,
    path: Path,
    progress: Progress | None = None,
    skeleton: Skeleton | None = None,
) -> None:
    """Write an MP4 of the clip, with the sound of `speech` where one is given.

    `progress(done, all)` is called after each frame. Raises MotionFileError where the file cannot
    be written.
    """
    skeleton = skeleton or Skeleton.load()
    painter = FigurePainter(skeleton, WIDTH, HEIGHT)
    positions = to_joint_positions(skeleton, clip.body, clip.fps_hz)
    balls, fingers = np.split(positions, [3 * len(skeleton.joints)], axis=1)
    bodies = skeleton.body_from_ball_angles(balls)  # within limits, as it would be published
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (WIDTH, HEIGHT),
        fps=clip.fps_hz,
        audio_path=None if speech is None else str(speech),
        audio_codec=None if speech is None else "aac",
        quality=7,
        ffmpeg_log_level="error",
        output_params=["-preset", "veryfast", *(["-shortest"] if speech is not None else [])],
    )
    try:
        writer.send(None)
        for index in range(len(clip)):
            frame = painter.paint(clip.face[index], bodies[index], fingers[index])
            writer.send(_bytes(np.asarray(frame)))
            if progress is not None:
                progress(index + 1, len(clip))
    except OSError as error:
        raise MotionFileError(
            f"{path} cannot be written: {error}; choose another folder"
        ) from error
    finally:
        writer.close()


def _bytes(frame: npt.NDArray[np.uint8]) -> bytes:
    return np.ascontiguousarray(frame).tobytes()
