"""The command line: what is asked for is done, what is wrong is said in one line."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from training_helpers import make_recording

from asynfusion_ros import __version__
from asynfusion_ros.cli import COMMANDS, build_parser, main
from asynfusion_ros.data.project import ProjectWriter
from asynfusion_ros.motion.arkit_json import read_arkit_json
from asynfusion_ros.motion.bvh import read_bvh
from asynfusion_ros.motion.manner import STYLE_NAMES, describe_style
from asynfusion_ros.motion.npz import read_npz
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    untrained_checkpoint(NetworkSettings(width=16, depth=1, heads=2)).save(folder)
    return folder


def test_help_lists_every_command_without_importing_them(repo):
    code = (
        "import sys; from asynfusion_ros.cli import build_parser; text = build_parser()"
        ".format_help(); assert 'torch' not in sys.modules; print(text)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=True
    )
    for name, (_, purpose) in COMMANDS.items():
        assert name in run.stdout
        assert purpose in " ".join(run.stdout.split())


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["generate"], ["info", "--what"]])
def test_wrong_usage_ends_with_status_2(argv, capsys):
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    assert "usage: asynfusion" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_provided_by_its_module(name):
    if name in ("up", "evaluate"):
        pytest.importorskip(COMMANDS[name][0])
    parser = build_parser(name)
    with pytest.raises(SystemExit) as end:
        parser.parse_args([name, "--help"])
    assert end.value.code == 0


def test_info_says_what_a_model_is(model, capsys):
    assert main(["info", str(model)]) == 0
    said = capsys.readouterr().out
    assert "cosync" in said
    assert "51 weights" in said
    assert main(["info", str(model), "--json"]) == 0
    assert '"format_version": 1' in capsys.readouterr().out


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "hello.wav"
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(int(1.3 * 22050)) / 22050)
    soundfile.write(path, np.stack([tone, tone], axis=1), 22050)
    return path


def test_generate_writes_motion_files_of_the_recordings_length(model, speech, tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    argv = ["generate", str(speech), "-o", str(out), "--checkpoint", str(model), "--no-video"]
    assert main([*argv, "--steps", "1/2"]) == 0
    clip = read_npz(out / "hello.npz")
    assert len(clip) == 39
    times_s, weights = read_arkit_json(out / "hello.json")
    assert times_s[-1] == pytest.approx(38 / 30)
    assert weights == pytest.approx(clip.face, abs=1e-4)
    assert len(read_bvh(out / "hello.bvh").frames) == 39
    assert "real-time factor" in capsys.readouterr().out
    assert main([*argv, "--steps", "1/2", "--seed", "0"]) == 0
    again = read_npz(out / "hello.npz")
    assert (again.body == clip.body).all()


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"speech": "absent.wav"}, "give a wav or flac file"),
        ({"--steps": "four"}, "such as 4/8"),
        ({"--steps": "0/8"}, "must lie in"),
        ({"--guidance": "1.5/2"}, "such as 1.5/1.1/1.2"),
        ({"--guidance": "much"}, "such as 1.5/1.1/1.2"),
        ({"--guidance": "2/-1/1"}, "such as 1.5/1.1/1.2"),
        ({"--guidance": "nan"}, "must lie in"),
        ({"--guidance": "1.5"}, "choose method 'ddim'"),
        ({"--speaker": "1000"}, "this model has 0.."),
        ({"--out": "/proc/nothing"}, "choose another"),
    ],
)
def test_generate_says_what_is_wrong_and_what_to_do(
    model, speech, tmp_path, capsys, changes, remedy
):
    options = {"--out": str(tmp_path), "--checkpoint": str(model), **changes}
    argv = ["generate", options.pop("speech", str(speech)), "--no-video"]
    assert main([*argv, *(word for pair in options.items() for word in pair)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("asynfusion: ")
    assert remedy in said[-1]


def test_a_missing_model_is_said_in_one_line_with_the_remedy(tmp_path, capsys):
    assert main(["info", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("asynfusion: ")
    assert said.count("\n") == 1
    assert "asynfusion train" in said
    assert "Traceback" not in said


def test_the_style_of_a_folder_is_the_mean_of_its_takes(model, tmp_path, capsys):
    writer = ProjectWriter(tmp_path / "mine")
    takes = [make_recording("a", seconds=4.0), make_recording("b", seconds=12.0, body=False)]
    for take in takes:
        writer.add(take)
    clips = [describe_style(take.clip)[0] for take in takes]
    assert main(["style", str(tmp_path / "mine"), "--checkpoint", str(model)]) == 0
    table = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    mouth, energy = STYLE_NAMES.index("mouth"), STYLE_NAMES.index("energy")
    expected = (clips[0][mouth] + 3 * clips[1][mouth]) / 4
    assert float(table["mouth"]) == pytest.approx(expected, abs=0.002)
    assert float(table["energy"]) == pytest.approx(clips[0][energy], abs=0.002)  # b has no body
    assert main(["style", str(tmp_path), "--checkpoint", str(model)]) == 0  # a set in a folder
    assert dict(line.split()[:2] for line in capsys.readouterr().out.splitlines()) == table
    ProjectWriter(tmp_path / "brief").add(make_recording("c", seconds=1.0))
    assert main(["style", str(tmp_path / "brief"), "--checkpoint", str(model)]) == 2
    assert "holds no take of 60 frames" in capsys.readouterr().err


def test_a_style_is_said_in_the_words_of_a_model_that_knows_few(tmp_path, capsys):
    few = untrained_checkpoint(NetworkSettings(width=16, depth=1, heads=2, styles=2))
    few.save(tmp_path / "few")
    ProjectWriter(tmp_path / "mine").add(make_recording("a", seconds=4.0))
    assert main(["style", str(tmp_path / "mine"), "--checkpoint", str(tmp_path / "few")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(STYLE_NAMES) + 2
    named = [word.partition("=")[0] for word in said[-1].removeprefix("--style ").split(",")]
    assert named == [*STYLE_NAMES[:2], "open"]
