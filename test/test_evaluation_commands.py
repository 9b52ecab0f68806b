"""Table, notes and document: what is printed, what is computed, and what is refused."""

import json

import numpy as np
import pytest

from asynfusion_ros.cli import main
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.evaluation.catalogue import FIGURES, info_of
from asynfusion_ros.evaluation.report import (
    is_surely_better,
    make_document,
    make_notes,
    make_table,
    winners,
)
from asynfusion_ros.evaluation.summary import Summary, summarise_takes


def exact(value, takes=4):
    return Summary(value, value, value, takes, left_out=(value,) * takes)


def test_a_row_for_each_figure_and_a_column_for_each_subject():
    results = {
        "model": {
            "fgd": Summary(240.04, 200.0, 280.0, 4),
            "face_error": Summary(0.5, 0.25, 0.75, 4),
        },
        "still": {"face_error": exact(0.0625)},
    }
    assert make_table(results).splitlines() == [
        "| figure | model | still |",
        "|---|---|---|",
        "| fgd | 240.0 (200.0 to 280.0) | - |",
        "| face_error | 0.500 (0.250 to 0.750) | 0.062 |",
    ]


RESULTS = {
    "model": {
        "face_error": exact(0.2),
        "jaw_speed_ratio": exact(1.5),
        "beat_alignment_audio": exact(0.8),
        "blinks_per_minute": exact(20.0),
        "mouth_correlation": Summary(0.5, 0.4, 0.6, 4),
    },
    "ground_truth": {
        "face_error": exact(0.0),
        "jaw_speed_ratio": exact(1.0),
        "beat_alignment_audio": exact(0.85),
        "blinks_per_minute": exact(15.0),
        "mouth_correlation": exact(1.0),
    },
    "shuffled_audio": {
        "face_error": exact(0.2),
        "jaw_speed_ratio": exact(1.6),
        "beat_alignment_audio": exact(0.7),
        "blinks_per_minute": exact(21.0),
        "mouth_correlation": Summary(0.1, 0.0, 0.2, 4),
    },
    "still": {
        "face_error": exact(0.1),
        "jaw_speed_ratio": exact(0.0),
        "beat_alignment_audio": exact(0.0),
        "blinks_per_minute": exact(0.0),
        "mouth_correlation": exact(0.0),
    },
    "jitter": {
        "face_error": exact(0.15),
        "jaw_speed_ratio": exact(0.8),
        "beat_alignment_audio": exact(0.95),
        "blinks_per_minute": exact(0.0),
        "mouth_correlation": exact(0.0),
    },
}


def test_each_kind_of_best_has_its_winner():
    best = winners(RESULTS, ["model", "shuffled_audio", "still", "jitter"])
    assert best == {
        "face_error": "still",  # low
        "jaw_speed_ratio": "jitter",  # 0.8 is nearer to 1 than 1.5, still is as far as can be
        "beat_alignment_audio": "jitter",  # high
        "blinks_per_minute": "model",  # nearest to the truth
        "mouth_correlation": "model",
    }


def test_notes_say_what_controls_win():
    assert make_notes(RESULTS) == [
        "still beats model in: face_error.",
        "jitter beats model in: jaw_speed_ratio, beat_alignment_audio.",
        "jitter beats the ground truth itself in: beat_alignment_audio.",
        "model is surely better than shuffled_audio, take by take, in: jaw_speed_ratio, "
        "beat_alignment_audio, blinks_per_minute.",
        "model is surely better than still, take by take, in: jaw_speed_ratio, "
        "beat_alignment_audio, blinks_per_minute.",
        "model is surely better than jitter, take by take, in: blinks_per_minute.",
    ]


def compare(model, control, truth=None, name="face_error"):
    """Whether a model is surely better on takes with these figures, (takes, 1) each."""
    truth = np.zeros_like(model) if truth is None else truth
    values = {"model": model, "still": control, "ground_truth": truth}
    results = {
        subject: {name: summarise_takes(name, figures)} for subject, figures in values.items()
    }
    return is_surely_better(results, name, "still")


def test_takes_that_are_hard_for_everybody_hide_no_difference():
    rng = np.random.default_rng(0)
    hard = rng.uniform(0.0, 10.0, (12, 1))
    model, control = hard + 1.0, hard + 2.0 + rng.normal(0.0, 0.3, (12, 1))
    apart = [summarise_takes("face_error", figures) for figures in (model, control)]
    assert apart[0].high > apart[1].low, "their intervals touch"
    assert compare(model, control)
    assert not compare(control, model)
    assert not compare(model[:2], control[:2])


def test_a_draw_is_rarely_called_a_difference():
    rng = np.random.default_rng(1)
    called = [compare(*rng.normal(5.0, 1.0, (2, 12, 1))) for _ in range(400)]
    assert 0.005 < np.mean(called) < 0.05  # one side of 95 %


def test_how_far_from_the_truth_is_compared_where_that_is_best():
    truth = np.full((8, 1), 20.0)
    near, far = truth - 1.0, truth + 9.0
    assert compare(near, far, truth, "blinks_per_minute")
    assert not compare(far, near, truth, "blinks_per_minute")
    assert compare(np.full((8, 1), 1.2), np.zeros((8, 1)), truth / 20.0, "jaw_speed_ratio")


def test_a_take_that_decides_alone_is_seen():
    left = {"model": (0.5, 11.0, 9.0), "still": (3.0, 4.0, 5.0)}
    results = {s: {"fmd": Summary(4.0, 0.0, 8.0, 3, left_out=v)} for s, v in left.items()}
    assert make_notes(results)[-1] == (
        "fmd without one of its takes: model 0.5 to 11, still 3 to 5."
    )


def test_a_tie_is_the_models():
    assert winners(RESULTS, ["model", "shuffled_audio"])["face_error"] == "model"


def test_the_document_is_json_with_everything():
    document = json.loads(json.dumps(make_document(RESULTS, {"split": "test"}, ["a note"])))
    assert document["split"] == "test"
    assert document["notes"] == ["a note"]
    assert document["results"]["model"]["mouth_correlation"] == {
        "mean": 0.5, "low": 0.4, "high": 0.6, "takes": 4, "seeds": 1,
    }  # fmt: skip


def test_every_figure_knows_what_is_best():
    assert {info.best for info in FIGURES.values()} == {"high", "low", "one", "truth"}
    with pytest.raises(ConfigError, match="no figure"):
        info_of("beauty")


@pytest.mark.parametrize("steps", ["4", "4/", "4/8/2", "a/b", "-1/2"])
def test_steps_need_a_number_for_each_branch(steps, tmp_path, capsys):
    assert main(["evaluate", "--data", str(tmp_path), f"--steps={steps}"]) == 2
    assert "FACE/BODY" in capsys.readouterr().err


@pytest.mark.parametrize("weights", ["1.5/2", "much", "-1", ""])
def test_guidance_is_one_weight_or_three(weights, tmp_path, capsys):
    assert main(["evaluate", "--data", str(tmp_path), f"--guidance={weights}"]) == 2
    assert "FACE/MOUTH/BODY" in capsys.readouterr().err
