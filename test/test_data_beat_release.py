"""BEAT as published: rates by frame counts, arms that point where BEAT's do, the official split."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from layout_helpers import (
    angle_deg,
    beat_hierarchy,
    hierarchy_directions,
    our_directions,
    swings,
    write_beat_take,
    write_bvh,
)

from asynfusion_ros.data.beat import read_beat
from asynfusion_ros.data.beat_bvh import (
    BEAT_JOINTS,
    beat_statistics,
    bvh_body,
    read_beat_bvh,
    read_beat_motion,
    true_rate,
)
from asynfusion_ros.data.beat_release import official_split, scan_beat
from asynfusion_ros.data.recording import collect, load_npz
from asynfusion_ros.data.smplx import smplx_body
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.bvh import read_bvh
from asynfusion_ros.motion.normalisation import ChannelStatistics

PLAIN = ChannelStatistics(np.zeros(141, np.float32), np.ones(141, np.float32))


@pytest.fixture(scope="module")
def take():
    root = os.environ.get("ASYNFUSION_DATA")
    path = Path(root or "") / "beat_take" / "2_scott_0_1_1.bvh"
    if not root or not path.is_file():
        pytest.skip("ASYNFUSION_DATA names no folder with beat_take")
    return path


def test_arms_and_head_point_where_the_file_says(tmp_path):
    angles = swings(50, 75, 50.0)
    path = tmp_path / "a.bvh"
    write_bvh(path, angles)
    body, mask = bvh_body(read_beat_bvh(path))
    assert mask.all()
    ours, theirs = our_directions(body), hierarchy_directions(angles)
    for name in ("l_upper_arm", "l_forearm", "l_hand", "r_upper_arm", "r_forearm", "r_hand"):
        assert angle_deg(ours[name], theirs[name]).max() < 0.1, name
    # The head turns from its mean, a fixed rotation, which keeps angles from frame to frame.
    turned = [angle_deg(d["head"][1:], d["head"][:-1]) for d in (ours, theirs)]
    np.testing.assert_allclose(turned[0], turned[1], atol=0.01)
    assert turned[0].max() > 1.0


def test_the_genuine_take_points_where_its_file_says(take):
    bvh = read_bvh(take)
    offsets = [
        (name, bvh.names[parent] if parent >= 0 else None, offset)
        for name, parent, offset in zip(bvh.names, bvh.parents, bvh.offsets_cm, strict=True)
    ]
    angles = bvh.frames[:, 3:].reshape(len(bvh.frames), -1, 3)
    ours, theirs = our_directions(bvh_body(bvh)[0]), hierarchy_directions(angles, offsets)
    for name in ("l_upper_arm", "l_forearm", "l_hand", "r_upper_arm", "r_forearm", "r_hand"):
        assert angle_deg(ours[name], theirs[name]).max() < 0.1, name
    assert theirs["r_upper_arm"][:, 1].mean() < -0.5  # the arms of a standing man hang


def test_bvh_and_smplx_of_the_genuine_take_agree(take):
    """Two skeletons of one capture, by different people: within 15 degrees on average."""
    from_bvh = our_directions(bvh_body(read_beat_bvh(take))[0])
    poses = load_npz(take.with_suffix(".npz"))["smplx_poses_30fps"]
    from_smplx = our_directions(smplx_body(poses)[0][::2])
    for name in from_bvh:
        apart = angle_deg(from_bvh[name][:950], from_smplx[name][:950])
        assert apart.mean() < 15.0, (name, apart.mean())


def test_a_rate_follows_from_the_sound_and_not_from_the_header():
    path = Path("a.bvh")
    assert true_rate(path, 957, 64.1) == 15.0
    assert true_rate(path, 7669, 64.1) == 120.0
    assert true_rate(path, 300, 10.0) == 30.0
    for frames in (24 * 10, 25 * 10, 700, 0):
        with pytest.raises(DataError, match="fit none of the rates"):
            true_rate(path, frames, 10.0)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("2_scott_0_1_1", "test"),
        ("4_lawrence_0_65_65", "test"),
        ("8_catherine_1_1_1", "test"),
        ("6_carla_0_57_57", "val"),
        ("2_scott_1_12_12", "val"),
        ("2_scott_0_118_118", "val"),
        ("2_scott_0_9_9", "train"),
        ("2_scott_1_2_2", "train"),
        ("1_wayne_0_11_11", "train"),
    ],
)
def test_the_split_is_the_official_one(name, split):
    assert official_split(name) == split


@pytest.mark.parametrize(("fps", "face_fps"), [(120, 60), (15, 60), (30, 30)])
def test_a_published_take_is_read_at_thirty_hertz(tmp_path, fps, face_fps):
    angles = write_beat_take(tmp_path / "2", "2_scott_0_9_9", 4.0, fps, face_fps)
    (found,), faults = collect(scan_beat(tmp_path))
    assert faults == []
    assert (found.source, found.speaker, found.split) == ("BEAT", "2 scott", "train")
    frames = len(found.clip)
    assert 116 <= frames <= 120
    assert len(found.samples) == round(frames * 1600 / 3)
    times_s = np.arange(frames) / 30
    wave = 0.5 + 0.5 * np.sin(3 * times_s)
    np.testing.assert_allclose(found.clip.face[:, 7], wave, atol=2e-3)
    theirs = hierarchy_directions(angles)
    ours = our_directions(found.clip.body)
    step = max(1, round(30 / fps))  # frames of ours for each of theirs
    for name in ("l_upper_arm", "l_forearm", "l_hand", "r_hand"):
        every = theirs[name][:: max(1, fps // 30)]
        count = min(len(every), len(ours[name][::step]))
        assert angle_deg(ours[name][::step][:count], every[:count]).max() < 0.1, name
    assert found.emotion == "sadness"
    assert set(found.frame_emotion) == {"sadness"}
    np.testing.assert_allclose(found.semantic[[5, 29, 30, 59, 60]], [0.1, 0.1, 0.7, 0.7, 0.0])


def test_labels_may_be_missing(tmp_path):
    write_beat_take(tmp_path, "2_scott_0_9_9", fps=15, labels=False)
    (found,), _ = collect(scan_beat(tmp_path))
    assert (found.emotion, found.frame_emotion, found.semantic) == (None, None, None)


def test_channels_that_the_face_lacks_are_masked(tmp_path):
    write_beat_take(tmp_path, BAD, fps=15)
    rewrite_face(
        tmp_path,
        lambda d: d.update(
            names=d["names"][1:], frames=[{**f, "weights": f["weights"][1:]} for f in d["frames"]]
        ),
    )
    (found,), _ = collect(scan_beat(tmp_path))
    assert found.clip.face_mask[0].tolist() == [0.0] + [1.0] * 50


def rewrite_face(folder, change):
    path = folder / "2_scott_0_10_10.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def without(*joints):
    gone = set(joints)
    return [row for row in beat_hierarchy() if row[0] not in gone and row[1] not in gone]


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BAD = "2_scott_0_10_10"
BREAKS = {
    "truncated wav": (lambda f: (f / f"{BAD}.wav").write_bytes(b"RIFF"), "wav"),
    "half a wav": (lambda f: truncate(f / f"{BAD}.wav"), "cut off"),
    "third of a wav": (
        lambda f: soundfile.write(f / f"{BAD}.wav", np.zeros(41_600), 16000),
        "fit none of the rates",
    ),
    "missing wav": (lambda f: (f / f"{BAD}.wav").unlink(), "wav"),
    "nan in wav": (
        lambda f: soundfile.write(
            f / f"{BAD}.wav", np.full(64000, np.nan), 16000, subtype="FLOAT"
        ),
        "NaN",
    ),
    "missing joints": (
        lambda f: write_bvh(f / f"{BAD}.bvh", np.zeros((60, 74, 3)), without("LeftHandThumb4")),
        None,
    ),
    "missing arm": (
        lambda f: write_bvh(f / f"{BAD}.bvh", np.zeros((60, 9, 3)), beat_hierarchy()[:9]),
        "lacks the joints",
    ),
    "half a bvh": (lambda f: truncate(f / f"{BAD}.bvh"), "bvh"),
    "wrong fps": (
        lambda f: write_bvh(f / f"{BAD}.bvh", np.zeros((100, 75, 3))),
        "fit none of the rates",
    ),
    "nan in bvh": (
        lambda f: write_bvh(f / f"{BAD}.bvh", np.full((60, 75, 3), np.nan)),
        "finite",
    ),
    "missing face": (lambda f: (f / f"{BAD}.json").unlink(), "json"),
    "truncated face": (lambda f: truncate(f / f"{BAD}.json"), "json"),
    "short face": (
        lambda f: rewrite_face(f, lambda d: d.update(frames=d["frames"][:60])),
        "cut off",
    ),
    "face of another rate": (
        lambda f: rewrite_face(f, lambda d: [x.update(time=2 * x["time"]) for x in d["frames"]]),
        "another rate",
    ),
    "face in percent": (
        lambda f: rewrite_face(f, lambda d: d["frames"][3].update(weights=[80.0] * 51)),
        "0..1",
    ),
    "unknown emotion": (lambda f: (f / f"{BAD}.csv").write_text("a,0,4,4,11\n"), "emotion"),
    "torn semantics": (lambda f: (f / f"{BAD}.txt").write_text("a\t0\n"), "txt"),
}  # fmt: skip


@pytest.mark.parametrize(("break_it", "reason"), BREAKS.values(), ids=BREAKS)
def test_a_broken_take_is_left_out_with_its_reason(tmp_path, break_it, reason):
    for name in ("2_scott_0_9_9", BAD):
        write_beat_take(tmp_path / "2", name, fps=15)
    break_it(tmp_path / "2")
    recordings, faults = collect(scan_beat(tmp_path))
    if reason is None:  # fingertips that we do not need
        assert (len(recordings), faults) == (2, [])
        return
    assert [r.name for r in recordings] == ["2_scott_0_9_9"]
    assert [fault.file for fault in faults] == [f"2/{BAD}.bvh"]
    assert reason in faults[0].reason


def test_the_benchmark_form_has_47_joints_at_15_hertz(tmp_path):
    angles = swings(80, 75, 30.0)
    write_bvh(tmp_path / "a.bvh", angles)
    motion = read_beat_motion(tmp_path / "a.bvh", PLAIN, fps_hz=120.0)
    assert motion.shape == (10, 141)
    assert len(BEAT_JOINTS) == 47
    names = [row[0] for row in beat_hierarchy()]
    only = np.zeros_like(angles)
    only[:, names.index("LeftForeArm"), 2] = 30.0
    write_bvh(tmp_path / "b.bvh", only)
    turned = read_beat_motion(tmp_path / "b.bvh", PLAIN, fps_hz=15.0)
    place = 3 * BEAT_JOINTS.index("LeftForeArm")
    np.testing.assert_allclose(turned[0, place : place + 3], [0, 0, np.pi / 6], atol=1e-5)
    assert np.count_nonzero(np.abs(turned[0]) > 1e-6) == 1
    with pytest.raises(DataError, match="no multiple"):
        read_beat_motion(tmp_path / "a.bvh", PLAIN, fps_hz=40.0)
    with pytest.raises(DataError, match="beat4_axis_angle_mean"):
        read_beat_motion(tmp_path / "a.bvh")


def test_the_genuine_take_fits_the_published_statistics(take):
    """In the right order of joints its z-scores are moderate; in a wrong order they are not."""
    scores = read_beat_motion(take)
    assert scores.shape == (957, 141)
    statistics = beat_statistics(take.parent)
    swapped = statistics.unnormalise(scores).reshape(-1, 47, 3)
    swapped = np.concatenate([swapped[:, :3], swapped[:, 25:], swapped[:, 3:25]], axis=1)
    wrong = statistics.normalise(swapped.reshape(-1, 141))
    assert np.abs(scores).max() < 8.0
    assert np.abs(scores).mean() < 0.6 * np.abs(wrong).mean()


def test_the_genuine_take_has_a_body_for_evaluation(take):
    recordings, faults = read_beat(take.parent)
    assert faults == []
    assert {r.split for r in recordings} == {"test"}
    assert all(r.evaluation_only and r.clip.body_mask.all() for r in recordings)
    assert sum(r.clip.duration_s for r in recordings) > 55
