"""The command `robot`: guess a map for a robot, and check how well the robot follows."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from asynfusion_ros.cli.generate import make_folder
from asynfusion_ros.motion.npz import read_npz
from asynfusion_ros.retarget.check import (
    LEAST_CORRELATION,
    MOST_CLIPPED,
    CheckReport,
    check_motion,
)
from asynfusion_ros.retarget.guess import guess_map
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.robot_map import MODES, RobotMap, find_map, locate_urdf
from asynfusion_ros.retarget.writing import write_guess, write_suggestions

_SHOWN_MESHES = 2


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `asynfusion` command line."""
    parser = subparsers.add_parser("robot", help="put the motion on a robot: guess or check a map")
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    guess = tasks.add_parser("guess", help="begin a map from a URDF")
    guess.add_argument("urdf", type=Path, help="the robot's URDF; its meshes are not needed")
    guess.add_argument("--out", type=Path, required=True, help="YAML file for the map")
    guess.add_argument(
        "--motion", type=Path, help="NPZ of `asynfusion generate`; joints that it clips are tuned"
    )
    guess.set_defaults(run=run_guess)
    check = tasks.add_parser("check", help="measure how a robot follows a clip")
    check.add_argument("map", help="YAML file, or the name of a ready map")
    check.add_argument("--urdf", default="", help="the robot's URDF (default: of its package)")
    check.add_argument("--motion", type=Path, required=True, help="NPZ of `asynfusion generate`")
    check.add_argument("--mode", choices=MODES, help="try another than the map's")
    check.add_argument("--report", type=Path, help="JSON file for the figures")
    check.set_defaults(run=run_check)


def run_guess(arguments: argparse.Namespace) -> int:
    """Write the map and say what it rests on and what is lacking."""
    model = RobotModel.load(arguments.urdf)
    guess = guess_map(model)
    make_folder(arguments.out.parent)
    text = write_guess(guess, arguments.urdf.name)
    arguments.out.write_text(text, encoding="utf-8")
    if arguments.motion is not None:
        clip = read_npz(arguments.motion)
        report = check_motion(RobotMap.load(arguments.out), model, clip)
        guess.joints = {name: dict(row) for name, row in report.suggestions.items()}
        guess.guessed += [f"{name}: scale and offset, by {arguments.motion.name}" for name in
                          guess.joints]  # fmt: skip
        arguments.out.write_text(write_guess(guess, arguments.urdf.name), encoding="utf-8")
    for title, notes in (("guessed", guess.guessed), ("lacking", guess.lacking)):
        for note in notes:
            print(f"{title:<8} {note}")
    if guess.unused:
        print(f"left alone: {', '.join(guess.unused)}")
    _say_meshes(model, arguments.urdf)
    print(f"wrote {arguments.out}; now: asynfusion robot check {arguments.out} "
          f"--urdf {arguments.urdf} --motion CLIP.npz")  # fmt: skip
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Print the figures; return 0 if all hold, else 1."""
    robot_map = RobotMap.load(find_map(arguments.map))
    if arguments.mode is not None:
        robot_map = replace(robot_map, mode=arguments.mode)
    urdf = locate_urdf(robot_map, arguments.urdf)
    model = RobotModel.load(urdf)
    report = check_motion(robot_map, model, read_npz(arguments.motion))
    _print_report(report, robot_map.name, str(urdf))
    _say_meshes(model, urdf)
    if arguments.report is not None:
        arguments.report.write_text(json.dumps(report.to_dict(), indent=2) + "\n", "utf-8")
    return 0 if report.passes else 1


def _print_report(report: CheckReport, name: str, urdf: str) -> None:
    print(f"{name}: {report.seconds:.0f} s on {urdf}")
    print(f"  values beyond limits   {report.beyond}")
    print(f"  values not finite      {report.nan}")
    print(f"  frames clipped         {report.clipped:.2%} (below {MOST_CLIPPED:.0%})")
    for joint, share in report.by_joint.items():
        print(f"    {joint:<28} {share:.2%}")
    print(f"  frames slowed          {report.slowed:.2%}")
    for side, value in report.wrists.items():
        print(f"  wrist path {side}           {value:.3f} (above {LEAST_CORRELATION})")
    if not report.wrists:
        print("  wrist path             this map moves no arms")
    if report.suggestions:
        print("what the clip asks fits with these entries in the map:")
        print(write_suggestions(report.suggestions), end="")
    print("passes" if report.passes else "does not pass")


def _say_meshes(model: RobotModel, urdf: Path) -> None:
    missing = model.missing_meshes(urdf.parent)
    if missing:
        shown = ", ".join(missing[:_SHOWN_MESHES]) + (", ..." if missing[_SHOWN_MESHES:] else "")
        print(
            f"{len(missing)} of {len(model.meshes)} meshes are missing ({shown}): joints work "
            "without them, pictures do not"
        )
