"""The commands `export` and `import`: clips to and from the formats of other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

import soundfile

from asynfusion_ros.audio.mcap import read_sound_mcap
from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.cli.generate import make_folder
from asynfusion_ros.motion.exchange import ENDINGS, export_clip, import_clip, join_clips
from asynfusion_ros.motion.mcap import read_motion_mcap
from asynfusion_ros.motion.npz import read_npz, write_npz
from asynfusion_ros.motion.skeleton import Skeleton


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the `asynfusion` command line."""
    out = subparsers.add_parser("export", help="write a clip for other programs")
    out.add_argument("clip", type=Path, help="NPZ as `asynfusion generate` writes it")
    out.add_argument("--to", nargs="+", choices=tuple(ENDINGS), required=True, metavar="FORMAT",
                     help=f"one or more of {', '.join(ENDINGS)}")  # fmt: skip
    out.add_argument("-o", "--out", type=Path, help="folder (default: that of the clip)")
    out.set_defaults(run=run_export)
    into = subparsers.add_parser("import", help="read other programs' files as a clip")
    into.add_argument("files", type=Path, nargs="+", help="bvh, json, csv, glb, vrma, mcap, "
                      "npz; face and body may be two files")  # fmt: skip
    into.add_argument("-o", "--out", type=Path, required=True, help="NPZ for the clip")
    into.set_defaults(run=run_import)


def run_export(arguments: argparse.Namespace) -> int:
    """Write the clip in each format asked for."""
    clip = read_npz(arguments.clip)
    folder = arguments.out or arguments.clip.parent
    make_folder(folder)
    for form in arguments.to:
        path = folder / f"{arguments.clip.stem}{ENDINGS[form]}"
        export_clip(clip, form, path)
        print(f"wrote {path}")
    return 0


def run_import(arguments: argparse.Namespace) -> int:
    """Read all files and write them as one clip."""
    files, recorded_s = arguments.files, None
    if len(files) == 1 and files[0].suffix.lower() == ".mcap":
        clip, recorded_s = read_motion_mcap(files[0], Skeleton.load())
        clip = join_clips([clip])
    else:
        clip = join_clips([import_clip(path) for path in files])
    make_folder(arguments.out.parent)
    write_npz(arguments.out, clip)
    for part, mask in (("face", clip.face_mask), ("body", clip.body_mask)):
        if mask is not None and not mask.any():
            print(f"no file holds a {part}: it rests")
    print(f"wrote {arguments.out}: {clip.duration_s:.1f} s at {clip.fps_hz:g} Hz")
    if recorded_s is not None:
        _write_sound(files[0], recorded_s, clip.duration_s, arguments.out.with_suffix(".wav"))
    return 0


def _write_sound(recording: Path, begin_s: float, duration_s: float, out: Path) -> None:
    """Write what a recorded avatar heard, to be played beside its motion."""
    samples = read_sound_mcap(recording, begin_s, duration_s)
    if samples is None:
        print(f"{recording} holds no sound")
        return
    soundfile.write(out, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
    print(f"wrote {out}: what it heard meanwhile")
