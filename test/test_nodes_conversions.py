"""Messages say what the numbers say; parameters are the settings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytestmark = pytest.mark.ros

from collections import Counter  # noqa: E402

from asynfusion_ros.msg import AudioChunk  # noqa: E402

from asynfusion_ros.errors import AudioError, ConfigError  # noqa: E402
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES  # noqa: E402
from asynfusion_ros.motion.skeleton import Skeleton  # noqa: E402
from asynfusion_ros.motion.urdf import build_urdf  # noqa: E402
from asynfusion_ros.nodes import conversions  # noqa: E402
from asynfusion_ros.nodes.audio_adapters import open_adapter  # noqa: E402
from asynfusion_ros.nodes.pacing import EvenGrid  # noqa: E402
from asynfusion_ros.nodes.settings import AUDIO_TYPES, AvatarSettings  # noqa: E402
from asynfusion_ros.nodes.transforms import FrameTree  # noqa: E402
from asynfusion_ros.streaming.playback import PlaybackFrame  # noqa: E402
from asynfusion_ros.streaming.settings import EngineSettings  # noqa: E402

READ = open_adapter(AUDIO_TYPES[0]).read


def chunk_of(samples, kind, encoding, channels=1, rate_hz=16000):
    chunk = AudioChunk(sample_rate=rate_hz, channels=channels, encoding=encoding, source="s")
    chunk.data.frombytes(np.asarray(samples).astype(kind).tobytes())
    return chunk


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_times_go_there_and_back(nanoseconds):
    time_s = nanoseconds * 1e-9
    assert conversions.to_seconds(conversions.to_time(time_s)) == pytest.approx(time_s, abs=1e-6)


def test_times_before_the_epoch_become_zero():
    assert conversions.to_seconds(conversions.to_time(-1.0)) == 0.0


def test_sound_goes_there_and_back():
    samples = np.linspace(-1, 1, 641, dtype=np.float32)
    sound = READ(conversions.make_chunk(samples, 48000, 12.5, "me"), Counter())
    assert (sound.stamp_s, sound.rate_hz, sound.source) == (12.5, 48000, "me")
    assert np.abs(sound.samples - samples).max() <= 1 / 32768


@pytest.mark.parametrize(
    ("kind", "encoding", "full"),
    [("<i2", "S16LE", 2**15), ("<i4", "S32LE", 2**31), ("<f4", "F32LE", 1.0)],
)
def test_every_encoding_and_stereo(kind, encoding, full):
    left_right = np.array([[0.5, -0.25], [0.25, 0.25]]) * full
    sound = READ(chunk_of(left_right.ravel(), kind, encoding, channels=2), Counter())
    assert sound.samples == pytest.approx([0.125, 0.25])
    assert sound.stamp_s is None


@pytest.mark.parametrize(
    "wrong", [{"encoding": "MP3"}, {"channels": 0}, {"channels": 9}, {"channels": 7}]
)
def test_impossible_messages_are_refused(wrong):
    chunk = chunk_of(np.zeros(160), "<i2", "S16LE")
    for name, value in wrong.items():
        setattr(chunk, name, value)
    with pytest.raises(AudioError):
        READ(chunk, Counter())


def test_nan_is_silence_and_counted():
    counts = Counter()
    sound = READ(chunk_of([0.5, np.nan, np.inf], "<f4", "F32LE"), counts)
    assert sound.samples.tolist() == [0.5, 0.0, 0.0]
    assert counts["nan_samples"] == 2


def test_a_missing_audio_package_is_explained():
    if __import__("importlib.util").util.find_spec("audio_common_msgs"):
        pytest.skip("audio_common_msgs is installed")
    with pytest.raises(ConfigError, match="two packages share that name"):
        open_adapter(AUDIO_TYPES[1])


def test_a_pose_fills_both_messages_with_one_stamp():
    face, joints = np.linspace(0, 1, 51, dtype=np.float32), np.linspace(-1, 1, 54)
    frame = PlaybackFrame(7.25, face, np.zeros(24, np.float32), joints, 2 * joints, "speech")
    state = conversions.make_joint_state(Skeleton.load().robot_joint_names, "avatar")
    shapes = conversions.make_blendshapes("avatar")
    conversions.fill_joint_state(state, frame)
    conversions.fill_blendshapes(shapes, frame)
    assert state.header.stamp == shapes.header.stamp
    assert np.array_equal(state.position, joints)
    assert np.array_equal(state.velocity, 2 * joints)
    assert np.array_equal(shapes.weight[:51], face)
    assert tuple(shapes.name) == ARKIT_NAMES
    assert shapes.weight[51] == 0.0


def test_frames_agree_with_forward_kinematics():
    skeleton = Skeleton.load()
    names = skeleton.robot_joint_names
    rng = np.random.default_rng(0)
    body = rng.uniform(-0.5, 0.5, 24)
    positions = np.concatenate([skeleton.ball_angles(body), np.zeros(30)])
    tree = FrameTree.from_urdf(build_urdf(skeleton), names)
    from scipy.spatial.transform import Rotation

    places = {tree.parents[0]: (np.zeros(3), Rotation.identity())}
    for parent, child, offset, turn in zip(
        tree.parents, tree.children, tree.translations_m, tree.rotations(positions), strict=True
    ):
        origin, rotation = places[parent]
        places[child] = (origin + rotation.apply(offset), rotation * Rotation.from_quat(turn))
    expected = skeleton.forward_kinematics(body)
    for name in ("head", "l_hand", "r_forearm", "r_index_3"):
        assert places[name][0] == pytest.approx(expected[name], abs=1e-6)


def test_the_grid_is_even_whatever_the_timer_does():
    grid, rng = EvenGrid(60.0), np.random.default_rng(0)
    moments = []
    for k in range(600):
        moments += grid.due(1000.0 + k / 60 + rng.uniform(0, 0.03))
    assert np.diff(moments) == pytest.approx(1 / 60)
    assert len(moments) == pytest.approx(600, abs=3)
    assert grid.skipped == 0


def test_the_grid_gives_up_a_long_pause_and_follows_a_clock_that_goes_back():
    grid = EvenGrid(60.0)
    grid.due(0.0)
    assert len(grid.due(10.0)) == 1
    assert grid.skipped == 599
    assert grid.due(2.0) == [2.0]


@pytest.mark.parametrize("kind", [AvatarSettings, EngineSettings])
def test_declared_parameters_equal_the_settings(kind):
    from ros_helpers import ros_graph, stub_engine

    from asynfusion_ros.nodes.avatar_node import AvatarNode
    from asynfusion_ros.nodes.parameters import read_settings

    with ros_graph() as graph:
        options = {"make_engine": stub_engine, "parameters": {"autostart": False}}
        node = graph.add(AvatarNode, **options)
        found = read_settings(node, kind).to_dict()
        assert found == {
            **kind().to_dict(),
            **({"autostart": False} if "autostart" in found else {}),
        }
        for name, info in kind.describe():
            descriptor = node.describe_parameter(name)
            assert info.doc in descriptor.description
            ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
            if info.minimum is not None:
                assert ranges[0].from_value == info.minimum
            if info.maximum is not None:
                assert ranges[0].to_value == info.maximum


def test_a_parameter_that_contradicts_the_rules_is_refused_with_the_reason():
    from rclpy.parameter import Parameter
    from ros_helpers import ros_graph, stub_engine

    from asynfusion_ros.nodes.avatar_node import AvatarNode

    with ros_graph() as graph:
        options = {"make_engine": stub_engine, "parameters": {"autostart": False}}
        node = graph.add(AvatarNode, **options)
        (result,) = node.set_parameters([Parameter("hop_frames", value=10)])
        assert not result.successful
        assert "multiple of 3" in result.reason
        (result,) = node.set_parameters([Parameter("hop_frames", value=15)])
        assert result.successful
