"""Exchanged liveliness: rests stay, and the style that is told is that of the motion as it is."""

import numpy as np
import pytest
from training_helpers import make_prepared, sample_exchanged

from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import STYLE_NAMES, describe_style
from asynfusion_ros.training.liveliness import exchange_liveliness

COUNT, FRAMES = 10, 120
LIVELY = ("energy", "head", "brows")
COLUMN = {name: STYLE_NAMES.index(name) for name in STYLE_NAMES}
BROWS = np.array([name.startswith("brow") for name in FACE_NAMES])
HEAD = np.arange(24) // 3 == 1


def measure(face, body):
    return describe_style(MotionClip(30.0, face, body))[0]


@pytest.fixture
def batch():
    """Windows that sway about rests of their own, each as widely as its number says."""
    rng = np.random.default_rng(0)
    rests = {
        "face": np.full((COUNT, 51), 0.5, np.float32),
        "body": rng.uniform(-0.4, 0.4, (COUNT, 24)).astype(np.float32),
    }
    turns = np.linspace(0.0, 2.0 * np.pi, FRAMES, endpoint=False)
    wide = np.geomspace(0.03, 0.09, COUNT)[:, None, None]
    data = {}
    for kind, rest in rests.items():
        sway = np.sin(turns[:, None] * rng.integers(2, 5, rest.shape[1]))
        data[kind] = (rest[:, None] + wide * sway).astype(np.float32)
    styles = np.stack([measure(*pair) for pair in zip(data["face"], data["body"], strict=True)])
    return data, rests, styles


def exchange(batch, share=1.0, seed=0):
    data, rests, styles = batch
    moved = {name: values.copy() for name, values in data.items()}
    return moved, exchange_liveliness(moved, rests, styles, share, np.random.default_rng(seed))


def find_gains(batch, moved, kind, columns):
    """By how much each window sways more (N,), and that it is all of it that these columns do."""
    rest = batch[1][kind][:, None]
    before, after = ((v[kind] - rest)[..., columns] for v in (batch[0], moved))
    gains = (before * after).sum(axis=(1, 2)) / (before**2).sum(axis=(1, 2))
    np.testing.assert_allclose(after, gains[:, None, None] * before, atol=1e-5)
    return gains


def test_a_share_of_nothing_changes_nothing(batch):
    moved, told = exchange(batch, 0.0)
    for name, values in moved.items():
        np.testing.assert_array_equal(values, batch[0][name])
    np.testing.assert_array_equal(told, batch[2])


def test_arms_head_and_brows_move_more_or_less_each_by_its_own_giver(batch):
    moved, _ = exchange(batch)
    arms = find_gains(batch, moved, "body", ~HEAD)
    head = find_gains(batch, moved, "body", HEAD)
    brows = find_gains(batch, moved, "face", BROWS)
    for gains in (arms, head, brows):
        assert gains.min() < 0.8
        assert gains.max() > 1.25
    assert np.abs(arms - head).max() > 0.2
    np.testing.assert_array_equal(moved["face"][..., ~BROWS], batch[0]["face"][..., ~BROWS])


def test_what_is_told_is_what_the_motion_then_measures(batch):
    moved, told = exchange(batch)
    pairs = zip(moved["face"], moved["body"], strict=True)
    measured = np.stack([measure(*pair) for pair in pairs])
    for name in LIVELY:
        column = COLUMN[name]
        assert np.abs(told[:, column] - batch[2][:, column]).max() > 0.01
        np.testing.assert_allclose(told[:, column], measured[:, column], rtol=0.02, atol=0.02)
    others = ~np.isin(STYLE_NAMES, LIVELY)
    np.testing.assert_array_equal(told[:, others], batch[2][:, others])


def test_nobody_moves_less_than_half_or_more_than_twice_as_much(batch):
    styles = batch[2].copy()
    styles[0, COLUMN["energy"]] += 5.0
    styles[0, COLUMN["brows"]] *= 30.0
    moved, told = exchange((batch[0], batch[1], styles))
    for kind, columns, name in (("body", ~HEAD, "energy"), ("face", BROWS, "brows")):
        gains = find_gains(batch, moved, kind, columns)
        assert gains.min() >= 0.5 - 1e-4
        assert gains.max() <= 2.0 + 1e-4
        change = told[:, COLUMN[name]] - styles[:, COLUMN[name]]
        assert np.abs(change[1:]).max() <= np.log(2.0) + 1e-4
        assert told[0, COLUMN[name]] < styles[0, COLUMN[name]]


def test_who_tells_no_style_neither_gives_nor_takes(batch):
    styles = batch[2].copy()
    styles[1:, COLUMN["energy"]] = np.nan
    styles[:4, COLUMN["brows"]] = np.nan
    moved, told = exchange((batch[0], batch[1], styles))
    body = (values["body"][..., ~HEAD] for values in (moved, batch[0]))
    np.testing.assert_allclose(*body, atol=1e-6)  # the one who tells takes from themselves
    np.testing.assert_array_equal(moved["face"][:4], batch[0]["face"][:4])
    assert np.isnan(told[:4, COLUMN["brows"]]).all()
    assert np.isfinite(told[4:, COLUMN["brows"]]).all()
    assert (moved["face"][4:] != batch[0]["face"][4:]).any()


def test_weights_stay_weights(batch):
    batch[0]["face"][..., BROWS] += 0.47
    moved, _ = exchange(batch)
    assert moved["face"].min() >= 0.0
    assert moved["face"].max() <= 1.0


def test_training_tells_how_lively_who_is_shown_is(tmp_path):
    folder = make_prepared(tmp_path)
    face, take = np.load(folder / "face.npy"), np.load(folder / "take.npy")
    lively = take == 1
    face[lively] = np.where(BROWS, 0.5 + 1.8 * (face[lively] - 0.1), face[lively])
    np.save(folder / "face.npy", face)
    own, other = sample_exchanged(folder)
    told = (other.manner.style - own.manner.style)[:, COLUMN["brows"]]
    shown = (other.face.std(dim=1) / own.face.std(dim=1))[:, BROWS].mean(dim=1)
    assert told.min() < -0.1
    assert told.max() > 0.1
    assert (shown[told > 0.1] > 1.05).all()
    assert (shown[told < -0.1] < 0.95).all()
