"""The face in other dialects keeps what it says."""

import numpy as np
import pytest

from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.retarget.face import (
    ACTION_UNITS,
    FACE_SOURCES,
    VISEMES,
    face_values,
    to_action_units,
    to_visemes,
)


def face_of(**weights):
    face = np.zeros(len(FACE_NAMES), np.float32)
    for name, weight in weights.items():
        face[FACE_NAMES.index(name)] = weight
    return face


def test_tables_name_only_channels_that_exist():
    for table in (ACTION_UNITS, VISEMES):
        for gains in table.values():
            assert set(gains) <= set(FACE_NAMES)


def test_full_weights_make_full_units():
    units = to_action_units(np.ones(51))
    assert units[12] == units[1] == units[43] == 1.0
    assert units[25] == 0.0  # the lips are closed over an open jaw
    assert all(0.0 <= value <= 1.0 for value in units.values())


@pytest.mark.parametrize("viseme", VISEMES)
def test_each_viseme_is_seen_in_its_own_face(viseme):
    found = to_visemes(face_of(**VISEMES[viseme]))
    assert found[viseme] == pytest.approx(1.0, abs=1e-5)
    assert found["sil"] == pytest.approx(0.0, abs=1e-5)


def test_a_still_face_is_silent():
    assert to_visemes(np.zeros(51))["sil"] == 1.0


def test_visemes_are_shares():
    rng = np.random.default_rng(1)
    for _ in range(20):
        found = to_visemes(rng.random(51))
        assert min(found.values()) >= 0.0
        assert sum(found.values()) == pytest.approx(1.0)


def test_values_have_the_names_that_maps_may_use():
    assert set(face_values(np.zeros(51))) == set(FACE_SOURCES)
