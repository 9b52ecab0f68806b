"""A model beside its controls: the truth is best by construction, and every figure has takes."""

import json

import numpy as np
import pytest
from training_helpers import make_recording, write_talk30

from asynfusion_ros.cli import main
from asynfusion_ros.errors import DataError
from asynfusion_ros.evaluation.commands import make_table, read_held_out
from asynfusion_ros.evaluation.heldout import SUBJECTS, evaluate_model, measure_take
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.streaming.generator import MotionGenerator
from asynfusion_ros.streaming.settings import EngineSettings

TINY = NetworkSettings(width=16, depth=1, heads=2)


@pytest.fixture(scope="module")
def generator():
    settings = EngineSettings(deterministic=True, expression_steps=1, gesture_steps=1)
    generator = MotionGenerator.open(untrained_checkpoint(TINY), settings)
    yield generator
    generator.close()


@pytest.fixture(scope="module")
def results(generator):
    takes = [make_recording("a", "test", seconds=2.5), make_recording("b", "test", seconds=2.0)]
    return evaluate_model(generator, takes)


def test_the_truth_is_perfect_and_a_still_avatar_does_not_move(results):
    assert tuple(results) == SUBJECTS
    truth, still = results["ground_truth"], results["still"]
    assert truth["mouth_correlation"].mean == pytest.approx(1.0)
    for name in ("mouth_error", "face_error"):
        assert truth[name].mean == 0.0
    for name in ("jaw_speed_ratio", "body_speed_ratio", "body_jerk_ratio"):
        assert truth[name].mean == pytest.approx(1.0)
        assert still[name].mean == 0.0
    assert still["mouth_correlation"].mean == 0.0
    assert all(s.low <= s.mean <= s.high for figures in results.values() for s in figures.values())


def test_a_table_has_a_row_for_each_figure_and_a_column_for_each_subject(results):
    lines = make_table(results).splitlines()
    assert lines[0] == "| figure | " + " | ".join(SUBJECTS) + " |"
    assert len(lines) == 2 + len(results["model"])


def test_a_body_that_was_not_measured_has_no_figures(generator):
    face_only = make_recording("a", body=False).clip
    figures = measure_take(face_only, face_only, Skeleton.load(), generator)
    assert "mouth_correlation" in figures
    assert not [name for name in figures if name.startswith("body")]


def test_one_take_cannot_be_shuffled(generator):
    with pytest.raises(DataError, match="at least 2"):
        evaluate_model(generator, [make_recording("a", "test")])


def test_the_command_writes_what_it_prints(tmp_path, capsys):
    untrained_checkpoint(TINY).save(tmp_path / "model")
    takes = [
        make_recording(name, split, seconds=2.0)
        for name, split in zip("abc", ("test", "test", "train"), strict=True)
    ]
    write_talk30(tmp_path / "data" / "talk30", takes)
    words = f"evaluate --data {tmp_path / 'data'} --checkpoint {tmp_path / 'model'}"
    report = tmp_path / "figures.json"
    assert main([*words.split(), "--steps", "1/2", "--json", str(report)]) == 0
    document = json.loads(report.read_text())
    assert document["takes"] == ["a", "b"]
    assert document["settings"]["gesture_steps"] == 2
    shown = capsys.readouterr().out
    mean = document["results"]["model"]["mouth_error"]["mean"]
    assert np.isfinite(mean)
    assert f"| mouth_error | {mean:.3f} (" in shown


def test_a_split_without_takes_is_an_error(tmp_path):
    write_talk30(tmp_path / "talk30", [make_recording("a", "train")])
    with pytest.raises(DataError, match="no take of the split 'val'"):
        read_held_out(tmp_path, "val")
    assert main(["evaluate", "--data", str(tmp_path), "--steps", "four"]) == 2
