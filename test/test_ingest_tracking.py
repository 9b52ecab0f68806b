"""MediaPipe on a film of our own avatar, whose motion is known.

Needs `pip install 'asynfusion_ros[ingest]'` and ASYNFUSION_FACE_MODEL; without them only the parts
around the models are tested.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from ingest_film import truth
from ingest_helpers import RATE_HZ, write_video

from asynfusion_ros.data.ingest.make import Origin, make_takes
from asynfusion_ros.data.ingest.settings import IngestSettings
from asynfusion_ros.data.ingest.tracking import (
    FaceSquare,
    find_face_model,
    import_mediapipe,
    track_video,
)
from asynfusion_ros.data.ingest.tracks import HEAD_POINTS
from asynfusion_ros.data.ingest.video import open_video, read_video_sound
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import face_index
from asynfusion_ros.motion.skeleton import Skeleton

FILM = Path(__file__).parent / "fixtures" / "avatar_talks.mp4"


def head_at(x, y, width):
    points = np.zeros((len(HEAD_POINTS), 3), np.float32)
    points[:, :2] = (x, y)
    points[7, 0] += width / 2
    points[8, 0] -= width / 2
    return points


def test_the_square_follows_the_head_in_steps_and_stays_in_the_picture():
    square = FaceSquare((1280, 720))
    picture = np.full((720, 1280, 3), 255, np.uint8)
    assert square.cut(picture).shape == (1280, 1280, 3)  # nobody yet: everything
    square.follow(head_at(300, 200, 100))
    assert (square.middle_x, square.side) == (300, 420)
    assert square.cut(picture).shape == (420, 420, 3)
    square.follow(head_at(310, 205, 103))  # a small step
    assert (square.middle_x, square.side) == (300, 420)
    square.follow(head_at(400, 200, 100))
    assert square.middle_x == 400
    square.follow(head_at(10, 10, 100))
    corner = square.cut(picture)
    assert corner.shape == (420, 420, 3)
    assert corner[-1, -1, 0] == 255
    assert corner[0, 0, 0] == 0
    square.follow(None)
    assert square.side == 1280


@pytest.fixture(scope="module")
def mediapipe():
    if importlib.util.find_spec("mediapipe") is None:
        pytest.skip("mediapipe is not installed; pip install 'asynfusion_ros[ingest]'")
    return import_mediapipe()


@pytest.fixture(scope="module")
def face_model():
    if not os.environ.get("ASYNFUSION_FACE_MODEL"):
        pytest.skip("no face model: set ASYNFUSION_FACE_MODEL")
    return find_face_model(None)


@pytest.fixture(scope="module")
def ingested(mediapipe, face_model):
    video = open_video(FILM)
    tracks = track_video(video, face_model, mediapipe)
    samples = read_video_sound(video)
    origin = Origin("avatar", "avatar", "Apache-2.0")
    takes, report = make_takes(tracks, samples, video, origin, IngestSettings())
    return takes[0].clip, report


@pytest.mark.slow
def test_the_avatar_is_tracked_throughout(ingested):
    clip, report = ingested
    assert len(clip) == len(truth()) == 200
    assert report.face.share == 1.0
    assert min(report.joints.values()) > 0.9
    assert abs(report.sync.seconds) < 0.05
    assert report.moved_s == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channel", "least"),
    [("jawOpen", 0.8), ("eyeBlinkLeft", 0.9), ("mouthSmileRight", 0.8), ("eyeLookOutLeft", 0.8)],
)
def test_the_face_moves_as_it_did(ingested, channel, least):
    index = face_index(channel)
    pair = np.corrcoef(ingested[0].face[:, index], truth().face[:, index])
    assert pair[0, 1] > least


@pytest.mark.slow
def test_head_and_arms_turn_as_they_did(ingested):
    clip, skeleton = ingested[0], Skeleton.load()
    yaw = 3 * skeleton.joint_names.index("head") + 2
    assert np.corrcoef(clip.body[:, yaw], truth().body[:, yaw])[0, 1] > 0.85
    found, true = (skeleton.forward_kinematics(body) for body in (clip.body, truth().body))
    for root, tip in (("upper_arm", "forearm"), ("forearm", "hand")):
        for side in "lr":
            bones = [p[f"{side}_{tip}"] - p[f"{side}_{root}"] for p in (found, true)]
            first, second = (b / np.linalg.norm(b, axis=-1, keepdims=True) for b in bones)
            error = np.degrees(np.arccos(np.clip((first * second).sum(-1), -1, 1)))
            assert error.mean() < 22.0


def test_an_empty_room_has_no_face(mediapipe, face_model, tmp_path):
    path = write_video(tmp_path / "room.mp4", 5, size=(320, 240), sound=np.full(RATE_HZ, 0.1))
    video = open_video(path)
    tracks = track_video(video, face_model, mediapipe)
    assert not tracks.face_seen.any()
    assert not tracks.faces.any()
    with pytest.raises(DataError, match="no face in any of 5 pictures"):
        make_takes(tracks, read_video_sound(video), video, Origin("r", "r", "-"), IngestSettings())


def test_another_file_is_no_face_model(mediapipe, tmp_path):
    (tmp_path / "other.task").write_bytes(b"no model")
    path = write_video(tmp_path / "room.mp4", 5, size=(320, 240))
    with pytest.raises(DataError, match="is not a MediaPipe face model"):
        track_video(open_video(path), tmp_path / "other.task", mediapipe)
