"""The command `ingest`: a video of somebody talking in, recordings that train out."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import fields
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from asynfusion_ros.data.ingest.make import Origin, make_takes
from asynfusion_ros.data.ingest.quality import Report, describe
from asynfusion_ros.data.ingest.settings import IngestSettings
from asynfusion_ros.data.ingest.tracking import (
    FACE_MODEL_VARIABLE,
    find_face_model,
    import_mediapipe,
    track_video,
)
from asynfusion_ros.data.ingest.video import Video, open_video, read_pictures, read_video_sound
from asynfusion_ros.data.project import ProjectWriter
from asynfusion_ros.data.recording import SPLITS
from asynfusion_ros.errors import ConfigError, DataError
from asynfusion_ros.motion.clip import MotionClip

PREVIEW_S = 20.0


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("ingest", help="make recordings from a video")
    parser.add_argument("video", type=Path, help="one person talking: mp4, mov, mkv, webm, ...")
    parser.add_argument("--out", type=Path, required=True, help="folder of takes; added to")
    parser.add_argument("--name", default=None, help="of the takes (default: the video's)")
    parser.add_argument("--speaker", default=None, help="who talks (default: the takes' name)")
    parser.add_argument("--licence", default="private", help="noted with each take")
    parser.add_argument("--split", choices=SPLITS, default="train", help="what the takes are for")
    parser.add_argument(
        "--face-model",
        type=Path,
        default=None,
        metavar="FILE",
        help=f"MediaPipe's face_landmarker.task (default: ${FACE_MODEL_VARIABLE})",
    )
    parser.add_argument(
        "--preview-s", type=float, default=PREVIEW_S, help="length of the film [s]; 0 for none"
    )
    for item in fields(IngestSettings):
        info, option = item.metadata["setting"], "--" + item.name.replace("_", "-")
        if isinstance(item.default, bool):
            action = argparse.BooleanOptionalAction
            parser.add_argument(option, action=action, default=item.default, help=info.doc)
        else:
            unit = f" [{info.unit}]" if info.unit else ""
            parser.add_argument(option, type=float, default=item.default, help=info.doc + unit)
    parser.set_defaults(run=run_ingest)


def run_ingest(arguments: argparse.Namespace) -> int:
    """Track the video, write takes, report and film; whatever can fail early does."""
    settings = IngestSettings(
        **{item.name: getattr(arguments, item.name) for item in fields(IngestSettings)}
    )
    if not arguments.preview_s >= 0.0:
        raise ConfigError(f"--preview-s {arguments.preview_s}; give seconds, or 0 for no film")
    video = open_video(arguments.video)
    samples = read_video_sound(video)
    name = arguments.name or file_name(arguments.video.stem)
    origin = Origin(name, arguments.speaker or name, arguments.licence, arguments.split)
    model, mediapipe = find_face_model(arguments.face_model), import_mediapipe()
    writer = _open_folder(arguments.out, name)
    with tqdm(desc="tracking", unit=" pictures") as bar:
        tracks = track_video(video, model, mediapipe, _progress(bar))
    takes, report = make_takes(tracks, samples, video, origin, settings)
    for take in takes:
        writer.add(take)
    document = json.dumps(report.to_dict(), indent=1, ensure_ascii=False)
    quality = arguments.out / f"{name}.quality.json"
    quality.write_text(document + "\n", encoding="utf-8")
    print(describe(report))
    print(f"wrote {len(takes)} takes to {arguments.out}, and {quality}")
    if arguments.preview_s > 0.0:
        longest = max(range(len(takes)), key=lambda k: len(takes[k].clip))
        film = arguments.out / f"{name}.preview.mp4"
        sound = arguments.out / f"{takes[longest].name}.flac"
        _film(video, takes[longest].clip, report, longest, sound, film, arguments.preview_s)
        print(f"wrote {film}")
    return 0


def file_name(stem: str) -> str:
    """Return a name that the project's format allows, as near the given one as possible."""
    return re.sub(r"[^A-Za-z0-9_.@+-]+", "-", stem).strip("-.@+_") or "video"


def _open_folder(folder: Path, name: str) -> ProjectWriter:
    """Return the writer; raise before any work where it cannot take what will come."""
    try:
        writer = ProjectWriter(folder)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error}; choose another --out") from error
    if f"{name}-1" in writer:
        raise DataError(f"{folder} already holds takes {name!r}; give another --name or --out")
    return writer


def _film(
    video: Video,
    clip: MotionClip,
    report: Report,
    number: int,
    sound: Path,
    path: Path,
    longest_s: float,
) -> None:
    """Write the film of one take: the video, and our avatar beside it."""
    from asynfusion_ros.viewer.preview import render_preview  # noqa: PLC0415  (slow, only here)

    frames = min(len(clip), round(longest_s * clip.fps_hz))
    shown = MotionClip(clip.fps_hz, clip.face[:frames], clip.body[:frames])
    first = round(report.takes[number].start_s * clip.fps_hz)
    pictures = islice(read_pictures(video, first), frames)
    with tqdm(desc="painting", unit=" frames") as bar:
        render_preview(shown, sound, path, _progress(bar), beside=pictures)


def _progress(bar: tqdm[object]) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return progress
