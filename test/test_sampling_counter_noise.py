"""Noise from counters: known words, the normal law, independence of rows and places."""

import pytest
import torch
from sampling_helpers import make_request

from asynfusion_ros.sampling.counter_noise import normal, row_keys

PLACES = torch.arange(20_000)


def splitmix64(state):
    """The reference in Python's whole numbers: the word that follows `state`."""
    mask = (1 << 64) - 1
    state = (state + 0x9E3779B97F4A7C15) & mask
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    return state ^ (state >> 31)


@pytest.mark.parametrize("key", [0, 1, -1, 1234567, -(2**63), 2**63 - 1])
def test_words_are_those_of_splitmix64(key):
    assert splitmix64(1234567) == 6457827717110365317  # the published first word of this seed
    word = splitmix64(key % 2**64)
    low, high = ((word & 0xFFFFFFFF) + 0.5) / 2**32, (word >> 32) / 2**32
    radius, turn = (-2.0 * torch.tensor(low).double().log()).sqrt(), 2.0 * torch.pi * high
    expected = radius * torch.cos(torch.tensor(turn, dtype=torch.float64))
    found = normal(torch.tensor([key]), torch.tensor([0]))
    torch.testing.assert_close(found.double(), expected.view(1, 1), rtol=1e-4, atol=1e-5)


def test_numbers_are_normal_and_independent():
    draws = normal(
        row_keys(make_request(batch=8, origins=tuple((7, i) for i in range(8))), "gesture"), PLACES
    )
    assert draws.isfinite().all()
    assert float(draws.abs().max()) < 6.8
    mean, spread = float(draws.mean()), float(draws.std())
    assert abs(mean) < 0.01
    assert abs(spread - 1.0) < 0.01
    assert abs(float((draws**3).mean())) < 0.03
    assert abs(float((draws**4).mean()) - 3.0) < 0.1
    between = torch.corrcoef(draws) - torch.eye(8)
    assert float(between.abs().max()) < 0.04
    after = torch.corrcoef(torch.stack([draws[0, :-1], draws[0, 1:]]))[0, 1]
    assert abs(float(after)) < 0.03


def test_rows_know_only_their_own_stream_window_and_branch():
    origins = ((1, 5), (2, 5), (1, 6))
    keys = row_keys(make_request(batch=3, origins=origins), "gesture")
    alone = row_keys(make_request(5, seed=1), "gesture")
    other = row_keys(make_request(5, seed=1), "expression")
    assert keys[0] == alone[0] != other[0]
    assert len({int(key) for key in keys}) == 3
    assert torch.equal(normal(keys, PLACES[:50])[0], normal(alone, PLACES[:50])[0])
