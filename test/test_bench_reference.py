"""The network that ours is timed against has the size and the evaluations that were published."""

from itertools import pairwise

import pytest
import torch

from asynfusion_ros.bench.reference import (
    FRAMES,
    NEW_SECONDS,
    OVERLAP,
    PASSES,
    ReferenceNetwork,
    build_reference,
    moves,
)
from asynfusion_ros.errors import ConfigError

CPU = torch.device("cpu")


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_it_has_155_million_parameters():
    with torch.device("meta"):
        network = ReferenceNetwork()
    assert count(network) == pytest.approx(155.4e6, rel=0.01)
    assert count(network.expression) == pytest.approx(74.1e6, rel=0.01)
    assert count(network.gesture) == pytest.approx(74.6e6, rel=0.01)


@pytest.mark.parametrize(("evaluations", "passes"), PASSES.items())
def test_a_window_takes_the_published_evaluations(evaluations, passes):
    way = list(moves(passes))
    assert sum(move.evaluates for move in way) == evaluations
    assert (way[0].start, way[-1].end) == (14, -1)
    assert all(one.end == other.start for one, other in pairwise(way))
    assert all(abs(move.start - move.end) == 1 for move in way)


def test_the_first_window_of_all_goes_straight():
    assert sum(move.evaluates for move in moves(1, first=25)) == 25


def test_windows_follow_each_other():
    reference = build_reference(CPU, 15)
    first = reference()
    second = reference()
    assert reference.evaluations == 30
    assert NEW_SECONDS == 2.0
    for before, after, dim in zip(first, second, (51, 141), strict=True):
        assert after.shape == (1, FRAMES, dim)
        assert after.isfinite().all()
        # The first of the shared frames is wholly known, the last wholly generated.
        torch.testing.assert_close(after[:, 0], before[:, -OVERLAP], rtol=1e-3, atol=1e-3)


def test_other_counts_are_refused():
    with pytest.raises(ConfigError, match="63, 27, 15"):
        build_reference(CPU, 64)
