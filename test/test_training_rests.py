"""Exchanged rests: movement and lips stay, what somebody rests in goes with its style."""

import numpy as np
import pytest
from training_helpers import make_prepared, sample_exchanged

from asynfusion_ros.data.talk30 import JOINTS
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.motion.manner import STYLE_NAMES
from asynfusion_ros.training.rests import exchange_rests

BROW, LID, SMILE = (FACE_NAMES.index(n) for n in ("browInnerUp", "eyeBlinkLeft", "mouthSmileLeft"))
_OF_MOUTH = ("smile", "corners", "press", "shrug", "mouth_side", "dimple_side")
LIPS = [FACE_NAMES.index(n) for n in ("jawOpen", "mouthClose", "mouthLowerDownLeft", "mouthPucker")]
COUNT = 12


@pytest.fixture
def batch():
    """Windows about rests of their own; the last has neither a whole face nor a whole body."""
    rng = np.random.default_rng(0)
    rests = {
        "face": rng.uniform(0.2, 0.4, (COUNT, 51)).astype(np.float32),
        "body": rng.uniform(-0.5, 0.5, (COUNT, 24)).astype(np.float32),
    }
    data = {
        kind: rest[:, None] + rng.uniform(-0.1, 0.1, (COUNT, 30, rest.shape[1])).astype(np.float32)
        for kind, rest in rests.items()
    }
    data["face_mask"], data["body_mask"] = np.ones((COUNT, 51)), np.ones((COUNT, 24))
    data["face_mask"][-1, 3] = data["body_mask"][-1, 20] = 0.0
    styles = rng.standard_normal((COUNT, len(STYLE_NAMES))).astype(np.float32)
    return data, rests, styles


def exchange(batch, share, seed=0):
    data, rests, styles = batch
    moved = {name: values.copy() for name, values in data.items()}
    return moved, exchange_rests(moved, rests, styles, share, np.random.default_rng(seed))


def giver_of(styles, row, name):
    """The window whose style of this name the row has now."""
    column = STYLE_NAMES.index(name)
    return int(np.flatnonzero(styles[:, column] == row[column])[0])


def test_a_share_of_nothing_changes_nothing(batch):
    data, told = exchange(batch, 0.0)
    for name, values in data.items():
        np.testing.assert_array_equal(values, batch[0][name])
    np.testing.assert_array_equal(told, batch[2])


def test_a_face_rests_as_the_giver_and_moves_as_before(batch):
    data, rests, styles = batch
    moved, told = exchange(batch, 1.0)
    givers = [giver_of(styles, row, "frown") for row in told[:-1]]
    assert len(set(givers)) > 3
    for taker, giver in enumerate(givers):
        for channel in (BROW, SMILE):
            wanted = data["face"][taker, :, channel] - rests["face"][taker, channel]
            wanted = wanted + rests["face"][giver, channel]
            np.testing.assert_allclose(moved["face"][taker, :, channel], wanted, atol=1e-6)
        assert giver_of(styles, told[taker], "lids") == giver
    np.testing.assert_array_equal(moved["face"][..., LIPS], data["face"][..., LIPS])


def test_shut_eyes_stay_shut(batch):
    batch[0]["face"][:, 10, LID] = 1.0
    moved, _ = exchange(batch, 1.0)
    np.testing.assert_allclose(moved["face"][:, 10, LID], 1.0, atol=1e-6)
    assert np.abs(moved["face"][:, :10, LID] - batch[0]["face"][:, :10, LID]).max() > 0.02


def test_arms_rest_as_another_giver_and_chest_and_head_as_they_were(batch):
    data, rests, styles = batch
    moved, told = exchange(batch, 1.0)
    fixed = np.repeat([joint in ("chest", "head") for joint in JOINTS], 3)
    np.testing.assert_array_equal(moved["body"][..., fixed], data["body"][..., fixed])
    givers = [giver_of(styles, row, "reach") for row in told[:-1]]
    faces = [giver_of(styles, row, "frown") for row in told[:-1]]
    assert givers != faces, "face and arms are exchanged apart"
    for taker, giver in enumerate(givers):
        wanted = data["body"][taker] + rests["body"][giver] - rests["body"][taker]
        np.testing.assert_allclose(moved["body"][taker][:, ~fixed], wanted[:, ~fixed], atol=1e-6)


def test_how_lively_somebody_is_stays(batch):
    _, told = exchange(batch, 1.0)
    lively = [STYLE_NAMES.index(name) for name in ("energy", "head", "brows", "mouth")]
    np.testing.assert_array_equal(told[:, lively], batch[2][:, lively])


def test_who_was_not_wholly_measured_gives_nothing_and_takes_at_the_mouth_alone(batch):
    data, rests, styles = batch
    moved, told = exchange(batch, 1.0)
    mouth = np.isin(FACE_NAMES, MOUTH_NAMES)
    np.testing.assert_array_equal(moved["face"][-1][:, ~mouth], data["face"][-1][:, ~mouth])
    assert (moved["face"][-1][:, SMILE] != data["face"][-1][:, SMILE]).all()
    np.testing.assert_array_equal(moved["body"][-1], data["body"][-1])
    of_mouth = np.isin(STYLE_NAMES, _OF_MOUTH)
    np.testing.assert_array_equal(told[-1][~of_mouth], styles[-1][~of_mouth])
    giver = giver_of(styles, told[-1], "press")
    np.testing.assert_array_equal(told[-1][of_mouth], styles[giver][of_mouth])
    shift = rests["face"][giver] - rests["face"][-1]
    wanted = data["face"][-1][:, SMILE] + shift[SMILE]
    np.testing.assert_allclose(moved["face"][-1][:, SMILE], wanted, atol=1e-6)
    assert COUNT - 1 not in {giver_of(styles, row, "lids") for row in told[:-1]}


def test_a_mouth_that_was_not_measured_takes_nothing(batch):
    batch[0]["face_mask"][-1] = 0.0
    moved, told = exchange(batch, 1.0)
    np.testing.assert_array_equal(moved["face"][-1], batch[0]["face"][-1])
    np.testing.assert_array_equal(told[-1], batch[2][-1])


def test_about_a_share_of_the_windows_is_exchanged(batch):
    changed = [
        np.mean(
            [(a != b).any() for a, b in zip(exchange(batch, 0.5, seed)[1], batch[2], strict=True)]
        )
        for seed in range(40)
    ]
    assert 0.5 < np.mean(changed) < 0.8  # of face or arms; some get their own


def test_training_tells_the_style_of_who_is_shown(tmp_path):
    folder = make_prepared(tmp_path)
    face, take = np.load(folder / "face.npy"), np.load(folder / "take.npy")
    face[take == 1, :, BROW] += np.float16(0.3)
    np.save(folder / "face.npy", face)
    own, other = sample_exchanged(folder)
    style = STYLE_NAMES.index("brow_height")
    told = (other.manner.style - own.manner.style)[:, style]
    shown = (other.face - own.face).mean(dim=1)[:, BROW]
    assert told.min() < -1.0
    assert told.max() > 1.0
    assert ((told * shown)[told != 0] > 0).all()
    assert (shown[told == 0].abs() < 0.05).all()  # they sway more or less
