"""The command `synthesise`: makes hours of speech whose articulation is known."""

from __future__ import annotations

import argparse
from dataclasses import fields
from functools import cache
from pathlib import Path

from tqdm import tqdm

from asynfusion_ros.data.project import read_project
from asynfusion_ros.data.recording import Recording
from asynfusion_ros.data.synthesis.articulation import Articulator
from asynfusion_ros.data.synthesis.engines import Engine, HibariEngine, KokoroEngine, Pronouncer
from asynfusion_ros.data.synthesis.make import (
    SOURCE,
    EngineOf,
    Studio,
    SynthesisSettings,
    make_takes,
)
from asynfusion_ros.data.synthesis.text import Grammar
from asynfusion_ros.data.synthesis.voices import Voice, choose_voices, load_voices
from asynfusion_ros.errors import DataError

_OPTIONS = ("hours", "seed")
_STYLES = Path("node_modules/kokoro-js/voices")


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("synthesise", help="make speech with known articulation")
    parser.add_argument("--out", type=Path, required=True, help="folder of takes; continued")
    for item in fields(SynthesisSettings):
        if item.name in _OPTIONS:
            info = item.metadata["setting"]
            kind = type(item.default)
            parser.add_argument(f"--{item.name}", type=kind, default=item.default, help=info.doc)
    parser.add_argument(
        "--voices",
        nargs="+",
        default=[],
        metavar="NAME",
        help="engines, splits or voices such as kokoro-af_nova (default: all)",
    )
    parser.add_argument(
        "--kokoro", type=Path, default=_STYLES, metavar="DIR", help=f"its voices ({_STYLES})"
    )
    parser.add_argument(
        "--speech",
        type=Path,
        default=None,
        metavar="DIR",
        help="takes made before, whose speech is used again: only their mouths are made",
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of the voices' models")
    parser.set_defaults(run=run_synthesise)


def run_synthesise(arguments: argparse.Namespace) -> int:
    """Make the takes that are missing; say how much there is."""
    settings = SynthesisSettings(**{name: getattr(arguments, name) for name in _OPTIONS})
    voices = choose_voices(load_voices(), arguments.voices)
    engines = _engines(arguments.kokoro, arguments.threads)
    studio = Studio(Grammar.load(), Pronouncer(), engines, Articulator(), settings)
    spoken = None if arguments.speech is None else _read_speech(arguments.speech)
    layout = "{l_bar}{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"
    with tqdm(total=3600.0 * settings.hours, bar_format=layout) as bar:

        def progress(done_s: float) -> None:
            bar.update(done_s - bar.n)

        writer = make_takes(studio, voices, arguments.out, spoken, progress)
    print(f"{len(writer)} takes in {arguments.out}; {len(voices)} voices asked for")
    return 0


def _engines(styles: Path, threads: int) -> EngineOf:
    """Return what finds the engine of a voice, and loads each engine when it is first needed."""

    @cache
    def load(engine: str) -> Engine:
        return KokoroEngine(styles, threads) if engine == "kokoro" else HibariEngine(threads)

    def engine_of(voice: Voice) -> Engine:
        return load(voice.engine)

    return engine_of


def _read_speech(folder: Path) -> dict[str, Recording]:
    recordings, faults = read_project(folder)
    for fault in faults:
        print(fault)
    strangers = [take.name for take in recordings if take.source != SOURCE]
    if strangers:
        raise DataError(f"{folder} holds takes that were not synthesised: {strangers[:3]}")
    return {take.name: take for take in recordings}
