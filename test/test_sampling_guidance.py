"""What settings of guidance mean, and what a student's teacher needs to be compared with it."""

import pytest
import torch
from sampling_helpers import TINY, make_request, sampler

from asynfusion_ros.cli.generate import guide
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.evaluation.reproduction import TABLES
from asynfusion_ros.evaluation.study import learned_guidance
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.networks import MannerBatch
from asynfusion_ros.sampling import SamplerSettings, untrained_checkpoint
from asynfusion_ros.sampling.guidance import Guidance
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.training.settings import DistillSettings


def test_mouth_and_body_are_guided_as_the_face_where_nothing_is_said():
    assert Guidance.of(1.5) == Guidance(1.5, 1.5, 1.5)
    assert Guidance.of(1.5, mouth=0.0) == Guidance(1.5, 0.0, 1.5)  # 0 is said
    assert Guidance.of(1.5, 1.1, 1.2) == Guidance(1.5, 1.1, 1.2)


def test_words_of_the_command_line_reach_the_sampler():
    for words, meant in (("1.5", (1.5, 1.5, 1.5)), ("1.5/1.1/0", (1.5, 1.1, 0.0))):
        settings = guide(EngineSettings(method="ddim"), words)
        assert settings.sampler_settings().guidance_weights == Guidance(*meant)


def test_only_the_mouths_channels_have_its_weight():
    weights = Guidance(1.5, 1.25, 1.0).weight_of("expression")
    assert weights.tolist() == [1.25 if name in MOUTH_NAMES else 1.5 for name in FACE_NAMES]
    assert Guidance(1.5, 1.25, 1.0).weight_of("gesture") == 1.0
    assert Guidance(1.5, 1.5, 1.0).weight_of("expression") == 1.5


def test_any_weight_but_1_leads():
    assert not Guidance().leads
    assert all(Guidance(*(2.0 if k == i else 1.0 for k in range(3))).leads for i in range(3))


def test_the_teacher_in_table_4_is_guided_as_its_student_was():
    settings = DistillSettings(guidance=1.5, mouth_guidance=1.1, gesture_guidance=1.2)
    learned = learned_guidance({"training": {"distill": settings.to_dict()}})
    assert learned == settings.guidance_weights == Guidance(1.5, 1.1, 1.2)
    ddim, *few = (variant.sampler(guidance=learned) for variant in TABLES["table4"].variants)
    assert ddim.guidance_weights == learned
    assert [sampler.guidance_weights.leads for sampler in few] == [False, False]


@pytest.mark.parametrize("training", [{}, {"distill": {}}, {"distill": {"guidance": 1.0}}])
def test_a_model_that_tells_of_no_guidance_had_none(training):
    assert not learned_guidance({"training": training}).leads


def test_distilled_networks_take_no_guidance_of_any_part():
    for name in ("guidance", "mouth_guidance", "gesture_guidance"):
        with pytest.raises(ValueError, match="fixed when it was distilled"):
            SamplerSettings(**{name: 2.0})


def test_guidance_goes_from_the_unconditional_through_the_conditional_and_beyond():
    model = untrained_checkpoint(TINY.replace(interaction="none"))
    steps = {"method": "ddim", "expression_steps": 1, "gesture_steps": 1}

    def sample(guidance, **changes):
        request = make_request(known=2, batch=2, **changes)
        return sampler(model, guidance=guidance, **steps).sample_window(request).face

    away, plain = sample(0.0), sample(1.0)
    assert not torch.allclose(away, plain)
    other = {"audio": torch.randn(2, 6, 7), "manner": MannerBatch(torch.tensor([3, 3]))}
    torch.testing.assert_close(sample(0.0, **other), away)  # nothing told is heard
    torch.testing.assert_close(sample(2.5), away + 2.5 * (plain - away), rtol=1e-4, atol=1e-5)
    request = make_request(known=2, batch=2)
    own = sampler(model, guidance=2.5, gesture_guidance=1.0, **steps).sample_window(request)
    torch.testing.assert_close(own.face, sample(2.5))
    plain_body = sampler(model, **steps).sample_window(request).body
    torch.testing.assert_close(own.body, plain_body, rtol=1e-4, atol=1e-5)


def test_guided_branches_trade_features_and_go_on():
    ours = sampler(method="ddim", expression_steps=3, gesture_steps=5, guidance=2.0,
                   cold_start="previous")  # fmt: skip
    first = ours.sample_window(make_request())
    second = ours.sample_window(make_request(index=1, known=2))
    assert first.face.shape == second.face.shape == (1, 6, 5)
    assert second.face.isfinite().all()
    with pytest.raises(ConfigError, match="fixed when it was distilled"):
        SamplerSettings(guidance=2.0)
