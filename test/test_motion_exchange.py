"""Clips come back from the formats of other programs as they went."""

import numpy as np
import pytest
from robot_helpers import part_of, speech_motion

from asynfusion_ros.cli import main
from asynfusion_ros.data.smplx import smplx_body
from asynfusion_ros.errors import MotionFileError
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.exchange import ENDINGS, export_clip, import_clip, join_clips
from asynfusion_ros.motion.gltf import read_glb
from asynfusion_ros.motion.npz import read_npz, write_npz
from asynfusion_ros.motion.rotations import geodesic_angle_rad
from asynfusion_ros.motion.skeleton import Skeleton


@pytest.fixture(scope="module")
def clip():
    part = part_of(speech_motion(), 45)
    return MotionClip(30.0, part.face, part.body * np.float32(0.6))  # well within all limits


def angles_between(first, second):
    return geodesic_angle_rad(first.reshape(len(first), -1, 3), second.reshape(len(first), -1, 3))


@pytest.mark.parametrize("form", ENDINGS)
def test_a_clip_comes_back(form, clip, tmp_path):
    path = tmp_path / f"clip{ENDINGS[form]}"
    export_clip(clip, form, path)
    again = import_clip(path)
    assert len(again) == len(clip)
    assert again.fps_hz == pytest.approx(clip.fps_hz, rel=1e-3)
    if again.face_mask is None:
        np.testing.assert_allclose(again.face, clip.face, atol=1e-5)
    else:
        assert form in ("bvh", "smplx")
    measured = np.ones(24) if again.body_mask is None else again.body_mask[0]
    assert measured.sum() == {"beat_json": 0, "arkit_csv": 3}.get(form, 24)
    joints = measured.reshape(8, 3).any(axis=1)
    # What a BVH holds has been through the limits of speed, which smooth.
    most = 0.05 if form == "bvh" else 1e-3
    off = angles_between(again.body, clip.body)[:, joints]
    assert np.quantile(off, 0.99) < most if off.size else form == "beat_json"


def test_a_vrm_animation_names_the_bones_and_expressions_of_the_standard(clip, tmp_path):
    path = tmp_path / "clip.vrma"
    export_clip(clip, "vrma", path)
    document, _ = read_glb(path)
    said = document["extensions"]["VRMC_vrm_animation"]
    bones = said["humanoid"]["humanBones"]
    assert said["specVersion"] == "1.0"
    assert {"hips", "spine", "chest", "neck", "head", "leftUpperArm", "rightHand"} <= set(bones)
    assert {"leftThumbMetacarpal", "rightLittleDistal", "leftIndexIntermediate"} <= set(bones)
    assert len({bone["node"] for bone in bones.values()}) == len(bones)
    assert {"aa", "blinkLeft", "blinkRight"} == set(said["expressions"]["preset"])
    assert "jawOpen" in said["expressions"]["custom"]
    children = [child for node in document["nodes"] for child in node.get("children", [])]
    roots = document["scenes"][0]["nodes"]
    assert sorted([*children, *roots]) == list(range(len(document["nodes"])))  # one tree each


def test_smplx_poses_are_read_alike_by_the_reader_of_recordings(clip, tmp_path):
    path = tmp_path / "clip_smplx.npz"
    export_clip(clip, "smplx", path)
    with np.load(path) as file:
        poses = file["poses"]
        assert poses.shape == (len(clip), 165)
        assert file["expressions"].shape == (len(clip), 100)
    body, _ = smplx_body(poses)
    off = angles_between(body, clip.body)
    assert off[:, 2:].max() < 1e-3
    assert off.max() < 0.06  # of recordings it takes out where people face
    opened = (
        clip.face[:, FACE_NAMES.index("jawOpen")] - clip.face[:, FACE_NAMES.index("mouthClose")]
    )
    assert np.corrcoef(poses[:, 66], np.clip(opened, 0, None))[0, 1] > 0.99


@pytest.mark.parametrize("name", ["x.vrma", "x.npz"])
def test_files_that_hold_no_motion_are_refused(name, tmp_path):
    path = tmp_path / name
    if name.endswith("npz"):
        np.savez(path, poses=np.zeros((3, 7)))
    else:
        path.write_bytes(b"glTF" + bytes(40))
    with pytest.raises(MotionFileError, match="x\\."):
        import_clip(path)


def test_live_link_has_its_layout(clip, tmp_path):
    path = tmp_path / "clip.csv"
    export_clip(clip, "arkit_csv", path)
    header, *rows = path.read_text().splitlines()
    names = header.split(",")
    assert names[:2] == ["Timecode", "BlendShapeCount"]
    assert len(names) == 2 + 61
    assert {"EyeBlinkLeft", "JawOpen", "TongueOut", "HeadYaw", "RightEyeRoll"} <= set(names)
    assert rows[0].startswith("00:00:00:00.000,61,")
    assert rows[31].startswith("00:00:01:01.000,61,")


def test_a_recording_of_the_app_is_read_by_name(tmp_path):
    path = tmp_path / "take.csv"
    rows = [f"11:28:{19 + i // 60}:{i % 60:02d}.123,61,{i / 200},0.5" for i in range(150)]
    path.write_text("\n".join(["Timecode,BlendShapeCount,JawOpen,eyeblinkleft", *rows]))
    clip = import_clip(path)
    assert clip.fps_hz == 60.0
    assert clip.face[100, FACE_NAMES.index("jawOpen")] == 0.5
    assert clip.face[100, FACE_NAMES.index("eyeBlinkLeft")] == 0.5


def test_a_glb_is_valid_and_animated(clip, tmp_path):
    pygltflib = pytest.importorskip("pygltflib", reason="pygltflib is not installed")
    path = tmp_path / "clip.glb"
    export_clip(clip, "gltf", path)
    document = pygltflib.GLTF2().load(str(path))
    animation = document.animations[0]
    moved = {document.nodes[c.target.node].name for c in animation.channels}
    assert {*Skeleton.load().joint_names, "neck", "l_index_1", "skin_mesh", "tongue_mesh"} <= moved
    for sampler in animation.samplers:
        times = document.accessors[sampler.input]
        assert times.max[0] == pytest.approx(44 / 30)
    size = len(document.binary_blob())
    assert all(v.byteOffset + v.byteLength <= size for v in document.bufferViews)


def test_face_and_body_of_two_files_come_together(clip, tmp_path, capsys):
    write_npz(tmp_path / "clip.npz", clip)
    argv = ["export", str(tmp_path / "clip.npz"), "--to", "bvh", "beat_json", "-o"]
    assert main([*argv, str(tmp_path / "out")]) == 0
    files = [str(tmp_path / "out" / f"clip{ending}") for ending in (".json", ".bvh")]
    assert main(["import", *files, "-o", str(tmp_path / "again.npz")]) == 0
    again = read_npz(tmp_path / "again.npz")
    assert len(again) in (len(clip) - 1, len(clip))
    np.testing.assert_allclose(again.face[:44], clip.face[:44], atol=2e-3)
    assert np.median(angles_between(again.body[:44], clip.body[:44])) < 0.02
    assert main(["import", files[0], "-o", str(tmp_path / "face.npz")]) == 0
    assert "no file holds a body" in capsys.readouterr().out


def test_of_each_channel_the_first_file_that_has_it_counts(clip):
    face = np.ones_like(clip.face_mask if clip.face_mask is not None else clip.face)
    other = MotionClip(30.0, face, clip.body * 0, face_mask=face)
    joined = join_clips([clip, other])
    np.testing.assert_allclose(joined.face, clip.face, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", ""),
        ("a.csv", "Timecode,BlendShapeCount\n00:00:00:00,61\n"),
        ("a.csv", "Timecode,JawOpen\nyesterday,0.5\n"),
        ("a.csv", "Timecode,JawOpen\n00:00:00:00,nan\n"),
        ("a.csv", "JawOpen\n0.5\n"),
        ("a.glb", "glTF and nothing else, but long"),
        ("a.glb", "no"),
        ("a.fbx", ""),
        ("a.json", '{"names": ["jawOpen"], "frames": [{"weights": [0.5], "time": 0}]}'),
    ],
)
def test_files_that_are_none_are_refused(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(MotionFileError):
        import_clip(tmp_path / name)


def test_a_glb_without_animation_is_refused(repo):
    with pytest.raises(MotionFileError, match="no animation"):
        import_clip(repo / "models" / "avatar" / "ada.glb")
