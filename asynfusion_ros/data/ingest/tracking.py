"""MediaPipe over a video: face weights, the pose of the head, landmarks of the body.

The models of the body and of far faces lie inside the MediaPipe wheel; the face model with
blendshapes is a file of its own. That model looks for faces that fill the picture, so it is shown a
square around the head that the body's model found.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from asynfusion_ros.data.ingest.quality import blur_of
from asynfusion_ros.data.ingest.tracks import EARS, HEAD_POINTS, POSE_POINTS, Array, Tracks
from asynfusion_ros.data.ingest.video import Picture, Video, read_pictures
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import FACE_NAMES

Progress = Callable[[int, int], None]

FACE_MODEL = "face_landmarker.task"
FACE_MODEL_VARIABLE = "ASYNFUSION_FACE_MODEL"
_SQUARE = 4.2  # side of the square around the head, in widths of the head
_STRAY = 0.12  # the head may move this share of the side before the square follows
_GROWTH = 1.25  # and grow or shrink by this
_CUT = 0.16  # mean change of a 32 x 18 grey picture that means another shot
_CROWD_S = 1.0  # how often other faces are looked for


def import_mediapipe() -> Any:
    """Return the module `mediapipe`; raise DataError with what to install."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import mediapipe  # noqa: PLC0415  (large, and an extra)
    except ImportError as error:
        raise DataError(
            f"MediaPipe is not installed ({error}); pip install 'asynfusion_ros[ingest]', best in "
            "an environment of its own (docs/ingest.md)"
        ) from error
    if not hasattr(mediapipe, "solutions"):
        raise DataError(
            f"MediaPipe {mediapipe.__version__} carries no model of the body; "
            "pip install mediapipe==0.10.21 (Python 3.10 to 3.12)"
        )
    return mediapipe


def find_face_model(path: Path | None) -> Path:
    """Return the face model's file; raise DataError that says where it comes from."""
    given = path or Path(os.environ.get(FACE_MODEL_VARIABLE) or FACE_MODEL)
    if not given.is_file():
        raise DataError(
            f"the face model {given} does not exist; download {FACE_MODEL} (Apache-2.0), to which "
            "MediaPipe's guide to face landmarks links, and give it with --face-model or "
            f"{FACE_MODEL_VARIABLE}"
        )
    return given


class FaceSquare:
    """The square of a picture that is shown to the face model; it follows the head in steps."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Begin with the whole picture."""
        self._whole = (size[0] / 2, size[1] / 2, float(max(size)))
        self.middle_x, self.middle_y, self.side = self._whole

    def follow(self, points: Array | None) -> None:
        """Move towards the head's landmarks (11, 2+) in pixels; without any show everything."""
        if points is None:
            self.middle_x, self.middle_y, self.side = self._whole
            return
        x, y = points[:, :2].mean(axis=0)
        ears = np.linalg.norm(points[EARS[0], :2] - points[EARS[1], :2])
        wanted = _SQUARE * max(float(ears), 0.8 * float(np.ptp(points[:, :2], axis=0).max()), 8.0)
        strayed = max(abs(x - self.middle_x), abs(y - self.middle_y)) > _STRAY * self.side
        if strayed or not 1 / _GROWTH < wanted / self.side < _GROWTH:
            self.middle_x, self.middle_y, self.side = float(x), float(y), wanted

    def cut(self, picture: Picture) -> Picture:
        """Return the square (side, side, 3), black where it leaves the picture."""
        side = max(16, round(self.side))
        left, top = round(self.middle_x - side / 2), round(self.middle_y - side / 2)
        height, width = picture.shape[:2]
        square = np.zeros((side, side, 3), np.uint8)
        x0, x1 = max(left, 0), min(left + side, width)
        y0, y1 = max(top, 0), min(top + side, height)
        if x0 < x1 and y0 < y1:
            square[y0 - top : y1 - top, x0 - left : x1 - left] = picture[y0:y1, x0:x1]
        return square


FaceRow = tuple[Array, Array, float, float]
_NO_FACE: FaceRow = (
    np.full(len(FACE_NAMES), np.nan, np.float32),
    np.full((3, 3), np.nan, np.float32),
    np.nan,
    np.nan,
)


class FaceTracker:
    """Blendshapes and pose of the head, picture by picture."""

    def __init__(self, mediapipe: Any, model: Path) -> None:
        """Load the model; raise DataError where the file is not one."""
        self._mediapipe = mediapipe
        tasks = mediapipe.tasks
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_buffer=model.read_bytes()),
            running_mode=tasks.vision.RunningMode.VIDEO,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        try:
            self._landmarker = tasks.vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{model} is not a MediaPipe face model: {error}") from error
        self._time_ms = 0

    def close(self) -> None:
        """Free the model."""
        self._landmarker.close()

    def track(self, square: Picture, step_ms: int) -> FaceRow:
        """Return weights (51,), the head (3, 3), the face's height [px] and blur; NaN if none."""
        for wait_ms in (step_ms, 1):  # where the square has just moved, the second look finds it
            self._time_ms += wait_ms
            image = self._mediapipe.Image(
                image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(square)
            )
            found = self._landmarker.detect_for_video(image, self._time_ms)
            if found.face_landmarks:
                break
        else:
            return _NO_FACE
        named = {shape.category_name: shape.score for shape in found.face_blendshapes[0]}
        weights = np.array([named[name] for name in FACE_NAMES], np.float32)
        matrix = np.asarray(found.facial_transformation_matrixes[0], np.float32)[:3, :3]
        marks = np.array([(point.x, point.y) for point in found.face_landmarks[0]])
        (left, top), (right, bottom) = marks.min(axis=0), marks.max(axis=0)
        side = len(square)
        corners = (np.clip([left, top, right, bottom], 0.0, 1.0) * side).astype(int)
        face = square[corners[1] : corners[3] + 1, corners[0] : corners[2] + 1]
        return weights, matrix, float(bottom - top) * side, blur_of(face)


def track_video(
    video: Video, face_model: Path, mediapipe: Any, progress: Progress | None = None
) -> Tracks:
    """Return everything seen in a video; `progress(done, about all)` is called per picture.

    Raises DataError where the model is none or no picture can be decoded.
    """
    face_tracker = FaceTracker(mediapipe, face_model)
    body_tracker = mediapipe.solutions.pose.Pose(smooth_landmarks=False)
    crowd = mediapipe.solutions.face_detection.FaceDetection(model_selection=1)
    rows: list[tuple[Any, ...]] = []
    cuts, faces, square, before = [], 0, FaceSquare(video.size), None
    every, expected = max(1, round(_CROWD_S * video.fps_hz)), round(video.seconds * video.fps_hz)
    try:
        for index, picture in enumerate(read_pictures(video)):
            small = _thumbnail(picture)
            if before is not None and np.abs(small - before).mean() > _CUT:
                cuts.append(index)
                body_tracker.reset()
                square.follow(None)
            before = small
            if index % every == 0:
                faces = len(crowd.process(picture).detections or ())
            pose, world = _body_of(body_tracker.process(picture), video.size)
            square.follow(None if np.isnan(pose[0, 0]) else pose[list(HEAD_POINTS)])
            face = face_tracker.track(square.cut(picture), max(2, round(1000 / video.fps_hz)))
            rows.append((*face, pose, world, faces))
            if progress is not None:
                progress(index + 1, max(expected, index + 1))
    finally:
        for model in (face_tracker, body_tracker, crowd):
            model.close()
    if not rows:
        raise DataError(f"{video.path} holds no pictures; give a video, not a sound file")
    *seen, counts = zip(*rows, strict=True)
    scores, head, face_px, blur, pose, world = (np.array(rows, np.float32) for rows in seen)
    sizes = (video.fps_hz, video.size)
    return Tracks(*sizes, scores, head, face_px, blur, pose, world, np.array(counts), tuple(cuts))


def _body_of(found: Any, size: tuple[int, int]) -> tuple[Array, Array]:
    """Return pose (33, 3) and world (33, 3) of MediaPipe's answer, NaN where nobody is."""
    if not (found.pose_landmarks and found.pose_world_landmarks):
        nothing = np.full((POSE_POINTS, 3), np.nan, np.float32)
        return nothing, nothing
    width, height = size
    flat = [(p.x * width, p.y * height, p.visibility) for p in found.pose_landmarks.landmark]
    solid = [(p.x, p.y, p.z) for p in found.pose_world_landmarks.landmark]
    return np.array(flat, np.float32), np.array(solid, np.float32)


def _thumbnail(picture: Picture) -> Array:
    grey = Image.fromarray(picture).convert("L").resize((32, 18), Image.Resampling.BOX)
    return np.asarray(grey, np.float32) / 255.0
