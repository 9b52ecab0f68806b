"""Networks as ONNX files: written once they equal torch, and readable by anybody's runtime."""

import json

import numpy as np
import onnxruntime
import pytest
import torch

from asynfusion_ros.cli import main, onnx_files
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling import Checkpoint
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint

TINY = NetworkSettings(width=16, depth=2, heads=2, audio_dim=7)


@pytest.fixture
def model(tmp_path):
    checkpoint = untrained_checkpoint(TINY)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in checkpoint.lcm.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    checkpoint.save(tmp_path / "model")
    return tmp_path / "model"


def test_files_run_as_they_say(model, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["onnx", "--checkpoint", str(model), "--out", str(out)]) == 0
    assert "gesture_step.onnx" in capsys.readouterr().out
    about = json.loads((out / "networks.json").read_text())
    for name, sides in about["files"].items():
        session = onnxruntime.InferenceSession(str(out / name))
        sizes = {"B": 2, "T": 9, "P": 1}
        given = {
            key: np.ones([sizes.get(size, size) for size in shape], np.float32)
            for key, shape in sides["inputs"].items()
        }
        results = session.run(list(sides["outputs"]), given)
        for result, shape in zip(results, sides["outputs"].values(), strict=True):
            assert list(result.shape) == [sizes.get(size, size) for size in shape]
            assert np.isfinite(result).all()


def test_what_differs_is_not_written(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(onnx_files, "compare_with_torch", lambda branch: 0.5)
    assert main(["onnx", "--checkpoint", str(model), "--out", str(tmp_path / "out")]) == 2
    assert "differ from torch by 5.0e-01" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.onnx"))


def test_the_model_that_ships_equals_torch():
    network = Checkpoint.load(find_resource("models/small")).network("lcm").eval()
    for branch in (network.expression, network.gesture):
        assert onnx_files.compare_with_torch(branch) < 1e-5
