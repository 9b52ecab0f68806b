"""What is written into a project folder is what is read; what is broken is named and left out."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from training_helpers import make_recording

from asynfusion_ros.data.project import ProjectWriter, read_project
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.rotations import geodesic_angle_rad


def make_take(name="a", seconds=4.0, **changes):
    return replace(make_recording(name, seconds=seconds), **changes)


def assert_same(ours, theirs):
    for name in ("name", "source", "licence", "split", "speaker", "emotion", "evaluation_only"):
        assert getattr(ours, name) == getattr(theirs, name), name
    np.testing.assert_array_equal(ours.clip.face, theirs.clip.face)
    np.testing.assert_array_equal(ours.clip.body, theirs.clip.body)
    np.testing.assert_allclose(ours.samples, theirs.samples, atol=1e-4)
    for name in ("frame_emotion", "semantic"):
        left, right = getattr(ours, name), getattr(theirs, name)
        assert (left is None) == (right is None)
        assert left is None or (left == right).all()


def test_a_take_comes_back_as_it_was(tmp_path):
    plain = make_take("plain")
    frames = len(plain.clip)
    mask = np.zeros((frames, 51), np.float32)
    mask[:, :7] = 1
    labelled = make_take(
        "labelled",
        clip=replace(plain.clip, face_mask=mask),
        speaker="Ada",
        emotion="happy",
        frame_emotion=np.array(["happy", "sad"] * (frames // 2)),
        semantic=np.linspace(0, 1, frames, dtype=np.float32),
        extras={"phoneme_time_s": np.array([0.1, 0.25]), "phoneme": np.array(["p", "a"])},
    )
    writer = ProjectWriter(tmp_path)
    writer.add(plain)
    writer.add(labelled)
    recordings, faults = read_project(tmp_path)
    assert faults == []
    for ours, theirs in zip(recordings, (plain, labelled), strict=True):
        assert_same(ours, theirs)
    np.testing.assert_array_equal(recordings[1].clip.face_mask, mask)
    assert recordings[1].extras["phoneme"].tolist() == ["p", "a"]
    assert recordings[1].extras["phoneme_time_s"].tolist() == [0.1, 0.25]
    assert recordings[0].speaker == recordings[0].source


def test_a_compact_folder_is_smaller_and_nearly_the_same(tmp_path):
    recording = make_take(seconds=20.0)
    folders = tmp_path / "whole", tmp_path / "compact"
    for folder, compact in zip(folders, (False, True), strict=True):
        ProjectWriter(folder, compact).add(recording)
    whole, compact = (sum(f.stat().st_size for f in folder.iterdir()) for folder in folders)
    assert compact < 0.5 * whole
    (found,), faults = read_project(folders[1])
    assert not faults
    np.testing.assert_allclose(found.clip.face, recording.clip.face, atol=1e-3)
    np.testing.assert_allclose(found.clip.body, recording.clip.body, atol=1e-3)
    assert abs(len(found.samples) - len(recording.samples)) < 800


def test_sixty_frames_a_second_become_thirty_of_the_same_motion(tmp_path):
    slow = make_take(seconds=4.0)
    times = np.arange(240) / 60
    frames = [slow.clip.at(t) for t in times]
    fast = MotionClip(60.0, np.stack([f.face for f in frames]), np.stack([f.body for f in frames]))
    ProjectWriter(tmp_path).add(replace(slow, clip=fast, semantic=np.float32(times)))
    (back,), _ = read_project(tmp_path)
    assert back.clip.fps_hz == 30.0
    np.testing.assert_allclose(back.clip.face, slow.clip.face, atol=1e-6)
    ours, theirs = (c.body.reshape(-1, 8, 3) for c in (back.clip, slow.clip))
    assert geodesic_angle_rad(ours, theirs).max() < 1e-5
    np.testing.assert_allclose(back.semantic, np.arange(120) / 30, atol=1e-6)


def test_a_folder_is_continued_where_it_was_left(tmp_path):
    ProjectWriter(tmp_path).add(make_take("a"))
    with (tmp_path / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"id": "torn", "sour')
    writer = ProjectWriter(tmp_path)
    assert "a" in writer
    assert "torn" not in writer
    writer.add(make_take("b"))
    recordings, faults = read_project(tmp_path)
    assert ([r.name for r in recordings], faults) == (["a", "b"], [])
    with pytest.raises(DataError, match="already holds"):
        writer.add(make_take("a"))


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".hidden", "a b"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="cannot name a file"):
        ProjectWriter(tmp_path).add(replace(make_take(), name=name))
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_valid_is_not_written(tmp_path):
    good = make_take()
    face = good.clip.face.copy()
    face[3, 3] = np.nan
    bad = {
        "NaN": {"clip": replace(good.clip, face=face)},
        "cut off": {"samples": good.samples[:20_000]},
        "objects": {"extras": {"words": np.array([{}], object)}},
        "names that the format uses": {"extras": {"face": face}},
    }
    for reason, changes in bad.items():
        with pytest.raises(DataError, match=reason):
            ProjectWriter(tmp_path).add(replace(good, **changes))
    assert read_project_or_none(tmp_path) is None


def read_project_or_none(folder):
    try:
        return read_project(folder)
    except DataError:
        return None


def change_arrays(path, **changes):
    np.savez(path, **{**dict(np.load(path)), **changes})


def change_row(folder, **changes):
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    rows = [{**row, **changes} if row["id"] == "bad" else row for row in rows]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


BREAKS = {
    "truncated sound": lambda f: (f / "bad.flac").write_bytes(b"fLaC"),
    "short sound": lambda f: soundfile.write(f / "bad.flac", np.zeros(16_000), 16_000),
    "wrong rate of sound": lambda f: soundfile.write(f / "bad.flac", np.zeros(176_400), 44_100),
    "truncated arrays": lambda f: (f / "bad.npz").write_bytes(b"PK"),
    "missing arrays": lambda f: (f / "bad.npz").unlink(),
    "no array at all": lambda f: np.save((f / "bad.npz").open("wb"), np.zeros(3)),
    "nan": lambda f: change_arrays(f / "bad.npz", body=np.full((120, 24), np.nan)),
    "lengths": lambda f: change_arrays(f / "bad.npz", body=np.zeros((90, 24))),
    "channels": lambda f: change_arrays(f / "bad.npz", face=np.zeros((120, 52))),
    "range": lambda f: change_arrays(f / "bad.npz", face=np.full((120, 51), 50.0)),
    "mask": lambda f: change_arrays(f / "bad.npz", face_mask=np.ones(7)),
    "labels": lambda f: change_arrays(f / "bad.npz", semantic=np.ones(7)),
    "objects": lambda f: change_arrays(f / "bad.npz", x=np.array([{}], object)),
    "wrong fps": lambda f: change_row(f, fps_hz=60.0),
    "no fps": lambda f: change_row(f, fps_hz=0),
    "split": lambda f: change_row(f, split="training"),
    "evaluation only": lambda f: change_row(f, evaluation_only=True),
}


@pytest.mark.parametrize("break_it", BREAKS.values(), ids=BREAKS)
def test_a_broken_take_is_reported_and_the_others_are_read(tmp_path, break_it):
    writer = ProjectWriter(tmp_path)
    for name in ("first", "bad", "last"):
        writer.add(make_take(name))
    break_it(tmp_path)
    recordings, faults = read_project(tmp_path)
    assert [r.name for r in recordings] == ["first", "last"]
    assert len(faults) == 1
    assert "bad" in faults[0].file + faults[0].reason


def test_a_take_for_evaluation_can_be_in_no_other_split():
    with pytest.raises(DataError, match="for evaluation only"):
        make_take(evaluation_only=True)
    assert make_take(evaluation_only=True, split="test").evaluation_only
