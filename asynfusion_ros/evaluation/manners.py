"""In whose manner a model is measured: nobody's, a drawn person's, or that of the take itself."""

from __future__ import annotations

from collections.abc import Sequence

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.errors import DataError
from asynfusion_ros.evaluation.controls import MannerOf, seed_of
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import PIECE_FRAMES, Manner
from asynfusion_ros.sampling.description import ModelDescription


def draw_manners(about: ModelDescription, speaker: int = 0, style: str = "") -> MannerOf:
    """Return the manner that words ask for, of another person each time but where they say who.

    Each take and seed has a person of its own, so that a set of takes shows as many people as the
    set of the true ones. Raises ConfigError where the model cannot move so.
    """
    about.choose_manner(speaker, style)

    def manner_of(take: int, seed: int) -> Manner:
        return about.choose_manner(speaker, style, seed=seed_of(take, seed))

    return manner_of


def part_takes(
    recordings: Sequence[Recording], seconds: float
) -> tuple[list[MotionClip], list[Recording]]:
    """Return the motion of each take's first `seconds`, and what is left of the takes after them.

    The first tells a model who moves (`measure_manners`); measured is the second, so that no figure
    sees what the model was told. Takes of which less than a style's shortest piece would be left
    do not count. Raises DataError where the seconds are too short for a style, or nothing is left.
    """
    told, rest = [], []
    for recording in recordings:
        first = round(seconds * recording.clip.fps_hz)
        if first < PIECE_FRAMES:
            raise DataError(
                f"{seconds} s of a take tell no style; give at least "
                f"{PIECE_FRAMES / recording.clip.fps_hz:.1f}"
            )
        if len(recording.clip) - first >= PIECE_FRAMES:
            told.append(recording.clip.part(slice(first)))
            rest.append(recording.after(first))
    if not rest:
        raise DataError(f"no take goes on for 2 s after its first {seconds} s; give fewer")
    return told, rest


def measure_manners(about: ModelDescription, told: Sequence[MotionClip]) -> MannerOf:
    """Return the manner of each clip, told as a user would tell it: in styles.

    Raises ConfigError where the model has none.
    """
    manners = [Manner(style=about.people.measure(clip)) for clip in told]
    return lambda take, _: manners[take]
