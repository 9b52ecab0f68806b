"""The face as a mesh for RViz, a few times a second."""

from __future__ import annotations

from geometry_msgs.msg import Point
from rclpy.node import Node
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker

from asynfusion_ros.motion.face_mesh import build_face_mesh
from asynfusion_ros.nodes.conversions import to_time
from asynfusion_ros.nodes.interface import FACE_MESH, MOTION_QOS
from asynfusion_ros.streaming.playback import PlaybackFrame

HEAD_LINK = "head"


class FaceMeshOutput:
    """Publishes face/mesh, triangles in the head's frame, while anybody listens."""

    def __init__(self, node: Node, rate_hz: float, pose_rate_hz: float) -> None:
        """Create the publisher; poses come `pose_rate_hz`, faces go out `rate_hz` at most."""
        self._node = node
        # A pose that comes half of its own time too early is the nearest to the due moment.
        self._period_s = 1.0 / rate_hz - 0.5 / pose_rate_hz
        self._last_s = float("-inf")
        self._mesh = build_face_mesh()
        self._publisher = node.create_publisher(Marker, FACE_MESH, MOTION_QOS)
        self._corners = self._mesh.triangles.ravel()
        self._message = Marker(ns="face", type=Marker.TRIANGLE_LIST, action=Marker.ADD)
        self._message.header.frame_id = HEAD_LINK
        self._message.scale.x = self._message.scale.y = self._message.scale.z = 1.0
        self._message.pose.orientation.w = 1.0
        self._message.color.a = 1.0
        self._message.frame_locked = True  # between two faces it goes with the head
        colours = self._mesh.colours[self._corners].tolist()
        self._message.colors = [ColorRGBA(r=r, g=g, b=b, a=1.0) for r, g, b in colours]
        self._message.points = [Point() for _ in self._corners]

    def publish(self, frame: PlaybackFrame) -> None:
        """Send the face of a pose, unless the last one is too young or nobody listens."""
        if 0.0 <= frame.audio_time_s - self._last_s < self._period_s:
            return
        if not self._publisher.get_subscription_count():
            return
        self._last_s = frame.audio_time_s
        places = self._mesh.deform(frame.face)[self._corners].tolist()
        for point, (x, y, z) in zip(self._message.points, places, strict=True):
            point.x, point.y, point.z = x, y, z
        self._message.header.stamp = to_time(frame.audio_time_s)
        self._publisher.publish(self._message)

    def close(self) -> None:
        """Take the topic off the graph."""
        self._node.destroy_publisher(self._publisher)
