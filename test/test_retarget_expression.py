"""A face as one expression, and as positions of servos."""

import numpy as np
import pytest

from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.resources import find_resource
from asynfusion_ros.retarget.expression import (
    NEUTRAL,
    PROTOTYPES,
    SETTLE_S,
    ExpressionReader,
    read_expression,
)
from asynfusion_ros.retarget.face import ACTION_UNITS
from asynfusion_ros.retarget.servos import ServoMap


def face_of(**weights):
    face = np.zeros(len(FACE_NAMES))
    for name, weight in weights.items():
        face[FACE_NAMES.index(name)] = weight
    return face


def made_of(units, strength=1.0):
    """A face of these action units."""
    return face_of(**{name: strength for unit in units for name in ACTION_UNITS[unit]})


@pytest.mark.parametrize("name", PROTOTYPES)
def test_each_prototype_is_read_as_itself(name):
    prototype = PROTOTYPES[name]
    read = read_expression(made_of(prototype.units))
    assert read.name == name
    assert read.confidence == pytest.approx(1.0, abs=1e-6)
    assert (read.valence, read.arousal) == pytest.approx((prototype.valence, prototype.arousal))


def test_a_face_at_rest_and_a_faint_one_are_neutral():
    rest = read_expression(np.zeros(len(FACE_NAMES)))
    assert (rest.name, rest.valence, rest.arousal, rest.confidence) == (NEUTRAL, 0.0, 0.0, 1.0)
    faint = read_expression(made_of((6, 12), 0.2))
    assert faint.name == NEUTRAL
    assert 0.0 < faint.valence < 0.3


def test_speech_alone_shows_no_expression():
    speaking = face_of(jawOpen=0.8, mouthFunnel=0.6, mouthLowerDownLeft=0.5, mouthPucker=0.4)
    assert read_expression(speaking).name == NEUTRAL


def test_an_expression_comes_with_time_and_never_from_one_frame():
    reader, smile = ExpressionReader(), made_of((6, 12))
    assert reader.advance(smile, 1 / 60).name == NEUTRAL
    for _ in range(round(SETTLE_S * 60)):
        read = reader.advance(smile, 1 / 60)
    assert read.name == "happy"
    assert read.valence == pytest.approx(0.9 * (1 - np.exp(-1.0)), abs=0.03)
    reader.advance(np.full(len(FACE_NAMES), np.nan), 1 / 60)
    assert np.isfinite(reader.advance(smile, 1 / 60).valence)


def test_servos_are_linear_within_their_limits():
    servos = ServoMap.load(find_resource("config/faces/servos.yaml"))
    rest = dict(zip(servos.names, servos.positions(face_of()), strict=True))
    wide = dict(zip(servos.names, servos.positions(face_of(jawOpen=1.0)), strict=True))
    blink = dict(zip(servos.names, servos.positions(face_of(eyeBlinkLeft=0.5)), strict=True))
    assert (rest["jaw"], wide["jaw"]) == (0.0, 0.5)  # 0.7 asked, 0.5 allowed
    assert (rest["lid_left"], rest["lid_right"]) == (0.6, 0.6)
    assert (blink["lid_left"], blink["lid_right"]) == pytest.approx((0.3, 0.6))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "no map of servos"),
        ("jaw: 3", "no map of servos"),
        ("jaw: {jawOpn: 1.0}", "near: .*jawOpen"),
        ("jaw: {jawOpen: .nan}", "finite"),
        ("jaw: {limits: [1, 0], jawOpen: 1.0}", "lower comes first"),
        ("jaw: {limits: 1, jawOpen: 1.0}", "no map of servos"),
    ],
)
def test_maps_of_servos_that_make_no_sense_are_refused(text, said, tmp_path):
    path = tmp_path / "servos.yaml"
    path.write_text(text)
    with pytest.raises(MotionFileError, match=said):
        ServoMap.load(path)
