"""The table of figures that `evaluate` prints, and what it refuses."""

import pytest

from asynfusion_ros.cli import main
from asynfusion_ros.evaluation.commands import make_table
from asynfusion_ros.evaluation.heldout import Summary


def test_a_row_for_each_figure_and_a_column_for_each_subject():
    results = {
        "model": {"error": Summary(0.5, 0.25, 0.75, 4), "speed": Summary(1, 1, 1, 4)},
        "still": {"error": Summary(0.0625, 0, 0.125, 4), "speed": Summary(0, 0, 0, 4)},
    }
    assert make_table(results).splitlines() == [
        "| figure | model | still |",
        "|---|---|---|",
        "| error | 0.500 (0.250 to 0.750) | 0.062 (0.000 to 0.125) |",
        "| speed | 1.000 (1.000 to 1.000) | 0.000 (0.000 to 0.000) |",
    ]


@pytest.mark.parametrize("steps", ["4", "4/", "4/8/2", "a/b", "-1/2"])
def test_steps_need_a_number_for_each_branch(steps, tmp_path, capsys):
    assert main(["evaluate", "--data", str(tmp_path), f"--steps={steps}"]) == 2
    assert "FACE/BODY" in capsys.readouterr().err
