"""What every executable does: make the node, spin it in one thread, end it cleanly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from asynfusion_ros.errors import AsynFusionError

_SPIN_S = 0.1
_USER_ERRORS = (AsynFusionError, InvalidParameterTypeException, InvalidParameterValueException)


def run_node(make: Callable[[], Any], argv: Sequence[str] | None = None) -> int:
    """Spin the node until it is done or the context ends; return the exit status.

    The node is done when its `exit_status` is no longer None; its `close()` is called before it is
    destroyed. An error that the user can mend is said in one line and gives status 2.
    """
    rclpy.init(args=None if argv is None else list(argv))
    try:
        node = make()
    except _USER_ERRORS as error:
        print(f"asynfusion: {error}", file=sys.stderr, flush=True)
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while rclpy.ok() and node.exit_status is None:
            executor.spin_once(timeout_sec=_SPIN_S)
    except (KeyboardInterrupt, ExternalShutdownException):
        node.exit_status = node.exit_status or 0
    finally:
        node.close()
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.try_shutdown()
    return node.exit_status or 0
