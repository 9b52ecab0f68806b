"""The command line: what is asked for is done, what is wrong is said in one line."""

import subprocess
import sys

import pytest

from asynfusion_ros import __version__
from asynfusion_ros.cli import COMMANDS, build_parser, main
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


def test_a_missing_model_is_said_in_one_line_with_the_remedy(tmp_path, capsys):
    assert main(["info", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("asynfusion: ")
    assert said.count("\n") == 1
    assert "asynfusion train" in said
    assert "Traceback" not in said
