"""Films: pictures one after another as an MP4 that everything plays, with sound."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError

Picture = npt.NDArray[np.uint8]


def write_film(
    path: Path,
    pictures: Iterable[Picture],
    frames: int,
    fps_hz: float,
    speech: Path | None,
    quality: float = 7,
) -> int:
    """Write pictures (H, W, 3) as H.264 with the sound of `speech`; return how many there were.

    The film has `frames` of them: longer sound is cut, shorter sound followed by silence.
    Height and width must be whole blocks of 16 pixels; `quality` is 1 to 10. Raises
    MotionFileError where there is no picture or the file cannot be written.
    """
    following = iter(pictures)
    first = next(following, None)
    if first is None:
        raise MotionFileError(f"{path}: there is no picture to film; give a clip with frames")
    more = [] if speech is None else ["-af", "apad", "-t", f"{frames / fps_hz:.6f}"]
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (first.shape[1], first.shape[0]),
        fps=fps_hz,
        audio_path=None if speech is None else str(speech),
        audio_codec=None if speech is None else "aac",
        quality=quality,
        ffmpeg_log_level="error",
        output_params=["-preset", "veryfast", *more],
    )
    written = 0
    try:
        writer.send(None)
        picture: Picture | None = first
        while picture is not None:
            writer.send(np.ascontiguousarray(picture).tobytes())
            written += 1
            picture = next(following, None)
    except OSError as error:
        raise MotionFileError(
            f"{path} cannot be written: {error}; choose another folder"
        ) from error
    finally:
        writer.close()
    return written
