"""The retarget node sends a robot's joints and trajectories, pose by pose."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytest.importorskip("yourdfpy", reason="yourdfpy is not installed")
pytestmark = pytest.mark.ros

from asynfusion_ros.msg import FaceBlendshapes  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rcl_interfaces.msg import Log  # noqa: E402
from robot_helpers import build_urdf, robot  # noqa: E402
from ros_helpers import collect, ros_graph, wait_for  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from asynfusion_ros.errors import ConfigError, MessageError, MotionFileError  # noqa: E402
from asynfusion_ros.motion.skeleton import Skeleton  # noqa: E402
from asynfusion_ros.nodes.conversions import (  # noqa: E402
    make_blendshapes,
    pick_values,
    to_time,
)
from asynfusion_ros.nodes.interface import (  # noqa: E402
    BLENDSHAPES,
    DIAGNOSTICS,
    EVENTS_QOS,
    JOINT_STATES,
    JOINT_TRAJECTORY,
    LATCHED_QOS,
    MOTION_QOS,
    ROBOT_DESCRIPTION,
    ROBOT_JOINT_STATES,
    TF_QOS,
)
from asynfusion_ros.nodes.retarget_node import RetargetNode  # noqa: E402

SKELETON = Skeleton.load()


@pytest.fixture
def urdf(tmp_path):
    path = tmp_path / "jvrc1.urdf"
    path.write_text(build_urdf("jvrc1"))
    return str(path)


def send_poses(node, count):
    """Send poses with their names in another order than the skeleton's."""
    joints = node.create_publisher(JointState, JOINT_STATES, MOTION_QOS)
    faces = node.create_publisher(FaceBlendshapes, BLENDSHAPES, MOTION_QOS)
    wait_for(lambda: joints.get_subscription_count() and faces.get_subscription_count())
    names = SKELETON.robot_joint_names[::-1]
    positions = dict.fromkeys(names, 0.0) | {"head_yaw": 0.3, "l_shoulder_roll": -1.0}
    for index in range(count):
        stamp = to_time(100.0 + index / 60)
        message = JointState(name=names, position=[positions[name] for name in names])
        message.header.stamp = stamp
        joints.publish(message)
        face = make_blendshapes("avatar")
        face.header.stamp = stamp
        faces.publish(face)


def test_rviz_gets_files_for_meshes_and_a_warning_for_those_that_are_gone(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "head.stl").touch()
    names = ("package://assets/head.stl", "package://assets/gone.stl")
    shape = '<visual><geometry><mesh filename="{}"/></geometry></visual>'
    shapes = "".join(shape.format(name) for name in names)
    path = tmp_path / "jvrc1.urdf"
    text = build_urdf("jvrc1")
    path.write_text(text.replace('<link name="root"/>', f'<link name="root">{shapes}</link>'))
    with ros_graph() as graph:
        observer = graph.node()
        texts = collect(observer, String, ROBOT_DESCRIPTION, LATCHED_QOS)
        said = collect(observer, Log, "/rosout", EVENTS_QOS)  # also what came before
        graph.add(RetargetNode, parameters={"robot": "jvrc1", "urdf": str(path)})
        wait_for(lambda: texts)
        wait_for(lambda: [m for _, m in said if "joints follow" in m.msg])
    assert (tmp_path / "assets" / "head.stl").as_uri() in texts[0][1].data
    assert names[1] in texts[0][1].data
    warnings = [m.msg for _, m in said if "not on this machine" in m.msg]
    assert len(warnings) == 1
    assert warnings[0].startswith("1 mesh of the robot is not on this machine")


def test_joints_and_trajectories_follow(urdf):
    with ros_graph() as graph:
        graph.add(RetargetNode, parameters={"robot": "jvrc1", "urdf": urdf})
        observer = graph.node()
        states = collect(observer, JointState, ROBOT_JOINT_STATES, MOTION_QOS)
        ways = collect(observer, JointTrajectory, JOINT_TRAJECTORY, MOTION_QOS)
        texts = collect(observer, String, ROBOT_DESCRIPTION, LATCHED_QOS)
        reports = collect(observer, DiagnosticArray, DIAGNOSTICS, MOTION_QOS)
        wait_for(lambda: texts)
        send_poses(observer, 30)
        wait_for(lambda: states and ways and reports)
        wait_for(lambda: states[-1][1].header.stamp.nanosec == to_time(100 + 29 / 60).nanosec)
    robot_map, model = robot("jvrc1")
    last = states[-1][1]
    assert tuple(last.name) == model.moving_names
    assert len(last.position) == len(last.velocity) == len(last.name)
    positions = dict(zip(last.name, last.position, strict=True))
    assert positions["NECK_Y"] == pytest.approx(0.3, abs=1e-6)
    way = ways[-1][1]
    assert tuple(way.joint_names) == robot_map.joint_names
    assert way.header.stamp.sec == 0
    assert way.points[0].time_from_start.nanosec == 100_000_000
    assert len(ways) <= len(states) / 2 + 1
    assert texts[0][1].data.startswith("<robot")
    assert reports[-1][1].status[0].name == "asynfusion: jvrc1"


def test_before_the_first_pose_its_frames_stand_at_rest(urdf):
    """RViz would pile up the links of a robot that has no frames yet."""
    kind = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not built").TFMessage
    with ros_graph() as graph:
        observer = graph.node()
        frames = collect(observer, kind, "/tf", TF_QOS)
        states = collect(observer, JointState, ROBOT_JOINT_STATES, MOTION_QOS)
        graph.add(RetargetNode, parameters={"robot": "jvrc1", "urdf": urdf, "publish_tf": True})
        wait_for(lambda: frames)
        assert not states  # nothing moves it: standing is only shown
        send_poses(observer, 30)
        wait_for(lambda: states)
        standing = [m for _, m in frames if m.transforms[0].header.stamp.sec > 1000]
        assert standing
        assert len(standing[0].transforms) == len(robot("jvrc1")[1].urdf.split("</joint>")) - 1


def test_a_robot_that_cannot_be_loaded_is_refused(urdf, monkeypatch):
    monkeypatch.setattr("asynfusion_ros.retarget.robot_map.find_urdf", lambda _: None)
    with ros_graph() as graph:
        with pytest.raises(ConfigError, match="pip install jvrc-description"):
            graph.add(RetargetNode, parameters={"robot": "jvrc1"})
        with pytest.raises(MotionFileError, match="names joints"):
            graph.add(RetargetNode, parameters={"robot": "g1", "urdf": urdf})


def test_values_are_taken_by_name():
    assert np.array_equal(pick_values(["b", "a"], [1.0, 2.0], ["a", "b"], "x"), [2.0, 1.0])
    with pytest.raises(MessageError, match="lacks 1 x"):
        pick_values(["b"], [1.0], ["a", "b"], "x")
