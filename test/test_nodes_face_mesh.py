"""The face that goes to RViz: as often as was asked, in colours of its own, fixed to the head."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytestmark = pytest.mark.ros

from asynfusion_ros.motion.face_mesh import build_face_mesh  # noqa: E402
from asynfusion_ros.nodes.face_output import HEAD_LINK, FaceMeshOutput  # noqa: E402


class Listener:
    """Stands in for a node and its publisher, to which somebody listens."""

    def __init__(self):
        self.stamps_s = []
        self.message = None

    def create_publisher(self, *_):
        return self

    def get_subscription_count(self):
        return 1

    def publish(self, message):
        self.message = message
        self.stamps_s.append(message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec)


def frame(audio_time_s):
    return SimpleNamespace(audio_time_s=audio_time_s, face=np.zeros(51))


@pytest.mark.parametrize("begin_s", [0.0, 1.7e9])
@pytest.mark.parametrize(
    ("rate_hz", "pose_rate_hz", "expected_hz"),
    [
        (10.0, 60.0, 10.0),
        (30.0, 60.0, 30.0),
        (7.0, 60.0, 60 / 9),
        (10.0, 30.0, 10.0),
        (30.0, 5.0, 5.0),
    ],
)
def test_it_comes_as_often_as_was_asked(rate_hz, pose_rate_hz, expected_hz, begin_s):
    listener = Listener()
    output = FaceMeshOutput(listener, rate_hz, pose_rate_hz)
    jitter_s = np.random.default_rng(0).uniform(-1e-4, 1e-4, round(20 * pose_rate_hz) + 1)
    for pose, early_s in enumerate(jitter_s):
        output.publish(frame(begin_s + 1.0 + pose / pose_rate_hz + early_s))
    assert (len(listener.stamps_s) - 1) / 20.0 == pytest.approx(expected_hz, rel=0.02)


def test_after_a_step_back_in_time_it_comes_at_once():
    listener = Listener()
    output = FaceMeshOutput(listener, 10.0, 60.0)
    for moment_s in (5.0, 2.0):
        output.publish(frame(moment_s))
    assert listener.stamps_s == [5.0, 2.0]


def test_each_corner_has_a_colour_and_the_mask_goes_with_the_head():
    listener, mesh = Listener(), build_face_mesh()
    FaceMeshOutput(listener, 10.0, 60.0).publish(frame(1.0))
    message = listener.message
    assert message.frame_locked
    assert message.header.frame_id == HEAD_LINK
    assert len(message.colors) == len(message.points) == 3 * len(mesh.triangles)
    corner = mesh.triangles[40, 1]
    found = message.colors[3 * 40 + 1]
    np.testing.assert_allclose([found.r, found.g, found.b], mesh.colours[corner], atol=1e-6)
