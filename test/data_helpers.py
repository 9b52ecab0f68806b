"""Small talk30 and mouth30 folders, written in the layout of the real ones."""

import json

import numpy as np
import soundfile

from asynfusion_ros.data.talk30 import JOINTS
from asynfusion_ros.motion.blendshapes import FACE_NAMES

FPS, RATE = 30, 16_000


def make_face(frames, seed=0):
    """A face that talks: the jaw opens and shuts, the rest moves a little."""
    rng = np.random.default_rng(seed)
    face = rng.uniform(0.0, 0.3, (frames, 51))
    face[:, FACE_NAMES.index("jawOpen")] = 0.3 + 0.3 * np.sin(np.arange(frames))
    face[:, FACE_NAMES.index("mouthClose")] = 0.02
    return face.astype(np.float32)


def make_sound(frames, seed=0):
    """A hummed vowel that swells and fades."""
    seconds = np.arange(frames * RATE // FPS) / RATE
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * seconds + seed)
    return (0.3 * swell * np.sin(2 * np.pi * (120 + 10 * seed) * seconds)).astype(np.float32)


def make_rotations(frames, seed=0):
    """Slow swings of every joint, in talk30's axes, (T, 3) each."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(frames)[:, None] / FPS
    swing = lambda: (0.3 * np.sin(2 * time_s + rng.uniform(0, 6, 3))).astype(np.float32)  # noqa: E731
    return {joint: swing() for joint in JOINTS}


def write_take(folder, name, frames=66, tier="A", split="train", seed=0, rotations=None):
    """Write one take of talk30 and return its line of the manifest."""
    arrays = {"face": make_face(frames, seed)}
    given = rotations or make_rotations(frames, seed)
    arrays |= {f"rot_{joint}": values for joint, values in given.items()}
    arrays["head_camera"] = given["head"]
    if tier == "F":
        arrays = {key: arrays[key] for key in ("face", "head_camera")}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{name}.npz", **arrays)
    soundfile.write(folder / f"{name}.flac", make_sound(frames, seed), RATE)
    return {"id": name, "source": f"source{seed}", "licence": "MIT", "tier": tier, "split": split}


def write_manifest(folder, rows):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "face_names.json").write_text(json.dumps(FACE_NAMES))


def write_mouth_take(folder, name, frames=66, seed=0):
    """Write one take of mouth30: only the mouth moves."""
    face = np.zeros((frames, 51), np.float32)
    for channel in ("jawOpen", "mouthPucker"):
        index = FACE_NAMES.index(channel)
        face[:, index] = make_face(frames, seed)[:, FACE_NAMES.index("jawOpen")]
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{name}.npz", arkit51_30fps=face)
    soundfile.write(folder / f"{name}.flac", make_sound(frames, seed), RATE)


def write_data(folder, tests=2, frames=66):
    """Write both data sets: two training takes, one for validation, `tests` held out."""
    talk = folder / "talk30"
    rows = [
        write_take(talk, "one", frames, "A", "train", 1),
        write_take(talk, "two", frames, "F", "train", 2),
        write_take(talk, "three", frames, "A", "val", 1),
    ]
    rows += [write_take(talk, f"test{i}", frames, "A", "test", 3 + i) for i in range(tests)]
    write_manifest(talk, rows)
    write_mouth_take(folder / "mouth30", "mandarin", frames)
    return folder
