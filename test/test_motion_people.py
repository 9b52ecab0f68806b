"""Drawn persons: styles go together as they were measured to, and a seed is a person."""

import numpy as np
import pytest

from asynfusion_ros.motion.people import MOST_DEVIATIONS, draw_style, measure_correlation

RNG = np.random.default_rng(0)
MIXED = RNG.normal(size=(500, 4)) @ RNG.normal(size=(4, 4))


def test_the_correlation_of_whole_takes_is_numpys():
    np.testing.assert_allclose(measure_correlation(MIXED), np.corrcoef(MIXED.T), atol=1e-4)


def test_units_do_not_matter():
    scaled = MIXED * [1.0, 10.0, 0.01, 3.0] + [5.0, 0.0, -2.0, 100.0]
    np.testing.assert_allclose(measure_correlation(scaled), measure_correlation(MIXED), atol=1e-4)


def test_what_takes_do_not_tell_does_not_count():
    known = MIXED.copy()
    known[::2, 3] = np.nan
    found = measure_correlation(known)
    np.testing.assert_allclose(found[:3, :3], np.corrcoef(MIXED[:, :3].T), atol=1e-3)
    np.testing.assert_allclose(found[:, 3], np.corrcoef(MIXED[1::2].T)[:, 3], atol=1e-3)


def test_few_takes_with_gaps_still_give_a_valid_correlation():
    rows = RNG.normal(size=(6, 12))
    rows[RNG.random(rows.shape) < 0.4] = np.nan
    rows[:, 0] = np.nan
    rows[:, 1] = 2.5
    found = measure_correlation(rows)
    np.testing.assert_allclose(np.diagonal(found), 1.0, atol=1e-5)
    assert np.linalg.eigvalsh(found.astype(np.float64)).min() > -1e-5
    assert np.abs(found).max() <= 1.0 + 1e-5
    np.testing.assert_allclose(found[:2, 2:], 0.0, atol=1e-5)


def test_persons_spread_as_the_takes_did():
    wanted = measure_correlation(MIXED)
    drawn = np.array([draw_style(wanted, seed) for seed in range(4000)])
    assert np.abs(drawn).max() <= MOST_DEVIATIONS
    np.testing.assert_allclose(np.corrcoef(drawn.T), wanted, atol=0.06)
    np.testing.assert_allclose(drawn.mean(axis=0), 0.0, atol=0.06)
    np.testing.assert_allclose(drawn.std(axis=0), 1.0, atol=0.08)  # the cut takes 4 %


def test_a_seed_is_a_person():
    assert draw_style(np.eye(3), 7) == draw_style(np.eye(3), 7)
    assert draw_style(np.eye(3), 7) != pytest.approx(draw_style(np.eye(3), 8))
