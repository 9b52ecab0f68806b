"""Recordings of nobody: bursts of sound whose loudness moves the jaw, and swinging arms."""

import json

import numpy as np
import soundfile

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.data.talk30 import JOINTS
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.training.batches import PreparedWindows
from asynfusion_ros.training.settings import TrainSettings


def make_recording(name, split="train", source="source", seconds=4.0, body=True):
    rng = np.random.default_rng(sum(map(ord, name)))
    frames = round(seconds * 30)
    jaw = 0.4 + 0.35 * np.sin(np.cumsum(rng.uniform(0.1, 0.7, frames)))
    face = 0.1 + 0.1 * np.sin(np.arange(frames)[:, None] / 8 + rng.uniform(0, 6, 51))
    face = face.astype(np.float32)
    face[:, FACE_NAMES.index("jawOpen")] = jaw
    face[:, FACE_NAMES.index("mouthClose")] = 0.0
    phase = rng.uniform(0, 6, 24)
    arms = 0.3 * np.sin(np.arange(frames)[:, None] / 9 + phase).astype(np.float32)
    mask = np.full((frames, 24), float(body), np.float32)
    loud = np.interp(np.arange(round(seconds * 16000)) / 16000, np.arange(frames) / 30, jaw)
    samples = (0.3 * loud * rng.uniform(-1, 1, loud.size)).astype(np.float32)
    clip = MotionClip(30.0, face, arms * mask, None, mask)
    return Recording(name, source, "free", split, clip, samples)


def write_talk30(folder, recordings):
    """Write recordings as the talk30 folder that the reader takes."""
    folder.mkdir(parents=True)
    (folder / "face_names.json").write_text(json.dumps(FACE_NAMES))
    lines = []
    for r in recordings:
        joints = r.clip.body.reshape(-1, len(JOINTS), 3)
        arrays = {f"rot_{n}": np.roll(joints[:, i], -1, axis=-1) for i, n in enumerate(JOINTS)}
        np.savez(folder / f"{r.name}.npz", face=r.clip.face, **arrays)
        soundfile.write(folder / f"{r.name}.flac", r.samples, 16000)
        row = {"id": r.name, "source": r.source, "licence": r.licence, "split": r.split}
        lines.append(json.dumps({**row, "tier": "A"}))
    (folder / "manifest.jsonl").write_text("\n".join(lines))


def make_prepared(folder):
    """Write a prepared folder of 40 windows without extracting features: 24 with a body, 8 without
    (source "faces"), 8 for validation."""
    rng = np.random.default_rng(0)
    takes = [("train", "source", 24), ("train", "faces", 8), ("val", "source", 8)]
    rows, listed = [], []
    for take, (split, source, count) in enumerate(takes):
        body = source != "faces"
        recording = make_recording(f"take{take}", split, source, 2.0 + count * 0.3, body)
        listed.append({"name": recording.name, "source": source, "split": split, "seconds": 9.0})
        for index in range(count):
            frames = slice(9 * index, 9 * index + 60)
            audio = rng.standard_normal((60, 468))
            audio[:, 464] = recording.clip.face[frames, FACE_NAMES.index("jawOpen")]
            rows.append((audio, recording.clip, frames, take, 1 + body))
    columns = {
        "audio": [row[0] for row in rows],
        "face": [clip.face[frames] for _, clip, frames, _, _ in rows],
        "body": [clip.body[frames] for _, clip, frames, _, _ in rows],
        "face_mask": [np.ones(51) for _ in rows],
        "body_mask": [clip.body_mask[0] for _, clip, _, _, _ in rows],
    }
    for name, values in columns.items():
        np.save(folder / f"{name}.npy", np.stack(values).astype(np.float16))
    np.save(folder / "take.npy", np.array([row[3] for row in rows]))
    np.save(folder / "speaker.npy", np.array([row[4] for row in rows]))
    features = {"fps_hz": 30.0, "window_frames": 60, "look_ahead_s": 0.1}
    manifest = {
        "takes": listed, "features": features, "settings": {}, "faults": [], "windows": len(rows),
        "speakers": {"faces": 1, "source": 2},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def sample_exchanged(folder):
    """Return one batch of prepared windows as they are, and with all that can be exchanged."""
    windows = PreparedWindows(folder)
    statistics = windows.measure()
    plain = TrainSettings(
        batch=64, mouth_only_share=0.5, mirror_share=0.0, unknown_style_share=0.0,
        open_style_share=0.0, style_noise=0.0,
    )  # fmt: skip
    exchanged = plain.replace(exchange_share=1.0)
    return (windows.sample(0, settings, statistics) for settings in (plain, exchanged))
