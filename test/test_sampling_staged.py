import pytest
import torch

from asynfusion_ros.networks import INTERACTIONS, Known, MannerBatch, NetworkSettings
from asynfusion_ros.sampling import untrained_checkpoint
from asynfusion_ros.sampling.staged import StagedBranch

TINY = NetworkSettings(
    face_dim=5, body_dim=3, audio_dim=7, width=8, depth=3, heads=2, window_frames=6, speakers=4
)


def inputs(batch, frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731
    partner = tuple(draw(batch, frames, 8) for _ in range(TINY.depth))
    mask = torch.zeros(batch, frames, 1)
    mask[:, :2] = 1.0
    known = Known(draw(batch, frames, 5), mask)
    t = torch.randint(0, 1000, (batch,), generator=generator)
    speaker = torch.arange(batch) % 4
    return draw(batch, frames, 5), t, draw(batch, frames, 7), speaker, known, partner


@pytest.mark.parametrize("interaction", INTERACTIONS)
@pytest.mark.parametrize("traced", [False, True])
def test_stages_equal_the_branch_bit_for_bit_whatever_the_shape(interaction, traced):
    branch = untrained_checkpoint(TINY.replace(interaction=interaction)).lcm.expression
    stages = StagedBranch(branch, traced)
    with torch.inference_mode():
        for batch, frames in [(1, 6), (3, 4), (1, 2), (1, 6)]:
            x, t, audio, speaker, known, partner = inputs(batch, frames)
            condition = branch.condition(audio, MannerBatch(speaker))
            for given in (None, known):
                for heard in (partner, None):
                    read = lambda i, _, heard=heard: heard and heard[i]  # noqa: E731
                    out, features = stages.step(x, t, condition, given, read)
                    expected, own = branch.forward_with_partner(x, t, condition, given, heard)
                    assert torch.equal(out, expected)
                    assert all(torch.equal(a, b) for a, b in zip(features, own, strict=True))


def test_traced_stages_follow_their_weights():
    branch = untrained_checkpoint(TINY).lcm.expression
    stages = StagedBranch(branch)
    x, t, audio, speaker, known, partner = inputs(1, 6)
    read = lambda i, _: partner[i]  # noqa: E731

    def outputs():
        with torch.inference_mode():
            condition = branch.condition(audio, MannerBatch(speaker))
            ours = stages.step(x, t, condition, known, read)[0]
            return ours, branch.forward_with_partner(x, t, condition, known, partner)[0]

    before, _ = outputs()
    with torch.no_grad():
        for parameter in branch.parameters():
            parameter.mul_(1.1)
    after, expected = outputs()
    assert torch.equal(after, expected)
    assert not torch.equal(after, before)


def test_there_are_few_graphs():
    branch = untrained_checkpoint(TINY).lcm.expression
    stages = StagedBranch(branch)
    with torch.inference_mode():
        for frames in (2, 3, 4, 5, 6):
            x, t, audio, speaker, known, partner = inputs(2, frames)
            condition = branch.condition(audio, MannerBatch(speaker))
            stages.step(x, t, condition, known, lambda i, _, p=partner: p[i])
    assert len(stages._graphs) == TINY.depth + 1
