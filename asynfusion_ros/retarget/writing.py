"""A guessed map as YAML, with what it rests on as comments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from asynfusion_ros.retarget.entries import PARTS
from asynfusion_ros.retarget.guess import Guess


def write_guess(guess: Guess, urdf: str) -> str:
    """Return the text of a map file for the robot of the file `urdf`."""
    lines = [f"# Guessed from {urdf}; docs/robots.md says what each entry means. Check it with"]
    lines += ["# `asynfusion robot check THIS_FILE --urdf URDF --motion CLIP`.", "#"]
    for title, notes in (("guessed", guess.guessed), ("lacking", guess.lacking)):
        lines += [f"# {title}: {note}" for note in notes]
    if guess.unused:
        lines.append(f"# left alone: {', '.join(guess.unused)}")
    lines += [f"name: {_flow(guess.name)}"]
    lines += [f"axes: {_flow({'forward': guess.forward, 'left': guess.left})}"]
    if guess.zero_pose:
        lines += ["zero_pose: # where each part points while all joints are at 0"]
        lines += [f"  {part}: {_flow(value)}" for part, value in guess.zero_pose.items()]
    lines += ["parts:"]
    for part in sorted(guess.parts, key=PARTS.index):
        groups = guess.parts[part]
        lines.append(f"  {part}: {_flow([g[0] if len(g) == 1 else list(g) for g in groups])}")
    for key, entries in (("joints", guess.joints), ("drives", guess.drives)):
        if entries:
            lines += [f"{key}:"] + [f"  {name}: {_flow(row)}" for name, row in entries.items()]
    return "\n".join(lines) + "\n"


def write_suggestions(suggestions: Mapping[str, Mapping[str, float]]) -> str:
    """Return suggested entries of `joints`, ready to be pasted into a map."""
    rows = [f"  {name}: {_flow(dict(row))}" for name, row in suggestions.items()]
    return "\n".join(["joints:", *rows]) + "\n"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
