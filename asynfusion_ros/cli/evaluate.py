"""The command `evaluate`: figures on held-out takes as a table, as JSON, and as films."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from tqdm import tqdm

from asynfusion_ros.cli.generate import add_guidance, guide, make_folder, parse_steps
from asynfusion_ros.cli.info import DEFAULT_MODEL
from asynfusion_ros.cli.previews import make_previews, open_artist
from asynfusion_ros.errors import DataError
from asynfusion_ros.evaluation.autoencoder import ARCHITECTURES, AutoencoderSettings
from asynfusion_ros.evaluation.beats import BEAT_JOINTS, BeatSettings
from asynfusion_ros.evaluation.distances import DISTANCE_OF, training_distance
from asynfusion_ros.evaluation.diversity import REDUCTIONS
from asynfusion_ros.evaluation.embedding import Embedding
from asynfusion_ros.evaluation.generators import open_generator, open_rolling_generator
from asynfusion_ros.evaluation.heldout import Results, Ruler, make_subjects, measure_subjects
from asynfusion_ros.evaluation.manners import draw_manners, measure_manners, part_takes
from asynfusion_ros.evaluation.report import make_document, make_notes, make_table
from asynfusion_ros.evaluation.takes import open_embeddings, read_held_out, read_takes
from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.viewer.looks import LOOKS

SPLITS = ("test", "val", "beat")


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("evaluate", help="measure a model on held-out takes")
    parser.add_argument(
        "action",
        nargs="?",
        choices=("model", "train-autoencoder"),
        default="model",
        help="measure a model, or only train the autoencoders of the distances (default: model)",
    )
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders that hold the data sets"
    )
    parser.add_argument("--checkpoint", type=Path, default=None, help=f"default: {DEFAULT_MODEL}")
    parser.add_argument("--split", choices=SPLITS, default="test", help="which takes are measured")
    parser.add_argument("--method", choices=("lcm", "ddim"), default="lcm")
    parser.add_argument("--steps", default="4/8", metavar="FACE/BODY", help="sampling steps")
    add_guidance(parser)
    parser.add_argument("--hop", type=int, default=EngineSettings.hop_frames, help="new frames")
    parser.add_argument(
        "--overlap", type=int, default=EngineSettings.overlap_frames, help="frames before those"
    )
    parser.add_argument(
        "--warm-begin", type=float, default=EngineSettings.warm_begin, help="see warm_begin"
    )
    parser.add_argument(
        "--rolling",
        type=int,
        default=0,
        metavar="LEVELS",
        help="sample by a rolling schedule, for models that were trained with rolling_share",
    )
    parser.add_argument("--speaker", type=int, default=0, help="whose manner; 0 is nobody's")
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument(
        "--style", default="", help="as the avatar's; who is not named is another in each take"
    )
    whose.add_argument(
        "--style-from",
        type=float,
        default=None,
        metavar="SECONDS",
        help="the style of each take's own first seconds; what is measured is the rest of it",
    )
    parser.add_argument("--seeds", type=int, default=1, help="motions that are sampled per take")
    parser.add_argument(
        "--json", type=Path, default=None, metavar="FILE", help="write the figures to this file"
    )
    parser.add_argument(
        "--previews", type=Path, default=None, metavar="DIR", help="film six takes side by side"
    )
    parser.add_argument(
        "--look",
        choices=LOOKS,
        default=None,
        help="of the previews: drawn by the web page as this person (needs Chromium), not painted",
    )
    add_measures(parser)
    parser.set_defaults(run=run_evaluate)


def add_measures(parser: argparse.ArgumentParser) -> None:
    """Add what decides how figures are measured."""
    parser.add_argument(
        "--autoencoder",
        choices=("none", *ARCHITECTURES),
        default="ours",
        help="form of the autoencoder behind FMD, FED, FGD and Div; none leaves them out",
    )
    parser.add_argument(
        "--autoencoder-steps", type=int, default=AutoencoderSettings.steps, metavar="N"
    )
    parser.add_argument(
        "--cache", type=Path, default=None, help="where trained autoencoders are kept"
    )
    parser.add_argument("--reduction", choices=REDUCTIONS, default="mean", help="of Div (eq. 17)")
    parser.add_argument("--sigma", type=float, default=BeatSettings.sigma_s, help="of BA [s]")
    parser.add_argument(
        "--beat-joints", nargs="+", default=list(BEAT_JOINTS), metavar="JOINT", help="of BA"
    )


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Measure and print a Markdown table, with the identity of every autoencoder."""
    settings = engine_settings(arguments)
    if arguments.seeds < 1:
        raise DataError(f"--seeds {arguments.seeds}; at least one motion must be sampled")
    if arguments.previews is not None:
        make_folder(arguments.previews)
        with open_artist(arguments.look):
            pass  # says what it lacks before any work
    takes = read_takes(arguments.data) if needs_training_takes(arguments) else None
    embeddings = open_autoencoders(arguments, takes or [])
    if arguments.action == "train-autoencoder":
        return 0
    held_out = read_held_out(arguments.data, arguments.split, takes)
    checkpoint = Checkpoint.load(arguments.checkpoint or find_resource(DEFAULT_MODEL))
    model = checkpoint.description
    if arguments.style_from is None:
        manner_of = draw_manners(model, arguments.speaker, arguments.style)
    else:
        told, held_out = part_takes(held_out, arguments.style_from)
        manner_of = measure_manners(model, told)
    generator = (
        open_rolling_generator(checkpoint, settings, arguments.rolling)
        if arguments.rolling
        else open_generator(checkpoint, settings)
    )
    with tqdm(unit=" takes") as bar:
        subjects = make_subjects(generator, held_out, progress_of(bar), arguments.seeds, manner_of)
    generator.close()
    ruler = make_ruler(arguments, settings.hop_frames, embeddings)
    results = measure_subjects(subjects, held_out, ruler)
    notes = report(results)
    reference = {e.kind: training_distance(held_out, e) for e in embeddings}
    for kind, distance in reference.items():
        shown = "-" if distance is None else f"{distance:.3f}"
        print(f"- {DISTANCE_OF[kind]} of the training takes, other real people: {shown}")
    if arguments.json is not None:
        about = {
            "settings": settings.to_dict(),
            "split": arguments.split,
            "style": arguments.style,
            "style_from_s": arguments.style_from,
            "seeds": arguments.seeds,
            "takes": [r.name for r in held_out],
            "training_distance": reference,
            **describe_ruler(ruler),
        }
        document = make_document(results, about, notes)
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if arguments.previews is not None:
        make_previews(subjects, held_out, arguments.previews, arguments.look)
    return 0


def needs_training_takes(arguments: argparse.Namespace) -> bool:
    """Tell whether more than the takes of `beat_take` must be read."""
    return bool(arguments.split != "beat" or arguments.autoencoder != "none")


def engine_settings(arguments: argparse.Namespace) -> EngineSettings:
    """Return how motion is generated; raise ConfigError on unreadable steps."""
    expression_steps, gesture_steps = parse_steps(arguments.steps)
    settings = EngineSettings(
        hop_frames=arguments.hop,
        overlap_frames=arguments.overlap,
        warm_begin=arguments.warm_begin,
        method=arguments.method,
        expression_steps=expression_steps,
        gesture_steps=gesture_steps,
        speaker=arguments.speaker,
        style=arguments.style,
        deterministic=True,
    )
    return guide(settings, arguments.guidance)


def open_autoencoders(arguments: argparse.Namespace, takes: list[Any]) -> tuple[Embedding, ...]:
    """Return the autoencoders that the options ask for, and print what they are."""
    if arguments.autoencoder == "none":
        return ()
    settings = AutoencoderSettings.of(arguments.autoencoder, steps=arguments.autoencoder_steps)
    with tqdm(unit=" steps", leave=False) as bar:

        def progress(kind: str, done: int, total: int) -> None:
            bar.set_description(f"autoencoder of {kind}")
            bar.total = total
            bar.update(done - bar.n)

        embeddings = open_embeddings(takes, settings, cache_folder(arguments.cache), progress)
    for embedding in embeddings:
        print(f"autoencoder of {embedding.kind}: {_words(embedding.identity)}")
    return embeddings


def cache_folder(given: Path | None) -> Path:
    """Return where trained autoencoders are kept: as given, or in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return given or Path(home) / "asynfusion" / "autoencoders"


def make_ruler(
    arguments: argparse.Namespace, hop_frames: int, embeddings: tuple[Embedding, ...]
) -> Ruler:
    """Return how figures are measured."""
    beats = BeatSettings(sigma_s=arguments.sigma, joints=tuple(arguments.beat_joints))
    return Ruler(hop_frames, beats=beats, embeddings=embeddings, reduction=arguments.reduction)


def describe_ruler(ruler: Ruler) -> dict[str, Any]:
    """Return what must be known about the figures besides their names."""
    return {
        "autoencoders": {e.kind: e.identity for e in ruler.embeddings},
        "diversity_reduction": ruler.reduction,
        "beats": ruler.beats.to_dict(),
        "closures": ruler.closures.to_dict(),
    }


def report(results: Results) -> list[str]:
    """Print table and notes; return the notes."""
    print(make_table(results))
    notes = make_notes(results)
    print("\n" + "\n".join(f"- {note}" for note in notes))
    return notes


def progress_of(bar: tqdm[Any]) -> Any:
    """Return a function that moves the bar."""

    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return progress


def _words(identity: dict[str, str | float]) -> str:
    return ", ".join(f"{name} {value}" for name, value in identity.items())
