"""The mouth of timed speech: closures close, vowels open, nothing jumps, left equals right."""

# ruff: noqa: RUF001, PT018

import numpy as np
import pytest

from asynfusion_ros.data.synthesis.articulation import ArticulationSettings, Articulator, Style
from asynfusion_ros.data.synthesis.phonemes import TimedSpeech
from asynfusion_ros.data.synthesis.visemes import ARTICULATORS, VisemeTable
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES, face_index, mouth_opening

RATE = 16_000
TABLE = VisemeTable.load()
EVERY_PHONEME = sorted((set(TABLE.visemes) | set(TABLE.glides)) - {"_"})
STYLES = [Style(), Style(jaw=1.6, lips=1.5, press=0.6), Style(jaw=0.6, lips=0.6, smile=0.3)]


def speech(names, length_s=0.09, stress=0.0, loud=None):
    """Phonemes of one length each, between pauses of 0.4 s, over steady noise."""
    lengths = [0.4, *np.broadcast_to(length_s, len(names)), 0.4]
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    samples = 0.1 * np.random.default_rng(0).standard_normal(round(edges[-1] * RATE))
    if loud is not None:
        samples = samples * loud(np.arange(samples.size) / RATE)
    times = np.stack([edges[:-1], edges[1:]], axis=1).astype(np.float32)
    marks = np.full(len(lengths), stress, np.float32)
    return TimedSpeech(samples.astype(np.float32), ("_", *names, "_"), times, marks)


def weight(face, name):
    return face[:, face_index(name)]


def at(face, spoken, index, fps=30.0):
    """The frame in the middle of phoneme `index`."""
    return face[round(float(spoken.time_s[index].mean()) * fps)]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("closure", ["p", "b", "m"])
@pytest.mark.parametrize("vowel", ["ɑ", "i", "u", "æ", "I"])
@pytest.mark.parametrize("length_s", [0.05, 0.09])
def test_lips_meet_within_a_frame_of_every_closure(closure, vowel, length_s, style):
    spoken = speech([vowel, closure, vowel], [0.12, length_s, 0.12])
    for fps in (30.0, 60.0):
        opening = mouth_opening(Articulator(TABLE, fps_hz=fps).articulate(spoken, style))
        middle = float(spoken.time_s[2].mean()) * fps
        assert opening[int(np.floor(middle - 1)) : int(np.ceil(middle + 1)) + 1].min() < 0.02
        before, after = (at(opening, spoken, i, fps) for i in (1, 3))
        assert min(before, after) > 0.04  # and part around it


def test_what_parts_the_lips_yields_to_a_closure():
    spoken = speech(["æ", "m", "æ"], 0.12)
    face = Articulator(TABLE, fps_hz=60.0).articulate(spoken)
    middle = round(float(spoken.time_s[2].mean()) * 60)
    for name in ("mouthLowerDownLeft", "mouthUpperUpLeft", "mouthFunnel"):
        assert weight(face, name)[middle] < 0.02
    assert weight(face, "mouthPressLeft")[middle] > 0.2


def test_the_lower_lip_goes_down_as_far_beside_the_opening_as_in_recordings():
    """Tracked mouths: 0.6 to 1 times the opening on average. More bares teeth in every sentence."""
    names = np.random.default_rng(0).permutation(np.repeat(EVERY_PHONEME, 4))
    face = Articulator(TABLE).articulate(speech(list(names), 0.08, stress=0.5))
    ratio = weight(face, "mouthLowerDownLeft").mean() / mouth_opening(face).mean()
    assert 0.5 < ratio < 0.9


def test_jaw_follows_the_height_of_vowels():
    height = [
        weight(Articulator(TABLE).articulate(speech(["t", v, "t"], 0.15)), "jawOpen").max()
        for v in ("u", "ɪ", "ɛ", "æ", "ɑ")
    ]
    assert height == sorted(height)
    assert height[0] < 0.2 and height[-1] > 0.45


@pytest.mark.parametrize("name", ["f", "v"])
def test_lower_lip_meets_the_teeth(name):
    spoken = speech(["ɑ", name, "ɑ"], 0.1)
    face = Articulator(TABLE).articulate(spoken)
    frame = round(float(spoken.time_s[2].mean()) * 30)
    opening = mouth_opening(face)
    assert weight(face, "mouthRollLower")[frame] > 0.3
    assert weight(face, "mouthLowerDownLeft")[frame] < 0.05
    assert 0.02 < opening[frame] < 0.4 * opening.max()  # near, but not closed
    assert weight(face, "mouthClose")[frame] < 0.01


@pytest.mark.parametrize("name", ["w", "u", "O"])
def test_lips_round_and_begin_before_the_phoneme(name):
    spoken = speech(["i", "s", name], [0.12, 0.1, 0.16])
    face = Articulator(TABLE, fps_hz=60.0).articulate(spoken)
    pucker, smile = weight(face, "mouthPucker"), weight(face, "mouthSmileLeft")
    peak, spread = int(pucker.argmax()), int(smile.argmax())
    assert pucker[peak] > 0.4
    assert spoken.time_s[3, 0] <= peak / 60 + 1 / 60 and spread < peak
    onset = round(float(spoken.time_s[3, 0]) * 60)
    assert pucker[onset] > 0.3 * pucker[peak]  # anticipated through the s
    assert smile[peak] < 0.5 * smile[spread]


def test_rest_in_pauses():
    spoken = speech(["b", "ɑ", "t"], 0.1)
    face = Articulator(TABLE).articulate(spoken)
    assert face[:4].max() < 0.01
    assert face[-4:].max() < 0.01


@pytest.mark.parametrize("style", STYLES)
def test_weights_are_bounded_symmetric_and_only_the_mouth_moves(style):
    face = Articulator(TABLE).articulate(speech(EVERY_PHONEME, 0.08, stress=1.0), style)
    assert face.dtype == np.float32 and np.isfinite(face).all()
    assert face.min() >= 0.0 and face.max() <= 1.0
    for name in FACE_NAMES:
        if name.endswith("Left"):
            other = name[:-4] + "Right"
            np.testing.assert_array_equal(weight(face, name), weight(face, other))
        if name not in MOUTH_NAMES:
            assert not weight(face, name).any()


def test_velocity_stays_under_what_smoothing_allows():
    """A step smoothed by a Gaussian rises with 1 / (sigma sqrt(2 pi)) at most."""
    settings = ArticulationSettings()
    fps = 240.0
    rng = np.random.default_rng(1)
    names = list(rng.choice(EVERY_PHONEME, 120))
    spoken = speech(names, rng.uniform(0.025, 0.15, 120))
    face = Articulator(TABLE, settings, fps).articulate(spoken)
    highest = 1.4 / (settings.smooth_s * np.sqrt(2 * np.pi))  # targets reach 1.4
    jaw = np.abs(np.diff(weight(face, "jawOpen"))) * fps
    pucker = np.abs(np.diff(weight(face, "mouthPucker"))) * fps
    assert jaw.max() < 0.8 * highest and pucker.max() < 0.85 * highest
    assert np.abs(np.diff(face, axis=0)).max() * fps < 2 * highest  # products of two articulators


def test_faster_speech_undershoots():
    slow, fast = (
        weight(Articulator(TABLE).articulate(speech(["t", "ɑ", "t"] * 4, d)), "jawOpen").max()
        for d in (0.20, 0.06)
    )
    assert fast < 0.7 * slow


def test_loud_and_stressed_vowels_open_more():
    names = ["t", "ɑ", "t", "t", "ɑ", "t"]
    spoken = speech(names, 0.12, loud=lambda t: np.where(t < t[-1] / 2, 0.1, 1.0))
    jaw = weight(Articulator(TABLE).articulate(spoken), "jawOpen")
    half = len(jaw) // 2
    assert jaw[:half].max() < 0.85 * jaw[half:].max()
    plain = Articulator(TABLE).articulate(speech(["t", "ɑ", "t"], 0.12, stress=0.0))
    stressed = Articulator(TABLE).articulate(speech(["t", "ɑ", "t"], 0.12, stress=1.0))
    assert weight(stressed, "jawOpen").max() > 1.1 * weight(plain, "jawOpen").max()


def test_style_scales_jaw_and_lips_apart():
    spoken = speech(["t", "ɛ", "t"], 0.12)
    plain = Articulator(TABLE).articulate(spoken)
    jaw = Articulator(TABLE).articulate(spoken, Style(jaw=1.5))
    lips = Articulator(TABLE).articulate(spoken, Style(lips=1.5))
    np.testing.assert_allclose(weight(jaw, "jawOpen"), 1.5 * weight(plain, "jawOpen"), rtol=1e-5)
    np.testing.assert_array_equal(
        weight(jaw, "mouthLowerDownLeft"), weight(plain, "mouthLowerDownLeft")
    )
    np.testing.assert_array_equal(weight(lips, "jawOpen"), weight(plain, "jawOpen"))
    assert (
        weight(lips, "mouthLowerDownLeft").max() > 1.4 * weight(plain, "mouthLowerDownLeft").max()
    )


def test_drive_is_the_published_weighted_mean():
    """Against Cohen and Massaro's formula, written out for one articulator and time."""
    spoken = speech(["s", "u"], 0.1)
    settings = ArticulationSettings(undershoot=0.0, stress_gain=0.0)
    articulator = Articulator(TABLE, settings)
    segments = TABLE.segments(spoken)
    a, t = ARTICULATORS.index("round"), 0.47
    top = bottom = 0.0
    for (begin, end), target, strength in zip(
        segments.core_s, segments.target[:, a], segments.strength[:, a], strict=True
    ):
        tau = max(begin - t, 0.0) / TABLE.lead_s[a] + max(t - end, 0.0) / TABLE.lag_s[a]
        top += strength * np.exp(-tau) * target
        bottom += strength * np.exp(-tau)
    drive = articulator.drive(spoken, np.array([t]))
    assert drive[0, a] == pytest.approx(top / bottom, rel=1e-6)


def test_the_same_speech_gives_the_same_face():
    spoken = speech(EVERY_PHONEME)
    first, second = (Articulator().articulate(spoken, Style()) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    rngs = [np.random.default_rng(5) for _ in range(2)]
    assert Style.draw(rngs[0]).vary(rngs[0]) == Style.draw(rngs[1]).vary(rngs[1])


def test_faults_of_the_table_are_named(tmp_path):
    path = tmp_path / "visemes.yaml"
    path.write_text("visemes: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="glides"):
        VisemeTable.load(path)
    with pytest.raises(ConfigError, match="no viseme"):
        Articulator(TABLE).articulate(speech(["€"]))
