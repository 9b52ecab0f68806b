"""BEAT takes serve evaluation only."""

import numpy as np
import pytest
import soundfile

from asynfusion_ros.data.beat import read_beat
from asynfusion_ros.errors import DataError


def write(folder, name, frames=750, seconds=25.0, face=None):
    ramp = np.arange(frames, dtype=np.float32)[:, None] / 750
    np.savez(folder / f"{name}.npz", arkit51_30fps=np.tile(ramp, (1, 51)) if face is None else face)
    samples = np.arange(round(seconds * 16000)) / 4e5
    soundfile.write(folder / f"{name}.flac", samples, 16000, subtype="PCM_24")


def test_takes_are_cut_into_parts_that_are_never_training_data(tmp_path):
    write(tmp_path, "a")
    recordings, faults = read_beat(tmp_path)
    assert faults == []
    assert [r.name for r in recordings] == ["a@0s", "a@10s", "a@20s"]
    assert [len(r.clip) for r in recordings] == [300, 300, 150]
    assert {r.split for r in recordings} == {"test"}
    for r in recordings:  # sound and face still belong together
        assert r.samples[0] == pytest.approx(r.clip.face[0, 0], abs=1e-5)
        assert len(r.samples) == len(r.clip) * 1600 // 3
        assert not r.clip.body_mask.any()


def test_a_face_that_outlasts_the_sound_is_cut_to_it(tmp_path):
    write(tmp_path, "a", seconds=10.0)
    (recording,), _ = read_beat(tmp_path)
    assert len(recording.clip) == 300
    assert len(recording.samples) == 160000


def test_broken_takes_are_reported_and_an_empty_folder_refused(tmp_path):
    with pytest.raises(DataError, match="give the folder of a BEAT take"):
        read_beat(tmp_path)
    write(tmp_path, "a")
    write(tmp_path, "b", face=np.zeros((750, 40), np.float32))
    recordings, faults = read_beat(tmp_path)
    assert {r.name[0] for r in recordings} == {"a"}
    assert [f.file for f in faults] == ["b.npz"]
