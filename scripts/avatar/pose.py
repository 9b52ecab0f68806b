"""From the mesh's own rest pose to a T: arms along the x axis, palms down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from body import FINGERS, Body

Array = npt.NDArray[np.float64]


@dataclass
class TPose:
    """Links in order of descent: parent and place (3,) [m]; and what moves points there."""

    parents: dict[str, str | None]
    places: dict[str, Array]
    turns: dict[str, Array]
    origins: dict[str, Array]

    def move(self, body: Body, points: Array, offsets: bool = False) -> Array:
        """Return vertices (V, 3), or offsets at them, moved from the mesh's rest into the T."""
        moved = np.zeros_like(points)
        for link, weight in body.weights.items():
            turned = points if offsets else points - self.origins[link]
            turned = turned @ self.turns[link].T
            if not offsets:
                turned = turned + self.places[link]
            moved += weight[:, None] * turned
        return moved


def make_t_pose(body: Body) -> TPose:
    """Return the T-pose of the links that our skeleton names, with a neck beside them."""
    j = body.joints
    pose = TPose({}, {}, {}, {})
    waist = j["spine-3"] if "spine-3" in j else 0.5 * (j["pelvis"] + j["neck"])
    _add(pose, "chest", None, waist, np.eye(3))
    _add(pose, "neck", "chest", j["neck"], np.eye(3))
    _add(pose, "head", "neck", j["head"], np.eye(3))
    for side, sign in (("l", 1.0), ("r", -1.0)):
        along = np.array([sign, 0.0, 0.0])
        shoulder, elbow, wrist = (j[f"{side}-{n}"] for n in ("shoulder", "elbow", "hand"))
        knuckles = [j[f"{side}-finger-{n}-1"] for n in range(1, 6)]
        upper = _align(elbow - shoulder, along)
        fore = _align(wrist - elbow, along)
        hand = _align(knuckles[2] - wrist, along)
        across = hand @ (knuckles[1] - knuckles[4])
        roll = np.arctan2(across[1], across[2])  # bring the thumb's side forward
        hand = _about_x(roll) @ hand
        fore = _about_x(0.5 * _signed(roll)) @ fore
        _add(pose, f"{side}_upper_arm", "chest", shoulder, upper)
        _add(pose, f"{side}_forearm", f"{side}_upper_arm", elbow, fore)
        _add(pose, f"{side}_hand", f"{side}_forearm", wrist, hand)
        for number, finger in enumerate(FINGERS, start=1):
            parent = f"{side}_hand"
            for joint in (1, 2, 3):
                here, there = (j[f"{side}-finger-{number}-{k}"] for k in (joint, joint + 1))
                turn = hand
                if finger != "thumb":
                    turn = _align(hand @ (there - here), along) @ hand
                name = f"{side}_{finger}_{joint}"
                _add(pose, name, parent, here, turn)
                parent = name
    return pose


def _add(pose: TPose, name: str, parent: str | None, origin: Array, turn: Array) -> None:
    place = origin
    if parent is not None:
        place = pose.places[parent] + pose.turns[parent] @ (origin - pose.origins[parent])
    pose.parents[name], pose.turns[name] = parent, turn
    pose.origins[name], pose.places[name] = origin, place


def _align(direction: Array, target: Array) -> Array:
    """Return the smallest rotation that turns `direction` to `target`."""
    a = direction / np.linalg.norm(direction)
    axis, cosine = np.cross(a, target), float(a @ target)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1.0 + cosine)


def _about_x(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _signed(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
