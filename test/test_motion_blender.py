"""What is exported stands and moves in Blender as it does here.

Blender is 350 MB, so only who wants this test installs it: `pip install bpy==5.0.1` (Python 3.11).
"""

import numpy as np
import pytest
from robot_helpers import part_of, speech_motion

from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.exchange import export_clip
from asynfusion_ros.motion.gltf import bone_turns
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.skeleton import Skeleton

bpy = pytest.importorskip("bpy", reason="Blender as a module is not installed: pip install bpy")

FRAMES = (0, 7, 30, 59)


@pytest.fixture(scope="module")
def clip():
    part = part_of(speech_motion(), 60)
    return MotionClip(30.0, part.face, part.body)


@pytest.fixture
def scene():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return bpy.context.scene


def to_blender(places):
    """Our places (x forward, y left, z up) where a figure looks along -y."""
    return np.stack([places[..., 1], -places[..., 0], places[..., 2]], axis=-1)


def test_a_bvh_in_metres_has_every_joint_where_our_kinematics_put_it(clip, scene, tmp_path):
    path, skeleton = tmp_path / "clip.bvh", Skeleton.load()
    export_clip(clip, "bvh", path)
    bpy.ops.import_anim.bvh(filepath=str(path), global_scale=0.01, update_scene_fps=True)
    positions = to_joint_positions(skeleton, clip.body, clip.fps_hz)
    balls = 3 * len(skeleton.joints)
    body = skeleton.body_from_ball_angles(positions[:, :balls])
    ours = skeleton.forward_kinematics(body, positions[:, balls:])
    figure = bpy.context.object
    assert round(scene.render.fps / scene.render.fps_base) == 30
    assert {bone.name for bone in figure.pose.bones} == {n for n in ours if "_tip" not in n}
    for frame in FRAMES:
        scene.frame_set(frame + 1)
        for bone in figure.pose.bones:
            expected = to_blender(ours[bone.name][frame])
            np.testing.assert_allclose(figure.matrix_world @ bone.head, expected, atol=1e-3)


def test_a_glb_turns_its_bones_and_moves_its_face(clip, scene, tmp_path):
    path, skeleton = tmp_path / "clip.glb", Skeleton.load()
    export_clip(clip, "gltf", path)
    scene.render.fps = 30
    bpy.ops.import_scene.gltf(filepath=str(path))
    figure = next(o for o in bpy.data.objects if o.type == "ARMATURE")
    skin = next(o for o in bpy.data.objects if o.name.startswith("skin") and o.type == "MESH")
    turns = bone_turns(clip, skeleton)
    weights = skin.data.shape_keys.key_blocks
    for frame in FRAMES:
        scene.frame_set(frame)
        for name in ("jawOpen", "mouthClose", "eyeBlinkLeft", "browInnerUp"):
            expected = clip.face[frame, FACE_NAMES.index(name)]
            assert weights[name].value == pytest.approx(expected, abs=1e-5)
        for name in ("chest", "head", "l_upper_arm", "r_forearm", "l_index_2"):
            bone = figure.pose.bones[name]
            away = bone.matrix_basis.to_quaternion().angle  # from its rest
            expected = np.linalg.norm(turns[name][frame])
            assert away == pytest.approx(expected, abs=1e-4)
