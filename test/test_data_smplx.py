"""SMPL-X recordings: BEAT2's and SHOW's layouts, arms that point where theirs do, no pickles."""

import numpy as np
import pytest
import soundfile
from layout_helpers import (
    angle_deg,
    our_directions,
    smplx_poses,
    write_beat2_take,
    write_show_take,
)
from scipy.spatial.transform import Rotation

from asynfusion_ros.data.recording import RESEARCH_ONLY, collect
from asynfusion_ros.data.smplx import scan_beat2, scan_show, smplx_body

# SMPL-X's own tree, as its model file gives it (the first 22 joints).
TREE = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
ARMS = {
    "l_upper_arm": 16, "l_forearm": 18, "l_hand": 20,
    "r_upper_arm": 17, "r_forearm": 19, "r_hand": 21,
}  # fmt: skip


def world_turns(poses):
    local = poses.reshape(len(poses), -1, 3)
    turns = []
    for joint, parent in enumerate(TREE):
        turn = Rotation.from_rotvec(local[:, joint])
        turns.append(turn if parent < 0 else turns[parent] * turn)
    return turns


def test_arms_point_where_the_source_says():
    poses = smplx_poses(40)
    turns = world_turns(poses)
    body, mask = smplx_body(poses)
    assert mask.all()
    ours = our_directions(body)
    for name, joint in ARMS.items():
        rest = [1.0 if name.startswith("l_") else -1.0, 0.0, 0.0]
        theirs = (turns[9].inv() * turns[joint]).apply(rest)
        assert angle_deg(ours[name], theirs).max() < 0.1, name


def test_hanging_arms_hang():
    poses = np.zeros((10, 165), np.float32)
    poses[:, 3 * 16 + 2], poses[:, 3 * 17 + 2] = -np.pi / 2, np.pi / 2
    ours = our_directions(smplx_body(poses)[0])
    for name in ("l_upper_arm", "l_hand", "r_forearm"):
        np.testing.assert_allclose(ours[name][5], [0, -1, 0], atol=1e-5)


def test_beat2_is_read_with_its_split(tmp_path):
    write_beat2_take(tmp_path, "2_scott_0_1_1", split="test")
    write_beat2_take(tmp_path, "2_scott_0_2_2", split="additional")
    write_beat2_take(tmp_path, "2_scott_0_3_3", split="val")
    recordings, faults = collect(scan_beat2(tmp_path))
    assert faults == []
    assert [r.split for r in recordings] == ["test", "train", "val"]
    for r in recordings:
        assert (r.source, r.speaker, r.licence) == ("BEAT2", "2 scott", RESEARCH_ONLY)
        assert r.clip.fps_hz == 30.0
        assert len(r.clip) == 90
        assert not r.clip.face_mask.any()
        assert r.clip.body_mask.all()


def test_beat2_without_a_table_follows_beats_rule(tmp_path):
    write_beat2_take(tmp_path, "2_scott_0_9_9")
    (tmp_path / "train_test_split.csv").unlink()
    (only,), _ = collect(scan_beat2(tmp_path))
    assert only.split == "train"


def test_show_is_read_from_its_folders(tmp_path):
    poses = write_show_take(tmp_path, "oliver", "video1", "val", "clip000001")
    (only,), faults = collect(scan_show(tmp_path))
    assert faults == []
    assert (only.source, only.speaker, only.split) == ("SHOW", "oliver", "val")
    assert len(only.samples) == 48_000
    np.testing.assert_allclose(only.clip.body, smplx_body(poses)[0], atol=1e-6)
    assert not only.clip.face_mask.any()


def test_a_pickle_is_never_opened(tmp_path):
    write_show_take(tmp_path, "oliver", "video1", "train", "clip1")
    folder = tmp_path / "oliver" / "video1" / "train" / "clip1"
    (folder / "clip1.npz").rename(folder / "clip1.pkl")
    recordings, (fault,) = collect(scan_show(tmp_path))
    assert recordings == []
    assert "convert it to npz" in fault.reason


def edit(path, **changes):
    arrays = {**dict(np.load(path)), **changes}
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


BREAKS = {
    "nan": (lambda f, p: edit(p, poses=np.full((90, 165), np.nan)), "NaN"),
    "other joints": (lambda f, p: edit(p, poses=np.zeros((90, 156))), "expected"),
    "no poses": (lambda f, p: edit(p, poses=None), "needs the numbers"),
    "wrong fps": (lambda f, p: edit(p, mocap_frame_rate=60), "cut off"),
    "truncated npz": (lambda f, p: p.write_bytes(p.read_bytes()[:900]), "npz"),
    "missing sound": (lambda f, p: (f / "wave16k" / "2_scott_0_8_8.wav").unlink(), "wav"),
    "short sound": (
        lambda f, p: soundfile.write(f / "wave16k" / "2_scott_0_8_8.wav", np.zeros(9000), 16000),
        "cut off",
    ),
    "in no split": (
        lambda f, p: (f / "train_test_split.csv").write_text("id,type\n2_scott_0_9_9,train\n"),
        "does not stand in",
    ),
}


@pytest.mark.parametrize(("break_it", "reason"), BREAKS.values(), ids=BREAKS)
def test_a_broken_take_is_left_out_with_its_reason(tmp_path, break_it, reason):
    for name in ("2_scott_0_8_8", "2_scott_0_9_9"):
        write_beat2_take(tmp_path, name)
    break_it(tmp_path, tmp_path / "smplxflame_30" / "2_scott_0_8_8.npz")
    recordings, faults = collect(scan_beat2(tmp_path))
    assert [r.name for r in recordings] == ["2_scott_0_9_9"]
    assert len(faults) == 1
    assert reason in faults[0].reason
