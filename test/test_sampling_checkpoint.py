import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from asynfusion_ros.errors import CheckpointError
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling import Checkpoint, untrained_checkpoint

TINY = NetworkSettings(
    face_dim=5, body_dim=3, audio_dim=7, width=8, depth=1, heads=2, window_frames=6, speakers=4
)


@pytest.fixture
def folder(tmp_path):
    untrained_checkpoint(TINY, seed=3).save(tmp_path / "model")
    return tmp_path / "model"


def rewrite(folder, **changes):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    values.update(changes)
    path.write_text(json.dumps(values))
    return values


def test_save_and_load_give_back_everything(folder):
    saved, loaded = untrained_checkpoint(TINY, seed=3), Checkpoint.load(folder)
    assert loaded.description.to_dict() == saved.description.to_dict()
    assert loaded.card == saved.card
    for method in ("ddim", "lcm"):
        ours, theirs = saved.network(method).state_dict(), loaded.network(method).state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
        assert not loaded.network(method).training


def test_the_two_networks_differ_and_the_seed_decides():
    one, same, other = (untrained_checkpoint(TINY, seed) for seed in (0, 0, 1))
    first = lambda network: next(network.parameters())  # noqa: E731
    assert torch.equal(first(one.teacher), first(same.teacher))
    assert not torch.equal(first(one.teacher), first(other.teacher))
    assert not torch.equal(first(one.teacher), first(one.lcm))


def test_a_model_without_lcm_says_so_when_asked(tmp_path):
    whole = untrained_checkpoint(TINY)
    Checkpoint(whole.description, whole.teacher).save(tmp_path)
    loaded = Checkpoint.load(tmp_path)
    assert loaded.lcm is None
    with pytest.raises(CheckpointError, match="distill"):
        loaded.network("lcm")


def test_saving_again_leaves_no_stale_weights(folder):
    whole = untrained_checkpoint(TINY)
    Checkpoint(whole.description, whole.teacher).save(folder)
    assert not (folder / "lcm.safetensors").exists()
    assert Checkpoint.load(folder).lcm is None


def test_an_absent_folder_is_explained(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json does not exist"):
        Checkpoint.load(tmp_path / "nothing")


def test_a_corrupt_weight_file_is_refused(folder):
    path = folder / "lcm.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        Checkpoint.load(folder)


def test_a_missing_weight_file_is_refused(folder):
    (folder / "teacher.safetensors").unlink()
    with pytest.raises(CheckpointError, match="missing"):
        Checkpoint.load(folder)


def test_a_pickle_is_never_opened(folder, monkeypatch):
    path = folder / "lcm.safetensors"
    torch.save({"a": torch.zeros(1)}, path)
    refresh_hash(folder)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unpickled"))
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        Checkpoint.load(folder)


def refresh_hash(folder):
    import hashlib

    digest = hashlib.sha256((folder / "lcm.safetensors").read_bytes()).hexdigest()
    values = json.loads((folder / "config.json").read_text())
    rewrite(folder, weights_sha256={**values["weights_sha256"], "lcm": digest})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("gesture.out.weight"), r"lacks \['gesture.out.weight'\]"),
        (lambda t: t.update(extra=torch.zeros(1)), r"unknown \['extra'\]"),
        (lambda t: t.update({"gesture.out.bias": torch.zeros(9)}), r"shape \(9,\)"),
        (lambda t: t.update({"gesture.out.bias": torch.full((3,), torch.nan)}), "NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder, change, message):
    path = folder / "lcm.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    refresh_hash(folder)
    with pytest.raises(CheckpointError, match=message):
        Checkpoint.load(folder)


def test_another_configuration_than_the_weights_is_refused(folder):
    rewrite(folder, network=TINY.replace(width=16).to_dict())
    with pytest.raises(CheckpointError, match="shape"):
        Checkpoint.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 99}, "format 99"),
        ({"prediction": "eps"}, "prediction"),
        ({"idle_face": [0.0]}, "idle_face"),
        ({"network": {"widht": 8}}, "widht"),
        ({"schedule": {"beta_start": 2.0, "beta_end": 3.0, "steps": 10}}, "betas"),
        ({"weights_sha256": {"../evil": "00"}}, "weights_sha256"),
        ({"weights_sha256": {}}, "weights_sha256"),
    ],
)
def test_a_wrong_configuration_is_refused(folder, changes, message):
    rewrite(folder, **changes)
    with pytest.raises(CheckpointError, match=message):
        Checkpoint.load(folder)


def test_broken_json_and_missing_keys_are_refused(folder):
    values = rewrite(folder)
    del values["audio"]
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="audio"):
        Checkpoint.load(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="JSON"):
        Checkpoint.load(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match="list"):
        Checkpoint.load(folder)


def test_an_interrupted_save_is_not_loaded(folder, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("asynfusion_ros.sampling.checkpoint.json.dumps", stop)
    with pytest.raises(KeyboardInterrupt):
        untrained_checkpoint(TINY, seed=4).save(folder)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="does not exist"):
        Checkpoint.load(folder)


def test_idle_pose_survives_exactly(tmp_path):
    import dataclasses

    whole = untrained_checkpoint(TINY)
    idle = np.float32([0.1, -0.2, 1 / 3])
    description = dataclasses.replace(whole.description, idle_body=idle)
    dataclasses.replace(whole, description=description).save(tmp_path)
    assert np.array_equal(Checkpoint.load(tmp_path).description.idle_body, idle)
