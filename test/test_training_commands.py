"""The commands prepare, train, distill and evaluate: their settings, and all of them in a row."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from data_helpers import write_data

from asynfusion_ros.cli import main
from asynfusion_ros.data.prepare import PrepareSettings
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.evaluation.controls import SUBJECTS
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.training import commands
from asynfusion_ros.training.settings import DistillSettings, TrainSettings

CONFIG = """
network: {width: 16, depth: 1, heads: 2}
prepare: {stride_frames: 60}
train: {steps: 2, batch: 2, threads: 1}
distill: {steps: 2, batch: 2, threads: 1}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG)
    return path


def section(kind, name, config, *changes):
    arguments = argparse.Namespace(config=config, set=list(changes))
    commands._check_names(arguments, kind)
    return commands._section(kind, arguments, name)


def test_a_section_is_read_and_overridden(config):
    settings = section(TrainSettings, "train", config, "steps=7", "prediction=epsilon")
    assert (settings.steps, settings.batch, settings.prediction) == (7, 2, "epsilon")
    assert section(DistillSettings, "distill", config).steps == 2


@pytest.mark.parametrize("text", ["1e-3", "0.001", "1.0E-3"])
def test_numbers_may_be_written_as_people_write_them(config, text):
    settings = section(TrainSettings, "train", config, f"learning_rate={text}")
    assert settings.learning_rate == pytest.approx(1e-3)


def test_a_name_that_is_no_setting_is_refused_with_those_that_are(config):
    with pytest.raises(ConfigError, match=r"stepz.*'steps'.*'batch'"):
        section(TrainSettings, "train", config, "stepz=3")
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        section(TrainSettings, "train", config, "steps")


@pytest.mark.parametrize("change", ["steps=0", "steps=many", "batch=1.5", "prediction=noise"])
def test_a_value_that_is_not_allowed_is_refused(config, change):
    with pytest.raises(ConfigError, match=change.partition("=")[0]):
        section(TrainSettings, "train", config, change)


def test_training_takes_settings_of_the_network_too(config, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(commands, "train_teacher", lambda *given: seen.extend(given))
    options = ["--prepared", str(tmp_path), "--out", str(tmp_path), "--config", str(config)]
    assert main(["train", *options, "--set", "depth=3", "--set", "steps=5"]) == 0
    network = next(item for item in seen if isinstance(item, NetworkSettings))
    assert (network.width, network.depth) == (16, 3)
    assert next(item for item in seen if isinstance(item, TrainSettings)).steps == 5


def test_the_command_line_says_what_is_wrong(config, capsys, tmp_path):
    options = ["--prepared", str(tmp_path), "--out", str(tmp_path), "--config", str(config)]
    assert main(["train", *options, "--set", "stepz=3"]) == 2
    assert "stepz" in capsys.readouterr().err
    assert main(["train", *options]) == 2
    assert "asynfusion prepare" in capsys.readouterr().err


def run(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


def test_from_recordings_to_figures(config, tmp_path, capsys):
    data, prepared = write_data(tmp_path / "data"), tmp_path / "prepared"
    teacher, student, figures = tmp_path / "teacher", tmp_path / "student", tmp_path / "f.json"
    (data / "talk30" / "two.npz").write_bytes(b"cut off")
    run("prepare", "--data", data, "--out", prepared, "--config", config)
    assert "left out talk30/two" in capsys.readouterr().out
    run("train", "--prepared", prepared, "--out", teacher, "--config", config)
    run(
        "distill", "--prepared", prepared, "--teacher", teacher, "--out", student,
        "--config", config,
    )  # fmt: skip
    checkpoint = Checkpoint.load(student)
    assert checkpoint.teacher is not None
    assert checkpoint.lcm is not None
    assert checkpoint.description.network.width == 16
    run(
        "evaluate", "--data", data, "--checkpoint", student, "--steps", "1/2", "--hop", "30",
        "--json", figures,
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "| mouth_correlation |" in printed
    assert "training windows of body, an autoencoder needs" in printed
    check_figures(figures)


def check_figures(path: Path) -> None:
    document = json.loads(path.read_text())
    assert document["takes"] == ["test0", "test1"]
    results = document["results"]
    assert set(results) == set(SUBJECTS)
    assert results["ground_truth"]["mouth_correlation"]["mean"] == pytest.approx(1.0)
    assert results["still"]["mouth_correlation"]["mean"] == 0.0
    values = [summary["mean"] for figures in results.values() for summary in figures.values()]
    assert np.isfinite(values).all()


@pytest.mark.parametrize("name", ["small", "base", "smoke", "paper_beat", "paper_show"])
def test_every_configuration_can_be_read(name, repo):
    path = repo / "config" / f"{name}.yaml"
    NetworkSettings.from_yaml(path, "network")
    PrepareSettings.from_yaml(path, "prepare")
    TrainSettings.from_yaml(path, "train")
    DistillSettings.from_yaml(path, "distill")
