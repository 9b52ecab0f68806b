"""Div, L1div, PCK and SRGR against their definitions, written out."""

from itertools import combinations

import numpy as np
import pytest

from asynfusion_ros.errors import ConfigError, DataError
from asynfusion_ros.evaluation.diversity import (
    correct_keypoints,
    diversity,
    l1_diversity,
    semantic_recall,
)


def test_diversity_is_the_mean_over_all_pairs():
    rows = np.random.default_rng(0).normal(size=(20, 34, 6))
    pairs = [np.abs(a - b).mean() for a, b in combinations(rows, 2)]
    assert diversity(rows) == pytest.approx(np.mean(pairs))
    assert diversity(rows, reduction="sum") == pytest.approx(np.mean(pairs) * 34 * 6)


def test_pairs_are_only_made_within_groups():
    rows = np.random.default_rng(1).normal(size=(110, 3))
    order = np.random.default_rng(7).permutation(110)
    groups = [rows[order[:50]], rows[order[50:100]], rows[order[100:]]]
    means = [np.mean([np.abs(a - b).mean() for a, b in combinations(g, 2)]) for g in groups]
    assert diversity(rows, seed=7) == pytest.approx(np.mean(means))


def test_normal_sequences_differ_by_two_over_root_pi():
    rows = np.random.default_rng(2).standard_normal((400, 500))
    assert diversity(rows) == pytest.approx(2 / np.sqrt(np.pi), rel=0.01)


def test_equal_sequences_have_none_and_one_has_no_pair():
    assert diversity(np.ones((9, 4))) == 0.0
    with pytest.raises(DataError, match="pairs"):
        diversity(np.ones((1, 4)))
    with pytest.raises(ConfigError, match="median"):
        diversity(np.ones((9, 4)), reduction="median")


def test_l1_diversity_is_the_mean_distance_from_the_mean_pose():
    rows = np.array([[0.0, 0.0], [2.0, 4.0]])
    given = rows.copy()
    assert l1_diversity(rows) == pytest.approx(1.0 + 2.0)
    assert (rows == given).all()  # the public code changes its input; this does not


def test_keypoints_count_below_the_threshold_only():
    truth = np.zeros((2, 2, 3))
    joints = truth.copy()
    joints[0, 0] = (0.3, 0.3, 0.0)  # 0.42 away
    joints[1, 1] = (0.5, 0.0, 0.0)  # exactly at the threshold
    assert correct_keypoints(joints, truth) == pytest.approx(3 / 4)


def test_semantic_recall_weighs_frames_by_their_meaning():
    truth = np.zeros((4, 1, 3))
    joints = truth.copy()
    joints[2:, 0] = (0.05, 0.05, 0.05)  # a sum of 0.15 misses 0.1, though no axis does
    assert semantic_recall(joints, truth, [1, 1, 0, 0]) == pytest.approx(0.5 / 0.165)
    assert semantic_recall(joints, truth, [0, 0, 1, 1]) == 0.0
    assert semantic_recall(joints, truth, np.full(4, 0.165)) == pytest.approx(0.5)
