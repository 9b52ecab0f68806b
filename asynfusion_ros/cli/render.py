"""The command `render`: films of clips, drawn by the web page, alone or side by side."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from asynfusion_ros.audio.resample import open_sound
from asynfusion_ros.cli.generate import make_folder
from asynfusion_ros.data.resample import resample_clip
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.exchange import import_clip, stand_unmeasured
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.resources import find_path
from asynfusion_ros.viewer.assets import Assets
from asynfusion_ros.viewer.avatar_map import AvatarMap
from asynfusion_ros.viewer.film import Picture, write_film
from asynfusion_ros.viewer.looks import LOOKS
from asynfusion_ros.viewer.page_camera import VIEWS, PageCamera, film_poses

SIZE = "960x544"
GRID_SIZE = "480x544"
PAGE_OPTIONS = {
    "background": "studio, dark, light, or a colour such as 00ff00",
    "quality": "high or low: low is faster without a graphics card (default: high)",
}
BLOCK = 16  # pixels; encoders want whole blocks
MOST_PIXELS = 4096
MOST_PANELS = 12
_LABEL_SHARE = 0.04  # of a panel's height


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("render", help="film clips as the web page draws them")
    parser.add_argument(
        "clip", type=Path, nargs="?", help="npz, bvh, json, csv or glb, as `import` reads them"
    )
    parser.add_argument(
        "--grid", type=Path, nargs="+", default=[], metavar="CLIP", help="clips side by side"
    )
    parser.add_argument(
        "--labels", nargs="+", default=[], metavar="LABEL", help="one for each clip, in order"
    )
    parser.add_argument("--columns", type=int, default=0, help="of the grid (default: one row)")
    parser.add_argument("--audio", type=Path, help="sound of the film: wav, flac or ogg")
    parser.add_argument("-o", "--out", type=Path, required=True, help="MP4 for the film")
    parser.add_argument("--view", choices=VIEWS, default="bust", help="default: bust")
    parser.add_argument("--look", choices=LOOKS, default=LOOKS[0], help=f"default: {LOOKS[0]}")
    parser.add_argument("--avatar", metavar="FILE", help="your own: a GLB or VRM, or its map")
    for option, meaning in PAGE_OPTIONS.items():
        parser.add_argument(f"--{option}", help=meaning)
    parser.add_argument(
        "--size",
        metavar="WIDTHxHEIGHT",
        help=f"of the picture, or of each in a grid (default: {SIZE}, {GRID_SIZE})",
    )
    parser.add_argument("--fps", type=float, help="default: that of the first clip")
    parser.add_argument("--seconds", type=float, help="film only the beginning")
    parser.set_defaults(run=run_render)


def run_render(arguments: argparse.Namespace) -> int:
    """Read the clips, draw every frame, write the film."""
    paths = [*([arguments.clip] if arguments.clip else []), *arguments.grid]
    if not 1 <= len(paths) <= MOST_PANELS:
        raise ConfigError(f"{len(paths)} clips; give one, or 1 to {MOST_PANELS} after --grid")
    labels = arguments.labels or ([path.stem for path in paths] if len(paths) > 1 else [])
    if labels and len(labels) != len(paths):
        raise ConfigError(f"{len(labels)} labels for {len(paths)} clips; give one for each")
    width, height = parse_size(arguments.size or (SIZE if len(paths) == 1 else GRID_SIZE))
    if arguments.audio is not None:
        open_sound(arguments.audio).close()  # says what is wrong with it before any work
    clips = read_clips(paths, arguments.fps, arguments.seconds)
    make_folder(arguments.out.parent)
    columns = min(arguments.columns or len(clips), len(clips))
    given = {name: getattr(arguments, name) for name in PAGE_OPTIONS}
    options = {name: value for name, value in given.items() if value is not None}
    own = AvatarMap.of(find_path(arguments.avatar)) if arguments.avatar else None
    assets = Assets(arguments.look, own)
    with PageCamera(width, height, arguments.view, options, assets) as camera:
        pictures = draw_frames(camera, clips, labels, columns)
        bar = tqdm(pictures, desc="drawing", total=len(clips[0]), unit=" frames")
        frames = write_film(arguments.out, bar, len(clips[0]), clips[0].fps_hz, arguments.audio)
    print(f"wrote {arguments.out}: {frames} frames at {clips[0].fps_hz:g} Hz")
    return 0


def parse_size(text: str) -> tuple[int, int]:
    """Return width and height of text such as 960x544; raise ConfigError."""
    parts = text.split("x")
    sizes = [int(part) for part in parts if part.isdecimal() and len(part) < 6]
    if len(parts) != 2 or len(sizes) != 2 or any(s % BLOCK or not s for s in sizes):
        near = " or ".join({str(BLOCK * max(1, round(s / BLOCK))) for s in sizes if s % BLOCK})
        raise ConfigError(
            f"--size {text!r}; write WIDTHxHEIGHT such as {SIZE}, multiples of {BLOCK}"
            + (f" (near: {near})" if near else "")
        )
    if max(sizes) > MOST_PIXELS:
        raise ConfigError(f"--size {text}; at most {MOST_PIXELS} pixels each way")
    return sizes[0], sizes[1]


def read_clips(
    paths: Sequence[Path], fps_hz: float | None, seconds: float | None
) -> list[MotionClip]:
    """Return the clips at one rate and of one length: that of the shortest, or `seconds`.

    What a file does not hold stands at rest. Raises MotionFileError or ConfigError.
    """
    skeleton = Skeleton.load()
    read = [import_clip(path) for path in paths]
    rate_hz = read[0].fps_hz if fps_hz is None else fps_hz
    if not 1.0 <= rate_hz <= 240.0:
        raise ConfigError(f"a film of {rate_hz:g} frames a second; --fps takes 1 to 240")
    clips = [resample_clip(stand_unmeasured(clip, skeleton), rate_hz) for clip in read]
    frames = min(len(clip) for clip in clips)
    if seconds is not None:
        frames = min(frames, round(seconds * rate_hz))
    if frames < 1:
        raise ConfigError(f"{seconds} s of {rate_hz:g} Hz hold no frame; give more --seconds")
    return [MotionClip(rate_hz, clip.face[:frames], clip.body[:frames]) for clip in clips]


def draw_frames(
    camera: PageCamera, clips: Sequence[MotionClip], labels: Sequence[str], columns: int
) -> Iterator[Picture]:
    """Yield the frames: frame k shows each clip at time k / fps."""
    skeleton = Skeleton.load()
    poses = [film_poses(clip, skeleton) for clip in clips]
    for index, moment in enumerate(zip(*poses, strict=True)):
        time_s = index / clips[0].fps_hz
        panels = [camera.take(positions, weights, time_s) for positions, weights in moment]
        for panel, label in enumerate(labels):
            panels[panel] = write_label(panels[panel], label)
        yield arrange(panels, columns)


def write_label(picture: Picture, label: str) -> Picture:
    """Return the picture with a label in its upper left corner."""
    image = Image.fromarray(picture)
    size = max(10.0, _LABEL_SHARE * image.height)
    place = (0.6 * size, 0.5 * size)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(image)
    draw.text(place, label, fill="white", font=font, stroke_width=1, stroke_fill=(20, 24, 31))
    return np.asarray(image)


def arrange(panels: Sequence[Picture], columns: int) -> Picture:
    """Return panels (H, W, 3) in rows of `columns`; what is left of the last row is dark."""
    empty = np.full_like(panels[0], 24)
    full = [*panels, *([empty] * (-len(panels) % columns))]
    rows = [np.concatenate(full[i : i + columns], axis=1) for i in range(0, len(full), columns)]
    return np.concatenate(rows, axis=0)
