"""Landmarks of a pose to the turns of chest, head, arms and hands.

Places are in camera axes x right, y up, z to the camera, which are the person's left, up and
forward when it looks into the camera. Directions of bones tell no twist, so there is none, as in
talk30.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from asynfusion_ros.data.ingest.gaps import bridge, bridge_turns, close_gaps
from asynfusion_ros.data.ingest.settings import IngestSettings
from asynfusion_ros.data.ingest.tracks import (
    ELBOWS,
    HIPS,
    INDICES,
    PINKIES,
    SHOULDERS,
    WRISTS,
    Flags,
    Tracks,
)
from asynfusion_ros.data.recording import smooth_motion
from asynfusion_ros.data.retarget import frame_of, swing, to_body
from asynfusion_ros.data.talk30 import JOINTS
from asynfusion_ros.motion.rotations import make_continuous
from asynfusion_ros.motion.skeleton import Skeleton

Array = npt.NDArray[np.float64]

LEAST_SHARE = 0.05
"""A limb seen in less of a take counts as never seen."""
HIPS_SHARE = 0.7
"""Hips must be seen in this share of a take to tell how the torso leans."""
_SCALE_CUTOFF_HZ = 0.5  # people walk nearer slowly
_UP = np.array([0.0, 1.0, 0.0])
_SIDES = {"l": 0, "r": 1}


@dataclass(frozen=True)
class Body:
    """Body (T, 24) [rad], its mask (T, 24), and the share in which each joint was seen."""

    body: npt.NDArray[np.float32]
    mask: npt.NDArray[np.float32]
    shares: dict[str, float]


def find_body(tracks: Tracks, settings: IngestSettings) -> Body:
    """Return the body's motion: gaps are bridged, and masked where they are long.

    Joints that were hardly ever seen rest and are masked; an unseen chest stands still, and the
    head then turns against the camera, as in a picture of the face alone.
    """
    seen = joints_seen(tracks, settings)
    cutoff_hz = _usable(settings.plane_cutoff_hz, tracks)
    head = smooth_turns(bridge_turns(tracks.head, seen["head"]), tracks.fps_hz, cutoff_hz)
    turns = {"chest": Rotation.identity(len(tracks)), "head": head}
    if _often(seen["chest"]):
        points = place_points(tracks, settings)
        turns["chest"] = chest_turns(points, seen["hips"].mean() >= HIPS_SHARE)
        for side in _SIDES:
            arm = arm_turns(side, points, turns["chest"], seen)
            turns |= {joint: turn for joint, turn in arm.items() if _often(seen[joint])}
    body, mask = to_body(turns)
    longest = round(settings.body_gap_s * tracks.fps_hz)
    measured = np.stack([close_gaps(seen[joint], longest) for joint in JOINTS], axis=1)
    body = np.where(mask > 0.0, body, Skeleton.load().rest_body)
    mask *= np.repeat(measured, 3, axis=1)
    shares = {joint: float(seen[joint].mean()) for joint in JOINTS}
    return Body(body.astype(np.float32), mask.astype(np.float32), shares)


def joints_seen(tracks: Tracks, settings: IngestSettings) -> dict[str, Flags]:
    """Return by joint, and for the hips, in which pictures it can be told (T,)."""

    def visible(*points: int) -> Flags:
        return tracks.visible(*points, least=settings.visibility)

    seen = {"head": tracks.face_seen, "chest": visible(*SHOULDERS), "hips": visible(*HIPS)}
    for side, k in _SIDES.items():
        seen[f"{side}_upper_arm"] = seen["chest"] & visible(ELBOWS[k])
        seen[f"{side}_forearm"] = seen[f"{side}_upper_arm"] & visible(WRISTS[k])
        seen[f"{side}_hand"] = seen[f"{side}_forearm"] & visible(INDICES[k], PINKIES[k])
    return seen


def place_points(tracks: Tracks, settings: IngestSettings) -> Array:
    """Return the pose (T, 33, 3) [m]: across from the picture, depth from the 3D model, smooth.

    The picture's scale in metres is that of shoulders and elbows in the 3D model (least squares).
    Landmarks in the picture are several times surer than depth, so depth is smoothed more.
    """
    seen = tracks.pose_seen
    world = bridge(tracks.world, seen) * (1.0, -1.0, -1.0)
    flat = bridge(tracks.pose[..., :2], seen) * (1.0, -1.0)
    trunk = [*SHOULDERS, *ELBOWS]
    near, far = (rows[:, trunk, :2] for rows in (world, flat))
    near, far = (rows - rows.mean(axis=1, keepdims=True) for rows in (near, far))
    scale = (near * far).sum(axis=(1, 2)) / np.maximum((near * near).sum(axis=(1, 2)), 1e-9)
    scale = np.maximum(smooth_motion(scale, tracks.fps_hz, _SCALE_CUTOFF_HZ), 1.0)
    across = smooth_motion(
        flat / scale[:, None, None], tracks.fps_hz, _usable(settings.plane_cutoff_hz, tracks)
    )
    depth_hz = _usable(settings.depth_cutoff_hz, tracks)
    depth = smooth_motion(world[..., 2:], tracks.fps_hz, depth_hz)
    return np.concatenate([across, depth], axis=-1).astype(np.float64)


def chest_turns(points: Array, hips_seen: bool) -> Rotation:
    """Return the chest's turns (T,): shoulders tell left, hips up; without hips it stands."""
    shoulders, hips = points[:, SHOULDERS], points[:, HIPS]
    left = shoulders[:, 0] - shoulders[:, 1]
    up = shoulders.mean(axis=1) - hips.mean(axis=1)
    if not hips_seen:  # upright, but for the shoulders' tilt in the picture
        tilt = left * (1.0, 1.0, 0.0)
        up = _UP - tilt * (tilt @ _UP)[:, None] / np.maximum((tilt**2).sum(-1), 1e-9)[:, None]
    return frame_of(up, left)


def arm_turns(
    side: str, points: Array, chest: Rotation, seen: dict[str, Flags]
) -> dict[str, Rotation]:
    """Return the turns of one arm's parts: each the smallest in its parent that points there."""
    k = _SIDES[side]
    along = np.array([1.0 if side == "l" else -1.0, 0.0, 0.0])
    shoulder, elbow, wrist = points[:, SHOULDERS[k]], points[:, ELBOWS[k]], points[:, WRISTS[k]]
    knuckles = points[:, [INDICES[k], PINKIES[k]]].mean(axis=1)
    bones = {"upper_arm": elbow - shoulder, "forearm": wrist - elbow, "hand": knuckles - wrist}
    turns, parent = {}, chest
    for part, bone in bones.items():
        joint = f"{side}_{part}"
        direction = bridge(_unit(bone), seen[joint])
        parent = parent * swing(along, parent.inv().apply(_unit(direction)))
        turns[joint] = parent
    return turns


def smooth_turns(turns: Rotation, fps_hz: float, cutoff_hz: float) -> Rotation:
    """Return the turns (T,) low-passed about their mean."""
    mean = turns.mean()
    about = make_continuous((mean.inv() * turns).as_rotvec())
    return mean * Rotation.from_rotvec(smooth_motion(about, fps_hz, cutoff_hz))


def _often(seen: Flags) -> bool:
    return bool(seen.mean() >= LEAST_SHARE)


def _usable(cutoff_hz: float, tracks: Tracks) -> float:
    return min(cutoff_hz, 0.4 * tracks.fps_hz)


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))
