"""From tracks to a project folder: takes, reasons, report, film; refusals come before the work."""

import json
import sys
from dataclasses import replace

import imageio_ffmpeg
import numpy as np
import pytest
from ingest_helpers import SIZE, film, hum, make_motion, syllables, write_video

from asynfusion_ros.cli import ingest, main
from asynfusion_ros.cli.ingest import file_name
from asynfusion_ros.data.ingest.make import Origin, make_takes
from asynfusion_ros.data.ingest.quality import describe
from asynfusion_ros.data.ingest.settings import IngestSettings
from asynfusion_ros.data.ingest.sync import NATURAL_LEAD_S
from asynfusion_ros.data.ingest.video import Video
from asynfusion_ros.data.project import read_project
from asynfusion_ros.errors import DataError

SECONDS = 12.0
TRACKS = film(make_motion(SECONDS))
SOUND = hum(SECONDS, syllables)
ORIGIN = Origin("talk", "Ada", "private")


def video_of(path="talk.mp4", seconds=SECONDS):
    return Video(path, 25.0, 25.0, SIZE, seconds, "h264")


def make(tracks, tmp_path, sound=SOUND, settings=None):
    video = video_of(tmp_path / "talk.mp4")
    return make_takes(tracks, sound, video, ORIGIN, settings or IngestSettings())


def lose(tracks, first, end):
    scores = tracks.scores.copy()
    scores[first:end] = np.nan
    return replace(tracks, scores=scores)


def test_a_good_video_is_one_take_without_loss(tmp_path):
    takes, report = make(TRACKS, tmp_path)
    assert [take.name for take in takes] == ["talk-1"]
    assert takes[0].speaker == "Ada"
    assert len(takes[0].clip) == len(TRACKS)
    assert takes[0].clip.face_mask.min() == takes[0].clip.body_mask.min() == 1.0
    assert report.usable_s == pytest.approx(SECONDS)
    assert not any(report.left_out_s.values())
    assert report.sync.confident
    assert report.moved_s == 0.0
    assert report.to_dict()["advice"] == ["less than two minutes to learn from; film more"]


def test_lost_seconds_are_counted_by_reason(tmp_path):
    tracks = lose(TRACKS, 0, 50)
    faces, head, px = tracks.faces.copy(), tracks.head.copy(), tracks.face_px.copy()
    faces[50:75] = 2
    head[75:100] = np.diag([-1.0, 1.0, -1.0])
    px[100:110] = 20.0
    tracks = replace(tracks, faces=faces, head=head, face_px=px)
    takes, report = make(tracks, tmp_path)
    assert report.left_out_s == {
        "no face": 2.0,
        "other faces": 1.0,
        "face turned away": 1.0,
        "face too small": 0.4,
        "too short a piece": 0.0,
    }
    assert sum(report.left_out_s.values()) + report.usable_s == pytest.approx(SECONDS)
    assert report.takes[0].start_s == pytest.approx(4.4)
    assert report.face.gaps == ((0.0, 2.0),)
    assert len(takes[0].samples) == len(takes[0].clip) * 640
    assert "other faces 1.0 s" in describe(report)


def test_a_short_loss_is_bridged_and_a_longer_one_masked(tmp_path):
    takes, _ = make(lose(lose(TRACKS, 60, 65), 120, 140), tmp_path)
    mask = takes[0].clip.face_mask
    assert mask[:120].all()
    assert not mask[120:140].any()
    assert mask[140:].all()
    assert np.isfinite(takes[0].clip.face).all()


def test_a_cut_parts_takes(tmp_path):
    takes, report = make(replace(TRACKS, cuts=(125,)), tmp_path)
    assert [len(take.clip) for take in takes] == [125, 175]
    assert [take.start_s for take in report.takes] == [0.0, 5.0]


@pytest.mark.parametrize(
    ("tracks", "match"),
    [
        (lose(TRACKS, 0, None), r"no face in any of 300 pictures; give a video of one person"),
        (replace(TRACKS, faces=np.full(300, 3)), r"nothing of 12.0 s is left \(other faces 12.0 s"),
        (
            replace(TRACKS, face_px=np.full(300, 9.0)),
            r"\(face too small 12.0 s\); a take needs 4 s",
        ),
        (lose(TRACKS, 80, None), r"no face 8.8 s, too short a piece 3.2 s"),
    ],
)
def test_a_video_that_gives_nothing_says_why(tracks, match, tmp_path):
    with pytest.raises(DataError, match=match):
        make(tracks, tmp_path)


def test_several_people_may_be_kept(tmp_path):
    crowd = replace(TRACKS, faces=np.full(len(TRACKS), 3))
    _, report = make(crowd, tmp_path, settings=IngestSettings(other_faces=True))
    assert report.usable_s == pytest.approx(SECONDS)


def test_sound_out_of_step_is_moved_unless_it_must_not(tmp_path):
    late = hum(SECONDS, lambda t: syllables(t - 0.2))
    takes, report = make(TRACKS, tmp_path, late)
    assert report.moved_s == pytest.approx(0.2 - NATURAL_LEAD_S, abs=0.03)
    again, _ = make(TRACKS, tmp_path, late, IngestSettings(move_sound=False))
    shift = round(report.moved_s * 16_000)
    np.testing.assert_array_equal(takes[0].samples[:-shift], again[0].samples[shift:])
    assert f"moved by {-report.moved_s * 1000:+.0f} ms" in describe(report)


# ---- the command --------------------------------------------------------------------------------


@pytest.fixture
def talk(tmp_path):
    return write_video(tmp_path / "My talk.mp4", 300, size=SIZE, sound=SOUND)


@pytest.fixture
def tracked(monkeypatch, tmp_path):
    """A perfect tracker in the place of MediaPipe."""
    (tmp_path / "face_landmarker.task").write_bytes(b"model")
    monkeypatch.setenv("ASYNFUSION_FACE_MODEL", str(tmp_path / "face_landmarker.task"))
    monkeypatch.setattr(ingest, "import_mediapipe", lambda: None)
    monkeypatch.setattr(ingest, "track_video", lambda video, model, mediapipe, progress: TRACKS)


def test_the_command_writes_takes_a_report_and_a_film(talk, tracked, tmp_path, capsys):
    out = tmp_path / "mine"
    words = ["ingest", str(talk), "--out", str(out), "--speaker", "Ada", "--preview-s", "0.4"]
    assert main(words) == 0
    takes, faults = read_project(out)
    assert faults == []
    assert [(take.name, take.speaker, take.split) for take in takes] == [
        ("My-talk-1", "Ada", "train")
    ]
    assert len(takes[0].clip) == round(SECONDS * 30)
    report = json.loads((out / "My-talk.quality.json").read_text(encoding="utf-8"))
    assert report["takes"][0]["name"] == "My-talk-1"
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(out / "My-talk.preview.mp4"))
    assert frames == 10
    assert "face     in 100.0% of the pictures" in capsys.readouterr().out
    assert main(words) == 2  # a second time
    assert "already holds takes 'My-talk'" in capsys.readouterr().err


def test_refusals_come_before_the_work(talk, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("ASYNFUSION_FACE_MODEL", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    words = ["ingest", str(talk), "--out", str(tmp_path / "mine")]

    def refused(*more):
        assert main([*words, *more]) == 2
        return capsys.readouterr().err

    assert "download face_landmarker.task" in refused()
    assert "face_gap_s is 9.0 s; it must lie in" in refused("--face-gap-s", "9")
    assert "give seconds" in refused("--preview-s", "-1")
    (tmp_path / "face_landmarker.task").write_bytes(b"model")
    assert "pip install 'asynfusion_ros[ingest]'" in refused()
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("stem", "name"),
    [("talk", "talk"), ("My talk (1)", "My-talk-1"), ("…", "video"), ("..", "video")],
)
def test_takes_get_names_that_files_may_have(stem, name):
    assert file_name(stem) == name
