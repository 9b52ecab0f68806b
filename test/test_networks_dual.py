import dataclasses

import pytest
import torch

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.networks import (
    INTERACTIONS,
    DualBranchDiT,
    Known,
    MannerBatch,
    NetworkSettings,
)

TINY = NetworkSettings(
    face_dim=5, body_dim=3, audio_dim=7, width=8, depth=2, heads=2, window_frames=6, speakers=4
)


def build(interaction="cosync", awake=True):
    torch.manual_seed(0)
    network = DualBranchDiT(TINY.replace(interaction=interaction)).eval()
    if awake:  # away from the zeros of initialisation
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.normal_(std=0.4)
    return network


@dataclasses.dataclass
class Batch:
    x_face: torch.Tensor
    x_body: torch.Tensor
    t_face: torch.Tensor
    t_body: torch.Tensor
    audio: torch.Tensor
    speaker: torch.Tensor

    def run(self, network, known_face=None, known_body=None, **changes):
        b = dataclasses.replace(self, **changes)
        condition = network.condition(b.audio, MannerBatch(b.speaker))
        times = b.t_face, b.t_body
        return network(b.x_face, b.x_body, *times, condition, known_face, known_body)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731
    return Batch(
        x_face=draw(2, 6, 5),
        x_body=draw(2, 6, 3),
        t_face=torch.tensor([900, 3]),
        t_body=torch.tensor([40, 500]),
        audio=draw(2, 6, 7),
        speaker=torch.tensor([0, 3]),
    )


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_output_is_zero_before_training(interaction, batch):
    face, body = batch.run(build(interaction, awake=False))
    assert face.shape == batch.x_face.shape
    assert body.shape == batch.x_body.shape
    assert not face.any()
    assert not body.any()


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_blocks_and_interactions_are_the_identity_before_training(interaction, batch):
    branch = build(interaction, awake=False).gesture
    condition = branch.condition(batch.audio, MannerBatch(batch.speaker))
    state = branch.begin(batch.x_body, batch.t_body, condition, None)
    features = branch.block(0, state, condition)
    torch.testing.assert_close(features, state.tokens)
    after = branch.interact(0, state, features, torch.randn_like(features))
    torch.testing.assert_close(after.tokens, features)


# What each branch hears of the other: (the face hears the body, the body hears the face).
HEARS = {
    "none": (False, False),
    "e2g": (False, True),
    "g2e": (True, False),
    "concat": (True, True),
    "gated": (True, True),
    "cosync": (True, True),
}


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_each_branch_hears_exactly_what_the_interaction_says(interaction, batch):
    network = build(interaction)
    face, body = batch.run(network)
    face_hears, body_hears = HEARS[interaction]
    other_body = batch.run(network, x_body=torch.randn(2, 6, 3))[0]
    other_face = batch.run(network, x_face=torch.randn(2, 6, 5))[1]
    assert torch.equal(face, other_body) != face_hears
    assert torch.equal(body, other_face) != body_hears


def test_a_silent_branch_carries_no_idle_parameters():
    branch = build("e2g").expression
    assert len(branch.interactions) == 0
    assert len(build("e2g").gesture.interactions) == TINY.depth


@pytest.mark.parametrize("interaction", INTERACTIONS)
@pytest.mark.parametrize("with_known", [False, True])
def test_snapshot_of_the_same_features_equals_lock_step(interaction, with_known, batch):
    network = build(interaction)
    known = Known(
        torch.randn(2, 6, 5), torch.tensor([1.0, 1, 0, 0, 0, 0]).view(1, 6, 1).repeat(2, 1, 1)
    )
    known = known if with_known else None
    condition = network.condition(batch.audio, MannerBatch(batch.speaker))
    face, body = batch.run(network, known_face=known)
    heard = {}  # what each branch said in lock-step, block by block
    state_face = network.expression.begin(batch.x_face, batch.t_face, condition.expression, known)
    state_body = network.gesture.begin(batch.x_body, batch.t_body, condition.gesture, None)
    for i in range(TINY.depth):
        f_face = network.expression.block(i, state_face, condition.expression)
        f_body = network.gesture.block(i, state_body, condition.gesture)
        heard[i] = f_face, f_body
        state_face = network.expression.interact(i, state_face, f_face, f_body)
        state_body = network.gesture.interact(i, state_body, f_body, f_face)
    said_face, said_body = zip(*(heard[i] for i in range(TINY.depth)), strict=True)
    alone_face, f_alone = network.expression.forward_with_partner(
        batch.x_face, batch.t_face, condition.expression, known, said_body
    )
    alone_body, _ = network.gesture.forward_with_partner(
        batch.x_body, batch.t_body, condition.gesture, None, said_face
    )
    assert torch.equal(alone_face, face)
    assert torch.equal(alone_body, body)
    assert all(torch.equal(a, b) for a, b in zip(f_alone, said_face, strict=True))


def test_without_a_partner_a_branch_is_that_of_no_interaction(batch):
    network = build("cosync")
    silent = build("none")
    silent.load_state_dict(network.state_dict(), strict=False)
    condition = network.condition(batch.audio, MannerBatch(batch.speaker))
    alone, _ = network.expression.forward_with_partner(
        batch.x_face, batch.t_face, condition.expression, None, None
    )
    torch.testing.assert_close(alone, batch.run(silent)[0])


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_gradients_reach_every_parameter_once_training_has_begun(interaction, batch):
    network = build(interaction, awake=False).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    mask = torch.zeros(2, 6, 1)
    mask[:, :2] = 1.0
    known = Known(torch.randn(2, 6, 5), mask), Known(torch.randn(2, 6, 3), mask)
    given = torch.tensor([True, False])
    for _ in range(5):  # the zero-initialised gates open one after another
        optimizer.zero_grad()
        condition = network.condition(batch.audio, MannerBatch(batch.speaker), given)
        times = batch.t_face, batch.t_body
        outputs = network(batch.x_face, batch.x_body, *times, condition, *known)
        sum((out - 1.0).square().sum() for out in outputs).backward()
        optimizer.step()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0.0, name


def test_a_known_value_counts_only_where_its_mask_is_set(batch):
    network = build()
    mask = torch.zeros(2, 6, 1)
    mask[:, :2] = 1.0
    values = torch.randn(2, 6, 5)
    beyond = values.clone()
    beyond[:, 2:] = 99.0
    within = values.clone()
    within[:, 0] = 99.0
    face, _ = batch.run(network, known_face=Known(values, mask))
    assert torch.equal(batch.run(network, known_face=Known(beyond, mask))[0], face)
    assert not torch.equal(batch.run(network, known_face=Known(within, mask))[0], face)
    nothing = Known(values, torch.zeros(2, 6, 1))
    torch.testing.assert_close(batch.run(network, known_face=nothing)[0], batch.run(network)[0])


def test_null_audio_hides_the_audio_of_its_sample_only(batch):
    network = build()
    given = torch.tensor([False, True])
    manner = MannerBatch(batch.speaker)
    first = network.condition(batch.audio, manner, given).gesture.audio[0]
    second = network.condition(2.0 * batch.audio, manner, given).gesture.audio[0]
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])


@pytest.mark.parametrize("change", ["audio", "speaker", "t_face"])
def test_every_input_counts(change, batch):
    network = build("none")
    new = {
        "audio": torch.randn(2, 6, 7),
        "speaker": torch.tensor([1, 2]),
        "t_face": torch.tensor([1, 2]),
    }[change]
    face, body = batch.run(network)
    other_face, other_body = batch.run(network, **{change: new})
    assert not torch.equal(face, other_face)
    assert torch.equal(body, other_body) == (change == "t_face")


def test_audio_is_aligned_with_its_frame(batch):
    branch = build("none").expression
    later = batch.audio.clone()
    later[:, 5] += 1.0
    before = branch.condition(batch.audio, MannerBatch(batch.speaker)).audio[0]
    after = branch.condition(later, MannerBatch(batch.speaker)).audio[0]
    changed = (before - after).abs().sum(dim=(0, 2)) > 1e-6
    assert changed.tolist() == [False, False, True, True, True, True]  # 3 frames to either side


def test_samples_of_a_batch_do_not_meet(batch):
    network = build()
    face, body = batch.run(network)
    one = {f.name: getattr(batch, f.name)[1:] for f in dataclasses.fields(batch)}
    face_1, body_1 = batch.run(network, **one)
    torch.testing.assert_close(face_1, face[1:])
    torch.testing.assert_close(body_1, body[1:])


def test_impossible_sizes_are_refused():
    with pytest.raises(ConfigError, match="multiple of heads"):
        NetworkSettings(width=10, heads=4)
    with pytest.raises(ConfigError, match="cosync"):
        NetworkSettings(interaction="telepathy")


def test_a_manner_that_is_open_says_nothing_and_one_that_is_told_counts(batch):
    torch.manual_seed(0)
    network = DualBranchDiT(TINY.replace(styles=3, emotions=2)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.4)
    speaker = batch.speaker

    def embed(**told):
        return network.gesture.condition(batch.audio, MannerBatch(speaker, **told)).manner

    silent = embed()
    assert torch.equal(embed(style=torch.full((2, 3), torch.nan)), silent)
    style = torch.tensor([[1.0, torch.nan, 0.0], [torch.nan, torch.nan, torch.nan]])
    told = embed(style=style)
    assert not torch.equal(told[0], silent[0])
    assert torch.equal(told[1], silent[1])
    average = embed(style=torch.zeros(2, 3))
    assert not torch.equal(average[0], silent[0])  # to be average is not to be open
    assert not torch.equal(embed(emotion=torch.tensor([1, 1])), silent)


def test_both_halves_of_guidance_are_the_told_and_the_unknown():
    manner = MannerBatch(torch.tensor([2, 3]), torch.ones(2, 3), torch.tensor([1, 1]))
    both = manner.and_unknown()
    assert both.speaker.tolist() == [2, 3, 0, 0]
    assert both.emotion.tolist() == [1, 1, 0, 0]
    assert torch.equal(both.style[:2], manner.style)
    assert both.style[2:].isnan().all()
