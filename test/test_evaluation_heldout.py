"""A model beside its controls: the truth is best by construction, and every figure has takes."""

import json
from dataclasses import replace

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from training_helpers import make_recording, write_talk30

from asynfusion_ros.cli import main
from asynfusion_ros.cli.previews import SIZE, choose_takes, make_previews
from asynfusion_ros.errors import DataError
from asynfusion_ros.evaluation.autoencoder import AutoencoderSettings
from asynfusion_ros.evaluation.catalogue import FIGURES
from asynfusion_ros.evaluation.controls import SUBJECTS
from asynfusion_ros.evaluation.generators import RememberingExtractor, open_generator
from asynfusion_ros.evaluation.heldout import Ruler, evaluate_model, measure_take
from asynfusion_ros.evaluation.report import make_notes, make_table
from asynfusion_ros.evaluation.takes import open_embeddings, read_held_out
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.streaming.settings import EngineSettings

pytest.importorskip("librosa", reason="beats of speech need librosa")
TINY = NetworkSettings(width=16, depth=1, heads=2)
SMALL = AutoencoderSettings.of("ours", width=8, latent=4, steps=3, batch=4)


@pytest.fixture(scope="module")
def generator():
    settings = EngineSettings(deterministic=True, expression_steps=1, gesture_steps=1)
    generator = open_generator(untrained_checkpoint(TINY), settings)
    yield generator
    generator.close()


@pytest.fixture(scope="module")
def ruler(tmp_path_factory):
    takes = [make_recording(name, "train", seconds=5.0) for name in "cd"]
    return Ruler(12, embeddings=open_embeddings(takes, SMALL, tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def results(generator, ruler):
    takes = [make_recording("a", "test", seconds=4.5), make_recording("b", "test", seconds=4.0)]
    takes[0] = replace(takes[0], semantic=np.ones(len(takes[0].clip), np.float32))
    return evaluate_model(generator, takes, seeds=2, ruler=ruler)


def test_every_figure_is_there_for_every_subject(results):
    assert set(results) == set(SUBJECTS)
    for figures in results.values():
        assert list(figures) == [name for name in FIGURES if name in figures]
        assert set(FIGURES) - set(figures) <= {"closure_recall", "closure_precision"}
    assert results["model"]["fgd"].seeds == results["model"]["face_error"].seeds == 2


def test_the_truth_is_perfect_and_a_still_avatar_does_not_move(results):
    truth, still = results["ground_truth"], results["still"]
    assert truth["mouth_correlation"].mean == pytest.approx(1.0)
    for name in ("fmd", "fed", "fgd"):
        assert truth[name].mean == pytest.approx(0.0, abs=1e-6)
        assert results["model"][name].mean > 0.0
    for name in ("mouth_error", "face_error", "lip_vertex_error_mm", "coordination_gap"):
        assert truth[name].mean == 0.0
    for name in (name for name in truth if name.endswith(("_speed_ratio", "_slow_ratio"))):
        assert truth[name].mean == pytest.approx(1.0)
        assert still[name].mean == 0.0
    for name in ("mouth_correlation", "gesture_diversity", "beat_alignment_audio"):
        assert still[name].mean == pytest.approx(0.0, abs=1e-6)
    assert truth["body_pck"].mean == 1.0
    assert all(
        s.low - 1e-9 <= s.mean <= s.high + 1e-9
        for figures in results.values()
        for s in figures.values()
    )


def test_trembling_moves_and_noise_moves_more(results):
    assert results["still"]["body_jerk_ratio"].mean == 0.0
    jitter, noise = (results[name]["body_jerk_ratio"].mean for name in ("jitter", "noise"))
    assert 0.0 < jitter < noise


def test_notes_and_table_come_from_the_results(results):
    lines = make_table(results).splitlines()
    assert lines[0] == "| figure | " + " | ".join(results) + " |"
    assert any("noise beats the ground truth" in note for note in make_notes(results))


def test_a_body_that_was_not_measured_has_no_figures(ruler):
    face_only = make_recording("a", body=False)
    figures = measure_take(face_only.clip, face_only, ruler)
    assert "mouth_correlation" in figures
    assert not [name for name in figures if "body" in name or "beat" in name]


def test_one_take_cannot_be_shuffled(generator):
    with pytest.raises(DataError, match="at least 2"):
        evaluate_model(generator, [make_recording("a", "test")])


def test_features_of_a_window_are_taken_once():
    class Counting:
        samples_needed, calls = 4, 0

        def extract(self, samples):
            self.calls += 1
            return samples * 2

    counting = Counting()
    remembering = RememberingExtractor(counting)
    for value in (1.0, 2.0, 1.0):
        assert (remembering.extract(np.full(4, value)) == 2 * value).all()
    assert counting.calls == 2


def test_the_command_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("asynfusion_ros.cli.previews.LONGEST_S", 0.3)
    untrained_checkpoint(TINY).save(tmp_path / "model")
    takes = [make_recording(name, "test", seconds=3.0) for name in "ab"]
    takes += [make_recording(name, "train", seconds=14.0) for name in "cd"]
    write_talk30(tmp_path / "data" / "talk30", takes)
    words = f"evaluate --data {tmp_path / 'data'} --checkpoint {tmp_path / 'model'}"
    words += f" --steps 1/2 --json {tmp_path / 'figures.json'} --previews {tmp_path / 'films'}"
    words += f" --autoencoder-steps 2 --cache {tmp_path / 'cache'} --sigma 0.1"
    assert main(words.split()) == 0
    document = json.loads((tmp_path / "figures.json").read_text())
    assert document["takes"] == ["a", "b"]
    assert document["settings"]["gesture_steps"] == 2
    assert document["beats"]["sigma_s"] == 0.1
    shown = capsys.readouterr().out
    weights = document["autoencoders"]["body"]["weights"]
    assert f"weights {weights}" in shown
    mean = document["results"]["model"]["mouth_error"]["mean"]
    assert f"| mouth_error | {mean:.3f} (" in shown
    assert all(note in shown for note in document["notes"])
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "films" / "a.mp4"))
    assert (frames, seconds) == (9, pytest.approx(0.3, abs=0.05))
    assert Image.open(tmp_path / "films" / "a.jpg").size == (4 * SIZE, 4 * SIZE)


@pytest.mark.browser
def test_previews_show_one_of_the_people(tmp_path, monkeypatch, chromium_path):
    monkeypatch.setattr("asynfusion_ros.cli.previews.LONGEST_S", 0.1)
    take = make_recording("a", "test", seconds=3.0)
    still = MotionClip(30.0, np.zeros((90, 51)), np.zeros((90, 24)))
    subjects = {"ground_truth": [[take.clip]], "still": [[still]]}
    for look in ("ada", "ben"):
        (tmp_path / look).mkdir()
        poster, film = make_previews(subjects, [take], tmp_path / look, look)
        assert Image.open(poster).size == (4 * SIZE, 2 * SIZE)
        assert imageio_ffmpeg.count_frames_and_secs(str(film))[0] == 3
    ada, ben = (np.asarray(Image.open(tmp_path / look / "a.jpg"), float) for look in ("ada", "ben"))
    assert np.abs(ada - ben).mean() > 5.0
    still_row = ada[SIZE:].reshape(SIZE, 4, SIZE, 3)
    assert np.abs(still_row[:, 1:] - still_row[:, :1]).mean() < 1.0


def test_the_command_tells_a_model_who_moves(tmp_path, capsys):
    untrained_checkpoint(TINY.replace(styles=3)).save(tmp_path / "model")
    untrained_checkpoint(TINY).save(tmp_path / "mute")
    takes = [make_recording(name, "test", seconds=5.0) for name in "ab"]
    write_talk30(tmp_path / "data" / "talk30", [*takes, make_recording("c", "train", seconds=3.0)])
    words = f"evaluate --data {tmp_path / 'data'} --steps 1/2 --autoencoder none"
    words += f" --json {tmp_path / 'figures.json'} --checkpoint {tmp_path}"

    def run(model, *more):
        assert main([*f"{words}/{model}".split(), *more]) == 0
        document = json.loads((tmp_path / "figures.json").read_text())
        return document, document["results"]["model"]["face_error"]["mean"]

    nobody, own, anyone = (
        run("model", *more) for more in ((), ("--style-from", "2.5"), ("--style", "anyone"))
    )
    assert [document["style_from_s"] for document, _ in (nobody, own)] == [None, 2.5]
    assert anyone[0]["style"] == "anyone"
    assert len({error for _, error in (nobody, own, anyone)}) == 3
    capsys.readouterr()
    assert main([*f"{words}/mute".split(), "--style-from", "2.5"]) == 2
    assert "trained without styles" in capsys.readouterr().err
    assert main([*f"{words}/model".split(), "--style-from", "1"]) == 2
    assert "tell no style" in capsys.readouterr().err


def test_the_autoencoders_can_be_trained_beforehand(tmp_path, capsys):
    takes = [make_recording(name, "train", seconds=14.0) for name in "cd"]
    write_talk30(tmp_path / "talk30", takes)
    words = f"evaluate train-autoencoder --data {tmp_path} --cache {tmp_path / 'cache'}"
    assert main([*words.split(), "--autoencoder-steps", "2"]) == 0
    assert len(list((tmp_path / "cache").iterdir())) == 3
    assert main([*words.split(), "--autoencoder", "emage"]) == 2
    assert "published weights" in capsys.readouterr().err


def test_six_takes_are_shown_bodies_first():
    takes = [
        make_recording(n, "test", f"source{i % 2}", body=i > 3) for i, n in enumerate("abcdefgh")
    ]
    chosen = choose_takes(takes)
    assert len(chosen) == 6
    assert set(chosen) >= {4, 5}


def test_a_split_without_takes_is_an_error(tmp_path):
    write_talk30(tmp_path / "talk30", [make_recording("a", "train")])
    with pytest.raises(DataError, match="no take of the split 'val'"):
        read_held_out([tmp_path], "val")
    assert main(["evaluate", "--data", str(tmp_path), "--steps", "four"]) == 2
