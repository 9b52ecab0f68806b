"""Intervals: over takes, seeds, and takes left out."""

import numpy as np
import pytest

from asynfusion_ros.evaluation.frechet import frechet_of_latents
from asynfusion_ros.evaluation.summary import jackknife_error, summarise_sets, summarise_takes


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(0).normal(2.0, 1.0, (100, 1))
    summary = summarise_takes("face_error", values)
    reach = 1.96 * values.std(ddof=1) / 10
    assert summary.mean == pytest.approx(values.mean())
    assert summary.high - summary.mean == pytest.approx(reach, rel=0.15)
    assert summary.mean - summary.low == pytest.approx(reach, rel=0.15)
    assert (summary.takes, summary.seeds) == (100, 1)


def test_seeds_that_disagree_widen_it():
    rng = np.random.default_rng(0)
    takes = rng.normal(1.0, 0.2, (20, 1))
    agree = summarise_takes("face_error", np.tile(takes, (1, 3)))
    differ = summarise_takes("face_error", takes + rng.normal(0, 0.6, (20, 3)))
    assert differ.high - differ.low > 1.5 * (agree.high - agree.low)


def test_of_ratios_twice_and_half_cancel():
    assert summarise_takes("jaw_speed_ratio", [[2.0], [0.5]]).mean == pytest.approx(1.0)


def test_of_a_mean_the_jackknife_is_its_standard_error():
    values = np.random.default_rng(1).normal(size=30)
    summary = summarise_sets(lambda takes: [values[list(takes)].mean()], range(30))
    assert summary.mean == pytest.approx(values.mean())
    error = (summary.high - summary.low) / 2 / 1.959964
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(30), rel=1e-6)


def test_what_is_left_without_each_take():
    values = np.arange(1.0, 6.0)[:, None]
    summary = summarise_takes("face_error", values)
    assert summary.left_out == (3.5, 3.25, 3.0, 2.75, 2.5)
    assert jackknife_error(summary.left_out) == pytest.approx(values.std(ddof=1) / np.sqrt(5))
    assert set(summary.to_dict()) == {"mean", "low", "high", "takes", "seeds"}


def test_spread_over_seeds_is_part_of_the_interval():
    summary = summarise_sets(lambda takes: [1.0, 2.0, 3.0], range(5))
    assert summary.mean == 2.0
    assert summary.high - summary.mean == pytest.approx(1.959964 / np.sqrt(3))


def test_the_interval_of_a_distance_covers_what_other_takes_would_give():
    """Takes of 20 windows each from two normal distributions one apart: the truth is 1."""
    hits = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        sets = [rng.normal(m, 1.0, (20, 20, 1)) for m in (0.0, 1.0)]
        summary = summarise_sets(
            lambda takes, sets=sets: [
                frechet_of_latents(*(np.concatenate(s[list(takes)]) for s in sets))
            ],
            range(20),
        )
        hits += summary.low <= 1.0 <= summary.high
    assert hits >= 88
