"""The Fréchet distance: zero to itself, closed forms, scipy's root, and a network in eval mode."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from training_helpers import make_recording

from asynfusion_ros.errors import CheckpointError, ConfigError, DataError
from asynfusion_ros.evaluation.autoencoder import AutoencoderSettings, MotionAutoencoder
from asynfusion_ros.evaluation.embedding import open_embedding
from asynfusion_ros.evaluation.frechet import Gaussian, frechet_distance, frechet_of_latents
from asynfusion_ros.evaluation.motion_windows import cut_motion, mask_of, measure_statistics

SMALL = AutoencoderSettings.of("ours", width=8, latent=4, steps=6, batch=4, train_stride_frames=2)


def draw(rows, dim, seed=0, scale=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    return shift + scale * rng.standard_normal((rows, dim)) @ rng.standard_normal((dim, dim))


def test_a_set_has_no_distance_to_itself():
    latents = draw(200, 6)
    gaussian = Gaussian.of(latents)
    assert frechet_distance(gaussian, gaussian) == pytest.approx(0.0, abs=1e-8)
    assert frechet_of_latents(latents, latents[::-1]) == pytest.approx(0.0, abs=1e-8)


def test_of_diagonal_gaussians_it_is_the_closed_form():
    rng = np.random.default_rng(1)
    spread_a, spread_b, gap = rng.uniform(0.5, 2, 5), rng.uniform(0.5, 2, 5), rng.normal(size=5)
    first = Gaussian(np.zeros(5), np.diag(spread_a**2))
    second = Gaussian(gap, np.diag(spread_b**2))
    expected = gap @ gap + ((spread_a - spread_b) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-9)


def test_a_shift_alone_costs_its_square():
    latents = draw(300, 4, seed=2)
    assert frechet_of_latents(latents, latents + 3.0) == pytest.approx(4 * 9.0, rel=1e-9)


@pytest.mark.parametrize("rows", [(400, 250), (60, 90)])
def test_singular_values_give_what_the_matrix_root_gives(rows):
    first, second = draw(rows[0], 12, 3), draw(rows[1], 12, 4, scale=1.7, shift=0.4)
    a, b = Gaussian.of(first), Gaussian.of(second)
    root = sqrtm(a.covariance @ b.covariance).real  # written out once more, from the definition
    gap = a.mean - b.mean
    expected = gap @ gap + np.trace(a.covariance + b.covariance - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_of_latents(first, second) == pytest.approx(expected, rel=1e-7)


def test_fewer_windows_than_dimensions_are_no_trouble():
    first, second = draw(10, 40, 5), draw(14, 40, 6)
    assert frechet_of_latents(first, first) == pytest.approx(0.0, abs=1e-6)
    assert frechet_of_latents(first, second) > 0.0


def test_one_row_is_no_distribution():
    with pytest.raises(DataError, match="2 rows"):
        Gaussian.of(np.zeros((1, 3)))


def test_diffshegs_form_has_its_sizes():
    settings = AutoencoderSettings.of("diffsheg")
    network = MotionAutoencoder(settings, 141).eval()
    shapes = [tuple(p.shape) for p in network.convolutions.parameters() if p.ndim == 3]
    assert shapes == [(300, 141, 3), (600, 300, 3), (600, 600, 4), (300, 600, 3)]
    linear = [tuple(p.shape) for p in network.to_latent.parameters() if p.ndim == 2]
    assert linear == [(1200, 3600), (600, 1200), (300, 600), (300, 300)]
    windows = torch.zeros(2, 34, 141)
    assert network.encode(windows).shape == (2, 300)
    assert network(windows).shape == windows.shape


def test_the_emage_form_is_refused_with_the_reason():
    with pytest.raises(ConfigError, match="published weights"):
        AutoencoderSettings.of("emage")


@pytest.fixture(scope="module")
def takes():
    return [make_recording(name, "train", seconds=6.0) for name in "abc"]


def test_a_window_means_the_same_alone_and_in_company(takes, tmp_path):
    """BatchNorm in training mode would make a latent depend on the rest of its batch."""
    embedding = open_embedding(takes, "motion", SMALL, tmp_path)
    windows = embedding.windows(takes[0].clip, takes[0].clip)
    together = embedding.latents(windows)
    for index in range(len(windows)):
        alone = embedding.latents(type(windows)(windows.values[[index]], windows.mask[[index]]))
        assert alone[0] == pytest.approx(together[index], abs=1e-5)
    embedding.network.train()
    with pytest.raises(CheckpointError, match="training mode"):
        embedding.latents(windows)


def test_the_cache_gives_the_same_autoencoder_and_other_data_another(takes, tmp_path):
    steps = []
    first = open_embedding(takes, "face", SMALL, tmp_path, lambda k, n: steps.append(k))
    again = open_embedding(takes, "face", SMALL, tmp_path, lambda k, n: steps.append(k))
    assert steps == list(range(1, SMALL.steps + 1))  # trained once
    assert again.identity == first.identity
    other = open_embedding(takes[:2], "face", SMALL, tmp_path)
    assert other.identity["data"] != first.identity["data"]
    fresh = open_embedding(takes, "face", SMALL, tmp_path / "elsewhere")
    assert fresh.weights_sha256 == first.weights_sha256  # the same seed and data, the same weights


def test_a_damaged_autoencoder_is_refused(takes, tmp_path):
    open_embedding(takes, "face", SMALL, tmp_path)
    next(tmp_path.glob("*/weights.safetensors")).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="delete"):
        open_embedding(takes, "face", SMALL, tmp_path)


def test_test_takes_teach_no_autoencoder(tmp_path):
    with pytest.raises(DataError, match="no training take"):
        open_embedding([make_recording("a", "test", seconds=6.0)], "face", SMALL, tmp_path)


def test_training_gives_windows_back(takes, tmp_path):
    quick = SMALL.replace(width=16, latent=16, batch=16, train_stride_frames=1)
    errors = [
        open_embedding(takes[:1], "body", quick.replace(steps=steps), tmp_path).error
        for steps in (1, 200)
    ]
    assert errors[1] < 0.6 * errors[0]


def test_windows_are_cut_at_their_own_rate_and_put_to_zero_where_nothing_was_measured():
    clip = make_recording("a", seconds=5.0, body=False).clip
    statistics = measure_statistics([clip], "motion")
    windows = cut_motion(clip, "motion", statistics, SMALL)
    assert windows.values.shape == (5, 34, 75)  # 75 frames at 15 Hz, from 0, 10, .. 40
    assert mask_of(clip, "motion").sum() == 51
    assert (windows.values[..., 51:] == 0.0).all()
    expected = statistics.normalise(np.concatenate([clip.face, clip.body], axis=1))
    assert windows.values[1, 3, :51] == pytest.approx(expected[26, :51])  # frame 13 of 15 Hz
