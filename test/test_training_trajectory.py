"""Distillation along the teacher's path: its goals in closed form, and a run from end to end."""

import pytest
import torch
from safetensors.torch import load_file
from training_helpers import make_prepared

from asynfusion_ros.diffusion import NoiseSchedule
from asynfusion_ros.networks import DualBranchDiT, NetworkSettings
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.training.batches import PreparedWindows
from asynfusion_ros.training.runs import distill_student, train_teacher
from asynfusion_ros.training.settings import DistillSettings, TrainSettings
from asynfusion_ros.training.trajectory import TrajectoryObjective

TINY = NetworkSettings(width=16, depth=1, heads=2)
FEW = {"batch": 4, "warmup_steps": 1, "threads": 1, "save_every": 2, "validate_every": 2}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return make_prepared(tmp_path_factory.mktemp("prepared"))


def make(prepared, teacher, **changes):
    windows = PreparedWindows(prepared)
    settings = DistillSettings(form="trajectory", **{**FEW, **changes})
    student = DualBranchDiT(TINY)
    return TrajectoryObjective(
        windows, windows.measure(), NoiseSchedule.linear(), settings, teacher, student
    )


def find_goals(objective):
    """Batch, its noised motion, and the goals of jumps that are drawn."""
    generator = torch.Generator().manual_seed(3)
    batch = objective.sample(0)
    begin, end = objective.draw_jumps(generator, len(batch.face))
    noised = objective.add_noise(batch, begin, generator)
    with torch.no_grad():
        return batch, noised, objective.find_goals(batch, noised, end)


def lively():
    torch.manual_seed(5)
    network = DualBranchDiT(TINY)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def test_a_teacher_that_always_says_the_same_is_what_the_student_should_say(prepared):
    silent = DualBranchDiT(TINY)  # a new network says 0
    batch, _, goals = find_goals(make(prepared, silent))
    for goal, clean in zip(goals, (batch.face, batch.body), strict=True):
        torch.testing.assert_close(goal, clean * batch.known, rtol=1e-3, atol=2e-3)


def test_in_one_substep_the_goal_is_what_the_teacher_says(prepared):
    teacher = lively()
    objective = make(prepared, teacher, substeps=1)
    batch, noised, goals = find_goals(objective)
    x, t = (noised.x_face, noised.x_body), (noised.t_face, noised.t_body)
    with torch.no_grad():
        said = objective.predict(teacher, batch, x, t, "sample")
    free = 1.0 - batch.known
    for goal, own in zip(goals, said, strict=True):
        torch.testing.assert_close(goal * free, own * free, rtol=1e-3, atol=2e-3)


def test_branches_whose_steps_do_not_divide_are_equally_far_along(prepared):
    objective = make(prepared, lively(), expression_steps=3, gesture_steps=4, independent_share=0.0)
    assert [len(jumps) for jumps in objective.jumps] == [6, 4]
    (face, body), ends = objective.draw_jumps(torch.Generator().manual_seed(0), 4000)
    begins = [sorted(set(times.tolist())) for times in (face, body)]
    assert begins == [sorted(jumps[:, 0].tolist()) for jumps in objective.jumps]
    assert ((face - body).abs() <= 1000 // 4).all()  # no further than a step
    assert (ends[0] < face).all()
    assert (ends[1] < body).all()


def test_guidance_and_more_substeps_move_the_goal(prepared):
    plain, guided, finer = (
        find_goals(make(prepared, lively(), **changes))[2][0]
        for changes in ({}, {"guidance": 3.0}, {"substeps": 6})
    )
    assert not torch.allclose(plain, guided, atol=1e-3)
    assert not torch.allclose(plain, finer, atol=1e-4)


def test_the_face_is_noised_as_it_will_be_sampled(prepared):
    warm = make(prepared, lively(), lids_temperature=3.0)
    plain = make(prepared, lively())
    batch = plain.sample(0)
    times = (torch.full((len(batch.face),), 999),) * 2
    hot, cold = (o.add_noise(batch, times, torch.Generator().manual_seed(0)) for o in (warm, plain))
    ratio = (hot.noise_face / cold.noise_face).mean(dim=(0, 1))
    assert sorted(set(ratio.round(decimals=3).tolist())) == [1.0, pytest.approx(3.0)]
    assert torch.equal(hot.noise_body, cold.noise_body)


def test_a_run_says_how_its_student_is_sampled(prepared, tmp_path):
    train_teacher(prepared, tmp_path / "teacher", TINY, TrainSettings(steps=1, **FEW))
    settings = DistillSettings(steps=2, form="trajectory", **FEW)
    distill_student(prepared, tmp_path / "teacher", tmp_path / "model", settings)
    made = Checkpoint.load(tmp_path / "model")
    assert made.description.lcm_form == "trajectory"
    assert made.description.training["distill"]["gesture_steps"] == 8
    before, after = (
        load_file(tmp_path / "model" / name) for name in ("teacher.safetensors", "lcm.safetensors")
    )
    assert any(not torch.equal(before[name], after[name]) for name in before)
