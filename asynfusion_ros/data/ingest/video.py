"""Pictures and sound out of a video file, by the ffmpeg that imageio-ffmpeg carries."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.errors import DataError

Picture = npt.NDArray[np.uint8]

_FASTEST_HZ = 30.5
_SLOWEST_HZ = 12.0
_LARGEST_PX = 1920
_SILENCE = 1e-3
_WHAT = "give a video that ffmpeg can play, such as mp4 (H.264), mov, mkv or webm"


@dataclass(frozen=True)
class Video:
    """A video file: its own rate, and the rate and size (width, height) at which it is read."""

    path: Path
    native_fps_hz: float
    fps_hz: float
    size: tuple[int, int]
    seconds: float
    codec: str


def open_video(path: Path) -> Video:
    """Return what a file holds; raise DataError where it is missing, no video, or too slow.

    Rates above 30 Hz are read at a whole fraction of themselves, so that pictures stay evenly
    spaced; pictures larger than 1920 pixels are read smaller.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} does not exist; give the file of a video")
    pictures = imageio_ffmpeg.read_frames(str(path))
    try:
        meta: dict[str, Any] = next(pictures)
    except (OSError, RuntimeError, StopIteration, KeyError, IndexError, ValueError) as error:
        raise DataError(f"{path} is not a video that can be decoded; {_WHAT}") from error
    finally:
        pictures.close()
    native_hz, seconds = float(meta["fps"]), float(meta.get("duration") or 0.0)
    if not (native_hz > 0.0 and seconds > 0.0):
        raise DataError(f"{path} holds a still picture or an empty stream; {_WHAT}")
    if native_hz < _SLOWEST_HZ:
        raise DataError(
            f"{path} has {native_hz:g} pictures a second; speech needs {_SLOWEST_HZ:g}, better 25"
        )
    width, height = meta["size"]
    factor = min(1.0, _LARGEST_PX / max(width, height))
    size = (2 * round(width * factor / 2), 2 * round(height * factor / 2))
    fps_hz = native_hz / max(1, math.ceil(native_hz / _FASTEST_HZ))
    return Video(path, native_hz, fps_hz, size, seconds, str(meta.get("codec", "")))


def read_pictures(video: Video, first: int = 0) -> Iterator[Picture]:
    """Yield pictures (height, width, 3) RGB from number `first`; k lies at k / fps_hz of the file.

    Where a file breaks off, the pictures before that are yielded. Raises DataError where none can
    be decoded.
    """
    width, height = video.size
    filters = f"fps=fps={video.fps_hz}:start_time=0,trim=start_frame={first},setpts=PTS-STARTPTS,"
    filters += f"scale={width}:{height}"
    pictures = imageio_ffmpeg.read_frames(str(video.path), output_params=["-vf", filters])
    try:
        next(pictures)
        for data in pictures:
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{video.path} cannot be decoded: {error}; {_WHAT}") from error
    finally:
        pictures.close()


def read_video_sound(video: Video) -> npt.NDArray[np.float32]:
    """Return the sound (N,) in [-1, 1], mono at 16 kHz; sample 0 lies at time 0 of the pictures.

    Raises DataError where there is none, or only silence.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(video.path), "-vn"]
    command += ["-map", "0:a:0", "-af", "aresample=async=1:first_pts=0", "-ac", "1"]
    command += ["-ar", str(SAMPLE_RATE_HZ), "-f", "f32le", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    samples = np.frombuffer(done.stdout[: len(done.stdout) // 4 * 4], np.float32)
    if not len(samples):
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        missing = any("matches no streams" in line for line in reason)
        why = "has no sound track" if missing or not reason else f"has no sound: {reason[-1]}"
        raise DataError(
            f"{video.path} {why}; speech drives the motion, so give a recording with its sound"
        )
    samples = np.nan_to_num(samples, posinf=0.0, neginf=0.0).clip(-1.0, 1.0)
    if np.abs(samples).max() < _SILENCE:
        raise DataError(f"the sound of {video.path} is silent; was the microphone off?")
    return samples
