"""A user's GLB or VRM: what is guessed, and what is said where something is lacking."""

import json

import pytest
import yaml
from avatar_helpers import T_POSE, a_pose, make_avatar

from asynfusion_ros.cli import main
from asynfusion_ros.errors import ConfigError, MotionFileError
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.motion.gltf import read_glb, write_glb
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.avatar_file import AvatarFile
from asynfusion_ros.viewer.avatar_guess import guess_avatar
from asynfusion_ros.viewer.avatar_map import AvatarMap

JOINTS = Skeleton.load().joint_names
MIXAMO = {
    "hips": "mixamorig:Hips", "chest": "mixamorig:Spine2", "neck": "mixamorig:Neck",
    "head": "mixamorig:Head", "left shoulder": "mixamorig:LeftShoulder",
    "left upper arm": "mixamorig:LeftArm", "left lower arm": "mixamorig:LeftForeArm",
    "left hand": "mixamorig:LeftHand", "right shoulder": "mixamorig:RightShoulder",
    "right upper arm": "mixamorig:RightArm", "right lower arm": "mixamorig:RightForeArm",
    "right hand": "mixamorig:RightHand",
}  # fmt: skip
BLENDER = {name: name for name in T_POSE} | {
    "chest": "spine.003", "neck": "neck", "head": "head", "left shoulder": "shoulder.L",
    "left upper arm": "upper_arm.L", "left lower arm": "forearm.L", "left hand": "hand.L",
    "right shoulder": "shoulder.R", "right upper arm": "upper_arm.R",
    "right lower arm": "forearm.R", "right hand": "hand.R",
}  # fmt: skip
VROID = {name: f"J_Bip_{name}" for name in T_POSE}


def humanoid():
    """VRM's bone names to node numbers."""
    return {
        name.title().replace(" ", "")[:1].lower() + name.title().replace(" ", "")[1:]: number
        for number, name in enumerate(T_POSE)
    }


def vrm1():
    bones = {name: {"node": node} for name, node in humanoid().items()}
    bind = [{"node": len(T_POSE), "index": 0, "weight": 1.0}]
    preset = {"aa": {"morphTargetBinds": bind}}
    return {"VRMC_vrm": {"specVersion": "1.0", "humanoid": {"humanBones": bones},
                         "expressions": {"preset": preset}}}  # fmt: skip


def vrm0():
    bones = [{"bone": name, "node": node} for name, node in humanoid().items()]
    groups = [{"name": "A", "presetName": "a", "binds": [{"mesh": 0, "index": 0, "weight": 100}]},
              {"name": "L", "presetName": "blink_l",
               "binds": [{"mesh": 0, "index": 1, "weight": 80}]}]  # fmt: skip
    return {"VRM": {"humanoid": {"humanBones": bones}, "blendShapeMaster":
                    {"blendShapeGroups": groups}}}  # fmt: skip


@pytest.mark.parametrize("names", [MIXAMO, BLENDER, None])
def test_bones_are_found_by_the_names_that_rigs_have(tmp_path, names):
    path = make_avatar(tmp_path / "a.glb", T_POSE, names, ("jawOpen", "EyeBlink_L"))
    guess = guess_avatar(AvatarFile.read(path))
    assert set(JOINTS) <= set(guess.bones)
    assert guess.bones["l_forearm"] == (names or {}).get("left lower arm", "left lower arm")
    assert guess.morphs == {"jawOpen": {"jawOpen": 1.0}, "EyeBlink_L": {"eyeBlinkLeft": 1.0}}
    assert guess.lacking == []


@pytest.mark.parametrize("extensions", [vrm0(), vrm1()])
def test_a_vrm_says_itself_which_bone_is_which(tmp_path, extensions):
    morphs = ("Fcl_MTH_A", "Fcl_EYE_L")
    path = make_avatar(tmp_path / "a.vrm", T_POSE, VROID, morphs, extensions)
    guess = guess_avatar(AvatarFile.read(path))
    assert set(JOINTS) <= set(guess.bones)
    assert guess.bones["r_hand"] == "J_Bip_right hand"
    assert guess.morphs["Fcl_MTH_A"] == {"jawOpen": 1.3}
    if "VRM" in extensions:
        assert guess.morphs["Fcl_EYE_L"] == {"eyeBlinkLeft": 0.8}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("jaw_open", "jawOpen"), ("Face.eyeBlink_L", "eyeBlinkLeft"), ("MouthSmileRight",
     "mouthSmileRight"), ("head:browInnerUp", "browInnerUp")],
)  # fmt: skip
def test_morphs_are_arkit_s_however_they_are_spelt(tmp_path, theirs, ours):
    path = make_avatar(tmp_path / "a.glb", T_POSE, morphs=(theirs,))
    assert guess_avatar(AvatarFile.read(path)).morphs[theirs] == {ours: 1.0}


def test_visemes_open_the_mouth(tmp_path):
    path = make_avatar(tmp_path / "a.glb", T_POSE, morphs=("viseme_aa", "viseme_PP", "viseme_U"))
    guess = guess_avatar(AvatarFile.read(path))
    assert guess.morphs["viseme_aa"] == {"jawOpen": 1.3}
    assert guess.morphs["viseme_U"] == {"mouthPucker": 1.0}
    sources = {source for row in guess.morphs.values() for source in row}
    assert sources <= set(ARKIT_NAMES)


def test_pictures_that_the_page_cannot_read_are_named_at_once(tmp_path):
    path = make_avatar(tmp_path / "a.glb", T_POSE)
    document, binary = read_glb(path)
    write_glb(path, document | {"extensionsRequired": ["KHR_texture_basisu"]}, binary)
    with pytest.raises(MotionFileError, match="KHR_texture_basisu"):
        AvatarFile.read(path)
    write_glb(path, document | {"extensionsRequired": 5}, binary)
    with pytest.raises(MotionFileError, match="with nodes and meshes"):
        AvatarFile.read(path)


def test_the_map_that_guess_writes_is_the_one_that_is_read(tmp_path, capsys):
    path = make_avatar(tmp_path / "my avatar.glb", a_pose(), MIXAMO)
    out = tmp_path / "maps" / "my.yaml"
    assert main(["avatar", "guess", str(path), "--out", str(out)]) == 0
    assert AvatarMap.of(out) == AvatarMap(out.parent / "../my avatar.glb", AvatarMap.of(path).bones,
                                          AvatarMap.of(path).morphs)  # fmt: skip
    assert main(["avatar", "check", str(out)]) == 0
    assert "passes" in capsys.readouterr().out
    json.dumps(AvatarMap.of(out).for_page())


def test_without_morphs_or_bones_it_is_said_what_there_is(tmp_path, capsys):
    still = make_avatar(tmp_path / "still.glb", T_POSE, morphs=())
    assert main(["avatar", "check", str(still)]) == 1
    assert "nothing answers to jawOpen" in capsys.readouterr().out
    assert main(["avatar", "guess", str(still), "--out", str(tmp_path / "s.yaml")]) == 0
    said = capsys.readouterr().out
    assert "no morph targets" in said
    assert "morphs: none" in said
    odd = make_avatar(tmp_path / "odd.glb", T_POSE, {n: f"b{k}" for k, n in enumerate(T_POSE)}, ())
    with pytest.raises(MotionFileError, match=r"b0, b1"):
        AvatarMap.of(odd)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"bones": {"head": "Haed"}},
            r"Haed is not a bone of a\.glb.*There are: .*mixamorig:Head",
        ),
        (
            {"bones": {"haed": "mixamorig:Head"}},
            r"not a bone of ours; did you mean head, .*are: chest",
        ),
        ({"morphs": {"jawOpne": {"jawOpen": 1}}}, r"did you mean jawOpen\? There are: jawOpen"),
        ({"morphs": {"jawOpen": {"jaw": 1}}}, "not an ARKit weight"),
        ({"morphs": {"jawOpen": {"jawOpen": "much"}}}, "give a number"),
        ({"colour": "red"}, "not an entry"),
        ({"avatar": "gone.glb"}, "gone.glb"),
        ({"avatar": 3}, "avatar: FILE.glb"),
    ],
)
def test_a_map_that_names_what_is_not_there_is_refused(tmp_path, change, message):
    path = make_avatar(tmp_path / "a.glb", T_POSE, MIXAMO)
    entries = yaml.safe_load(guess_avatar(AvatarFile.read(path)).write("a.glb"))
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(entries | change))
    with pytest.raises((ConfigError, MotionFileError), match=message):
        AvatarMap.of(tmp_path / "a.yaml")


@pytest.mark.parametrize("content", [b"", b"glTF", b"solid", b"glTF\2\0\0\0" + b"\0" * 40])
def test_what_is_no_glb_is_refused_with_the_remedy(tmp_path, content):
    (tmp_path / "a.glb").write_bytes(content)
    with pytest.raises(MotionFileError, match="glTF Binary"):
        AvatarMap.of(tmp_path / "a.glb")
