import pytest
import torch

from asynfusion_ros.networks import INTERACTIONS, Known, MannerBatch, NetworkSettings
from asynfusion_ros.sampling import untrained_checkpoint
from asynfusion_ros.sampling.onnx_branch import OnnxBranch
from asynfusion_ros.sampling.staged import StagedBranch

TINY = NetworkSettings(
    face_dim=5, body_dim=3, audio_dim=7, width=8, depth=3, heads=2, window_frames=6, speakers=4
)
TIMES = (999, 499, 20)
SHAPES = [(1, 6), (3, 4), (1, 2), (1, 6)]


def inputs(batch, frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731
    partner = tuple(draw(batch, frames, 8) for _ in range(TINY.depth))
    mask = torch.zeros(batch, frames, 1)
    mask[:, :2] = 1.0
    known = Known(draw(batch, frames, 5), mask)
    speaker = torch.arange(batch) % 4
    return draw(batch, frames, 5), draw(batch, frames, 7), speaker, known, partner


def make_branch(interaction="cosync", scale=1.0):
    branch = untrained_checkpoint(TINY.replace(interaction=interaction)).lcm.expression
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # untrained gates are closed and would hide what lies behind them
        for parameter in branch.parameters():
            parameter.add_(0.3 * scale * torch.randn(parameter.shape, generator=generator))
    return branch


def run_both(runner, branch, batch, frames, given, hears):
    """Return what `runner` and Branch.forward make of the same inputs, for each step."""
    x, audio, speaker, known, partner = inputs(batch, frames)
    known, heard = known if given else None, partner if hears else None
    condition = branch.condition(audio, MannerBatch(speaker))
    prepared = runner.prepare(audio, MannerBatch(speaker), None, known, TIMES)
    for step, time in enumerate(TIMES):
        t = torch.full((batch,), time)
        expected, own = branch.forward_with_partner(x, t, condition, known, heard)
        output, features = runner.step(x, prepared, step, heard)
        yield (output, *features), (expected, *own)
        own = runner.start(x, prepared, step)
        traded = [own]
        for block in range(1, runner.depth):
            own = runner.advance(block, own, heard and heard[block - 1], prepared, step)
            traded.append(own)
        output = runner.finish(own, heard and heard[-1], prepared, step)
        yield (output, *traded), (expected, *features)


@pytest.mark.parametrize("interaction", INTERACTIONS)
@pytest.mark.parametrize("kind", ["plain", "traced", "onnx"])
def test_stages_equal_the_branch_whatever_the_shape(interaction, kind):
    branch = make_branch(interaction)
    runner = OnnxBranch(branch) if kind == "onnx" else StagedBranch(branch, kind == "traced")
    with torch.inference_mode():
        for batch, frames in SHAPES:
            for given in (False, True):
                for hears in (False, True):
                    for ours, expected in run_both(runner, branch, batch, frames, given, hears):
                        for a, b in zip(ours, expected, strict=True):
                            torch.testing.assert_close(a, b, rtol=1e-5, atol=2e-5)
                            assert b.abs().max() > 0.1  # or nothing would be compared


def test_stages_one_by_one_and_in_one_are_the_same_bit_for_bit():
    branch = make_branch()
    with torch.inference_mode():
        for runner in (OnnxBranch(branch), StagedBranch(branch)):
            pairs = list(run_both(runner, branch, 2, 6, True, True))
            for (whole, _), (pieces, _) in zip(pairs[::2], pairs[1::2], strict=True):
                assert all(torch.equal(a, b) for a, b in zip(whole, pieces, strict=True))


def test_traced_stages_follow_their_weights():
    branch = make_branch()
    runner = StagedBranch(branch)
    with torch.inference_mode():
        before = next(run_both(runner, branch, 1, 6, True, True))[0][0]
    with torch.no_grad():
        for parameter in branch.parameters():
            parameter.mul_(1.1)
    with torch.inference_mode():
        after, expected = (side[0] for side in next(run_both(runner, branch, 1, 6, True, True)))
    torch.testing.assert_close(after, expected)
    assert not torch.equal(after, before)


def test_results_of_one_step_are_not_overwritten_by_the_next():
    runner = OnnxBranch(make_branch())
    x, audio, speaker, known, partner = inputs(1, 6)
    with torch.inference_mode():
        prepared = runner.prepare(audio, MannerBatch(speaker), None, known, TIMES)
        output, features = runner.step(x, prepared, 0, partner)
        kept = [value.clone() for value in (output, *features)]
        runner.step(x + 1.0, prepared, 1, partner)
        assert all(torch.equal(a, b) for a, b in zip(kept, (output, *features), strict=True))


def test_there_are_few_traced_graphs():
    branch = make_branch()
    runner = StagedBranch(branch)
    with torch.inference_mode():
        for frames in (2, 3, 4, 5, 6):
            list(run_both(runner, branch, 2, frames, True, True))
    assert len(runner._graphs) == TINY.depth + 2


def test_a_step_s_results_lie_in_memory_of_its_window():
    branch = make_branch()
    runner = OnnxBranch(branch)
    with torch.inference_mode():
        manner = MannerBatch(torch.zeros(1, dtype=torch.long))
        prepared = runner.prepare(
            torch.randn(1, 6, branch.encode_audio.first.in_channels), manner, None, None, TIMES
        )
        places = set()
        for step in range(len(TIMES)):
            output, features = runner.step(torch.randn(1, 6, branch.dim), prepared, step, None)
            assert output.data_ptr() == prepared.outputs[step].data_ptr()
            places |= {value.data_ptr() for value in (output, *features)}
        assert len(places) == len(TIMES) * (1 + runner.depth), "no step writes over another's"
