"""How well a robot follows: a clip through a map, its clipped frames, and the paths of wrists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.retarget.arms import arm_links
from asynfusion_ros.retarget.entries import Tuning
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.pose import AvatarPose
from asynfusion_ros.retarget.retargeter import Retargeter
from asynfusion_ros.retarget.robot_map import RobotMap
from asynfusion_ros.retarget.stage import CLIP_RAD, joint_limits

Array = npt.NDArray[np.float64]

MOST_CLIPPED = 0.02
LEAST_CORRELATION = 0.8

_OUTER = (0.25, 99.75)  # percentiles that a suggested scale brings inside the limits
_MARGIN = 0.02  # of the range between the limits
_SPARE = 0.1  # of the span that a clip asks for: another clip asks for a little more


@dataclass(frozen=True)
class CheckReport:
    """What became of a clip; shares are of its frames.

    `beyond` counts values outside limits and `nan` those not finite: both must be 0. `wrists` are
    correlations (-1 to 1) of the robot's wrist paths in its torso with the avatar's in its chest.
    `suggestions` are entries of `joints` that would bring what is asked within limits.
    """

    seconds: float
    clipped: float
    slowed: float
    beyond: int
    nan: int
    by_joint: Mapping[str, float]
    wrists: Mapping[str, float]
    suggestions: Mapping[str, Mapping[str, float]]

    @property
    def passes(self) -> bool:
        """Whether nothing is out of bounds, few frames are clipped, and the wrists follow."""
        follows = all(value > LEAST_CORRELATION for value in self.wrists.values())
        return not self.beyond and not self.nan and self.clipped < MOST_CLIPPED and follows

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self), "passes": self.passes}


def check_motion(robot_map: RobotMap, model: RobotModel, clip: MotionClip) -> CheckReport:
    """Retarget a clip and measure it; raise MotionFileError where the map does not fit."""
    retargeter = Retargeter(robot_map, model)
    rows = to_joint_positions(retargeter.skeleton, clip.body, clip.fps_hz)
    poses, asked = [], []
    for index, (row, face) in enumerate(zip(rows, clip.face, strict=True)):
        poses.append(retargeter.advance(row, face, 1.0 / clip.fps_hz if index else 0.0).positions)
        asked.append(dict(retargeter.asked))
    positions = np.array(poses)
    counts = retargeter.counts
    beyond = (positions < retargeter.lower - 1e-9) | (positions > retargeter.upper + 1e-9)
    by_joint = {
        key.removeprefix("clipped/"): count / len(rows)
        for key, count in counts.most_common()
        if key.startswith("clipped/")
    }
    by_name = dict(zip(retargeter.names, positions.T, strict=True))
    mirrored = AvatarPose(retargeter.skeleton, robot_map.mirrored)
    avatar = np.array([mirrored.positions(row) for row in rows])
    return CheckReport(
        seconds=clip.duration_s,
        clipped=counts["clipped_frames"] / len(rows),
        slowed=counts["velocity_frames"] / len(rows),
        beyond=int(beyond.sum()),
        nan=int((~np.isfinite(positions)).sum()),
        by_joint=by_joint,
        wrists=_compare_wrists(robot_map, model, retargeter, avatar, by_name),
        suggestions=_suggest(robot_map, model, retargeter, asked),
    )


def path_correlation(first: Array, second: Array) -> float:
    """Return Pearson's correlation of two paths (T, 3), their three coordinates taken together.

    Each coordinate counts from its own mean, so neither place nor size matters; 0 where one
    stands still.
    """
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum() / scale) if scale > 1e-12 else 0.0


def _compare_wrists(
    robot_map: RobotMap,
    model: RobotModel,
    retargeter: Retargeter,
    avatar: Array,
    positions: Mapping[str, Array],
) -> dict[str, float]:
    sides = [side for side in "lr" if f"{side}_forearm" in robot_map.parts]
    if not sides:
        return {}
    skeleton = retargeter.skeleton
    places, turns = skeleton.ball_frames(skeleton.body_from_ball_angles(avatar[:, :24]))
    frames = model.frames(positions)
    found = {}
    for side in sides:
        away = places[f"{side}_hand"] - places["chest"]
        own = np.einsum("tji,tj->ti", turns["chest"], away)
        torso, wrist = arm_links(robot_map, model, side)
        base, end = frames[torso], frames[wrist]
        robot = np.einsum("...ji,...j->...i", base[..., :3, :3], end[..., :3, 3] - base[..., :3, 3])
        upright = model.zero_frames[torso][:3, :3]
        robot = np.broadcast_to(robot, (len(avatar), 3)) @ upright.T @ robot_map.frame.T
        found[side] = path_correlation(own, robot)
    return found


def _suggest(
    robot_map: RobotMap, model: RobotModel, retargeter: Retargeter, asked: list[dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Return scale and offset for joints that are clipped often: what was asked then fits."""
    frames = retargeter.counts["frames"]
    found = {}
    for group in (g for groups in robot_map.parts.values() for g in groups):
        name = group[0]
        if retargeter.counts[f"clipped/{name}"] < frames * MOST_CLIPPED / 10:
            continue
        tuning, rest = robot_map.joints.get(name, Tuning()), retargeter.rest[name]
        tuned = np.array([row[name] for row in asked])
        plain = rest + (tuned - rest - tuning.offset) / (tuning.scale or 1.0)
        bounds = np.array([joint_limits(robot_map, model, joint) for joint in group]).sum(axis=0)
        low, high = np.percentile(plain, _OUTER)
        low, high = low - _SPARE * (high - low), high + _SPARE * (high - low)
        scale, shift = _fit(low, high, rest, *bounds)
        found[name] = {"scale": round(scale, 2), "offset": round(shift, 2)}
    return found


def _fit(low: float, high: float, rest: float, lower: float, upper: float) -> tuple[float, float]:
    """Return scale about `rest` and offset that bring [low, high] within [lower, upper].

    Less motion about the standing pose changes less than another pose does, so an offset comes
    where the scale alone would be below a half.
    """
    margin = _MARGIN * (upper - lower)
    lower, upper = lower + margin, upper - margin
    if lower < rest < upper:
        down = (rest - lower) / max(rest - low, CLIP_RAD)
        up = (upper - rest) / max(high - rest, CLIP_RAD)
        if min(down, up) >= 0.5:
            return float(min(1.0, down, up)), 0.0
    scale = min(1.0, (upper - lower) / max(high - low, CLIP_RAD))
    shift = max(0.0, lower - rest - scale * (low - rest))
    shift += min(0.0, upper - rest - scale * (high - rest))
    return float(scale), float(shift)
