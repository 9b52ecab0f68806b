"""From poses of the avatar to joint positions of a robot, pose by pose and within limits."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.retarget.entries import PARTS
from asynfusion_ros.retarget.face import FACE_SOURCES, face_values
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.platform import PlatformStage
from asynfusion_ros.retarget.pose import AvatarPose, rest_direction, zero_alignments
from asynfusion_ros.retarget.reach import ReachSolver
from asynfusion_ros.retarget.robot_map import RobotMap
from asynfusion_ros.retarget.stage import (
    CLIP_RAD,
    Solution,
    Stage,
    joint_limits,
    joint_velocity,
    sources_by_name,
)

Array = npt.NDArray[np.float64]

OFFSET = "offset"
"""The entry of a drive that is added as it is."""


@dataclass(frozen=True)
class RobotPose:
    """Positions (N,) [rad or m] and velocities (N,) of all moving joints, and what was clipped."""

    positions: Array
    velocities: Array
    clipped: tuple[str, ...]


class Retargeter:
    """Turns one pose of the avatar after another into a robot's joints.

    `counts` tells how often it had to act: `frames`, `clipped_frames`, `velocity_frames`, `nan`,
    and `clipped/<joint>`. `asked` holds what was last wanted of each joint before its limits, and
    `rest` what the standing pose asks before any scale and offset.
    """

    def __init__(
        self, robot_map: RobotMap, model: RobotModel, skeleton: Skeleton | None = None
    ) -> None:
        """Check the map against the robot and stand at rest; raise MotionFileError."""
        robot_map.check(model)
        self.skeleton = skeleton or Skeleton.load()
        self.names = model.moving_names
        self._map, self._model = robot_map, model
        self._check_drives()
        self._reader = AvatarPose(self.skeleton, robot_map.mirrored)
        self._aligned = zero_alignments(robot_map.zero_pose)
        self._stages = [
            Stage(part, robot_map, model, self._aligned[part] @ rest_direction(part))
            for part in PARTS
            if part in robot_map.parts
        ]
        self._platform = None if robot_map.platform is None else PlatformStage(robot_map, model)
        reach = robot_map.mode == "reach"
        self._reach = ReachSolver(robot_map, model, self.skeleton) if reach else None
        limits = np.array([joint_limits(robot_map, model, name) for name in self.names])
        self.lower, self.upper = limits.reshape(-1, 2).T
        self._speed = np.array([joint_velocity(robot_map, model, name) for name in self.names])
        self.counts: Counter[str] = Counter()
        self.asked: dict[str, float] = {}
        self.rest: dict[str, float] = {}
        rest = to_joint_positions(self.skeleton, self.skeleton.rest_body[None], 1.0)[0]
        self._given, self._face = rest, np.zeros(len(FACE_NAMES), np.float32)
        self._stand(rest)
        self._positions = self._complete(self._solve(rest, self._face)[0])

    @property
    def positions(self) -> Array:
        """Where the joints (N,) [rad or m] are: at rest before the first pose."""
        return np.array(self._positions)

    def advance(self, positions: npt.ArrayLike, face: npt.ArrayLike, dt_s: float) -> RobotPose:
        """Return the robot's pose for the avatar's joints (54,) [rad] and face (51,) `dt_s` later.

        Values that are not finite keep their last one. With dt_s = 0 the pose is taken at once;
        otherwise no joint moves faster than it may.
        """
        self._take(positions, face)
        solved, clipped = self._solve(self._reader.positions(self._given), self._face)
        wanted = self._complete(solved)
        moved = wanted
        if dt_s > 0.0:
            reach = self._speed * dt_s
            moved = np.clip(wanted, self._positions - reach, self._positions + reach)
        velocities = (moved - self._positions) / dt_s if dt_s > 0.0 else np.zeros_like(moved)
        self._positions = moved
        self.counts["frames"] += 1
        self.counts["clipped_frames"] += bool(clipped)
        self.counts["velocity_frames"] += bool((np.abs(moved - wanted) > CLIP_RAD).any())
        self.counts.update(f"clipped/{name}" for name in clipped)
        return RobotPose(np.array(moved), velocities, clipped)

    def retarget(self, clip: MotionClip) -> tuple[Array, Array]:
        """Return positions (T, N) and velocities (T, N) of a whole clip."""
        rows = to_joint_positions(self.skeleton, clip.body, clip.fps_hz)
        poses = [
            self.advance(row, face, 1.0 / clip.fps_hz if index else 0.0)
            for index, (row, face) in enumerate(zip(rows, clip.face, strict=True))
        ]
        return np.array([p.positions for p in poses]), np.array([p.velocities for p in poses])

    def _check_drives(self) -> None:
        known = (OFFSET, *FACE_SOURCES, *self.skeleton.robot_joint_names)
        for joint, gains in self._map.drives.items():
            for source in gains:
                if source not in known:
                    near = difflib.get_close_matches(source, known, 3)
                    raise MotionFileError(
                        f"map {self._map.name}: {joint} is driven by {source!r}, which the avatar "
                        f"does not have (near: {near}); drives take ARKit names, mouthOpening, "
                        "AU1 and so on, viseme_aa and so on, and joints such as l_index_1"
                    )

    def _take(self, positions: npt.ArrayLike, face: npt.ArrayLike) -> None:
        body, weights = np.asarray(positions, np.float64), self._reader.face(face)
        good, seen = np.isfinite(body), np.isfinite(weights)
        self.counts["nan"] += int((~good).sum() + (~seen).sum())
        self._given = np.where(good, body, self._given)
        self._face = np.where(seen, weights, self._face)

    def _stand(self, rest: Array) -> None:
        """Let every stage take the avatar's standing pose as the one that scales count from."""
        turns = self._reader.turns(self._reader.positions(rest))
        moved = {part: np.eye(3) for part in PARTS}
        for stage in self._stages:
            before = self._before(stage.part, moved)
            goal = self._goal(stage, turns, before)
            stage.set_rest(goal)
            self.rest.update(stage.rest)
            moved[stage.part] = before @ stage.solve(goal).turned

    def _goal(self, stage: Stage, turns: dict[str, Array], before: Array) -> Array:
        """Return what a stage is to point to (3,) or turn like (3, 3), before its own joints."""
        if stage.aims:
            return np.asarray(before.T @ turns[stage.part] @ rest_direction(stage.part))
        return np.asarray(before.T @ turns[stage.part] @ self._aligned[stage.part].T)

    def _before(self, part: str, moved: dict[str, Array]) -> Array:
        """Return the turn (3, 3), in the chest, of what carries a part."""
        above = {"forearm": "upper_arm", "hand": "forearm"}
        side, _, name = part.partition("_")
        return moved[f"{side}_{above[name]}"] if name in above else np.eye(3)

    def _solve(self, positions: Array, face: Array | npt.NDArray[np.float32]) -> Solved:
        turns = self._reader.turns(positions)
        moved: dict[str, Array] = {}
        solved = dict(self._map.rest)
        clipped: list[str] = []
        by_part = {stage.part: stage for stage in self._stages}
        for part in PARTS:
            before = self._before(part, moved)
            solution = Solution({}, np.eye(3), (), {})
            if part in by_part:
                solution = by_part[part].solve(self._goal(by_part[part], turns, before))
            elif part == "head" and self._platform is not None:
                solution = self._platform.solve(turns["head"])
            moved[part] = before @ solution.turned
            solved.update(solution.positions)
            self.asked.update(solution.asked)
            clipped += solution.clipped
        if self._reach is not None:
            reached, missed = self._reach.solve(solved, turns)
            solved.update(reached)
            clipped = [*(j for j in clipped if j not in self._reach.joints), *missed]
        if self._map.drives:
            driven, beyond = self._drive(positions, face)
            solved.update(driven)
            clipped += beyond
        return solved, tuple(clipped)

    def _drive(
        self, positions: Array, face: Array | npt.NDArray[np.float32]
    ) -> tuple[dict[str, float], list[str]]:
        """Return the joints that are sums of named values, and those that hit a limit."""
        values = {OFFSET: 1.0, **face_values(face)}
        values |= sources_by_name(self.skeleton.robot_joint_names, positions)
        driven, beyond = {}, []
        for joint, gains in self._map.drives.items():
            wanted = sum(gain * values[source] for source, gain in gains.items())
            lower, upper = joint_limits(self._map, self._model, joint)
            driven[joint] = min(max(wanted, lower), upper)
            if abs(driven[joint] - wanted) > CLIP_RAD:
                beyond.append(joint)
        return driven, beyond

    def _complete(self, solved: dict[str, float]) -> Array:
        """Return all moving joints (N,): solved, at rest, or following another; within limits."""
        values = []
        for name, lower, upper in zip(self.names, self.lower, self.upper, strict=True):
            mimic = self._model.by_name[name].mimic
            value = solved.get(name, 0.0)
            if mimic is not None:
                value = mimic[1] * solved.get(mimic[0], 0.0) + mimic[2]
            solved[name] = min(max(value, lower), upper)
            values.append(solved[name])
        return np.array(values, np.float64)


Solved = tuple[dict[str, float], tuple[str, ...]]
