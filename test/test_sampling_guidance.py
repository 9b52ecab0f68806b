"""What settings of guidance mean, and what a student's teacher needs to be compared with it."""

import pytest

from asynfusion_ros.evaluation.reproduction import TABLES
from asynfusion_ros.evaluation.study import learned_guidance
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.sampling.guidance import Guidance
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.training.settings import DistillSettings


def test_mouth_and_body_are_guided_as_the_face_where_nothing_is_said():
    assert Guidance.of(1.5) == Guidance(1.5, 1.5, 1.5)
    assert Guidance.of(1.5, mouth=0.0) == Guidance(1.5, 0.0, 1.5)  # 0 is said
    assert Guidance.of(1.5, 1.1, 1.2) == Guidance(1.5, 1.1, 1.2)


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
