"""Landmarks of a known body give that body back."""

from dataclasses import replace

import numpy as np
import pytest
from ingest_helpers import film, make_motion

from asynfusion_ros.data.ingest.body import find_body, joints_seen
from asynfusion_ros.data.ingest.settings import IngestSettings
from asynfusion_ros.data.ingest.tracks import ELBOWS, HIPS
from asynfusion_ros.data.talk30 import JOINTS
from asynfusion_ros.motion.rotations import compose, geodesic_angle_rad, invert, mean_rotation
from asynfusion_ros.motion.skeleton import Skeleton

SETTINGS = IngestSettings(depth_cutoff_hz=6.0)
CLIP = make_motion()
TRACKS = film(CLIP)


def joint(body, name):
    return body.reshape(len(body), len(JOINTS), 3)[:, JOINTS.index(name)].astype(np.float64)


def error_deg(body, name):
    """Largest error inside the take [deg]; chest and head count from their mean."""
    truth = joint(CLIP.body, name)
    if name in ("chest", "head"):
        truth = compose(invert(np.tile(mean_rotation(truth), (len(truth), 1))), truth)
    return np.rad2deg(geodesic_angle_rad(joint(body, name), truth))[10:-10].max()


@pytest.mark.parametrize("name", [name for name in JOINTS if "hand" not in name])
def test_turns_come_back(name):
    found = find_body(TRACKS, SETTINGS)
    assert error_deg(found.body, name) < 1.5
    assert found.mask.min() == 1.0
    assert set(found.shares.values()) == {1.0}


@pytest.mark.parametrize("side", ["l", "r"])
def test_hands_point_where_they_did(side):
    """Between the wrist and the middle of index and little finger there is a small fixed turn."""
    skeleton = Skeleton.load()

    def direction(body):
        places = skeleton.forward_kinematics(body)
        knuckles = (places[f"{side}_index_1"] + places[f"{side}_pinky_1"]) / 2
        along = knuckles - places[f"{side}_hand"]
        return along / np.linalg.norm(along, axis=-1, keepdims=True)

    found = find_body(TRACKS, SETTINGS).body.copy()
    found[:, :6] = CLIP.body[:, :6]  # the arms hang on the chest, which counts from its mean
    cosine = (direction(CLIP.body) * direction(found)).sum(axis=-1)[10:-10]
    assert np.rad2deg(np.arccos(np.clip(cosine, -1, 1))).max() < 8.0


def test_a_short_gap_is_bridged_and_a_long_one_masked():
    def gap(first, end):
        pose = TRACKS.pose.copy()
        pose[first:end, ELBOWS[0], 2] = 0.0
        return find_body(replace(TRACKS, pose=pose), SETTINGS)

    short = gap(60, 70)
    assert short.mask.min() == 1.0
    assert error_deg(short.body, "l_upper_arm") < 8.0
    long = gap(60, 110)
    mask = joint(long.mask, "l_forearm")
    assert not mask[60:110].any()
    assert mask[:60].all()
    assert mask[110:].all()
    assert joint(long.mask, "r_forearm").all()
    assert long.shares["l_forearm"] == pytest.approx(0.75)


def test_a_limb_out_of_sight_rests_unmeasured():
    pose = TRACKS.pose.copy()
    pose[:, ELBOWS[1], 1] = 10_000.0  # below the picture
    found = find_body(replace(TRACKS, pose=pose), SETTINGS)
    rest = Skeleton.load().rest_body.reshape(len(JOINTS), 3)
    for name in ("r_upper_arm", "r_forearm", "r_hand"):
        assert not joint(found.mask, name).any()
        np.testing.assert_allclose(joint(found.body, name)[50], rest[JOINTS.index(name)], atol=1e-6)
    assert joint(found.mask, "l_forearm").all()


def test_a_face_alone_gives_the_head():
    pose = np.full_like(TRACKS.pose, np.nan)
    world = np.full_like(TRACKS.world, np.nan)
    found = find_body(replace(TRACKS, pose=pose, world=world), SETTINGS)
    assert joint(found.mask, "head").all()
    assert found.mask.sum() == 3 * len(CLIP)
    assert not joint(found.body, "chest").any()
    assert np.isfinite(found.body).all()


def test_without_hips_the_torso_stands_but_turns():
    pose = TRACKS.pose.copy()
    pose[:, list(HIPS), 2] = 0.0
    seen = joints_seen(replace(TRACKS, pose=pose), SETTINGS)
    assert not seen["hips"].any()
    chest = joint(find_body(replace(TRACKS, pose=pose), SETTINGS).body, "chest")
    truth = joint(CLIP.body, "chest")
    assert np.corrcoef(chest[:, 2], truth[:, 2])[0, 1] > 0.95  # yaw
    assert np.corrcoef(chest[:, 0], truth[:, 0])[0, 1] > 0.95  # roll: one shoulder higher
