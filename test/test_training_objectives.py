"""What one step of training asks of a network: times, noise, weights, and who counts."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_helpers import make_prepared

from asynfusion_ros.diffusion import NoiseSchedule
from asynfusion_ros.networks import DualBranchDiT, NetworkSettings
from asynfusion_ros.training.batches import PreparedWindows
from asynfusion_ros.training.distill import DistillObjective
from asynfusion_ros.training.settings import DistillSettings, TrainSettings
from asynfusion_ros.training.teacher import TeacherObjective

TINY = NetworkSettings(width=16, depth=1, heads=2)
FEW = {"batch": 4, "threads": 1}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return make_prepared(tmp_path_factory.mktemp("prepared"))


def objectives(prepared, **changes):
    windows = PreparedWindows(prepared)
    statistics, schedule = windows.measure(), NoiseSchedule.linear()
    settings = DistillSettings(**FEW).replace(**changes)
    networks = [DualBranchDiT(TINY) for _ in range(3)]
    student, teacher, target = networks
    yield TeacherObjective(windows, statistics, schedule, settings), student
    yield (
        DistillObjective(windows, statistics, schedule, settings, teacher, target),
        student,
    )


def test_a_batch_can_be_learned(prepared):
    objective, network = next(objectives(prepared))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(25):
        loss = objective.loss(network, 0, torch.Generator().manual_seed(0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_every_parameter_is_trained(prepared):
    """A few losses of random weights reach each parameter but those that no batch touches."""
    for objective, network in objectives(prepared):
        for p in network.parameters():
            torch.nn.init.normal_(p, std=0.05)
        for step, generator in zip(range(3), itertools.repeat(torch.Generator()), strict=False):
            objective.loss(network, step, generator).backward()
        untouched = {n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()}
        assert untouched == set()
        network.zero_grad()


def test_the_weight_of_closures_adds_their_error_to_both_trainings(prepared):
    torch.manual_seed(0)
    networks, losses = None, []
    for weight in (0.0, 1.0, 3.0):
        pairs = list(objectives(prepared, closure_weight=weight))
        networks = networks or [network.state_dict() for _, network in pairs]
        for (objective, network), state in zip(pairs, networks, strict=True):
            network.load_state_dict(state)
            with torch.no_grad():
                losses.append(float(objective.loss(network, 0, torch.Generator().manual_seed(0))))
    plain, once, thrice = np.array(losses).reshape(3, 2)
    assert (once > plain).all()
    np.testing.assert_allclose(thrice - plain, 3 * (once - plain), rtol=1e-3)


def test_times_are_independent_in_the_share_that_is_asked_for(prepared):
    objective, _ = next(objectives(prepared))
    for share in (0.0, 0.5, 1.0):
        objective.settings = objective.settings.replace(independent_share=share)
        face, body = objective.draw_times(torch.Generator().manual_seed(0), 4000, 1000)
        assert float((face != body).float().mean()) == pytest.approx(share, abs=0.03)
        assert 0 <= int(face.min()) < 5
        assert 995 <= int(face.max()) < 1000


def test_a_missing_body_is_pure_noise_at_the_last_time(prepared):
    objective, _ = next(objectives(prepared))
    settings = objective.settings.replace(mouth_only_share=0.5)
    batch = objective.windows.sample(0, settings, objective.statistics)
    missing = ~batch.body_mask[:, 0].bool().any(dim=-1)
    assert batch.has_body.all(), "somebody in the batch lends a body"
    batch = replace(batch, has_body=~missing)  # as if nobody had one to lend
    times = (torch.zeros(4, dtype=torch.long), torch.zeros(4, dtype=torch.long))
    noised = objective.add_noise(batch, times, torch.Generator().manual_seed(0))
    assert missing.any()
    assert not missing.all()
    assert (noised.t_body[missing] == 999).all()
    assert (noised.t_body[~missing] == 0).all()
    assert torch.equal(noised.x_body[missing], noised.noise_body[missing])
    assert not objective.weights(batch)[1][missing].any()


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({}, {}),
        ({"mouth_temperature": 0.8}, {"mouth": 0.8}),
        ({"eyes_temperature": 1.5}, {"eyes": 1.5, "lids": 1.0}),
        ({"lids_temperature": 3.0}, {"eyes": 1.0, "lids": 3.0}),
    ],
)
def test_settings_write_the_temperatures_that_they_say(given, written):
    assert TrainSettings(**given).temperatures == written
