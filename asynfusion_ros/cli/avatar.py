"""The command `avatar`: guess a map for a GLB or VRM of the user's, and check it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from asynfusion_ros.cli.generate import make_folder
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.avatar_file import AvatarFile
from asynfusion_ros.viewer.avatar_guess import guess_avatar
from asynfusion_ros.viewer.avatar_map import AvatarMap, describe


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("avatar", help="show your own character: guess or check a map")
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    guess = tasks.add_parser("guess", help="begin a map from a GLB or VRM")
    guess.add_argument("avatar", type=Path, help="GLB or VRM (0.x, 1.0)")
    guess.add_argument("--out", type=Path, required=True, help="YAML file for the map")
    guess.set_defaults(run=run_guess)
    check = tasks.add_parser("check", help="say what of an avatar moves")
    check.add_argument("map", type=Path, help="map, or a GLB or VRM, for which one is guessed")
    check.set_defaults(run=run_check)


def run_guess(arguments: argparse.Namespace) -> int:
    """Write the map; say what it rests on and what is lacking."""
    file = AvatarFile.read(arguments.avatar)
    guess = guess_avatar(file)
    make_folder(arguments.out.parent)
    relative = os.path.relpath(arguments.avatar, arguments.out.parent)
    arguments.out.write_text(guess.write(relative), encoding="utf-8")
    for title, notes in (("guessed", guess.guessed), ("lacking", guess.lacking)):
        for note in notes:
            print(f"{title:<8} {note}")
    if guess.lacking:
        print(f"there are {describe(file)}")
    print(f"wrote {arguments.out}; now: asynfusion avatar check {arguments.out}, then "
          f"asynfusion up --avatar {arguments.out}")  # fmt: skip
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Print what moves; return 0 if head, arms and mouth do, else 1."""
    avatar = AvatarMap.of(arguments.map)
    joints = Skeleton.load().joint_names
    heard = {source for row in avatar.morphs.values() for source in row}
    moving = [name for name in joints if name in avatar.bones]
    still = [name for name in joints if name not in avatar.bones]
    fingers = sum(name[-1].isdigit() for name in avatar.bones)
    print(f"{avatar.path}")
    print(
        f"  bones    {len(moving)} of {len(joints)}"
        + (f"; still: {', '.join(still)}" if still else "")
    )
    print(f"  fingers  {fingers} of 30 joints")
    print(
        f"  face     {len(avatar.morphs)} morphs follow {len(heard)} of {len(ARKIT_NAMES)} weights"
    )
    passes = not still and "jawOpen" in heard
    if "jawOpen" not in heard:
        print("  the mouth does not open: nothing answers to jawOpen")
    if not passes:
        print(f"  there are {describe(AvatarFile.read(avatar.path))}")
    print("passes" if passes else "does not pass")
    return 0 if passes else 1
