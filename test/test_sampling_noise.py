"""Noise is as loud as each channel's temperature, shared where motion is slow, and in bursts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from graph_helpers import EXACT, distance, plain
from sampling_helpers import TINY, make_request, sampler

from asynfusion_ros.errors import CheckpointError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.sampling import (
    untrained_checkpoint,
)
from asynfusion_ros.sampling.branch_window import BranchWindow
from asynfusion_ros.sampling.counter_noise import burst_keys
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.sampling.graphs import GraphSampler
from asynfusion_ros.sampling.noise import WindowNoise, draw_noise
from asynfusion_ros.sampling.static_branch import StaticBranch, WindowShape, lay_out
from asynfusion_ros.sampling.tray import Tray


def test_temperatures_spread_the_noise_of_their_channels_alone():
    sizes = replace(TINY, face_dim=51)
    plain = untrained_checkpoint(sizes)
    warm = replace(plain, description=replace(plain.description, temperatures={"mouth": 0.5}))
    spread = warm.description.noise_shape("expression").spread
    mouth = np.isin(FACE_NAMES, MOUTH_NAMES)
    np.testing.assert_array_equal(spread, np.where(mouth, 0.5, 1.0))
    assert warm.description.noise_shape("gesture") is None
    request = make_request(known_face=None)
    noise = draw_noise(request, "expression", 0, (1, 6, 51))
    for model, expected in ((plain, noise), (warm, noise * torch.from_numpy(spread))):
        ours = sampler(model)
        window = BranchWindow(ours._runners["expression"], ours.process, (999, 499), request)
        torch.testing.assert_close(window.x, expected)
    assert ModelDescription.from_dict(warm.description.to_dict()).temperatures == {"mouth": 0.5}
    with pytest.raises(CheckpointError, match="nose"):
        replace(plain.description, temperatures={"nose": 1.0})
    with pytest.raises(CheckpointError, match="mouth"):
        replace(plain.description, temperatures={"mouth": -1.0})


def test_lids_have_a_temperature_of_their_own_or_that_of_the_eyes():
    plain = untrained_checkpoint(replace(TINY, face_dim=51)).description
    lids, gaze = FACE_NAMES.index("eyeBlinkRight"), FACE_NAMES.index("eyeLookUpLeft")
    for given, expected in (
        ({"eyes": 2.0}, (2.0, 2.0)),
        ({"lids": 3.0, "eyes": 1.5}, (3.0, 1.5)),
        ({"lids": 3.0}, (3.0, 1.0)),
    ):
        spread = replace(plain, temperatures=given).noise_shape("expression").spread
        assert (spread[lids], spread[gaze]) == expected


# ---- What frames share ---------------------------------------------------------------------------

FULL = replace(TINY, face_dim=51, body_dim=24)
SHARED = 0.5


def sharing(**changes):
    model = untrained_checkpoint(FULL)
    described = replace(model.description, shared_noise=SHARED, **changes)
    return replace(model, description=described)


def full_request(index=0, known=2, batch=1, seed=0, **changes):
    generator = torch.Generator().manual_seed(100 * seed + index)
    given = {
        f"known_{name}": torch.randn(batch, known, dim, generator=generator) if known else None
        for name, dim in (("face", 51), ("body", 24))
    }
    return make_request(index, batch=batch, seed=seed, **{**given, **changes})


def added(request, branch, model):
    """What the noise of a window has beside its white part, in units of the channel's own."""
    shape = (len(request.audio), 6, 51 if branch == "expression" else 24)
    form = model.description.noise_shape(branch)
    white = draw_noise(request, branch, 0, shape)
    drawn = WindowNoise(request, branch, shape, form).draw(0)
    return drawn / torch.from_numpy(form.spread) - white


def test_all_frames_of_a_window_share_the_noise_of_brows_gaze_chest_and_head_alone():
    model = sharing(temperatures={"mouth": 0.5, "eyes": 2.0})
    for branch in ("expression", "gesture"):
        common = added(full_request(), branch, model)[0]  # (T, D)
        torch.testing.assert_close(common, common[:1].expand_as(common), atol=1e-6, rtol=0)
        moved = common[0].abs().numpy() > 1e-6
        slow = [name.startswith(("brow", "eyeLook")) for name in FACE_NAMES]
        body = [joint in ("chest", "head") for joint in Skeleton.load().joint_names]
        expected = slow if branch == "expression" else np.repeat(body, 3)
        np.testing.assert_array_equal(moved, expected)


def test_what_is_shared_has_its_share_and_is_new_in_each_window_branch_and_stream():
    model = sharing()
    drawn = [added(full_request(index), "gesture", model)[0, 0, :6] for index in range(1600)]
    assert float(torch.stack(drawn).std()) == pytest.approx(SHARED, rel=0.03)
    other = added(full_request(1, seed=1), "gesture", model)[0, 0, :6]
    for one, two in ((drawn[0], drawn[1]), (drawn[1], other)):
        assert float((one - two).abs().min()) > 1e-4


def test_a_stream_begins_with_white_noise():
    assert not added(full_request(known=0), "gesture", sharing()).any()


def test_rows_share_noise_among_their_own_frames_only():
    origins = ((3, 7), (4, 9))
    joined = added(full_request(batch=2, origins=origins), "expression", sharing())
    for row, (seed, index) in enumerate(origins):
        alone = added(full_request(index, seed=seed), "expression", sharing())
        torch.testing.assert_close(joined[row], alone[0])


@pytest.mark.parametrize("bursts", [0.0, 0.6])
def test_recorded_windows_share_noise_as_plain_ones_do(bursts):
    model, white = sharing(bursts=bursts), untrained_checkpoint(FULL)
    for request in (full_request(), full_request(known=0), full_request(batch=3)):
        with GraphSampler(model, EXACT) as graphs:
            found = graphs.sample_window(request)
        assert distance(found, plain(model=model).sample_window(request)) < 1e-5
        moved = distance(found, plain(model=white).sample_window(request))
        assert (moved > 1e-3) == (request.known_face is not None)


def test_a_device_that_draws_its_own_noise_shares_it_in_warm_rows_alone():
    model = sharing()
    process = sampler(model).process
    branch = model.network("lcm").gesture
    rows, times = 32, process.times(8)
    shape = WindowShape(batch=rows, frames=6, emotion=False, host_noise=False)
    tray = Tray(lay_out(branch, shape, 8), torch.device("cpu"))
    static = StaticBranch(branch, process, times, shape, tray)
    tray["gesture.keys"].copy_(torch.arange(rows))
    audio = torch.zeros(rows, 6, 7)
    cold = static._noise(audio)  # (draws, B, T, D)
    tray["gesture.count"][1:] = 2.0
    common = static._noise(audio) - cold
    assert not common[:, 0].any()
    torch.testing.assert_close(common, common[:, :, :1].expand_as(common), atol=1e-6, rtol=0)
    shared = common[:, 1:, 0, :6]
    assert float(shared.std()) == pytest.approx(SHARED, rel=0.1)
    for frame in range(6):  # drawn apart from any frame's own
        together = torch.stack([shared.ravel(), cold[:, 1:, frame, :6].ravel()])
        assert abs(float(torch.corrcoef(together)[0, 1])) < 0.1


# ---- Bursts --------------------------------------------------------------------------------------

BURSTS = 0.6
BROW, GAZE, LID, JAW = (
    FACE_NAMES.index(name) for name in ("browInnerUp", "eyeLookUpLeft", "eyeBlinkLeft", "jawOpen")
)
HEAD, CHEST, ARM = 3, 0, 6  # of the body's channels


def bursting(**changes):
    model = untrained_checkpoint(FULL)
    return replace(model, description=replace(model.description, bursts=BURSTS, **changes))


def loudness(request, branch):
    """How loud each channel (B, D) of a window is, over its own white noise."""
    shape = (len(request.audio), 6, 51 if branch == "expression" else 24)
    shaped = WindowNoise(request, branch, shape, bursting().description.noise_shape(branch))
    factors = shaped.draw(0) / draw_noise(request, branch, 0, shape)
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors), rtol=1e-4, atol=0)
    return factors[:, 0]


def test_brows_lids_and_head_burst_together_the_rest_of_the_body_half_and_the_mouth_never():
    face, body = (loudness(full_request(3), name)[0].log() for name in ("expression", "gesture"))
    whole = face[BROW] + BURSTS**2 / 2  # less what keeps the mean at 1
    assert abs(float(whole)) > 0.01
    torch.testing.assert_close(face[LID], face[BROW])
    torch.testing.assert_close(body[HEAD], face[BROW])
    for half in (face[GAZE], body[CHEST], body[ARM]):
        torch.testing.assert_close(half + BURSTS**2 / 8, whole / 2)
    assert abs(float(face[JAW])) < 1e-6


def test_bursts_are_log_normal_with_mean_1_bounded_and_last_two_windows():
    found = torch.cat([loudness(full_request(index), "gesture")[:, HEAD] for index in range(2000)])
    assert float(found.mean()) == pytest.approx(1.0, abs=0.05)
    assert float(found.max()) == pytest.approx(np.exp(2 * BURSTS - BURSTS**2 / 2), rel=1e-3)
    assert float(found.log().std()) == pytest.approx(BURSTS, rel=0.05)
    for apart, expected in ((1, 0.5), (2, 0.0)):
        pair = torch.stack([found.log()[apart:], found.log()[:-apart]])
        assert float(torch.corrcoef(pair)[0, 1]) == pytest.approx(expected, abs=0.07)


def test_a_stream_begins_without_a_burst_and_rows_burst_as_if_alone():
    torch.testing.assert_close(
        loudness(full_request(known=0), "gesture"), torch.ones(1, 24), rtol=1e-4, atol=0
    )
    origins = ((3, 7), (4, 9))
    joined = loudness(full_request(batch=2, origins=origins), "gesture")
    for row, (seed, index) in enumerate(origins):
        alone = loudness(full_request(index, seed=seed), "gesture")
        torch.testing.assert_close(joined[row], alone[0], rtol=1e-4, atol=0)


def test_a_device_that_draws_its_own_noise_bursts_alike_in_both_branches():
    model, rows = bursting(), 2000
    process, network = sampler(model).process, model.network("lcm")
    shape = WindowShape(batch=rows, frames=2, emotion=False, host_noise=False)
    origins = tuple((0, index) for index in range(rows))
    keys = burst_keys(full_request(batch=rows, origins=origins))
    found = {}
    for name, steps in (("expression", 4), ("gesture", 8)):
        branch = getattr(network, name)
        tray = Tray(lay_out(branch, shape, steps), torch.device("cpu"))
        static = StaticBranch(branch, process, process.times(steps), shape, tray)
        tray[f"{name}.keys"].copy_(torch.arange(rows))
        tray[f"{name}.burst_keys"].copy_(keys)
        audio = torch.zeros(rows, 2, 7)
        cold = static._noise(audio)
        tray[f"{name}.count"][1:] = 1.0
        factors = static._noise(audio) / cold  # (draws, B, T, D)
        assert (factors[:, 0] == 1.0).all()
        found[name] = factors[0, 1:, 0]
    torch.testing.assert_close(
        found["expression"][:, BROW], found["gesture"][:, HEAD], rtol=1e-4, atol=0
    )
    logarithm = found["gesture"][:, HEAD].log()
    assert float(logarithm.std()) == pytest.approx(BURSTS, rel=0.05)
    pair = torch.stack([logarithm[1:], logarithm[:-1]])
    assert float(torch.corrcoef(pair)[0, 1]) == pytest.approx(0.5, abs=0.07)


def test_descriptions_keep_bursts_and_refuse_what_makes_no_sense():
    description = bursting().description
    assert ModelDescription.from_dict(description.to_dict()).bursts == BURSTS
    old = {k: v for k, v in description.to_dict().items() if k != "bursts"}
    assert ModelDescription.from_dict(old).bursts == 0.0
    for wrong in (-0.1, 3.0, float("nan")):
        with pytest.raises(CheckpointError, match="bursts"):
            replace(description, bursts=wrong)


def test_descriptions_keep_what_is_shared_and_refuse_what_makes_no_sense():
    description = sharing().description
    assert ModelDescription.from_dict(description.to_dict()).shared_noise == SHARED
    old = {k: v for k, v in description.to_dict().items() if k != "shared_noise"}
    assert ModelDescription.from_dict(old).shared_noise == 0.0
    for wrong in (-0.1, 5.0, float("nan")):
        with pytest.raises(CheckpointError, match="shared_noise"):
            replace(description, shared_noise=wrong)
    small = replace(untrained_checkpoint(TINY).description, shared_noise=SHARED)
    with pytest.raises(CheckpointError, match="51 channels of expression"):
        small.noise_shape("expression")
