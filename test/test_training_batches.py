"""Batches follow from (seed, step); statistics and training windows from training takes alone."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from training_helpers import make_prepared

from asynfusion_ros.data.talk30 import mirror_body
from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.blendshapes import mirror_face
from asynfusion_ros.motion.manner import (
    BODY_STYLES,
    SIDED_STYLES,
    STYLE_NAMES,
    describe_style,
    mirror_style,
)
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.training.batches import PreparedWindows, Statistics, lend_unmeasured
from asynfusion_ros.training.prepared import JoinedArray
from asynfusion_ros.training.settings import TrainSettings

PLAIN = TrainSettings(
    batch=8, null_share=0.0, unknown_speaker_share=0.0, mirror_share=0.0, known_share=0.0
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def windows(folder):
    return PreparedWindows(folder)


def files_of(folder):
    return {path.stem: np.load(path) for path in folder.glob("*.npy")}


def tensors_of(batch):
    values = {**vars(batch), **vars(batch.manner)}
    return {name: value for name, value in values.items() if name != "manner"}


def test_a_step_has_one_batch_whatever_came_before(windows):
    statistics = windows.measure()
    later = windows.sample(7, TrainSettings(batch=8), statistics)
    windows.sample(3, TrainSettings(batch=8), statistics)
    again = windows.sample(7, TrainSettings(batch=8), statistics)
    for name, value in tensors_of(later).items():
        torch.testing.assert_close(
            value, tensors_of(again)[name], rtol=0, atol=0, equal_nan=True, msg=name
        )
    assert not torch.equal(later.face, windows.sample(8, TrainSettings(batch=8), statistics).face)


def test_validation_takes_teach_nothing(folder, tmp_path):
    """Whatever stands in the validation windows, statistics and training batches stay the same."""
    windows = PreparedWindows(folder)
    before = windows.measure(), windows.sample(0, PLAIN, windows.measure())
    for name, array in files_of(folder).items():
        changed = np.array(array)
        if name in ("audio", "face", "body"):
            changed[windows.val] += 100
        np.save(tmp_path / f"{name}.npy", changed)
    (tmp_path / "manifest.json").write_text((folder / "manifest.json").read_text())
    other = PreparedWindows(tmp_path)
    after = other.measure(), other.sample(0, PLAIN, other.measure())
    for name in ("face", "body", "audio"):
        assert getattr(before[0], name).to_dict() == getattr(after[0], name).to_dict()
        assert torch.equal(getattr(before[1], name), getattr(after[1], name))


def test_statistics_count_only_what_was_measured(windows):
    faces_only = ~windows._has_body[windows.train]
    assert faces_only.any()
    rows = windows.train[~faces_only]
    body = windows.arrays["body"].read(rows).reshape(-1, 24)
    np.testing.assert_allclose(windows.measure().body.std, body.std(axis=0), rtol=1e-2)


def measured_bodies(batch):
    return batch.body_mask[:, 0].bool().all(dim=-1)


def test_a_batch_is_normalised_and_says_what_it_lacks(windows):
    statistics = windows.measure()
    batch = windows.sample(0, PLAIN.replace(batch=64, mouth_only_share=0.25), statistics)
    assert batch.face.shape == (64, 60, 51)
    assert batch.body.shape == (64, 60, 24)
    assert int((~measured_bodies(batch)).sum()) == 16
    assert batch.has_body.all(), "lent where there was none"
    assert batch.known.sum() == 0
    assert batch.audio_given.all()
    assert abs(float(batch.face.mean())) < 0.3


def test_what_was_not_measured_is_lent_by_one_window_that_was():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 4, 3)).astype(np.float32)
    mask = np.ones((6, 3), np.float32)
    mask[0] = 0.0
    mask[1, 2] = 0.0
    data = {"body": values.copy(), "body_mask": mask}
    has, lenders = lend_unmeasured(data, "body", rng)
    assert has.all()
    np.testing.assert_array_equal(data["body"][0], values[lenders[0]])
    filled = data["body"]
    np.testing.assert_array_equal(filled[2:], values[2:])
    np.testing.assert_array_equal(filled[1, :, :2], values[1, :, :2])
    assert any(np.array_equal(filled[0], whole) for whole in values[2:])
    assert any(np.array_equal(filled[1, :, 2], whole[:, 2]) for whole in values[2:])


def test_without_a_whole_window_nothing_is_lent():
    values = np.ones((3, 4, 2), np.float32)
    data = {"body": values, "body_mask": np.array([[0, 0], [1, 0], [0, 1]], np.float32)}
    has, lenders = lend_unmeasured(data, "body", np.random.default_rng(0))
    np.testing.assert_array_equal(has, [False, True, True])
    np.testing.assert_array_equal(lenders, [0, 1, 2])
    assert data["body"] is values


def test_nothing_in_a_window_s_motion_tells_that_it_was_lent(windows):
    """Whose data a window is from must not show, or the network learns two manners, not one."""
    batch = windows.sample(0, PLAIN.replace(batch=64, mouth_only_share=0.5), windows.measure())
    lent, own = ~measured_bodies(batch), measured_bodies(batch)
    assert lent.any()
    for window in batch.body[lent]:
        assert any(torch.equal(window, other) for other in batch.body[own])


def test_known_frames_are_a_prefix_of_the_allowed_lengths(windows):
    settings = PLAIN.replace(batch=64, known_share=0.5, known_min_frames=20, known_max_frames=54)
    known = windows.sample(0, settings, windows.measure()).known[..., 0]
    lengths = known.sum(dim=1)
    assert (torch.cummin(known, dim=1).values == known).all()
    assert 10 < int((lengths > 0).sum()) < 54
    assert int(lengths[lengths > 0].min()) >= 20
    assert int(lengths.max()) <= 54


def test_mirrored_windows_mirror_both_streams(windows):
    statistics = windows.measure()
    plain = windows.sample(5, PLAIN, statistics)
    mirrored = windows.sample(5, PLAIN.replace(mirror_share=1.0), statistics)
    face = mirror_face(statistics.face.unnormalise(plain.face))
    body = mirror_body(statistics.body.unnormalise(plain.body))
    np.testing.assert_allclose(statistics.face.unnormalise(mirrored.face), face, atol=1e-5)
    np.testing.assert_allclose(statistics.body.unnormalise(mirrored.body), body, atol=1e-5)


def test_mirrored_windows_are_told_so(windows):
    statistics = windows.measure()
    told = PLAIN.replace(unknown_style_share=0.0, open_style_share=0.0, style_noise=0.0)
    plain, mirrored = (
        statistics.style.unnormalise(
            windows.sample(5, told.replace(mirror_share=share), statistics).manner.style
        )
        for share in (0.0, 1.0)
    )
    known = np.isfinite(plain)
    np.testing.assert_allclose(mirrored[known], mirror_style(plain)[known], atol=1e-4)
    assert np.abs(mirrored - plain)[known].max() > 0.01


def test_a_population_is_as_sided_to_the_left_as_to_the_right(windows):
    sided = np.isin(STYLE_NAMES, SIDED_STYLES)
    style, together = windows.people.measure(), windows.people.correlate()
    np.testing.assert_allclose(style.mean[sided], 0.0, atol=1e-6)
    np.testing.assert_allclose(together[sided][:, ~sided], 0.0, atol=1e-5)
    assert (np.abs(style.mean[~sided]) > 1e-4).any()


def test_a_folder_that_was_not_prepared_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match="run `asynfusion prepare` first"):
        PreparedWindows(tmp_path)
    for name, array in files_of(folder).items():
        np.save(tmp_path / f"{name}.npy", array)
    manifest = json.loads((folder / "manifest.json").read_text())
    for take in manifest["takes"]:
        take["split"] = "val"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="no training windows"):
        PreparedWindows(tmp_path)


SIZES = {"face": 51, "body": 24, "audio": 468, "style": len(STYLE_NAMES)}
TOLD = PLAIN.replace(
    batch=64, mouth_only_share=0.25, open_style_share=0.0, unknown_style_share=0.0, style_noise=0.0
)


def test_styles_are_those_of_the_take(windows):
    statistics = windows.measure()
    batch = windows.sample(0, TOLD, statistics)
    values = statistics.style.unnormalise(batch.manner.style[measured_bodies(batch)][:1])[0]
    clip = windows.people.clip(int(windows.train[0]))
    assert np.allclose(values, describe_style(clip)[0], atol=0.25)
    hidden = windows.sample(0, TOLD.replace(unknown_style_share=1.0), statistics).manner
    assert hidden.style.isnan().all()
    assert not hidden.emotion.any()


def test_what_a_take_does_not_tell_of_its_style_is_told_by_who_lent_to_it(windows):
    """Otherwise a style that is open tells whose data a window is from."""
    statistics = windows.measure()
    batch = windows.sample(0, TOLD, statistics)
    style, own = batch.manner.style, measured_bodies(batch)
    assert style.isfinite().all()
    energy = STYLE_NAMES.index("energy")
    for row in np.flatnonzero(~own):
        lender = next(r for r in np.flatnonzero(own) if torch.equal(batch.body[row], batch.body[r]))
        assert style[row, energy] == style[lender, energy]


def test_a_face_and_a_body_from_different_lenders_tell_the_styles_of_each():
    """Of three windows the first lacks all; the others are whole in only one of face and body."""
    windows = object.__new__(PreparedWindows)
    names = len(STYLE_NAMES)
    styles = np.full((3, names), np.nan, np.float32)
    styles[1], styles[2] = 1.0, 2.0
    windows.take, windows.speaker, windows.emotions = np.arange(3), np.zeros(3, int), ("unknown",)
    windows.manifest = {"takes": [{}, {}, {}]}
    windows.people = SimpleNamespace(styles=styles)
    arrays = {"audio": np.zeros((3, 60, 468)), "face": np.zeros((3, 60, 51))}
    arrays |= {"body": np.zeros((3, 60, 24)), "face_mask": np.zeros((3, 51))}
    arrays["body_mask"] = np.zeros((3, 24))
    arrays["face_mask"][1], arrays["body_mask"][2] = 1.0, 1.0
    windows.arrays = {n: JoinedArray([a.astype(np.float32)]) for n, a in arrays.items()}
    unit = {n: ChannelStatistics(np.zeros(k), np.ones(k)) for n, k in SIZES.items()}
    told = TOLD.replace(mirror_share=0.0)
    rng = np.random.default_rng(0)
    batch = windows._gather(np.arange(3), np.zeros(3, bool), rng, told, Statistics(**unit))
    of_body = np.isin(STYLE_NAMES, BODY_STYLES)
    np.testing.assert_array_equal(batch.manner.style[0], np.where(of_body, 2.0, 1.0))


def test_where_nobody_can_lend_a_style_stays_open(windows):
    statistics = windows.measure()
    batch = windows.sample(0, TOLD.replace(mouth_only_share=1.0), statistics)
    energy, mouth = STYLE_NAMES.index("energy"), STYLE_NAMES.index("mouth")
    assert batch.manner.style[:, energy].isnan().all()
    assert batch.manner.style[:, mouth].isfinite().all()


def test_emotions_come_from_the_takes(folder, tmp_path):
    for name, array in files_of(folder).items():
        np.save(tmp_path / f"{name}.npy", array)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["takes"][0]["emotion"] = "joy"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    windows = PreparedWindows(tmp_path)
    assert windows.emotions == ("unknown", "joy")
    told = PLAIN.replace(batch=64, mouth_only_share=0.25, unknown_style_share=0.0)
    batch = windows.sample(0, told, windows.measure())
    assert torch.equal(batch.manner.emotion == 1, measured_bodies(batch))


def test_a_model_s_numbers_of_speakers_go_on(windows):
    about = untrained_checkpoint(NetworkSettings(width=8, heads=2, speakers=8)).description
    before = windows.speaker
    assert set(before) == {1, 2}
    assert windows.continue_numbers({"source": 1, "x": 4}, about) == {
        "source": 1, "x": 4, "faces": 5,
    }  # fmt: skip
    after = windows.speaker
    assert (after[before == 2] == 1).all()
    assert (after[before == 1] == 5).all()
    with pytest.raises(DataError, match="room for 7"):
        windows.continue_numbers({"x": 7}, about)


def test_several_folders_are_one(folder, windows, tmp_path):
    files = files_of(folder)
    for name, array in files.items():
        np.save(tmp_path / f"{name}.npy", array[::-1] if name == "audio" else array)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["speakers"] = {"source": 1, "other": 2}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    both = PreparedWindows([folder, tmp_path])
    count = len(windows.take)
    assert len(both.take) == 2 * count
    assert both.manifest["speakers"] == {"faces": 1, "other": 2, "source": 3}
    assert set(both.speaker[:count]) == {1, 3}
    assert set(both.speaker[count:]) == {2, 3}
    assert both.take[count] == windows.take[0] + len(manifest["takes"])
    rows = np.array([count + 1, 0, count, 2 * count - 1, 3])
    expected = np.concatenate([files["audio"], files["audio"][::-1]])[rows]
    assert np.array_equal(both.arrays["audio"].read(rows), expected.astype(np.float32))
    manifest["features"] = {**manifest["features"], "look_ahead_s": 0.2}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="different features"):
        PreparedWindows([folder, tmp_path])
