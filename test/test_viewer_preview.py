import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.motion.blendshapes import face_index
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.figure import FigurePainter
from asynfusion_ros.viewer.preview import HEIGHT, WIDTH, render_preview

SKELETON = Skeleton.load()
FINGERS = np.full(30, 0.3)


def paint(body=SKELETON.rest_body, **weights):
    face = np.zeros(51)
    for name, weight in weights.items():
        face[face_index(name)] = weight
    return np.asarray(FigurePainter(SKELETON, 320, 180).paint(face, body, FINGERS)).astype(int)


def changed_rows(first, second):
    rows = np.flatnonzero(np.abs(first - second).sum(axis=(1, 2)))
    return (rows.min(), rows.max()) if rows.size else None


def test_an_open_jaw_changes_the_face_and_nothing_below_the_chin():
    first, last = changed_rows(paint(), paint(jawOpen=0.8))
    assert last - first > 3
    assert last < 80


def test_a_blink_changes_the_picture_above_the_mouth():
    blink = changed_rows(paint(), paint(eyeBlinkLeft=1.0, eyeBlinkRight=1.0))
    mouth = changed_rows(paint(), paint(mouthPucker=1.0))
    assert blink[1] < mouth[0]


def test_a_raised_left_arm_changes_the_right_half_of_the_picture():
    body = SKELETON.rest_body.copy()
    body[6:9] = 0.0  # a T-pose on the left
    columns = np.flatnonzero(np.abs(paint() - paint(body)).sum(axis=(0, 2)))
    assert columns.min() > 160


def test_the_film_has_every_frame_and_the_sound(tmp_path):
    clip = MotionClip(30.0, np.zeros((12, 51), np.float32), np.tile(SKELETON.rest_body, (12, 1)))
    soundfile.write(tmp_path / "s.wav", np.zeros(6400), 16000)
    done = []
    path = tmp_path / "film.mp4"
    render_preview(clip, tmp_path / "s.wav", path, lambda k, n: done.append((k, n)))
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert frames == 12
    assert seconds == pytest.approx(0.4, abs=0.05)
    assert done[-1] == (12, 12)
    reader = imageio_ffmpeg.read_frames(str(path))
    assert next(reader)["size"] == (WIDTH, HEIGHT)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    clip = MotionClip(30.0, np.zeros((40, 51), np.float32), np.tile(SKELETON.rest_body, (40, 1)))
    with pytest.raises(MotionFileError, match="absent"):
        render_preview(clip, None, tmp_path / "absent" / "film.mp4")
