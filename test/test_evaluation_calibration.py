"""A calibrated student does, told less, what it did told more; nothing else changes."""

import numpy as np
import pytest
import torch
from training_helpers import make_recording, write_talk30

from asynfusion_ros.cli import main
from asynfusion_ros.errors import ConfigError, DataError
from asynfusion_ros.evaluation import calibration
from asynfusion_ros.evaluation.calibration import Response, calibrate, measure_responses
from asynfusion_ros.motion.manner import STYLE_NAMES
from asynfusion_ros.networks import MannerBatch, NetworkSettings
from asynfusion_ros.sampling.checkpoint import Checkpoint, untrained_checkpoint

SIZE = NetworkSettings(width=16, depth=1, heads=2, styles=len(STYLE_NAMES))
RESPONSES = {"energy": Response(0.5, 0.6, 40), "head": Response(1.5, -0.2, 40)}


@pytest.fixture
def model():
    return untrained_checkpoint(SIZE)


def move(network, **told):
    """What a network predicts of a window when told these styles, the others being open."""
    style = torch.full((1, len(STYLE_NAMES)), float("nan"))
    for name, value in told.items():
        style[0, STYLE_NAMES.index(name)] = value
    generator = torch.Generator().manual_seed(0)
    face, body, audio = (
        torch.randn(1, SIZE.window_frames, dim, generator=generator)
        for dim in (SIZE.face_dim, SIZE.body_dim, SIZE.audio_dim)
    )
    t = torch.full((1,), 500)
    manner = MannerBatch(torch.zeros(1, dtype=torch.long), style)
    with torch.no_grad():
        return network(face, body, t, t, network.condition(audio, manner))


def test_told_as_it_is_made_it_does_what_it_did_told_more(model):
    new = calibrate(model, RESPONSES, ["energy", "head"])
    before = move(model.lcm, energy=(1.0 - 0.6) / 0.5, head=(1.0 + 0.2) / 1.5, smile=0.7)
    after = move(new.lcm, energy=1.0, head=1.0, smile=0.7)
    for old, now in zip(before, after, strict=True):
        torch.testing.assert_close(now, old, atol=1e-5, rtol=1e-4)
    moved = move(model.lcm, energy=1.0, head=1.0, smile=0.7)
    assert (moved[1] - after[1]).abs().max() > 1e-3


def test_what_is_open_and_the_teacher_stay(model):
    new = calibrate(model, RESPONSES, ["energy"])
    for told in ({}, {"head": 1.0}):
        for old, now in zip(move(model.lcm, **told), move(new.lcm, **told), strict=True):
            torch.testing.assert_close(now, old)
    for old, now in zip(model.teacher.parameters(), new.teacher.parameters(), strict=True):
        assert torch.equal(old, now)
    assert new.description == model.description


def test_what_cannot_be_calibrated_is_refused(model):
    with pytest.raises(ConfigError, match="'grace' is unknown"):
        calibrate(model, RESPONSES, ["grace"])
    with pytest.raises(DataError, match="fewer than 8 takes tell 'smile'"):
        calibrate(model, RESPONSES, ["smile"])
    with pytest.raises(ConfigError, match=r"followed by 0\.10 .* train the model further"):
        calibrate(model, {"smile": Response(0.1, 0.0, 40)}, ["smile"])
    with pytest.raises(ConfigError, match="without styles"):
        calibrate(untrained_checkpoint(SIZE.replace(styles=0)), {}, ["energy"])


def test_responses_are_lines_through_what_was_made(model, monkeypatch):
    """Takes that move as they are told, half as far: the slope is a half."""
    takes = [make_recording(f"take{i}", "train", seconds=6.5) for i in range(9)]
    told = dict(enumerate(np.linspace(-1.0, 1.0, 9)))

    class Manner:
        def __init__(self, value):
            self.style = (value,) * len(STYLE_NAMES)

    monkeypatch.setattr(
        calibration, "measure_manners", lambda *_: lambda take, _: Manner(told[take])
    )
    monkeypatch.setattr(
        calibration, "generate_clips", lambda *_, **__: [[index] for index in range(9)]
    )
    monkeypatch.setattr(
        "asynfusion_ros.motion.people.People.measure",
        lambda _, take: (0.5 * told[take] + 0.25,) * len(STYLE_NAMES),
    )
    found = measure_responses(model, takes)
    assert set(found) == set(STYLE_NAMES)
    assert found["energy"].slope == pytest.approx(0.5)
    assert found["energy"].offset == pytest.approx(0.25)
    assert found["energy"].takes == 9


def test_the_command_measures_says_and_writes(model, tmp_path, monkeypatch, capsys):
    write_talk30(tmp_path / "talk30", [make_recording("a", "train", seconds=6.5)])
    model.save(tmp_path / "model")
    monkeypatch.setattr("asynfusion_ros.cli.calibrate.measure_responses", lambda *_: RESPONSES)
    command = ["calibrate", "--checkpoint", str(tmp_path / "model"), "--data", str(tmp_path)]
    command += ["--out", str(tmp_path / "new"), "--styles"]
    assert main([*command, "energy"]) == 0
    assert "0.50   +0.60" in capsys.readouterr().out
    new = Checkpoint.load(tmp_path / "new")
    for old, now in zip(
        move(calibrate(model, RESPONSES, ["energy"]).lcm, energy=1.0),
        move(new.lcm, energy=1.0),
        strict=True,
    ):
        torch.testing.assert_close(now, old)
    assert main([*command, "smile"]) == 2
