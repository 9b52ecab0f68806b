"""What a subscriber sees of the graph that `soak_graph.py` tries, and the buttons to press."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import numpy as np
import rclpy
from asynfusion_ros.msg import AudioChunk, FaceBlendshapes
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from asynfusion_ros.nodes import interface
from asynfusion_ros.nodes.diagnostics import read_diagnostics


class Observer:
    """What a subscriber sees of the graph, and the buttons to press."""

    def __init__(self) -> None:
        """Subscribe, and spin on a thread."""
        rclpy.init()
        self.node = rclpy.create_node("soak_observer")
        self.arrivals_s: list[float] = []
        self.values: list[tuple[float, dict[str, str]]] = []
        self.faults: Counter[str] = Counter()
        qos = interface.MOTION_QOS
        self.node.create_subscription(JointState, interface.JOINT_STATES, self._joints, qos)
        self.node.create_subscription(FaceBlendshapes, interface.BLENDSHAPES, self._face, qos)
        self.node.create_subscription(DiagnosticArray, interface.DIAGNOSTICS, self._status, qos)
        self.audio = self.node.create_publisher(AudioChunk, interface.AUDIO, interface.AUDIO_QOS)
        self.stop = self.node.create_publisher(Bool, "avatar/stop", interface.MOTION_QOS)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        threading.Thread(target=self._executor.spin, daemon=True).start()

    def _joints(self, message: JointState) -> None:
        self.arrivals_s.append(time.monotonic())
        values = (*message.position, *message.velocity)
        self.faults["joints that are no numbers"] += not np.isfinite(values).all()

    def _face(self, message: FaceBlendshapes) -> None:
        weights = np.asarray(message.weight)
        good = np.isfinite(weights).all() and (weights >= 0).all() and (weights <= 1).all()
        self.faults["faces out of range"] += not good

    def _status(self, message: DiagnosticArray) -> None:
        values = read_diagnostics(message)
        if values is not None:
            self.values.append((time.monotonic(), values))

    def value(self, name: str) -> str:
        """Return a value of the avatar's last diagnostics; empty where they are old."""
        fresh = [v for at_s, v in self.values[-1:] if at_s > time.monotonic() - 3.0]
        return fresh[0].get(name, "") if fresh else ""

    def call(self, kind: Any, name: str, request: Any = None) -> bool:
        """Call a service; tell whether it answered."""
        client = self.node.create_client(kind, name)
        done = threading.Event()
        try:
            if not client.wait_for_service(timeout_sec=10.0):
                return False
            client.call_async(request or kind.Request()).add_done_callback(lambda _: done.set())
            return done.wait(20.0)
        finally:
            self.node.destroy_client(client)
