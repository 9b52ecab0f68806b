"""What ROS is like here, tried out; run as a module, it prints that as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from asynfusion_ros.msg import AudioChunk

PATIENCE_S = 5.0
_TOPIC = "asynfusion_doctor"


def describe_environment() -> dict[str, Any]:
    """Return distribution, middleware, domain, and how long one of our messages took [ms].

    `round_trip_ms` is None where a message sent by one node reached no other within PATIENCE_S.
    """
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        round_trip_ms = _try_message(context)
    finally:
        rclpy.try_shutdown(context=context)
    return {
        "distribution": os.environ.get("ROS_DISTRO", ""),
        "middleware": rclpy.get_rmw_implementation_identifier(),
        "domain": os.environ.get("ROS_DOMAIN_ID", "0"),
        "discovery": os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET"),
        "round_trip_ms": round_trip_ms,
    }


def _try_message(context: rclpy.Context) -> float | None:
    speaker = Node("asynfusion_doctor_speaker", context=context)
    listener = Node("asynfusion_doctor_listener", context=context)
    executor = SingleThreadedExecutor(context=context)
    arrivals: list[float] = []
    sent_s = 0.0
    try:
        topic = f"{_TOPIC}_{os.getpid()}"
        publisher = speaker.create_publisher(AudioChunk, topic, 10)
        listener.create_subscription(
            AudioChunk, topic, lambda message: arrivals.append(time.monotonic()), 10
        )
        executor.add_node(listener)
        end_s = time.monotonic() + PATIENCE_S
        while not arrivals and time.monotonic() < end_s:
            if publisher.get_subscription_count() and not sent_s:
                sent_s = time.monotonic()
                publisher.publish(AudioChunk(encoding=AudioChunk.ENCODING_S16LE))
            executor.spin_once(timeout_sec=0.02)
    finally:
        executor.shutdown(timeout_sec=1.0)
        speaker.destroy_node()
        listener.destroy_node()
    return 1e3 * (arrivals[0] - sent_s) if arrivals else None


def main() -> int:
    """Print the environment as one line of JSON."""
    print(json.dumps(describe_environment()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
