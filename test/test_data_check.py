"""Folders are recognised by what lies in them; the report counts what can be used, and the rest."""

import json

import numpy as np
import pytest
from data_helpers import write_data, write_mouth_take
from layout_helpers import (
    ted_directions,
    write_beat2_take,
    write_beat_take,
    write_show_take,
    write_ted_take,
)
from training_helpers import make_recording

from asynfusion_ros.cli import main
from asynfusion_ros.data.check import check_folders, make_tables
from asynfusion_ros.data.formats import FORMATS, detect, find_sets
from asynfusion_ros.data.prepare import may_train, read_all
from asynfusion_ros.data.project import ProjectWriter
from asynfusion_ros.data.recording import RESTRICTED
from asynfusion_ros.errors import DataError


def write_evaluation_take(folder):
    """A BEAT take in the form of beat_take, which holds no more than mouth30 does but its name."""
    write_mouth_take(folder, "2_scott_0_9_9", frames=600)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Every format that there is, at the depths at which they are found."""
    folder = tmp_path_factory.mktemp("data")
    write_data(folder, tests=1)
    write_evaluation_take(folder / "beat_take")
    write_ted_take(folder / "ted15", "3djAkIpp7C0_131_0_16", ted_directions(60))
    write_beat2_take(folder / "beat_v2" / "beat_english_v2.0.0", "2_scott_0_9_9")
    write_beat_take(folder / "beat" / "2", "2_scott_0_9_9", fps=15)
    write_show_take(folder / "show", "oliver", "video", "train", "clip1")
    writer = ProjectWriter(folder / "mine")
    writer.add(make_recording("first", source="me"))
    writer.add(make_recording("held", "test", source="me"))
    (folder / "speech").mkdir()
    return folder


def test_every_format_is_recognised(root):
    found = {kind.name: place.name for place, kind in find_sets(root)}
    assert set(found) == {kind.name for kind in FORMATS}
    assert found["BEAT2"] == "beat_english_v2.0.0"
    assert found["BEAT"] == "beat"
    assert detect(root / "speech") is None


def test_a_set_may_be_named_itself(root):
    for _, kind in find_sets(root):
        place = next(place for place, other in find_sets(root) if other is kind)
        assert find_sets(place) == [(place, kind)]


def test_a_recording_for_evaluation_never_trains(root):
    """Whatever folder it lies in, under whatever name, whoever asks."""
    recordings, _ = read_all(root)
    assert not any(r.evaluation_only for r in recordings)
    assert {r.source for r in recordings} >= {"BEAT", "BEAT2", "SHOW", "TED", "mouth30", "me"}
    with pytest.raises(DataError, match="no take to train on"):
        read_all(root / "beat_take")


def test_a_beat_take_among_other_files_is_not_taken_for_mouth30(tmp_path):
    write_mouth_take(tmp_path / "mouth30", "mandarin")
    write_evaluation_take(tmp_path / "mouth30")
    assert detect(tmp_path / "mouth30").name == "beat_take"


def test_restricted_data_trains_only_when_asked_for(root):
    recordings, _ = read_all(root)
    usual = {r.source for r in recordings if may_train(r, restricted_data=False)}
    asked = {r.source for r in recordings if may_train(r, restricted_data=True)}
    assert asked - usual == {"BEAT", "BEAT2", "SHOW", "TED"}
    for r in recordings:
        assert not (r.split == "test" and may_train(r, restricted_data=True))
        assert not (r.licence in RESTRICTED and may_train(r, restricted_data=False))


def test_several_roots_are_read_together(root):
    recordings, _ = read_all(root / "mine", root / "ted15")
    assert {r.source for r in recordings} == {"me", "TED"}


def test_windows_are_prepared_from_several_roots(root, tmp_path):
    config = tmp_path / "few.yaml"
    config.write_text("prepare: {stride_frames: 60}")
    folders = ["--data", str(root / "mine"), "--data", str(root / "ted15")]
    arguments = ["--out", str(tmp_path / "out"), "--config", str(config)]
    assert main(["prepare", *folders, *arguments]) == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {take["source"] for take in manifest["takes"]} == {"me"}
    assert main(["prepare", *folders, *arguments, "--set", "restricted_data=true"]) == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {take["source"] for take in manifest["takes"]} == {"me", "TED"}
    assert main(["prepare", "--data", str(root / "beat_take"), *arguments]) == 2


def test_a_folder_without_data_is_refused(tmp_path):
    with pytest.raises(DataError, match="no data set of a known layout"):
        find_sets(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        find_sets(tmp_path / "nothing")


def test_the_report_counts_what_is_there(root):
    reports = {report.format: report.to_dict() for report in check_folders(root)}
    mine = reports["project"]
    assert mine["takes"] == 2
    assert mine["hours_by_speaker"] == {"me": pytest.approx(8 / 3600, abs=1e-4)}
    assert mine["hours_by_split"]["test"] == pytest.approx(4 / 3600, abs=1e-4)
    assert reports["BEAT"]["labels"] == ["emotion", "frame emotion", "semantic"]
    assert (reports["ted15"]["face_channels"], reports["ted15"]["body_joints"]) == (0, 6)
    assert (reports["mouth30"]["face_channels"], reports["mouth30"]["body_joints"]) == (2, 0)
    assert (reports["SHOW"]["face_channels"], reports["SHOW"]["body_joints"]) == (0, 8)
    assert reports["beat_take"]["hours_by_split"]["train"] == 0
    assert all(report["faults"] == [] for report in reports.values())


def test_the_command_tells_and_ends_with_0_or_1(root, tmp_path, capsys):
    report = tmp_path / "report.json"
    assert main(["data", "check", str(root), "--json", str(report)]) == 0
    assert "| talk30 | talk30 | 4 |" in capsys.readouterr().out
    assert {entry["format"] for entry in json.loads(report.read_text())} == {
        kind.name for kind in FORMATS
    }
    write_mouth_take(tmp_path / "set", "good")
    write_mouth_take(tmp_path / "set", "bad")
    np.savez(tmp_path / "set" / "bad.npz", arkit51_30fps=np.full((66, 51), np.nan))
    (tmp_path / "set" / "worse.npz").write_bytes(b"PK")
    assert main(["data", "check", str(tmp_path / "set")]) == 1
    printed = capsys.readouterr().out
    assert "| set/bad.npz |" in printed
    assert "NaN" in printed
    assert "| set/worse.npz |" in printed
    assert main(["data", "check", str(tmp_path / "none")]) == 2


def test_a_set_that_cannot_be_read_at_all_is_one_fault(tmp_path):
    write_data(tmp_path)
    (tmp_path / "talk30" / "face_names.json").write_text("[1]")
    reports = {report.format: report for report in check_folders(tmp_path)}
    assert len(reports["talk30"].faults) == 1
    assert "face_names.json" in make_tables(list(reports.values()))
