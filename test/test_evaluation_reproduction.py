"""Reproduced tables: the runs they need, what is said of their order, the whole chain in small."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student_t
from training_helpers import make_prepared, make_recording, write_talk30

from asynfusion_ros.cli import main
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.evaluation.catalogue import FIGURES
from asynfusion_ros.evaluation.reproduction import TABLES, Run, estimate_s, runs_of
from asynfusion_ros.evaluation.retrieval import FADE_FRAMES, Retrieval
from asynfusion_ros.evaluation.summary import Summary
from asynfusion_ros.evaluation.table_report import (
    TableResult,
    differ,
    join_seeds,
    say_cost,
    say_order,
    table_markdown,
)
from asynfusion_ros.motion.manner import STYLE_NAMES
from asynfusion_ros.networks import INTERACTIONS, NetworkSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.training.settings import DistillSettings, TrainSettings

pytest.importorskip("librosa", reason="beats of speech need librosa")
TINY = NetworkSettings(width=16, depth=1, heads=2)


def around(value, reach=0.0):
    return Summary(value, value - reach, value + reach, 5, 3)


def test_tables_share_runs_and_distil_only_what_samples_in_few_steps():
    names = [f"{how}-seed{seed}" for seed in (0, 1) for how in ("concat", "gated", "cosync")]
    assert [run.name for run in runs_of(TABLES["table3"], 2)] == names
    assert runs_of(TABLES["table1"], 1) == [Run("cosync", 0, True), Run("e2g", 0, False)]
    assert runs_of(TABLES["table4"], 1) == [Run("cosync", 0, True)]
    with pytest.raises(ConfigError, match="0 seeds"):
        runs_of(TABLES["table2"], 0)


def test_every_variant_can_be_built_and_every_figure_is_known():
    for table in TABLES.values():
        assert set(table.figures) <= set(FIGURES)
        assert set(table.paper) <= {variant.name for variant in table.variants}
        for variant in table.variants:
            assert variant.interaction in INTERACTIONS
            assert variant.sampler().steps_of("gesture") == variant.steps[1]


def test_the_estimate_grows_with_steps_and_distilling():
    train, distill = TrainSettings(steps=100), DistillSettings(steps=100)
    plain, both = (estimate_s(Run("e2g", 0, few), 10**6, train, distill) for few in (False, True))
    assert both == pytest.approx(2.4 * plain)
    assert estimate_s(Run("e2g", 0, False), 2 * 10**6, train, distill) == pytest.approx(2 * plain)


def test_seeds_join_to_students_interval():
    rows = [{"fgd": around(value)} for value in (1.0, 2.0, 3.0)]
    joined = join_seeds(rows, ["fgd", "fmd"])
    assert set(joined) == {"fgd"}
    assert joined["fgd"].mean == 2.0
    assert joined["fgd"].high == pytest.approx(2.0 + 4.302653 / np.sqrt(3))
    assert join_seeds(rows[:1], ["fgd"]) == rows[0]


def result_of(table, **rows):
    filled = {v.name: [{}] for v in TABLES[table].variants} | rows
    return TableResult(TABLES[table], filled, {}, {})


def test_the_order_is_told_as_it_is():
    values = {"concat": 3.0, "gated": 2.0, "cosync": 1.0}
    rows = {
        name: [{"fmd": around(value, 0.6), "fed": around(-value, 0.1)}]
        for name, value in values.items()
    }
    notes = say_order(result_of("table3", **rows))
    assert len(notes) == 2  # nobody measured fgd
    assert notes[0].startswith("fmd: the paper's order holds")
    assert "3 of 3 pairs stand as in the paper; surely so: CoSync (" in notes[0]
    assert ") before both ways, concatenated; surely the other way: none." in notes[0]
    assert notes[1].startswith("fed: another order than the paper's")
    assert "0 of 3 pairs" in notes[1]
    assert notes[1].count(" before ") == 3
    assert "surely so: none; surely the other way: both ways, gated" in notes[1]


def test_trainings_of_one_seed_are_compared_with_each_other():
    """What a seed does to all variants alike tells nothing of their difference."""
    luck = (1.0, 5.0, 12.0)
    worse = [{"fmd": around(value + gap)} for value, gap in zip(luck, (2.0, 2.5, 3.0), strict=True)]
    better = [{"fmd": around(value)} for value in luck]
    assert join_seeds(worse, ["fmd"])["fmd"].low < join_seeds(better, ["fmd"])["fmd"].mean
    assert differ(worse, better, "fmd")
    assert differ(better, worse, "fmd")
    assert not differ(worse, better[::-1], "fmd")
    gaps = np.array([2.0, 2.5, 3.0])
    t_value = gaps.mean() / (gaps.std(ddof=1) / np.sqrt(3))
    assert 2.0 * student_t.sf(t_value, 2) < 0.05  # by the textbook
    note = say_order(result_of("table3", gated=better, cosync=better, concat=worse))[0]
    assert note.count(" before both ways, concatenated") == 2


def test_the_cost_of_few_steps_is_told_beside_the_papers():
    rows = {
        name: [{"fmd": around(v)}]
        for name, v in zip(("ddim-25-25", "lcm-8-8", "lcm-4-8"), (10, 11, 9), strict=True)
    }
    seconds = {
        name: {"one thread": around(s)} for name, s in zip(rows, (4.0, 2.0, 1.0), strict=True)
    }
    table = TABLES["table4"]
    notes = say_cost(TableResult(table, rows, {}, seconds))
    assert (
        "FMD +10.0 % against DDIM 25/25 (paper +1.8 %); 2.0 times as fast, one thread" in notes[0]
    )
    assert "FMD -10.0 %" in notes[1]
    assert "(paper 3.5 times)" in notes[1]
    assert "| 1000.0 (1000.0 to 1000.0) |" in table_markdown(TableResult(table, rows, {}, seconds))


class Features:
    """Of a sound: its loudness, as if it were the jaw's feature."""

    samples_needed = 33600

    def extract(self, samples):
        features = np.zeros((60, 468), np.float32)
        features[:, 464] = samples[0]
        return features


def test_retrieval_gives_back_the_window_that_sounds_most_alike(tmp_path):
    memory = Retrieval(make_prepared(tmp_path), Features())
    audio = np.load(tmp_path / "audio.npy")
    for row in (0, 7, 20):
        assert memory.find(audio[row].astype(np.float32)) == row


def test_retrieved_windows_are_joined_without_leaps(tmp_path):
    memory = Retrieval(make_prepared(tmp_path), Features())
    samples = np.random.default_rng(0).uniform(-1, 1, 16000 * 6).astype(np.float32)
    clip = memory.generate(samples, 180)
    assert clip.face.shape == (180, 51)
    steps = np.abs(np.diff(clip.body, axis=0)).max(axis=1)
    assert steps.max() < 1.2 / FADE_FRAMES + 0.06  # arms of the helper swing 0.3 rad


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    takes = [make_recording(name, "test", seconds=2.6) for name in "ab"]
    takes += [make_recording(name, "train", seconds=14.0) for name in "cd"]
    takes += [make_recording("e", "val", seconds=2.6)]
    folder = tmp_path_factory.mktemp("data")
    write_talk30(folder / "talk30", takes)
    return folder


def words(data, out, *more):
    told = ["--data", str(data), "--out", str(out), "--cache", str(data / "cache")]
    return ["reproduce", *more, *told, "--autoencoder-steps", "2", "--size", "tiny", "--steps", "2"]


def test_table_1_from_recordings_to_page_and_again(data, tmp_path, capsys, monkeypatch):
    command = words(data, tmp_path, "table1", "--seeds", "1", "--samples", "2")
    assert main([*command, "--dry-run"]) == 0
    assert "cosync-seed0: 2 steps, distilled 2" in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()
    assert main(command) == 0
    page = (tmp_path / "table1.md").read_text()
    document = json.loads((tmp_path / "table1.json").read_text())
    assert set(document["rows"]) == {"cosync", "lcm-4-8", "e2g"}
    assert set(document["controls"]) == {
        "ground_truth", "retrieval", "shuffled_audio", "still", "jitter", "noise",
    }  # fmt: skip
    assert document["rows"]["e2g"]["fgd"]["seeds"] == 2
    assert document["controls"]["ground_truth"]["fgd"]["mean"] == pytest.approx(0.0, abs=1e-6)
    assert f"weights {document['autoencoders']['body']['weights']}" in page
    assert "312.46" in page
    monkeypatch.setattr("asynfusion_ros.evaluation.study.train_teacher", None)
    monkeypatch.setattr("asynfusion_ros.evaluation.study.generate_clips", pytest.fail)
    monkeypatch.setattr("asynfusion_ros.evaluation.study.Study.control_rows", lambda *_: {})
    capsys.readouterr()
    assert main(command) == 0  # nothing is trained or measured twice
    assert "training cosync" not in capsys.readouterr().out


def test_networks_can_be_told_who_moves(tmp_path):
    longer = tmp_path / "data"
    takes = [make_recording(name, "test", seconds=5.2) for name in "ab"]
    takes += [make_recording(name, "train", seconds=14.0) for name in "cd"]
    write_talk30(longer / "talk30", takes)
    command = words(
        longer, tmp_path, "table3", "--seeds", "1", "--samples", "1", "--style-from", "2.5"
    )
    assert main(command) == 0
    page = (tmp_path / "table3.md").read_text()
    assert "--seeds 1 --style-from 2.5 --samples 1 --results" in page
    assert "styles of the take's first 2.5 s" in page
    assert "2 takes (0.1 min" in page
    config = json.loads(
        (tmp_path / "runs" / "cosync-seed0" / "teacher" / "config.json").read_text()
    )
    assert config["style_names"] == list(STYLE_NAMES)


def test_table_4_of_a_given_model_is_timed(data, tmp_path, monkeypatch):
    monkeypatch.setattr("asynfusion_ros.evaluation.study.TIMED_WINDOWS", 2)
    untrained_checkpoint(TINY).save(tmp_path / "model")
    command = words(data, tmp_path, "table4", "--checkpoint", str(tmp_path / "model"))
    assert main([*command, "--samples", "1", "--results", str(tmp_path / "pages")]) == 0
    document = json.loads((tmp_path / "pages" / "table4.json").read_text())
    assert set(document["seconds"]["lcm-4-8"]) == {"one thread", "two threads"}
    assert document["rows"]["ddim-25-25"]["fmd"]["seeds"] == 1
    assert "times as fast" in (tmp_path / "pages" / "table4.md").read_text()

    model = untrained_checkpoint(TINY)  # the same weights, sampled otherwise: measured anew
    warmer = replace(model.description, temperatures={"mouth": 3.0, "eyes": 3.0})
    replace(model, description=warmer).save(tmp_path / "model")
    assert main([*command, "--samples", "1", "--results", str(tmp_path / "pages")]) == 0
    other = json.loads((tmp_path / "pages" / "table4.json").read_text())["rows"]["lcm-4-8"]
    assert other["fed"]["mean"] != document["rows"]["lcm-4-8"]["fed"]["mean"]
    assert main(words(data, tmp_path, "table2", "--checkpoint", str(tmp_path / "model"))) == 2
