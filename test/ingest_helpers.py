"""Videos and tracks whose truth is known, for the tests of `ingest`."""

from pathlib import Path

import imageio_ffmpeg
import numpy as np
import soundfile

from asynfusion_ros.data.ingest.tracks import (
    ELBOWS,
    HIPS,
    INDICES,
    PINKIES,
    SHOULDERS,
    WRISTS,
    Tracks,
)
from asynfusion_ros.motion.blendshapes import FACE_NAMES, face_index
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.skeleton import Skeleton

RATE_HZ = 16_000
SIZE = (640, 480)
TO_CAMERA = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
PIXELS_PER_M = 200.0


def write_video(path, frames=75, fps_hz=25.0, size=(64, 48), sound=None, options=()):
    """A film whose picture k is as bright as k; with sound (N,) where given."""
    wav = Path(path).with_suffix(".wav")
    if sound is not None:
        soundfile.write(wav, sound, RATE_HZ)
    writer = imageio_ffmpeg.write_frames(
        str(path),
        size,
        fps=fps_hz,
        macro_block_size=2,
        audio_path=None if sound is None else str(wav),
        audio_codec=None if sound is None else "aac",
        ffmpeg_log_level="error",
        output_params=list(options),
    )
    writer.send(None)
    for index in range(frames):
        writer.send(np.full((size[1], size[0], 3), 40 + 2 * index % 200, np.uint8))
    writer.close()
    return path


def hum(seconds, jaw=None):
    """A hum (N,) as loud as `jaw(time_s)` says."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    level = 0.5 if jaw is None else jaw(time_s)
    pitch = sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, 8))
    noise = np.random.default_rng(0).normal(size=len(time_s))
    return (0.25 * level * pitch + 0.0015 * noise).astype(np.float32)


def syllables(time_s):
    """The opening of a jaw: phrases of syllables that never repeat, rests between."""
    phrase = np.clip(4 * np.sin(2 * np.pi * (time_s - 0.3) / 2.6), 0, 1)
    beat = 2 * np.pi * (2.7 * time_s + 0.35 * np.sin(2 * np.pi * time_s / 1.9))
    return 0.6 * phrase * np.sin(0.5 * beat) ** 2


def make_motion(seconds=8.0, fps_hz=25.0):
    """Slow swings of every joint; arms and hands without twist, as landmarks tell them."""
    time_s = np.arange(round(seconds * fps_hz)) / fps_hz
    skeleton = Skeleton.load()
    rng = np.random.default_rng(3)
    body = np.zeros((len(time_s), len(skeleton.joint_names), 3))
    for index, name in enumerate(skeleton.joint_names):
        size = 0.15 if name in ("chest", "head") else 0.3
        phase = rng.uniform(0.0, 6.0, 3)
        body[:, index] = size * np.sin(2 * np.pi * 0.3 * time_s[:, None] + phase)
        if "_" in name:  # bones lie along y: a turn about y is a twist
            body[:, index, 1] = 0.0
        if "upper_arm" in name:
            body[:, index, 0] += -1.0 if name[0] == "l" else 1.0
    face = np.zeros((len(time_s), len(FACE_NAMES)), np.float32)
    face[:, face_index("jawOpen")] = syllables(time_s)
    flat = body.reshape(len(body), -1).astype(np.float32)
    return MotionClip(fps_hz, face, flat)


def film(clip, faces=1):
    """What a perfect tracker sees of a clip in parallel projection, hips moving with the chest."""
    skeleton = Skeleton.load()
    places = skeleton.forward_kinematics(clip.body)
    _, turns = skeleton.ball_frames(clip.body)
    frames = len(clip)
    points = np.zeros((frames, 33, 3))

    def put(numbers, name):
        for side, number in zip("lr", numbers, strict=True):
            points[:, number] = places[f"{side}_{name}"] @ TO_CAMERA.T

    put(SHOULDERS, "upper_arm")
    put(ELBOWS, "forearm")
    put(WRISTS, "hand")
    put(INDICES, "index_1")
    put(PINKIES, "pinky_1")
    middle = points[:, SHOULDERS].mean(axis=1)
    down = middle - 0.5 * (turns["chest"][:, :, 2] @ TO_CAMERA.T)
    across = 0.1 * (turns["chest"][:, :, 1] @ TO_CAMERA.T)
    points[:, HIPS[0]], points[:, HIPS[1]] = down + across, down - across
    pose = np.ones((frames, 33, 3), np.float32)
    pose[..., 0] = SIZE[0] / 2 + PIXELS_PER_M * points[..., 0]
    pose[..., 1] = 300.0 - PIXELS_PER_M * (points[..., 1] - points[0, HIPS[0], 1])
    head = TO_CAMERA @ turns["head"] @ TO_CAMERA.T
    return Tracks(
        clip.fps_hz,
        SIZE,
        np.array(clip.face, np.float32),
        head.astype(np.float32),
        np.full(frames, 120.0, np.float32),
        np.full(frames, 0.3, np.float32),
        pose,
        (points * (1.0, -1.0, -1.0)).astype(np.float32),
        np.full(frames, faces),
    )
