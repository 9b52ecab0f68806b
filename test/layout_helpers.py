"""Small files in the layouts in which BEAT, BEAT2 and SHOW are published."""

import json

import numpy as np
import soundfile
from scipy.spatial.transform import Rotation

from asynfusion_ros.data.ted15 import BONES
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.skeleton import Skeleton

HUM_HZ = 140


def _finger(side, name, base):
    root = [f"{side}Hand{name}"] if base else []
    return [*root, *(f"{side}Hand{name}{n}" for n in (1, 2, 3, 4))]


def beat_hierarchy():
    """BEAT's 75 joints as (name, parent, offset [cm]); it stands in a T, x to its left, y up."""
    rows = [("Hips", None, (0, 0, 0))]
    for child, parent in zip(
        ("Spine", "Spine1", "Spine2", "Spine3", "Neck", "Neck1", "Head", "HeadEnd"),
        ("Hips", "Spine", "Spine1", "Spine2", "Spine3", "Neck", "Neck1", "Head"),
        strict=True,
    ):
        rows.append((child, parent, (0, 10, 0)))
    for side, sign in (("Right", -1), ("Left", 1)):
        parent = "Spine3"
        for name, offset in (
            ("Shoulder", (0, 11, 5)),
            ("Arm", (19 * sign, 0, 0)),
            ("ForeArm", (30 * sign, 0, 0)),
            ("Hand", (25 * sign, 0, 0)),
        ):
            rows.append((side + name, parent, offset))
            parent = side + name
        for finger in ("Middle", "Ring", "Pinky", "Index", "Thumb"):
            parent = f"{side}Hand"
            for name in _finger(side, finger, finger in ("Ring", "Pinky", "Index")):
                rows.append((name, parent, (4 * sign, 0, 0)))
                parent = name
    for side, sign in (("Right", -1), ("Left", 1)):
        parent = "Hips"
        for name in ("UpLeg", "Leg", "Foot", "ForeFoot", "ToeBase", "ToeBaseEnd"):
            rows.append((side + name, parent, (8 * sign if name == "UpLeg" else 0, -40, 0)))
            parent = side + name
    return rows


def write_bvh(path, angles_deg, rows=None, frame_time_s=0.008333):
    """Write a BVH of Euler XYZ `angles_deg` (T, joints, 3); its header says 120 fps, as BEAT's."""
    rows = rows or beat_hierarchy()
    lines = ["HIERARCHY"]

    def joint(name, depth):
        pad = "\t" * depth
        parent, offset = next((p, o) for n, p, o in rows if n == name)
        lines.append(f"{pad}{'JOINT' if parent else 'ROOT'} {name}")
        lines.append(pad + "{")
        lines.append(f"{pad}\tOFFSET {offset[0]:.6f} {offset[1]:.6f} {offset[2]:.6f}")
        places = "" if parent else "Xposition Yposition Zposition "
        kinds = "Xrotation Yrotation Zrotation"
        lines.append(f"{pad}\tCHANNELS {3 if parent else 6} {places}{kinds}")
        children = [n for n, p, _ in rows if p == name]
        for child in children:
            joint(child, depth + 1)
        if not children:
            lines.extend((f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\tOFFSET 1 0 0", pad + "\t}"))
        lines.append(pad + "}")

    joint(rows[0][0], 0)
    lines += ["MOTION", f"Frames: {8 * len(angles_deg)}", f"Frame Time: {frame_time_s}"]
    for frame in angles_deg:
        lines.append(" ".join(["0 0 0", *(f"{angle:.5f}" for angle in frame.ravel())]))
    path.write_text("\n".join(lines) + "\n")


def swings(frames, joints, size, seed=0):
    """Slow oscillations (T, joints, 3) of at most `size`."""
    rng = np.random.default_rng(seed)
    phase, pace = rng.uniform(0, 6, (joints, 3)), rng.uniform(1, 3, (joints, 3))
    return size * np.sin(np.linspace(0, 4, frames)[:, None, None] * pace + phase)


def write_beat_take(folder, name, seconds=4.0, fps=120, face_fps=60, labels=True, seed=0):
    """Write NAME.wav, .bvh, .json, and with `labels` .csv and .txt."""
    folder.mkdir(parents=True, exist_ok=True)
    count = round(seconds * 16000)
    hum = 0.3 * np.sin(2 * np.pi * HUM_HZ * np.arange(count) / 16000)
    soundfile.write(folder / f"{name}.wav", hum, 16000)
    angles = swings(round(seconds * fps), len(beat_hierarchy()), 40.0, seed)
    write_bvh(folder / f"{name}.bvh", angles)
    times = np.arange(round(seconds * face_fps)) / face_fps
    weights = np.tile((0.5 + 0.5 * np.sin(3 * times))[:, None], (1, 51))
    frames = [
        {"weights": w.round(5).tolist(), "time": t, "rotation": []}
        for w, t in zip(weights, times.tolist(), strict=True)
    ]
    document = {"names": list(FACE_NAMES), "frames": frames}
    (folder / f"{name}.json").write_text(json.dumps(document))
    if labels:
        (folder / f"{name}.csv").write_text(f"{name},0.0,{seconds},{seconds},3\n")
        spans = ("nogesture_1\t0.0\t1.0\t1.0\t0.1\t\n", "iconic_h\t1.0\t2.0\t1.0\t0.7\tbig\n")
        (folder / f"{name}.txt").write_text("".join(spans))
    return angles


def smplx_poses(frames, seed=0):
    """SMPL-X poses (T, 165) that move every joint a little."""
    return swings(frames, 55, 0.4, seed).reshape(frames, 165).astype(np.float32)


def write_beat2_take(folder, name, seconds=3.0, split="train", poses=None):
    """Write smplxflame_30/NAME.npz and wave16k/NAME.wav, and its line of the split."""
    for part in ("smplxflame_30", "wave16k"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    frames = round(30 * seconds)
    arrays = {
        "betas": np.zeros(300), "trans": np.zeros((frames, 3)), "gender": "neutral",
        "expressions": np.zeros((frames, 100)), "model": "smplx2020", "mocap_frame_rate": 30,
        "poses": smplx_poses(frames) if poses is None else poses,
    }  # fmt: skip
    np.savez(folder / "smplxflame_30" / f"{name}.npz", **arrays)
    soundfile.write(folder / "wave16k" / f"{name}.wav", np.zeros(round(seconds * 16000)), 16000)
    table = folder / "train_test_split.csv"
    if not table.is_file():
        table.write_text("id,type\n")
    with table.open("a") as file:
        file.write(f"{name},{split}\n")


def write_show_take(root, speaker, video, split, clip, seconds=3.0):
    """Write SPEAKER/VIDEO/SPLIT/CLIP/CLIP.{npz,wav}, the npz with the keys of SHOW's pickle."""
    folder = root / speaker / video / split / clip
    folder.mkdir(parents=True)
    frames = round(30 * seconds)
    poses = smplx_poses(frames)
    arrays = {
        "global_orient": poses[:, None, :3], "body_pose_axis": poses[:, 3:66],
        "jaw_pose": np.zeros((frames, 3)), "leye_pose": np.zeros((frames, 3)),
        "reye_pose": np.zeros((frames, 3)), "left_hand_pose": np.zeros((frames, 12)),
        "right_hand_pose": np.zeros((frames, 12)), "expression": np.zeros((frames, 100)),
        "betas": np.zeros((1, 300)),
    }  # fmt: skip
    np.savez(folder / f"{clip}.npz", **arrays)
    soundfile.write(folder / f"{clip}.wav", np.zeros(round(seconds * 22050)), 22050)
    return poses


# In the data's axes (x to the left, y down, z away from the camera): standing, arms hanging.
STANDING = {
    "spine": (0, -1, 0), "l_clavicle": (0.97, 0.24, 0), "r_clavicle": (-0.97, 0.24, 0),
    "l_upper_arm": (0, 1, 0), "l_forearm": (0, 1, 0),
    "r_upper_arm": (0, 1, 0), "r_forearm": (0, 1, 0),
    "l_eye": (0.6, -0.5, 0.6), "r_eye": (-0.6, -0.5, 0.6),
    "l_ear": (0.3, 0.3, 0.9), "r_ear": (-0.3, 0.3, 0.9),
}  # fmt: skip


def ted_directions(frames=30, **changes):
    rows = np.tile(np.array([0.0, 1.0, 0.0]), (frames, 42, 1))
    for name, direction in {**STANDING, **changes}.items():
        vectors = np.broadcast_to(np.asarray(direction, float), (frames, 3))
        rows[:, BONES[name]] = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return rows.astype(np.float32)


def write_ted_take(folder, name, directions, seconds=None):
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{name}.npz", human_dir_vec_15fps=directions.reshape(-1, 126))
    count = round((seconds or len(directions) / 15) * 16000)
    soundfile.write(folder / f"{name}.flac", np.zeros(count), 16000)


def our_directions(body):
    """Where our arms, hands and head point in the chest's frame, in axes x left, y up, z forward.

    A dict of (T, 3) unit vectors: arms along the bone, the head along its nose.
    """
    still = np.array(body).reshape(-1, 8, 3)
    still[:, 0] = 0.0
    skeleton = Skeleton.load()
    places, turns = skeleton.ball_frames(still.reshape(len(still), -1))
    found = {}
    for side, sign in (("l", 1.0), ("r", -1.0)):
        found[f"{side}_upper_arm"] = places[f"{side}_forearm"] - places[f"{side}_upper_arm"]
        found[f"{side}_forearm"] = places[f"{side}_hand"] - places[f"{side}_forearm"]
        found[f"{side}_hand"] = turns[f"{side}_hand"] @ np.array([0.0, sign, 0.0])
    found["head"] = turns["head"] @ np.array([1.0, 0.0, 0.0])
    return {
        name: np.roll(vectors, -1, axis=-1) / np.linalg.norm(vectors, axis=-1, keepdims=True)
        for name, vectors in found.items()
    }


def hierarchy_directions(angles_deg, rows=None):
    """The same of a BEAT file, by forward kinematics from its offsets and Euler angles alone."""
    rows = rows or beat_hierarchy()
    turn, place = {}, {}
    for index, (name, parent, offset) in enumerate(rows):
        x, y, z = (
            Rotation.from_euler(axis, angles_deg[:, index, i : i + 1], degrees=True).as_matrix()
            for i, axis in enumerate("xyz")
        )
        local = x @ y @ z
        if parent is None:
            turn[name], place[name] = local, np.zeros((len(angles_deg), 3))
        else:
            place[name] = place[parent] + turn[parent] @ np.array(offset, float)
            turn[name] = turn[parent] @ local
    found = {"head": turn["Head"] @ np.array([0.0, 0.0, 1.0])}
    for ours, side in (("l", "Left"), ("r", "Right")):
        found[f"{ours}_upper_arm"] = place[f"{side}ForeArm"] - place[f"{side}Arm"]
        found[f"{ours}_forearm"] = place[f"{side}Hand"] - place[f"{side}ForeArm"]
        found[f"{ours}_hand"] = place[f"{side}HandMiddle1"] - place[f"{side}Hand"]
    chest = np.swapaxes(turn["Spine3"], -1, -2)
    return {
        name: (chest @ (v / np.linalg.norm(v, axis=-1, keepdims=True))[..., None])[..., 0]
        for name, v in found.items()
    }


def angle_deg(first, second):
    """The angles (T,) between unit vectors."""
    return np.degrees(np.arccos(np.clip((first * second).sum(axis=-1), -1.0, 1.0)))
