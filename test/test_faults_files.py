"""Models that change under the avatar, and disks that are full while it records."""

import errno
import itertools
import shutil

import numpy as np
import pytest
from streaming_stubs import TINY

from asynfusion_ros.data import project
from asynfusion_ros.data.project import ProjectWriter, read_project
from asynfusion_ros.data.recording import Recording
from asynfusion_ros.errors import CheckpointError, DataError
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.sampling.checkpoint import Checkpoint, untrained_checkpoint


def test_a_model_that_is_swapped_file_by_file_is_the_old_the_new_or_refused(tmp_path):
    old, new, live = (tmp_path / name for name in ("old", "new", "live"))
    untrained_checkpoint(TINY, seed=1).save(old)
    untrained_checkpoint(TINY, seed=2).save(new)
    names = ["config.json", "lcm.safetensors", "teacher.safetensors"]
    whole = {weight_of(Checkpoint.load(folder)) for folder in (old, new)}
    assert len(whole) == 2
    for order in itertools.permutations(names):
        shutil.copytree(old, live, dirs_exist_ok=True)
        held = Checkpoint.load(live)  # as a running avatar has it
        for name in order[:-1]:
            shutil.copy(new / name, live / name)
            with pytest.raises(CheckpointError, match="copy the whole folder"):
                Checkpoint.load(live)
        shutil.copy(new / order[-1], live / order[-1])
        assert weight_of(Checkpoint.load(live)) != weight_of(held)
        assert weight_of(held) in whole


def weight_of(checkpoint):
    return next(checkpoint.lcm.parameters()).sum().item()


def test_a_save_that_is_cut_off_leaves_nothing_that_loads(tmp_path, monkeypatch):
    untrained_checkpoint(TINY, seed=1).save(tmp_path)
    monkeypatch.setattr("pathlib.Path.write_bytes", full_disk)
    with pytest.raises(OSError, match="No space"):
        untrained_checkpoint(TINY, seed=2).save(tmp_path)
    with pytest.raises(CheckpointError, match="does not exist"):
        Checkpoint.load(tmp_path)


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def take(name):
    clip = MotionClip(30.0, np.zeros((30, 51), np.float32), np.zeros((30, 24), np.float32))
    return Recording(name, "us", "own", "train", clip, np.zeros(16000, np.float32))


@pytest.mark.parametrize("where", ["soundfile.write", "np.savez_compressed", "os.fsync"])
def test_a_disk_that_is_full_while_recording_costs_only_the_take(tmp_path, monkeypatch, where):
    writer = ProjectWriter(tmp_path)
    writer.add(take("first"))
    with monkeypatch.context() as patched:
        room, _, name = where.partition(".")
        patched.setattr(getattr(project, room), name, full_disk)
        with pytest.raises(DataError, match="free space"):
            writer.add(take("second"))
    assert not list(tmp_path.glob(".*"))
    recordings, faults = read_project(tmp_path)
    assert ([r.name for r in recordings], faults) == (["first"], [])
    writer.add(take("second"))
    assert len(read_project(tmp_path)[0]) == 2
