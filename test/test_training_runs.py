"""Whole runs in small: learn, stop, resume to the bit, distil, load again."""

import copy
import csv
import os
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_helpers import make_prepared, make_recording, write_talk30

from asynfusion_ros.cli import main
from asynfusion_ros.diffusion import NoiseSchedule
from asynfusion_ros.errors import ConfigError, DataError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.motion.manner import STYLE_NAMES
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.networks import DualBranchDiT, NetworkSettings
from asynfusion_ros.sampling.checkpoint import Checkpoint, untrained_checkpoint
from asynfusion_ros.training.batches import PreparedWindows
from asynfusion_ros.training.distill import DistillObjective
from asynfusion_ros.training.growth import add_styles, restate, widen
from asynfusion_ros.training.runs import distill_student, fine_tune_teacher, train_teacher
from asynfusion_ros.training.settings import DistillSettings, TrainSettings
from asynfusion_ros.training.teacher import TeacherObjective
from asynfusion_ros.training.trainer import Trainer

TINY = NetworkSettings(width=16, depth=1, heads=2)
FEW = {"batch": 4, "warmup_steps": 1, "threads": 1, "save_every": 2, "validate_every": 2}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return make_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def teacher(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    train_teacher(prepared, folder, TINY, TrainSettings(steps=4, **FEW))
    return folder


def stopped_at(objective_run, step):
    """Run until the progress report of `step`, as if the power failed after it was saved."""

    def report(done, _):
        if done > step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        objective_run(report)


def same_weights(one, other):
    left, right = load_file(one), load_file(other)
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_a_resumed_teacher_equals_one_trained_straight(prepared, teacher, tmp_path):
    settings = TrainSettings(steps=4, **FEW)
    stopped_at(lambda report: train_teacher(prepared, tmp_path, TINY, settings, report), 2)
    assert not (tmp_path / "teacher.safetensors").exists()
    train_teacher(prepared, tmp_path, TINY, settings)
    assert same_weights(tmp_path / "teacher.safetensors", teacher / "teacher.safetensors")
    state = "state/state.safetensors"
    assert same_weights(tmp_path / state, teacher / state)


def test_a_resumed_student_equals_one_distilled_straight(prepared, teacher, tmp_path):
    settings = DistillSettings(steps=4, **FEW)
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    distill_student(prepared, teacher, straight, settings)
    stopped_at(lambda report: distill_student(prepared, teacher, broken, settings, report), 2)
    distill_student(prepared, teacher, broken, settings)
    assert same_weights(straight / "lcm.safetensors", broken / "lcm.safetensors")
    checkpoint = Checkpoint.load(straight)
    assert same_weights(straight / "teacher.safetensors", teacher / "teacher.safetensors")
    assert not same_weights(straight / "lcm.safetensors", straight / "teacher.safetensors")
    assert checkpoint.description.training["distill"]["steps"] == 4
    assert checkpoint.description.training["teacher"]["steps"] == 4
    distill_student(prepared, teacher, straight, settings.replace(shared_noise=0.3))
    again = Checkpoint.load(straight)  # what only sampling heeds may be told afterwards
    assert (checkpoint.description.shared_noise, again.description.shared_noise) == (0.0, 0.3)
    assert same_weights(straight / "lcm.safetensors", broken / "lcm.safetensors")


def test_a_teacher_trained_in_pieces_of_time_equals_one_trained_straight(
    prepared, teacher, tmp_path
):
    settings = TrainSettings(steps=4, minutes=1e-9, **FEW)
    for _ in range(4):
        assert not (tmp_path / "config.json").exists()
        train_teacher(prepared, tmp_path, TINY, settings)
    assert same_weights(tmp_path / "teacher.safetensors", teacher / "teacher.safetensors")


def test_the_log_has_a_row_for_each_validation(teacher):
    with (teacher / "state" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4"]
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())


def test_other_settings_cannot_resume(prepared, teacher):
    with pytest.raises(DataError, match=r"then and now: \{'steps': \(4, 6\)\}"):
        train_teacher(prepared, teacher, TINY, TrainSettings(steps=6, **FEW))


def test_a_fine_tuned_teacher_goes_on_from_its_start(prepared, teacher, tmp_path):
    identity = Checkpoint.load(teacher).description.features_sha256
    assert identity
    settings = TrainSettings(steps=2, **{**FEW, "learning_rate": 0.0, "ema_decay": 0.0})
    tuned = fine_tune_teacher(prepared, teacher, tmp_path / "still", settings)
    still, start = tmp_path / "still" / "teacher.safetensors", teacher / "teacher.safetensors"
    assert same_weights(still, start)  # a rate of 0 changes nothing
    told = tuned.description.training
    assert told["speakers"] == {"faces": 1, "source": 2}
    assert told["fine_tune"]["steps"] == 2
    assert told["fine_tune"]["prepare"] == told["prepare"]
    assert told["fine_tune"]["minutes_of"] == told["minutes"], "tuned with the same takes here"
    fine_tune_teacher(prepared, teacher, tmp_path / "moved", settings.replace(learning_rate=1e-2))
    assert not same_weights(tmp_path / "moved" / "teacher.safetensors", start)
    distill = DistillSettings(steps=2, **FEW)
    distill_student(prepared, tmp_path / "moved", tmp_path / "first", distill)
    begun = distill_student(
        prepared, teacher, tmp_path / "second", distill, start=tmp_path / "first"
    )
    assert begun.lcm is not None
    wide = NetworkSettings(width=32, depth=1, heads=2)
    train_teacher(prepared, tmp_path / "wide", wide, TrainSettings(steps=1, **FEW))
    with pytest.raises(ConfigError, match="of other sizes"):
        distill_student(
            prepared, tmp_path / "wide", tmp_path / "third", distill, start=tmp_path / "first"
        )


def test_a_model_of_few_styles_learns_the_others_and_forgets_none(prepared):
    few = STYLE_NAMES[:7]
    windows = PreparedWindows(prepared)
    plain = untrained_checkpoint(TINY.replace(styles=7))
    known = ChannelStatistics(np.full(7, 0.5), np.full(7, 2.0))
    about, grown = add_styles(replace(plain.description, style=known), plain.teacher, windows)
    assert (plain.description.style_names, about.style_names) == (few, STYLE_NAMES)
    np.testing.assert_array_equal(about.style.mean[:7], known.mean)
    np.testing.assert_array_equal(about.style.mean[7:], windows.measure().style.mean[7:])
    assert about.style_correlation.shape == (len(STYLE_NAMES),) * 2
    old, new = (network.expression.embed_style for network in (plain.teacher, grown.eval()))
    style = torch.randn(5, len(STYLE_NAMES))
    style[0], style[1, 2] = torch.nan, torch.nan
    torch.testing.assert_close(new(style), old(style[:, :7]))
    again, same = add_styles(about, grown, windows)
    assert same is grown
    assert again.style_names == STYLE_NAMES


def test_a_network_does_the_same_in_other_units():
    network = untrained_checkpoint(TINY.replace(styles=3)).teacher
    old, new = (
        ChannelStatistics(np.float32(mean), np.float32(std))
        for mean, std in (
            ([0.1, -1.0, 2.0], [0.5, 2.0, 1.0]),
            ([0.4, 0.5, 2.0, 7.0], [1.5, 1.0, 1.0, 9.0]),
        )
    )
    told = np.float32([[0.3, np.nan, 1.0], [np.nan, -2.0, 2.5]])
    first = ChannelStatistics(new.mean[:3], new.std[:3])
    style_old, style_new = (torch.from_numpy(units.normalise(told)) for units in (old, first))
    before, after = (n.expression.embed_style for n in (network, restate(network, old, new)))
    torch.testing.assert_close(after(style_new), before(style_old))
    assert not torch.allclose(before(style_new), before(style_old))


def test_fine_tuning_may_measure_the_units_of_styles_anew(prepared, tmp_path):
    wide = TINY.replace(styles=len(STYLE_NAMES))
    first = train_teacher(prepared, tmp_path / "first", wide, TrainSettings(steps=1, **FEW))
    units = ChannelStatistics(first.description.style.mean + 1.0, first.description.style.std * 2.0)
    about = replace(first.description, style=units)
    Checkpoint(about, teacher=first.teacher).save(tmp_path / "start")
    Checkpoint(about, lcm=first.teacher).save(tmp_path / "student")
    settings = TrainSettings(steps=1, restate_styles=True, **{**FEW, "learning_rate": 0.0})
    tuned = fine_tune_teacher(prepared, tmp_path / "start", tmp_path / "tuned", settings)
    style = PreparedWindows(prepared).measure().style
    np.testing.assert_allclose(tuned.description.style.std, style.std)
    distill = DistillSettings(steps=1, **{**FEW, "learning_rate": 0.0})
    made = distill_student(
        prepared, tmp_path / "tuned", tmp_path / "made", distill, start=tmp_path / "student"
    )
    for (
        name,
        weights,
    ) in made.lcm.state_dict().items():  # both were the same, and are restated alike
        torch.testing.assert_close(weights, tuned.teacher.state_dict()[name])


def test_a_student_takes_the_styles_it_lacks_from_its_teacher():
    student, teacher = (untrained_checkpoint(TINY.replace(styles=n)).teacher for n in (7, 9))
    wider = widen(student, teacher)
    style = torch.randn(5, 9)
    style[:, 7:] = torch.nan
    old, own, others = (n.expression.embed_style for n in (student, wider, teacher))
    torch.testing.assert_close(own(style), old(style[:, :7]))
    told = style.clone()
    told[:, 8] = 1.5
    assert (own(told) != own(style)).any()
    first, second = own.state_dict(), others.state_dict()
    grown = [name for name in first if first[name].shape != old.state_dict()[name].shape]
    assert grown
    for name in grown:
        assert torch.equal(
            first[name].unflatten(1, (2, 9))[..., 7:], second[name].unflatten(1, (2, 9))[..., 7:]
        )
    with pytest.raises(DataError, match="7 styles cannot hold the 9"):
        widen(teacher, student)


def test_a_student_of_fewer_styles_begins_a_distillation(prepared, tmp_path):
    teacher = untrained_checkpoint(TINY.replace(styles=len(STYLE_NAMES)))
    start = untrained_checkpoint(TINY.replace(styles=7))
    for name, checkpoint in (("teacher", teacher), ("start", start)):
        checkpoint.save(tmp_path / name)
    other = replace(start.description, style_names=("swagger", *STYLE_NAMES[1:7]))
    replace(start, description=other).save(tmp_path / "other")
    distill = DistillSettings(steps=1, **FEW)
    made = distill_student(
        prepared, tmp_path / "teacher", tmp_path / "one", distill, start=tmp_path / "start"
    )
    assert made.lcm.settings.styles == len(STYLE_NAMES)
    with pytest.raises(ConfigError, match="has other styles than the teacher"):
        distill_student(
            prepared, tmp_path / "teacher", tmp_path / "two", distill, start=tmp_path / "other"
        )


def test_a_model_of_other_styles_cannot_grow(prepared):
    windows = PreparedWindows(prepared)
    plain = untrained_checkpoint(TINY.replace(styles=1))
    with pytest.raises(DataError, match="swagger"):
        add_styles(replace(plain.description, style_names=("swagger",)), plain.teacher, windows)
    mute = untrained_checkpoint(TINY)
    assert add_styles(mute.description, mute.teacher, windows) == (mute.description, mute.teacher)


def test_two_processes_train_as_one_with_both_their_batches(prepared, tmp_path, repo):
    """The mean gradient of two processes is that of one batch made of their two."""
    script = tmp_path / "train.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\n"
        "from asynfusion_ros.networks import NetworkSettings\n"
        "from asynfusion_ros.training.runs import train_teacher\n"
        "from asynfusion_ros.training.settings import TrainSettings\n"
        "train_teacher(Path(sys.argv[1]), Path(sys.argv[2]), NetworkSettings(width=16, depth=1,\n"
        "    heads=2), TrainSettings(steps=2, batch=4, warmup_steps=1, threads=1, device='cpu'))\n"
    )
    port = str(socket_port())
    done = []
    for rank in range(2):
        place = {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
        paths = os.pathsep.join([str(repo), os.environ.get("PYTHONPATH", "")])
        place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "PYTHONPATH": paths}
        environment = {**os.environ, **place}
        words = [sys.executable, str(script), str(prepared), str(tmp_path / "two")]
        done.append(subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True))
    for process in done:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said

    windows = PreparedWindows(prepared)
    settings = TrainSettings(steps=2, batch=4, warmup_steps=1, threads=1, device="cpu")
    objective = TeacherObjective(windows, windows.measure(), NoiseSchedule.linear(), settings)
    torch.manual_seed(settings.seed)
    network = DualBranchDiT(TINY)
    average = copy.deepcopy(network).requires_grad_(False)
    trainer = Trainer(network, average, settings, tmp_path / "one")

    def both(model, draw, _):
        losses = [
            objective.loss(model, 2 * draw + rank, torch.Generator().manual_seed(2 * draw + rank))
            for rank in range(2)
        ]
        return (losses[0] + losses[1]) / 2

    trainer.run(both, dict)
    two = load_file(tmp_path / "two" / "teacher.safetensors")
    for name, value in average.state_dict().items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-5, msg=name)


def socket_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_half_precision_and_the_plain_form_run(prepared, teacher, tmp_path):
    half = TrainSettings(steps=2, precision="bf16", **FEW)
    train_teacher(prepared, tmp_path / "half", TINY, half)
    assert Checkpoint.load(tmp_path / "half").network("ddim")
    plain = DistillSettings(steps=2, form="regression", **FEW)
    distill_student(prepared, teacher, tmp_path / "plain", plain)
    assert Checkpoint.load(tmp_path / "plain").description.training["distill"]["form"] == plain.form


def guided(prepared, networks, **guidance):
    """What a teacher says of a batch of its own noise, face and body."""
    windows = PreparedWindows(prepared)
    settings = DistillSettings(**guidance, **FEW)
    objective = DistillObjective(
        windows, windows.measure(), NoiseSchedule.linear(), settings, *networks
    )
    batch, middle = objective.sample(0), torch.full((4,), 500)
    noised = objective.add_noise(batch, (middle, middle), torch.Generator().manual_seed(0))
    x, t = (noised.x_face, noised.x_body), (noised.t_face, noised.t_body)
    return objective.guided(batch, x, t, objective.guide(batch))


def lively_networks():
    networks = [DualBranchDiT(TINY) for _ in range(2)]
    for p in networks[0].parameters():
        torch.nn.init.normal_(p, std=0.1)
    return networks


def test_guidance_leads_away_from_what_is_said_without_speech(prepared):
    networks, ends, bodies = lively_networks(), {}, {}
    for weight in (0.0, 1.0, 3.0):
        said = guided(prepared, networks, guidance=weight, gesture_guidance=1.0)
        ends[weight], bodies[weight] = said
    torch.testing.assert_close(ends[3.0], ends[0.0] + 3.0 * (ends[1.0] - ends[0.0]))
    assert not torch.allclose(ends[0.0], ends[1.0])
    torch.testing.assert_close(bodies[3.0], bodies[1.0])  # the body's is its own


def test_the_mouth_may_be_guided_apart_from_the_face(prepared):
    networks = lively_networks()
    apart, alike = (
        guided(prepared, networks, guidance=3.0, mouth_guidance=mouth)[0] for mouth in (1.0, -1.0)
    )
    moved = (apart - alike).abs().amax(dim=(0, 1)) > 1e-5  # (51,)
    assert moved.tolist() == [name in MOUTH_NAMES for name in FACE_NAMES]


def test_another_network_cannot_resume(prepared, teacher):
    other = NetworkSettings(width=32, depth=1, heads=2)
    with pytest.raises(DataError, match="does not fit this configuration"):
        train_teacher(prepared, teacher, other, TrainSettings(steps=4, **FEW))


def test_the_commands_lead_from_recordings_to_a_model(tmp_path, repo, capsys):
    takes = [make_recording("a", seconds=4.0), make_recording("b", "val", seconds=2.0)]
    write_talk30(tmp_path / "data" / "talk30", takes)
    config = f"--config {repo / 'config' / 'smoke.yaml'}"
    run = lambda words: main(f"{words} {config}".split())  # noqa: E731
    assert run(f"prepare --data {tmp_path}/data --out {tmp_path}/windows") == 0
    windows = f"--prepared {tmp_path}/windows"
    assert run(f"train {windows} --out {tmp_path}/teacher --set threads=1") == 0
    distil = f"distill {windows} --teacher {tmp_path}/teacher --out {tmp_path}/model"
    assert run(f"{distil} --set threads=1") == 0
    assert Checkpoint.load(tmp_path / "model").description.network.width == 16
    assert run(f"train {windows} --out {tmp_path}/x --set stepps=1") == 2
    assert "no such setting" in capsys.readouterr().err
