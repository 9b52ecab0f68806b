"""The command `generate`: a recording in, motion files and a preview video out."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from asynfusion_ros.audio.resample import load_audio
from asynfusion_ros.cli.info import DEFAULT_MODEL
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.arkit_json import write_arkit_json
from asynfusion_ros.motion.bvh import write_bvh
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.npz import write_npz
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.sampling.guidance import Guidance
from asynfusion_ros.streaming.generator import MotionGenerator
from asynfusion_ros.streaming.settings import EngineSettings

Array = npt.NDArray[np.float32]


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    defaults = EngineSettings()
    parser = subparsers.add_parser(
        "generate", help="make motion files and a video from a recording"
    )
    parser.add_argument("speech", type=Path, help="recording: wav or flac, any rate")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--checkpoint", type=Path, default=None, help=f"model folder (default: {DEFAULT_MODEL})"
    )
    steps = f"{defaults.expression_steps}/{defaults.gesture_steps}"
    parser.add_argument(
        "--steps",
        default=steps,
        metavar="FACE/BODY",
        help=f"sampling steps per window (default: {steps})",
    )
    parser.add_argument("--method", choices=("lcm", "ddim"), default=defaults.method)
    parser.add_argument("--speaker", type=int, default=defaults.speaker, help="whose manner")
    parser.add_argument(
        "--style",
        default=defaults.style,
        metavar="NAME=VALUE,...",
        help="manner, for models with styles",
    )
    parser.add_argument("--emotion", default=defaults.emotion, help="for models that know any")
    add_guidance(parser)
    parser.add_argument("--seed", type=int, default=defaults.seed, help="seed of the noise")
    parser.add_argument("--no-video", action="store_true", help="leave the preview out")
    parser.set_defaults(run=run_generate)


def parse_steps(text: str) -> tuple[int, int]:
    """Return the steps of face and body from text such as `4/8`; raise ConfigError."""
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise ConfigError(f"--steps {text!r}; write two numbers as FACE/BODY, such as 4/8")
    return int(parts[0]), int(parts[1])


def add_guidance(parser: argparse.ArgumentParser) -> None:
    """Add the option whose text `guide` reads."""
    parser.add_argument(
        "--guidance",
        default="1",
        metavar="FACE[/MOUTH/BODY]",
        help="weight of speech and manner, for ddim (default: 1, none)",
    )


def guide(settings: EngineSettings, text: str) -> EngineSettings:
    """Return `settings` with the weights that text such as `1.5` or `1.5/1.1/1.2` means.

    Raises ConfigError on other text, and on weights that the settings do not allow.
    """
    try:
        weights = [float(part) for part in text.split("/")]
    except ValueError:
        weights = []
    if len(weights) not in (1, 3) or min(weights) < 0.0:
        raise ConfigError(
            f"--guidance {text!r}; write one weight of 0 or more, such as 1.5, or three as "
            "FACE/MOUTH/BODY, such as 1.5/1.1/1.2"
        )
    lead = Guidance.of(*weights)
    return replace(
        settings, guidance=lead.face, mouth_guidance=lead.mouth, gesture_guidance=lead.body
    )


def run_generate(arguments: argparse.Namespace) -> int:
    """Generate, write the files, print the real-time factor."""
    expression_steps, gesture_steps = parse_steps(arguments.steps)
    settings = EngineSettings(
        method=arguments.method,
        expression_steps=expression_steps,
        gesture_steps=gesture_steps,
        speaker=arguments.speaker,
        style=arguments.style,
        emotion=arguments.emotion,
        seed=arguments.seed,
        deterministic=True,
    )
    settings = guide(settings, arguments.guidance)
    samples = _read(arguments.speech)
    make_folder(arguments.out)
    checkpoint = Checkpoint.load(arguments.checkpoint or find_resource(DEFAULT_MODEL))
    generator = MotionGenerator.open(checkpoint, settings)
    generator.warm_up()
    begin_s = time.perf_counter()
    with tqdm(desc="generating", unit="window") as bar:
        clip = generator.generate(samples, _progress(bar))
    elapsed_s = time.perf_counter() - begin_s
    generator.close()
    for path in write_motion(clip, arguments.out, arguments.speech.stem):
        print(f"wrote {path}")
    if not arguments.no_video:
        print(f"wrote {_write_video(clip, arguments.speech, arguments.out)}")
    print(
        f"{clip.duration_s:.1f} s of motion in {elapsed_s:.1f} s: "
        f"real-time factor {elapsed_s / clip.duration_s:.2f}"
    )
    return 0


def write_motion(clip: MotionClip, folder: Path, name: str) -> list[Path]:
    """Write the clip as BVH (body), ARKit JSON (face) and NPZ (both); return the files."""
    files = [folder / f"{name}{ending}" for ending in (".bvh", ".json", ".npz")]
    write_bvh(files[0], clip, Skeleton.load())
    write_arkit_json(files[1], clip)
    write_npz(files[2], clip)
    return files


def make_folder(folder: Path) -> None:
    """Make the folder for results, before any work is done; raise ConfigError if impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error}; choose another") from error


def _read(speech: Path) -> Array:
    counts: Counter[str] = Counter()
    samples = load_audio(speech, counts)
    if counts["nan_samples"]:
        print(f"{speech}: {counts['nan_samples']} samples are NaN; taken as silence")
    return samples


def _progress(bar: tqdm[object]) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return progress


def _write_video(clip: MotionClip, speech: Path, folder: Path) -> Path:
    from asynfusion_ros.viewer.preview import render_preview  # noqa: PLC0415  (slow, only here)

    path = folder / f"{speech.stem}.mp4"
    with tqdm(desc="painting", unit="frame") as bar:
        render_preview(clip, speech, path, _progress(bar))
    return path
