"""Styles: measured on clips, the same or turned round in a mirror, read from words."""

from dataclasses import replace

import numpy as np
import pytest

from asynfusion_ros.data.talk30 import mirror_body
from asynfusion_ros.errors import ConfigError, MotionFileError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, mirror_face
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import (
    SIDED_STYLES,
    STYLE_NAMES,
    check_style,
    describe_style,
    mirror_style,
    read_style,
)
from asynfusion_ros.motion.skeleton import Skeleton

SKELETON = Skeleton.load()


def make_clip(frames=120, pace=1.0, **masks):
    time_s = np.arange(frames) / 30.0
    body = np.tile(SKELETON.rest_body, (frames, 1)).astype(np.float32)
    swing = 0.2 * np.sin(2 * np.pi * pace * time_s)
    for joint, sign in (("l_forearm", 1), ("r_forearm", -1), ("head", 1)):
        body[:, 3 * SKELETON.joint_names.index(joint) + 2] += sign * swing
    face = np.zeros((frames, 51), np.float32)
    face[:, FACE_NAMES.index("jawOpen")] = 0.3 + 0.3 * np.sin(2 * np.pi * time_s)
    face[:, FACE_NAMES.index("mouthSmileLeft")] = 0.4
    face[:, FACE_NAMES.index("browInnerUp")] = 0.2 + 0.2 * np.sin(3 * time_s)
    return MotionClip(30.0, face, body, **masks)


def style(clip):
    return dict(zip(STYLE_NAMES, describe_style(clip, SKELETON)[0].tolist(), strict=True))


def test_each_style_says_what_its_name_says():
    calm = style(make_clip())
    assert calm["smile"] == pytest.approx(0.2)
    assert calm["mouth"] == pytest.approx(0.57, abs=0.02)  # 10th to 90th percentile of a sine
    lively = style(make_clip(pace=2.0))
    assert lively["energy"] - calm["energy"] == pytest.approx(np.log(2.0), abs=0.02)
    assert lively["head"] - calm["head"] == pytest.approx(np.log(2.0), abs=0.02)
    assert lively["smile"] == calm["smile"]


@pytest.mark.parametrize(
    ("name", "channels", "sign"),
    [
        ("brow_height", ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"), 1),
        ("frown", ("browDownLeft", "browDownRight"), 1),
        ("squint", ("eyeSquintLeft", "eyeSquintRight"), 1),
        ("lids", ("eyeBlinkLeft", "eyeBlinkRight"), 1),
        ("gaze_height", ("eyeLookUpLeft", "eyeLookUpRight"), 1),
        ("gaze_height", ("eyeLookDownLeft", "eyeLookDownRight"), -1),
        ("corners", ("mouthFrownLeft", "mouthFrownRight"), -1),
        ("upper_lip", ("mouthUpperUpLeft", "mouthUpperUpRight"), 1),
        ("press", ("mouthPressLeft", "mouthPressRight"), 1),
        ("shrug", ("mouthShrugUpper", "mouthShrugLower"), 1),
        ("gaze_side", ("eyeLookOutLeft", "eyeLookInRight"), 1),
        ("gaze_side", ("eyeLookOutRight", "eyeLookInLeft"), -1),
        ("mouth_side", ("mouthLeft", "jawLeft"), 1),
        ("mouth_side", ("mouthRight", "jawRight"), -1),
        ("dimple_side", ("mouthDimpleLeft",), 1),
        ("dimple_side", ("mouthDimpleRight",), -1),
    ],
)
def test_a_face_rests_in_the_mean_of_its_weights(name, channels, sign):
    before, after = make_clip(), make_clip()
    for channel in channels:
        after.face[:, FACE_NAMES.index(channel)] += np.float32(0.3)
    changed = {k: v - style(before)[k] for k, v in style(after).items()}
    assert changed.pop(name) == pytest.approx(sign * 0.3, abs=1e-5)
    assert changed == pytest.approx(dict.fromkeys(changed, 0.0), abs=1e-5)


def test_a_blink_is_no_hanging_lid():
    calm, blinking = make_clip(), make_clip()
    blinking.face[30:36, [FACE_NAMES.index(f"eyeBlink{side}") for side in ("Left", "Right")]] = 1.0
    assert style(blinking)["lids"] == style(calm)["lids"] == 0.0


@pytest.mark.parametrize(
    ("name", "joint", "axis", "sign"),
    [
        ("elbow_bend", "forearm", 2, -1),
        ("forearm_raise", "forearm", 0, 1),
        ("wrist_bend", "hand", 2, -1),
        ("wrist_raise", "hand", 0, 1),
    ],
)
def test_arms_rest_in_their_mean_bends(name, joint, axis, sign):
    before, after = make_clip(), make_clip()
    for side, mirrored in (("l", 1), ("r", -1)):
        column = 3 * SKELETON.joint_names.index(f"{side}_{joint}") + axis
        after.body[:, column] += np.float32(0.2 * sign * mirrored)
    assert style(after)[name] - style(before)[name] == pytest.approx(0.2, abs=1e-5)


def test_elbows_that_go_forward_are_further_forward():
    before, after = make_clip(), make_clip()
    for side, turn in (("l", -0.5), ("r", 0.5)):
        after.body[:, 3 * SKELETON.joint_names.index(f"{side}_upper_arm") + 2] += np.float32(turn)
    assert style(after)["elbows_forward"] > style(before)["elbows_forward"] + 0.02


def test_raised_hands_are_higher_and_spread_arms_reach_further():
    hanging, spread = make_clip(), make_clip()
    spread.body[:, 6:] = 0.0  # the T-pose
    assert style(spread)["height"] > style(hanging)["height"] + 0.3
    assert style(spread)["reach"] > style(hanging)["reach"] + 0.2


def test_the_higher_hand_and_the_more_bent_elbow_are_told():
    plain, raised, bent = make_clip(), make_clip(), make_clip()
    column = 3 * SKELETON.joint_names.index("l_forearm")
    raised.body[:, column - 3 : column] = 0.0  # the left upper arm as in the T-pose
    bent.body[:, column + 2] -= np.float32(0.4)
    assert style(plain)["hands_side"] == pytest.approx(0.0, abs=1e-3)
    assert style(raised)["hands_side"] > 0.1
    assert style(bent)["elbows_side"] - style(plain)["elbows_side"] == pytest.approx(0.4, abs=1e-5)
    assert style(raised)["elbows_side"] == pytest.approx(style(plain)["elbows_side"], abs=1e-5)


def test_a_mirror_changes_the_sign_of_what_is_sided_alone():
    clip = make_clip()
    clip.body[:, 6:12] += np.float32([0.1, 0.2, -0.1, 0.3, -0.2, 0.4])
    for channel in ("mouthLeft", "mouthDimpleRight", "eyeLookOutLeft"):
        clip.face[:, FACE_NAMES.index(channel)] += np.float32(0.3)
    seen = MotionClip(30.0, mirror_face(clip.face), mirror_body(clip.body))
    own, turned = (np.array(list(style(c).values())) for c in (clip, seen))
    np.testing.assert_allclose(turned, mirror_style(own), atol=1e-4)
    sided = np.isin(STYLE_NAMES, SIDED_STYLES)
    assert np.abs(own[sided]).min() > 0.02
    np.testing.assert_allclose(turned[~sided], own[~sided], atol=1e-4)


def test_long_and_short_clips_of_one_motion_compare():
    short, long = describe_style(make_clip(60))[0], describe_style(make_clip(600))[0]
    assert np.allclose(short, long, atol=0.1)


def test_what_was_not_measured_is_not_known():
    body_mask = np.ones((120, 24), np.float32)
    body_mask[:, 6:] = 0.0
    face_mask = np.ones((120, 51), np.float32)
    face_mask[:, FACE_NAMES.index("browInnerUp")] = 0.0
    known = describe_style(make_clip(body_mask=body_mask, face_mask=face_mask))[1]
    named = {n for n, k in zip(STYLE_NAMES, known, strict=True) if k}
    assert named == {"head", "mouth"}


def test_pieces_that_were_not_measured_do_not_count():
    mask = np.ones((180, 24), np.float32)
    mask[130:150] = 0.0
    whole = make_clip(180, body_mask=mask)
    broken = whole.body.copy()
    broken[130:150] = 0.0
    values, known = describe_style(replace(whole, body=broken))
    assert known.all()
    start = replace(whole, face=whole.face[:120], body=whole.body[:120], body_mask=None)
    names = [STYLE_NAMES.index(name) for name in ("energy", "reach", "height", "head")]
    np.testing.assert_allclose(values[names], describe_style(start)[0][names], atol=1e-5)


def test_a_clip_too_short_is_refused():
    with pytest.raises(MotionFileError, match="at least 60"):
        describe_style(make_clip(59))


def test_words_become_styles():
    assert read_style("", STYLE_NAMES) == ()
    values = dict(zip(STYLE_NAMES, read_style("energy=1.5, smile=-1", STYLE_NAMES), strict=True))
    assert values.pop("energy") == 1.5
    assert values.pop("smile") == -1.0
    assert np.isnan(list(values.values())).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("swagger=1", "unknown to this model; it has"),
        ("energy", "NAME=NUMBER"),
        ("energy=much", "NAME=NUMBER"),
        ("energy=9", "between -5 and 5"),
        ("energy=inf", "between -5 and 5"),
    ],
)
def test_other_words_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        read_style(text, STYLE_NAMES)


def test_a_model_without_styles_says_so():
    with pytest.raises(ConfigError, match="without styles"):
        read_style("energy=1", ())
    with pytest.raises(ConfigError, match="1 style values; this model has 0"):
        check_style((0.5,), ())
