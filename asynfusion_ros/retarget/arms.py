"""Where the arms of a robot begin, bend and end, by its map."""

from __future__ import annotations

import numpy as np

from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.retarget.robot_map import RobotMap


def arm_links(robot_map: RobotMap, model: RobotModel, side: str) -> tuple[str, str]:
    """Return the link that carries an arm, and the one whose origin is its wrist."""
    parts = [p for p in ("upper_arm", "forearm", "hand") if f"{side}_{p}" in robot_map.parts]
    joints = [j for p in parts for group in robot_map.parts[f"{side}_{p}"] for j in group]
    torso = min((model.by_name[j] for j in joints), key=lambda j: len(model.chain(j.child))).parent
    last = max((model.by_name[j] for j in joints), key=lambda j: len(model.chain(j.child))).child
    if f"{side}_hand" in robot_map.parts:
        return torso, last
    below = [link for link in model.zero_frames if last in [j.child for j in model.chain(link)]]
    start = model.zero_frames[last][:3, 3]
    return torso, max(
        below, key=lambda link: float(np.linalg.norm(model.zero_frames[link][:3, 3] - start))
    )
